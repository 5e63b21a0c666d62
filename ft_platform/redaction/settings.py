"""Settings of a use case as the UI shows them: without what may name a person."""

from collections.abc import Mapping
from typing import Any

from ft_platform.process.hidden_names import source_place

PLACES = ("uri", "consent_ledger", "gold", "text_file", "benchmarks", "checksums")
"""Settings that may name files of data."""
PRIVATE = ("words", "pattern", "query")
"""Settings that may quote records: names to look for, what to select."""
MODELS = ("base_model",)
"""Sections whose `uri` is that of a model."""


def shown_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same settings; names of data files, words to look for and queries are withheld. The YAML has them."""
    return {section: values if section in MODELS else _shown(values) for section, values in settings.items()}


def _shown(value: Any, name: str = "") -> Any:
    if name in PRIVATE and value:
        return f"{len(value)} withheld" if isinstance(value, list) else "withheld"
    if isinstance(value, Mapping):
        return {key: _shown(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_shown(one, name) for one in value]
    return source_place(value) if name in PLACES and isinstance(value, str) else value
