"""Metadata of our own stages: what they show holds no value of a record, and the edge lets it through."""

from collections.abc import Mapping
from typing import Any

from dagster._core.definitions.metadata import normalize_metadata_value
from dagster_shared.serdes import pack_value

from ft_platform.errors.vouched import vouch
from ft_platform.redaction.edge import vouched_form


def vouched_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The same metadata, which may be shown."""
    for label, value in metadata.items():
        vouch(label)
        vouch(vouched_form(pack_value(normalize_metadata_value(value))))  # type: ignore[arg-type]
    return dict(metadata)
