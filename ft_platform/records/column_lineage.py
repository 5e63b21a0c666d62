"""Which columns of a table come from which columns of the table before it.

It begins at `raw_records`: columns of a source are named in the use case's file only."""

import pyarrow as pa

from ft_platform.records.schemas import anonymized_schema, cleaned_schema, raw_schema, splits_schema
from ft_platform.use_case.named import NamedUseCase

QUARANTINED = pa.schema([(name, pa.string()) for name in ("record_id", "expectation", "columns")])
"""Columns of `quarantined_records`: one row per record and expectation that it does not meet. Never a value: the record
stays readable in the version before."""

SCHEMAS = {
    "raw_records": raw_schema,
    "permitted_records": raw_schema,
    "cleaned_records": cleaned_schema,
    "quarantined_records": lambda _: QUARANTINED,
    "anonymized_records": anonymized_schema,
    "splits": splits_schema,
}
"""Stage -> columns of its table, for a use case."""

PARENTS = {
    "permitted_records": "raw_records",
    "cleaned_records": "permitted_records",
    "quarantined_records": "cleaned_records",
    "anonymized_records": "cleaned_records",
    "splits": "anonymized_records",
}
"""Table -> the table that it is made from."""

MADE_FROM = {
    ("cleaned_records", "changes"): ("messages",),
    ("cleaned_records", "sha256_before"): ("messages",),
    ("cleaned_records", "sha256_after"): ("messages",),
    ("cleaned_records", "text_characters"): ("messages",),
    ("anonymized_records", "entities"): ("messages",),
    ("anonymized_records", "sha256_after"): ("messages",),
    ("anonymized_records", "text_characters"): ("messages",),
    ("splits", "group_id"): ("subject_id", "messages"),
    ("splits", "split"): ("subject_id", "messages", "label"),
}
"""Columns that are computed. Every other one is the column of the same name in the parent."""

WHAT = {
    "record_id": "assigned once at raw_records, never changes",
    "source_key": "the source's own id",
    "source_uri": "file or table it was read from",
    "source_position": "row in it",
    "source_hash": "sha256 of the row as it was read",
    "ingested_at": "when it was read first",
    "subject_id": "whose record it is; from anonymized_records on a pseudonym",
    "messages": "the conversation, by role",
    "label": "the class",
    "record_date": "day of the record",
    "consent": "what the person agreed to",
    "purpose": "what it may be used for",
    "expires": "last day on which it may be used",
    "changes": "kinds of repair",
    "sha256_before": "of the texts before cleaning",
    "sha256_after": "of the texts of this table",
    "text_characters": "characters of the user's text",
    "entities": "what was replaced, by kind",
    "group_id": "records that stay on one side",
    "split": "train, validation or test",
    "expectation": "that the record does not meet",
    "columns": "that the expectation looks at",
}
"""Column -> what it holds, where the name does not say it."""


def schema_of(use_case: NamedUseCase, stage: str) -> pa.Schema | None:
    """Columns of a stage's table; None: it writes none."""
    return SCHEMAS[stage](use_case) if stage in SCHEMAS else None


def column_parents(use_case: NamedUseCase, stage: str) -> dict[str, tuple[str, ...]]:
    """Column of a stage's table -> columns of its parent's table that it is made from. Empty without such a parent."""
    if stage not in PARENTS:
        return {}
    known = set(SCHEMAS[PARENTS[stage]](use_case).names)
    made = {name: MADE_FROM.get((stage, name), (name,)) for name in SCHEMAS[stage](use_case).names}
    return {name: columns for name, columns in made.items() if set(columns) <= known}
