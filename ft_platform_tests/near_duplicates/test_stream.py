"""Near duplicates of texts that are read batch by batch."""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml

from ft_platform.records.near_duplicates import find_near_duplicates_stream, rank_of
from ft_platform_tests.near_duplicates.all_pairs import in_batches, jaccard

WORDS = [f"word{i}" for i in range(3000)]


def planted(count: int, seed: int) -> list[str]:
    """Texts of 8 to 40 words, two of five edits of another one, from a changed word to half of the words."""
    rng = random.Random(seed)
    texts = [rng.choices(WORDS, k=rng.randint(8, 40)) for _ in range(count * 3 // 5)]
    for original in rng.choices(texts, k=count - len(texts)):
        edit = list(original)
        for _ in range(rng.choice([0, 1, 1, 2, 4, len(edit) // 2])):
            edit[rng.choice([0, -1, rng.randrange(len(edit))])] = rng.choice(WORDS)
        texts.append(edit)
    rng.shuffle(texts)
    return [" ".join(words) for words in texts]


@pytest.mark.integration
def test_every_planted_pair_from_08_is_found_and_none_below_06_is_merged(tmp_path: Path) -> None:
    """Against comparing all with all by the definition of Jaccard similarity."""
    texts = planted(700, seed=1)
    similar = {(i, j): s for i in range(700) for j in range(i + 1, 700) if (s := jaccard(texts[i], texts[j])) > 0.3}
    close = [pair for pair, s in similar.items() if s >= 0.8]
    found = find_near_duplicates_stream(in_batches(texts), 700, 0.8, tmp_path, "tests")
    assert len(close) > 100 and all(found.cluster[i] == found.cluster[j] for i, j in close)
    said = [(int(found.original[row]), row) for row in np.flatnonzero(found.original >= 0).tolist()]
    assert said and all(similar[min(pair), max(pair)] >= 0.8 for pair in said)
    assert sum(0.3 < s < 0.6 for s in similar.values()) > 20
    assert found.capped == 0


@pytest.mark.parametrize("seed", range(4))
def test_what_goes_is_what_a_loop_over_all_texts_removes(seed: int, tmp_path: Path) -> None:
    """Each text in its order goes if it is near one that stays; copies share the fate of the first of them."""
    texts = [*planted(250, seed), "a b c d e f g h", "a b c d e f g h i", "a b c d e f g h i j"]
    order = np.random.default_rng(seed).permutation(len(texts)).astype(np.int32)
    expected = np.full(len(texts), -1)
    kept: list[int] = []
    for row in np.argsort(order).tolist():
        near = next((k for k in kept if jaccard(texts[k], texts[row]) >= 0.85), -1)
        expected[row] = near
        kept += [row] if near < 0 else []
    found = find_near_duplicates_stream(in_batches(texts, 40), len(texts), 0.85, tmp_path, "tests", order=order)
    assert found.original.tolist() == expected.tolist() and (expected >= 0).sum() > 20


def test_the_result_does_not_depend_on_the_order_of_the_rows_or_on_batches(tmp_path: Path) -> None:
    texts = planted(300, seed=5)
    ids = [f"id{i:04d}" for i in range(len(texts))]
    rows = np.random.default_rng(0).permutation(len(texts))
    results = []
    for given, size in ((np.arange(len(texts)), 8192), (rows, 7)):
        named = [ids[row] for row in given]
        rank = rank_of(iter([pa.array(named)]))
        found = find_near_duplicates_stream(
            in_batches([texts[row] for row in given], size), len(texts), 0.8, tmp_path, "tests", order=rank
        )
        originals = {
            named[row]: named[found.original[row]] if found.original[row] >= 0 else "" for row in range(len(texts))
        }
        results.append((originals, {named[row]: named[found.cluster[row]] for row in range(len(texts))}))
    assert results[0] == results[1]
    assert all(not original or original < name for name, original in results[0][0].items())


def test_a_chain_loses_only_what_is_near_a_kept_text_but_is_one_cluster(tmp_path: Path) -> None:
    chain = [
        " ".join(WORDS[start : start + 20]) for start in (0, 2, 4)
    ]  # neighbours share 16 of 20 shingles, the ends 14 of 22
    assert [round(jaccard(chain[i], chain[j]), 2) for i, j in ((0, 1), (1, 2), (0, 2))] == [0.8, 0.8, 0.64]
    found = find_near_duplicates_stream(in_batches(chain), 3, 0.8, tmp_path, "tests")
    assert found.original.tolist() == [-1, 0, -1] and found.cluster.tolist() == [0, 0, 0]


def test_rows_that_are_left_out_take_no_part(tmp_path: Path) -> None:
    texts = ["one two three four five"] * 3
    found = find_near_duplicates_stream(
        in_batches(texts), 3, 0.8, tmp_path, "tests", left_out=np.array([True, False, False])
    )
    assert found.original.tolist() == [-1, -1, 1]


def test_intermediate_files_are_removed(tmp_path: Path) -> None:
    find_near_duplicates_stream(in_batches(planted(50, seed=2)), 50, 0.8, tmp_path, "tests")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("rows", "message"), [(2, "more texts than the 2 rows"), (4, "3 texts instead of the 4 rows")])
def test_another_number_of_texts_than_announced_is_refused(rows: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        find_near_duplicates_stream(in_batches(["a b c", "d e f", "g h i"]), rows, 0.8, tmp_path, "tests")


@pytest.mark.parametrize("order", [[0, 0, 1], [1, 2, 3], [0, 1]])
def test_an_order_that_is_no_permutation_is_refused(order: list[int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="permutation of 3 ranks"):
        find_near_duplicates_stream(
            in_batches(["a", "b", "c"]), 3, 0.8, tmp_path, "tests", order=np.array(order, np.int32)
        )


@pytest.mark.real_data
def test_a_data_set_of_ten_questions_repeated_1050_times_has_ten_texts(shared_data: Path, tmp_path: Path) -> None:
    pairs = yaml.safe_load((shared_data / "chatterbot_tech_support" / "tech_support.yml").read_text())["conversations"]
    texts = [question for question, _ in pairs]
    found = find_near_duplicates_stream(in_batches(texts, 100), len(texts), 0.8, tmp_path, "tests")
    assert len(texts) == 1050 and int((found.original < 0).sum()) == 10
    assert Counter(found.cluster.tolist()) == Counter(
        {texts.index(text): count for text, count in Counter(texts).items()}
    )
