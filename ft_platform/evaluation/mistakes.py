"""Which test records a system got wrong: for labels by the pair that was mixed up, the surest mistakes first; for texts
the answers farthest from theirs.

Ids and figures, no text of a record.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from ft_platform.use_case.named import NamedUseCase


def mistakes(use_case: NamedUseCase, predictions: pa.Table, records: int) -> list[dict[str, Any]]:
    """Groups of mistakes, the largest first.

    Args:
        predictions: rows of one system (`evaluation.predictions`).
        records: most records of a group that are named.

    Returns:
        `[{"label", "predicted", "count", "records": [{"record_id", "score"}]}]`. For labels `score` is the confidence
        in [0, 1] of the wrong label, or None where a system tells none, the surest first. For texts there is one group,
        whose label and predicted are None, of all records whose answer is not the reference in words and order (ROUGE-L
        below 1); `score` is ROUGE-L, the lowest first.
    """
    if use_case.settings.task.kind == "classification":
        return grouped(predictions, records)
    scores = zip(predictions["record_id"].to_pylist(), predictions["rouge_l"].to_pylist(), strict=True)
    wrong = [{"record_id": record_id, "score": score} for record_id, score in scores if score < 1]
    return _largest_first({(None, None): wrong} if wrong else {}, records, descending=False)


def grouped(predictions: pa.Table, records: int) -> list[dict[str, Any]]:
    """Records whose label and predicted label differ, as `mistakes` gives them.

    Args:
        predictions: columns record_id, label, predicted, confidence.
    """
    found: dict[tuple[str | None, str | None], list[dict[str, Any]]] = defaultdict(list)
    columns = [predictions[name].to_pylist() for name in ("record_id", "label", "predicted", "confidence")]
    for record_id, label, predicted, confidence in zip(*columns, strict=True):
        if label != predicted:
            found[label, predicted].append({"record_id": record_id, "score": confidence})
    return _largest_first(found, records, descending=True)


def _largest_first(
    found: Mapping[tuple[str | None, str | None], list[dict[str, Any]]], records: int, descending: bool
) -> list[dict[str, Any]]:
    groups = sorted(found.items(), key=lambda item: (-len(item[1]), str(item[0])))
    return [
        {"label": label, "predicted": predicted, "count": len(rows), "records": _ordered(rows, descending)[:records]}
        for (label, predicted), rows in groups
    ]


def _ordered(rows: list[dict[str, Any]], descending: bool) -> list[dict[str, Any]]:
    def key(row: dict[str, Any]) -> tuple[float, str]:
        score = row["score"] if row["score"] is not None else 0.0
        return (-score if descending else score, row["record_id"])

    return sorted(rows, key=key)
