"""Whether each side has the labels in about the shares they have in all records."""

from typing import Any

import numpy as np

from ft_platform.records.columns import SIDES
from ft_platform.records.rows import Rows
from ft_platform.splitting.feedback import Asked
from ft_platform.splitting.labels import read_labels
from ft_platform.splitting.membership import side_numbers
from ft_platform.use_case.named import NamedUseCase


def label_shares(use_case: NamedUseCase, rows: Rows, asked: Asked | None = None) -> dict[str, Any]:
    """`passed`, `bound` (`splits.max_label_shift`), and `shift`: for each side the total variation distance in [0, 1]
    between its label shares and those of all records, half the sum of absolute differences. A side without records has
    1.

    Requests to a served model (`asked`) do not count: they are all for training.

    Without labels (generation) there is nothing to compare, and `shift` is empty.

    Raises:
        DataError: a row is on none of the three sides.
    """
    bound = use_case.settings.splits.max_label_shift
    if use_case.settings.task.kind != "classification":
        return {"shift": {}, "bound": bound, "rows": rows.num_rows, "passed": True}
    labels = read_labels(rows)
    sides = side_numbers(rows)
    known = (labels.codes >= 0) & ~(asked or Asked()).rows(rows)
    counts = np.zeros((len(SIDES), len(labels.names)), np.int64)
    np.add.at(counts, (sides[known], labels.codes[known]), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    overall = counts.sum(axis=0) / max(int(counts.sum()), 1)
    shift = np.where(counts.sum(axis=1) > 0, np.abs(shares - overall).sum(axis=1) / 2, 1.0)
    by_side = {side: round(float(value), 4) for side, value in zip(SIDES, shift, strict=True)}
    return {"shift": by_side, "bound": bound, "rows": rows.num_rows, "passed": bool(shift.max() <= bound)}
