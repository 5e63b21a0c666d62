"""The columns of each stage as arrow schemas: the contract between the stages."""

import pyarrow as pa

from ft_platform.records.columns import COUNTS, MESSAGES, text_fields
from ft_platform.use_case.named import NamedUseCase


def feature_columns(use_case: NamedUseCase) -> list[str]:
    return [f"feature_{name}" for name in use_case.settings.record.features]


def raw_schema(use_case: NamedUseCase) -> pa.Schema:
    """Columns of `raw_records` and `permitted_records` (restricted zone)."""
    mapped = [*use_case.settings.record.permission_columns(), *feature_columns(use_case)]
    return pa.schema(
        [
            *text_fields("record_id source_key source_uri"),
            pa.field("source_position", pa.int64()),
            *text_fields("source_hash"),
            pa.field("ingested_at", pa.timestamp("us", tz="UTC")),
            *text_fields("subject_id"),
            pa.field("messages", MESSAGES),
            *text_fields("label record_date consent purpose expires"),
            *[pa.field(name, pa.string()) for name in mapped],
        ]
    )


def cleaned_schema(use_case: NamedUseCase) -> pa.Schema:
    """Columns of `cleaned_records` (restricted zone): raw columns, what was changed, and hashes before and after."""
    changes, hashes = pa.field("changes", pa.list_(pa.string())), text_fields("sha256_before sha256_after")
    return pa.schema([*raw_schema(use_case), changes, *hashes, pa.field("text_characters", pa.int32())])


def anonymized_schema(use_case: NamedUseCase) -> pa.Schema:
    """Columns of `anonymized_records` (shared zone): no source key, no source position, no text hash of the
    original."""
    return pa.schema(
        [
            *text_fields("record_id subject_id"),
            pa.field("messages", MESSAGES),
            *text_fields("label record_date"),
            *[pa.field(name, pa.string()) for name in feature_columns(use_case)],
            pa.field("entities", COUNTS),
            *text_fields("sha256_after"),
            pa.field("text_characters", pa.int32()),
        ]
    )


def splits_schema(use_case: NamedUseCase) -> pa.Schema:
    """Columns of `splits` (shared zone): anonymized columns, the group that stays together, and the side."""
    return pa.schema([*anonymized_schema(use_case), *text_fields("group_id split")])
