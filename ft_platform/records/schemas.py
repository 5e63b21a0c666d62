"""The columns of each stage as arrow schemas: the contract between the stages."""

import pyarrow as pa

from ft_platform.records.columns import COUNTS, MESSAGES
from ft_platform.use_case.named import NamedUseCase


def feature_columns(use_case: NamedUseCase) -> list[str]:
    return [f"feature_{name}" for name in use_case.settings.record.features]


def raw_schema(use_case: NamedUseCase) -> pa.Schema:
    """Columns of `raw_records` and `permitted_records` (restricted zone)."""
    return pa.schema(
        [
            pa.field("record_id", pa.string()),
            pa.field("source_key", pa.string()),
            pa.field("source_uri", pa.string()),
            pa.field("source_position", pa.int64()),
            pa.field("source_hash", pa.string()),
            pa.field("ingested_at", pa.timestamp("us", tz="UTC")),
            pa.field("subject_id", pa.string()),
            pa.field("messages", MESSAGES),
            pa.field("label", pa.string()),
            pa.field("record_date", pa.string()),
            pa.field("consent", pa.string()),
            pa.field("purpose", pa.string()),
            pa.field("expires", pa.string()),
            *[pa.field(name, pa.string()) for name in use_case.settings.record.permission_columns()],
            *[pa.field(name, pa.string()) for name in feature_columns(use_case)],
        ]
    )


def cleaned_schema(use_case: NamedUseCase) -> pa.Schema:
    """Columns of `cleaned_records` (restricted zone): raw columns, what was changed, and hashes before and after."""
    return pa.schema(
        [
            *raw_schema(use_case),
            pa.field("changes", pa.list_(pa.string())),
            pa.field("sha256_before", pa.string()),
            pa.field("sha256_after", pa.string()),
            pa.field("text_characters", pa.int32()),
        ]
    )


def anonymized_schema(use_case: NamedUseCase) -> pa.Schema:
    """Columns of `anonymized_records` (shared zone): no source key, no source position, no text hash of the
    original."""
    return pa.schema(
        [
            pa.field("record_id", pa.string()),
            pa.field("subject_id", pa.string()),
            pa.field("messages", MESSAGES),
            pa.field("label", pa.string()),
            pa.field("record_date", pa.string()),
            *[pa.field(name, pa.string()) for name in feature_columns(use_case)],
            pa.field("entities", COUNTS),
            pa.field("sha256_after", pa.string()),
            pa.field("text_characters", pa.int32()),
        ]
    )


def splits_schema(use_case: NamedUseCase) -> pa.Schema:
    """Columns of `splits` (shared zone): anonymized columns, the group that stays together, and the side."""
    return pa.schema([*anonymized_schema(use_case), pa.field("group_id", pa.string()), pa.field("split", pa.string())])
