"""Sides that the records themselves name, as in data sets with an official test split."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import DataError
from ft_platform.records.columns import SIDES
from ft_platform.records.rows import Rows
from ft_platform.splitting.sides import NONE, TRAIN
from ft_platform.use_case.named import NamedUseCase


def given_sides(use_case: NamedUseCase, rows: Rows, trained: np.ndarray | None = None) -> np.ndarray:
    """The side that each row names in the feature `splits.given_by`, as a place in `SIDES`. Shape `(rows,)`, dtype
    int8.

    Args:
        trained: rows that name none and are for training. Shape `(rows,)`, dtype bool.

    Raises:
        DataError: rows that name none of the sides. Their values are not quoted.
    """
    name = f"feature_{use_case.settings.splits.given_by}"
    found = [np.empty(0, np.int8)]
    for batch in rows.batches([name]):
        numbers = pc.index_in(batch.column(name), pa.array(SIDES))
        found.append(numbers.fill_null(NONE).to_numpy().astype(np.int8))
    sides = np.concatenate(found)
    if trained is not None:
        sides[trained] = TRAIN
    if wrong := int((sides == NONE).sum()):
        raise DataError(
            f"{use_case.name}: {wrong} of {rows.num_rows} records name none of {', '.join(SIDES)} in `{name}`, which"
            " `splits.strategy: given` needs",
            "Correct the column behind `splits.given_by`, or set `splits.strategy: random`",
        )
    return sides


def related_to_later_side(first: np.ndarray, given: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Whether a row's group has a counted row of a later side: the test stays whole, and what would leak into training
    goes. Shape `(rows,)`.

    Args:
        first: row that names the group of each row. Shape `(rows,)`.
        given: side of each row, a place in `SIDES`, which stand in the order train, validation, test. Shape `(rows,)`.
        counted: rows that are still there. Shape `(rows,)`, dtype bool.
    """
    latest = np.full(len(first), NONE, np.int8)
    np.maximum.at(latest, first[counted], given[counted])
    return counted & (given < latest[first])
