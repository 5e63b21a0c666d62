"""Metrics out of the scores that a predictions table keeps of each record, without the records."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import LabelOutputs

FIELDS = ("fields_right", "fields_stated", "fields_expected")
COLUMNS = {
    "rouge_l": ("rouge_l",),
    "refusal_rate": ("refusal_rate",),
    "similarity": ("similarity",),
    "style": ("keeps_style",),
    "json_validity": ("valid_json",),
    "schema_validity": ("valid_by_schema",),
    "field_f1": FIELDS,
    "field_precision": FIELDS,
    "field_recall": FIELDS,
    "answer_loss": ("answer_loss", "answer_tokens"),
    "perplexity": ("answer_loss", "answer_tokens"),
}
"""Metric of texts -> columns that it adds up; one alone is averaged over records. Others, such as chrF, need the
texts."""


def label_outputs(rows: pa.Table, labels: list[str]) -> LabelOutputs:
    """The labels that a system gave.

    Args:
        rows: of one system (`evaluation.predictions`).
        labels: every label, those that only a model says among them.
    """
    return LabelOutputs(labels, rows["label"].to_pylist(), rows["predicted"].to_pylist())


def over_stored_scores(metric: Metric, labels: list[str]) -> Metric:
    """The same metric, whose outputs are rows of one system. It applies where the rows have all that it adds up."""
    if metric.task == "classification":
        return replace(
            metric,
            statistics=lambda rows: metric.statistics(label_outputs(rows, labels)),
            applies=lambda rows: "predicted" in rows.schema.names,
        )
    columns = COLUMNS.get(metric.name, ())
    return replace(
        metric,
        statistics=lambda rows: _added_up(rows, columns),
        applies=lambda rows: bool(columns) and all(_is_known(rows, name) for name in columns),
    )


def _is_known(rows: pa.Table, name: str) -> bool:
    return name in rows.schema.names and rows[name].null_count == 0


def _added_up(rows: pa.Table, columns: tuple[str, ...]) -> np.ndarray:
    """Shape `(rows, k)`."""
    found = [np.asarray(rows[name].to_pylist(), float) for name in columns]
    if columns == COLUMNS["answer_loss"]:
        found[0] = found[0] * found[1]  # the mean loss of a record, times its tokens
    return np.stack([*found, np.ones(len(rows))] if len(found) == 1 else found, axis=1)
