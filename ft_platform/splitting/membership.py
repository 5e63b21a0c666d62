"""The side on which each record stood in an earlier version, so that it stays there."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import DataError
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.records.columns import SIDES
from ft_platform.records.key_hashes import KeyIndex, collected, key_hashes
from ft_platform.records.rows import Rows
from ft_platform.use_case.named import NamedUseCase


def division_name(use_case: NamedUseCase) -> str:
    """Divisions of equal names may be carried on. Another seed asks for another division."""
    settings = use_case.settings.splits
    return f"random, seed {settings.seed}" if settings.strategy == "random" else settings.strategy


def carried_on(lake: Lake, use_case: NamedUseCase) -> TableVersion | None:
    """The version of `splits` whose sides the next one keeps, or None: there is none, or the YAML does not want it."""
    settings = use_case.settings.splits
    newest = lake.latest(use_case.name, "splits") if settings.sticky and settings.strategy == "random" else None
    return newest if newest and lake.manifest(newest).counts.get("division") == division_name(use_case) else None


class Membership:
    """Sides by record_id; holds 25 bytes a record.

    Args:
        rows: an earlier version of `splits`; needs `record_id` and `split`.

    Raises:
        DataError: a row of it is on none of the sides.
    """

    def __init__(self, rows: Rows) -> None:
        ids = (batch.column("record_id") for batch in rows.batches(["record_id"]))
        self._index = KeyIndex(collected(ids, rows.num_rows))
        self._sides = side_numbers(rows)[self._index.order]

    def sides(self, rows: Rows) -> np.ndarray:
        """Side of each record (a place in `SIDES`), or -1 where it is new. Shape `(rows,)`, dtype int8."""
        if not len(self._sides):
            return np.full(rows.num_rows, -1, np.int8)
        found = [np.empty(0, np.int8)]
        for batch in rows.batches(["record_id"]):
            places = self._index.find(key_hashes(batch.column("record_id")))
            found.append(np.where(places >= 0, self._sides[places], -1).astype(np.int8))
        return np.concatenate(found)


def side_numbers(rows: Rows) -> np.ndarray:
    """Values of the column `split` as places in `SIDES`. Shape `(rows,)`, dtype int8.

    Raises:
        DataError: a row is on none of them.
    """
    sides = [pc.index_in(batch.column("split"), pa.array(SIDES)) for batch in rows.batches(["split"])]
    if missing := sum(side.null_count for side in sides):
        raise DataError(
            f"{missing} rows of `splits` are on none of the sides {', '.join(SIDES)}", "Materialize `splits` again"
        )
    return np.concatenate([np.empty(0, np.int8), *(side.to_numpy().astype(np.int8) for side in sides)])
