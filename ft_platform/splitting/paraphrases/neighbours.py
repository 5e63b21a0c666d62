"""Pairs of vectors at a small angle. Few vectors are compared all with all; many are put into cells around pivots
first.

Pivots are vectors of the sample themselves; each vector stands in the cells of the `CELLS_EACH` pivots nearest to it,
and is compared with all of each cell (a form of inverted file: Jegou, Douze, Schmid, TPAMI 33, 2011). Cost: vectors x
`CELL_VECTORS`, as long as cells are about equal."""

from collections.abc import Iterator

import numpy as np

from ft_platform.splitting.paraphrases.vector_file import VectorFile

ONE_CELL = 30_000
"""Vectors up to which all are compared with all: 3 cpu-seconds for 256 dimensions."""
CELLS_EACH = 4
CELL_VECTORS = 4_000
"""Vectors of a cell at the mean."""
BLOCK = 1024
MARGIN = 2e-3
"""What a cosine in single precision may be off."""


def similar_pairs(vectors: VectorFile, rows: np.ndarray, similarity: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows i, j of pairs with a cosine of at least `similarity`, in blocks, no pair twice.

    Args:
        rows: those that take part, in an order that does not depend on that of the table: the first of them are the
            pivots.
        similarity: in (0, 1].
    """
    if len(rows) <= ONE_CELL:
        yield from _near(vectors.read(rows), rows, similarity)
        return
    cells, pivots = _cells(vectors, rows)
    place = np.argsort(cells, axis=None, kind="stable")
    borders = np.searchsorted(cells.ravel()[place], np.arange(pivots + 1))
    for cell, (start, stop) in enumerate(zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True)):
        members = place[start:stop] // cells.shape[1]
        for i, j in _near(vectors.read(rows[members]), members, similarity):
            first = _first_common(cells[i], cells[j]) == cell
            yield rows[i[first]], rows[j[first]]


def _cells(vectors: VectorFile, rows: np.ndarray) -> tuple[np.ndarray, int]:
    """The pivots nearest to each vector, shape `(rows, CELLS_EACH)`, and how many pivots there are."""
    pivots = vectors.read(rows[: len(rows) * CELLS_EACH // CELL_VECTORS]).T.copy()
    cells = np.empty((len(rows), CELLS_EACH), np.int32)
    for start in range(0, len(rows), BLOCK):
        near = vectors.read(rows[start : start + BLOCK]) @ pivots
        cells[start : start + BLOCK] = np.argpartition(near, -CELLS_EACH, axis=1)[:, -CELLS_EACH:]
    return cells, pivots.shape[1]


def _near(vectors: np.ndarray, names: np.ndarray, similarity: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, len(vectors), BLOCK):
        cosines = vectors[start : start + BLOCK] @ vectors[start:].T
        i, j = np.nonzero(cosines >= similarity - MARGIN)
        i, j = i[i < j] + start, j[i < j] + start
        sure = _cosines(vectors, i, j) >= similarity
        if sure.any():
            yield names[i[sure]], names[j[sure]]


def _cosines(vectors: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Cosine of each pair; the same whatever stands beside it, unlike the product of matrices."""
    found = np.empty(len(i))
    for start in range(0, len(i), 64 * BLOCK):
        a, b = (vectors[part[start : start + 64 * BLOCK]].astype(np.float64) for part in (i, j))
        found[start : start + len(a)] = (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return found


def _first_common(cells: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The smallest cell that both of each pair are in. Shape `(pairs,)`."""
    common = (cells[:, :, None] == others[:, None, :]).any(axis=2)
    return np.where(common, cells, np.iinfo(np.int32).max).min(axis=1)
