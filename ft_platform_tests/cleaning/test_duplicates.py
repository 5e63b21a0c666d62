from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ft_platform.cleaning.duplicates import exact_duplicates_stream, near_duplicates_stream
from ft_platform.near_duplicates import Texts

LETTER = "the bank charged me a fee of thirty dollars on my checking account and I want it back"


def in_batches(keys: list[str], size: int = 2) -> Texts:
    def batches() -> Iterator[pa.Array]:
        for start in range(0, len(keys), size):
            yield pa.array(keys[start : start + size], pa.string())

    return batches


def test_a_repeated_key_names_the_first_one_also_in_another_batch() -> None:
    assert exact_duplicates_stream(in_batches(["a", "b", "c", "a", "b", "a"]), 6).tolist() == [-1, -1, -1, 0, 1, 0]


def test_of_equal_keys_the_one_of_smallest_rank_stays() -> None:
    assert exact_duplicates_stream(in_batches(["a", "b", "a", "a"]), 4, order=np.array([3, 0, 1, 2])).tolist() == [
        2,
        -1,
        -1,
        2,
    ]


def test_keys_that_differ_in_one_character_are_no_duplicates() -> None:
    assert exact_duplicates_stream(in_batches(["a", "A", "a ", ""]), 4).tolist() == [-1] * 4


def test_another_number_of_keys_than_announced_is_refused() -> None:
    with pytest.raises(ValueError, match="3 keys instead of the 4 rows"):
        exact_duplicates_stream(in_batches(["a", "b", "c"]), 4)


def test_copies_share_the_fate_of_their_original(tmp_path: Path) -> None:
    """Row 2 is near row 0, and row 3 a copy of row 2: it goes with it, for row 0."""
    texts = [LETTER, "something else that nobody has sent before", LETTER + " now", LETTER + " now"]
    repeated = exact_duplicates_stream(in_batches(texts), 4)
    found, capped = near_duplicates_stream(in_batches(texts), 4, 0.85, tmp_path, stage="tests", repeated=repeated)
    assert repeated.tolist() == [-1, -1, -1, 2] and found.tolist() == [-1, -1, 0, 0] and capped == 0


def test_without_exact_duplicates_a_copy_goes_for_the_first_of_its_kind(tmp_path: Path) -> None:
    found, _ = near_duplicates_stream(
        in_batches([LETTER, LETTER.upper(), "other words"]), 3, 0.85, tmp_path, stage="tests"
    )
    assert found.tolist() == [-1, 0, -1]
