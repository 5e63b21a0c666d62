"""The flat columns that expectations are about: what is known of each record, without its texts."""

from collections import defaultdict
from typing import Literal

import pyarrow as pa

from ft_platform.records import answers, feature_columns
from ft_platform.use_case import NamedUseCase

TableName = Literal["cleaned_records", "splits"]


def columns_of(use_case: NamedUseCase, table_name: TableName) -> list[str]:
    """Names that an expectation on this table may use."""
    own = ["split", "label_splits"] if table_name == "splits" else []
    return ["record_id", "text_characters", "answer_characters", "label", "record_date", *own, *feature_columns(use_case)]


def flat_columns(use_case: NamedUseCase, table_name: TableName, table: pa.Table) -> pa.Table:
    """One row per record. `answer_characters`: length of the last assistant message, null without one; `label_splits`: on how many sides its label is."""
    derived = {"answer_characters": pa.array([None if answer is None else len(answer) for answer in answers(table["messages"])], pa.int64())}
    if table_name == "splits":
        sides: dict[str | None, set[str]] = defaultdict(set)
        labels = table["label"].to_pylist()
        for label, side in zip(labels, table["split"].to_pylist(), strict=True):
            sides[label].add(side)
        derived["label_splits"] = pa.array([len(sides[label]) for label in labels], pa.int64())
    return pa.table({name: derived[name] if name in derived else table[name] for name in columns_of(use_case, table_name)})
