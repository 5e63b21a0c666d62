"""Which records repeat another one, and which one of them stays: the one with the smallest record_id.

A record_id is a hash of the record's content, so the choice does not depend on the order of the rows or files.
Nothing here holds a text: exact duplicates cost 16 bytes a row, near ones about 100.
"""

from pathlib import Path

import numpy as np

from ft_platform.near_duplicates import Texts, find_near_duplicates_stream
from ft_platform.near_duplicates.copies import first_of_equal
from ft_platform.records.key_hashes import collected


def exact_duplicates_stream(keys: Texts, rows: int, *, order: np.ndarray | None = None) -> np.ndarray:
    """Row that each row repeats, or -1 for the first of its kind. Shape `(rows,)`, dtype int32.

    Args:
        keys: gives what two records must share to be the same, as string arrays.
        order: rank of each row; of equal ones that of smallest rank stays. Default: the order of the rows.

    Raises:
        ValueError: there are more or fewer keys than rows.
    """
    return first_of_equal(collected(keys(), rows), order)


def near_duplicates_stream(
    texts: Texts,
    rows: int,
    threshold: float,
    folder: Path,
    *,
    stage: str,
    order: np.ndarray | None = None,
    repeated: np.ndarray | None = None,
) -> tuple[np.ndarray, int]:
    """Row that each row goes for because it is near that one, or -1; and how many buckets of texts were capped.

    A text goes only if it is itself near one that stays: in a chain a ~ b ~ c, where a and c are not alike, c stays.

    Args:
        texts, rows, threshold, folder, stage, order: see `find_near_duplicates_stream`.
        repeated: row that each row repeats exactly, or -1: these take no part and share the fate of their original.

    Returns:
        rows of shape `(rows,)`, dtype int32, and a count.
    """
    found = find_near_duplicates_stream(
        texts, rows, threshold, folder, stage, order=order, left_out=None if repeated is None else repeated >= 0
    )
    if repeated is None:
        return found.original, found.capped
    return np.where(repeated >= 0, found.original[repeated], found.original), found.capped
