import random
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from ft_platform.records import near_duplicates
from ft_platform.records.near_duplicates import candidates, clusters, files, normalized_text, shingle_sets
from ft_platform.records.near_duplicates import shingles as shingles_module
from ft_platform_tests.near_duplicates.all_pairs import find_near_duplicates, jaccard

WORDS = [f"word{i}" for i in range(400)]


def edited_texts(count: int, seed: int) -> list[str]:
    """Random texts of 1 to 60 words, half of them edits of another one, many at its end, where an edit costs least."""
    rng = random.Random(seed)
    texts = [rng.choices(WORDS, k=rng.randint(1, 60)) for _ in range(count // 2)]
    for original in rng.choices(texts, k=count - len(texts)):
        edit = list(original)
        for _ in range(rng.randint(0, 3)):
            edit[rng.choice([-1, 0, rng.randrange(len(edit))])] = rng.choice(WORDS)
        texts.append(edit)
    return [" ".join(words) for words in texts]


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.85, 1.0])
def test_the_pairs_are_those_of_comparing_all_with_all(threshold: float) -> None:
    texts = list(dict.fromkeys(edited_texts(240, seed=int(threshold * 100))))
    expected = {
        (i, j) for i in range(len(texts)) for j in range(i + 1, len(texts)) if jaccard(texts[i], texts[j]) >= threshold
    }
    found = find_near_duplicates(texts, threshold)
    assert set(found.pairs) == expected
    assert [jaccard(texts[i], texts[j]) for i, j in found.pairs] == pytest.approx(found.similarity, abs=1e-9)
    assert len(expected) > 15 or threshold == 1.0


def test_clusters_follow_links_through_others_and_are_named_by_their_smallest_index() -> None:
    assert clusters(6, np.array([[4, 5], [1, 4]])).tolist() == [0, 1, 2, 3, 1, 1]


def test_copies_are_one_cluster_whatever_their_case_and_punctuation() -> None:
    found = find_near_duplicates(
        ["Please close my account.", "other words stand here", "please CLOSE my account!!", "please, close my account"],
        1.0,
    )
    assert found.cluster == [0, 1, 0, 0]
    assert found.pairs == [(0, 2), (0, 3)]


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("yes please", "Yes, please", True),  # fewer than three words: the whole text is the shingle
        ("yes please", "no thanks", False),
        ("yes", "yes please", False),
        ("", "", True),
        ("!!!", "???", False),  # no word at all: the marks count
        ("我想关闭我的支票账户", "我想关闭我的支票账户吗", True),  # 8 of 9 shingles of one character each: 0.889
        ("我想关闭我的支票账户", "请问今天的天气怎么样啊", False),
        ("e\u0301le\u0300ve trois quatre", "e\u0301le\u0300ve trois quatre cinq", False),  # 1 of 2
    ],
)
def test_short_texts_and_other_scripts(a: str, b: str, same: bool) -> None:
    assert (len(find_near_duplicates([a, b], 0.85).pairs) == 1) is same


def test_the_result_does_not_depend_on_the_order_of_the_texts() -> None:
    texts = edited_texts(200, seed=3)
    order = np.random.default_rng(0).permutation(len(texts))
    groups, shuffled = (
        find_near_duplicates(texts, 0.7).cluster,
        find_near_duplicates([texts[i] for i in order], 0.7).cluster,
    )
    assert {frozenset(np.flatnonzero(np.array(groups) == g)) for g in groups} == {
        frozenset(order[np.flatnonzero(np.array(shuffled) == g)]) for g in shuffled
    }


def test_another_process_with_another_hash_seed_finds_the_same() -> None:
    texts = edited_texts(100, seed=4)
    names = "from ft_platform_tests.near_duplicates.all_pairs import *"
    code = f"{names}; print(find_near_duplicates({texts!r}, 0.7).cluster)"
    printed = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "77"}, capture_output=True, text=True, check=True
    ).stdout
    assert printed.strip() == str(find_near_duplicates(texts, 0.7).cluster)


def test_the_size_of_slices_blocks_and_files_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = edited_texts(300, seed=4)
    expected = find_near_duplicates(texts, 0.7)
    assert len(expected.pairs) > 60
    for module, name, value in [
        (shingles_module, "ROWS_AT_ONCE", 7),
        (shingles_module, "BYTES_AT_ONCE", 500),
        (shingle_sets, "ROWS_AT_ONCE", 11),
        (shingle_sets, "ELEMENTS_AT_ONCE", 50),
        (shingle_sets, "PAIRS_AT_ONCE", 5),
        (candidates, "ENTRIES_AT_ONCE", 64),
        (candidates, "RANKS_OF_A_FILE", 13),
        (files, "BUFFERED", 20),
        (near_duplicates, "PAIRS_AT_ONCE", 3),
    ]:
        monkeypatch.setattr(module, name, value)
    found = find_near_duplicates(texts, 0.7)
    assert found == expected


def test_a_template_sent_by_thousands_is_one_cluster_at_linear_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its shingles but three are in every letter: comparing all with all would be 2 million pairs."""
    letter = WORDS[:60]
    letters = [" ".join([*letter[:30], f"name{i}", *letter[30:]]) for i in range(2000)]
    compared = []
    original = shingle_sets.ShingleSets.similarity
    monkeypatch.setattr(
        shingle_sets.ShingleSets, "similarity", lambda sets, i, j: compared.append(len(i)) or original(sets, i, j)
    )
    found = find_near_duplicates([*letters, "something else that nobody has sent before"], 0.85)
    assert set(found.cluster[:-1]) == {0} and found.cluster[-1] == 2000
    assert found.capped == 0 and sum(compared) < 20 * len(letters)


@pytest.mark.integration
def test_an_overfull_bucket_is_divided_by_a_second_shingle_and_loses_no_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "MAX_BUCKET", 5)
    monkeypatch.setattr(candidates, "FIRST_ROUNDS", 1)
    rng = random.Random(5)
    texts = [" ".join(["one", "rare", "phrase", *rng.choices(WORDS, k=12)]) for _ in range(60)]
    texts += [text.rsplit(" ", 1)[0] + f" other{i}" for i, text in enumerate(texts[:40])]
    expected = {(i, j) for i in range(100) for j in range(i + 1, 100) if jaccard(texts[i], texts[j]) >= 0.7}
    found = find_near_duplicates(texts, 0.7)
    assert set(found.pairs) == expected and len(expected) == 40
    assert found.capped == 0


def test_two_texts_that_share_only_a_rare_phrase_are_not_merged_and_a_cap_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Texts of three shingles at a threshold of 0.3: one shared shingle may be enough, so a full bucket cannot be
    divided."""
    monkeypatch.setattr(candidates, "MAX_BUCKET", 5)
    monkeypatch.setattr(candidates, "FIRST_ROUNDS", 1)
    monkeypatch.setattr(candidates, "LAST_ROUNDS", 2)
    texts = [f"one rare phrase a{i} b{i}" for i in range(30)]
    found = find_near_duplicates(texts, 0.3)
    assert len(set(found.cluster)) == 30 and found.capped > 0


def test_it_takes_a_column_of_no_texts_and_of_one() -> None:
    assert find_near_duplicates([], 0.8).cluster == []
    assert find_near_duplicates(["a b c d"], 0.8).cluster == [0]


def test_a_threshold_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"threshold must be in \(0, 1\], got 1.5"):
        find_near_duplicates(["a", "b"], 1.5)


def test_normalized_text_ignores_case_and_white_space_only() -> None:
    assert normalized_text(" Straße\n 12 ") == normalized_text("STRASSE 12") != normalized_text("Strasse 12.")


@pytest.mark.parametrize("length", [1, 7, 8, 9, 16, 17, 63, 64, 65, 300])
def test_words_of_any_length_are_told_apart_by_each_letter(length: int) -> None:
    """Words are hashed eight bytes at once, and long ones by themselves."""
    word = "x" * length
    texts = pa.array([word, f"{word[:-1]}y", f"y{word[1:]}", f"{word}x", f" {word.upper()}!"])
    _, hashes = shingles_module.shingles(next(shingles_module.in_slices(texts)))
    assert len({*hashes.tolist()}) == len({*texts.to_pylist()[:4]}) and hashes[0] == hashes[4]


def test_a_text_of_fewer_words_than_an_ngram_is_one_whatever_stands_behind_it() -> None:
    texts = pa.array(["one two", "one two three four", "one two", "one"])
    for size in (3, 13):
        rows, hashes = shingles_module.shingles(next(shingles_module.in_slices(texts)), size)
        assert rows.tolist() == ([0, 1, 1, 2, 3] if size == 3 else [0, 1, 2, 3])
        assert hashes[rows == 0] == hashes[rows == 2] and len({*hashes.tolist()}) == len(hashes) - 1
