"""How hard a record's label is for systems that never read the record."""

import numpy as np

from ft_platform.training.privacy_attacks.difficulty import FOLDS, difficulties, folds

WORDS = {"card": "my card was declined at the shop", "loan": "the interest on our loan rose again"}


def records(rows: int, wrong: int) -> tuple[list[str], np.ndarray, list[str]]:
    """Texts that tell their labels, the first few with the other one."""
    rng, names = np.random.default_rng(5), list(WORDS)
    labels = [names[n % 2] for n in range(rows)]
    texts = [f"{WORDS[label]} {rng.integers(1000)}" for label in labels]
    states = np.array([[label == "card", 1.0] for label in labels]) + rng.normal(scale=0.1, size=(rows, 2))
    swapped = [names[1 - names.index(label)] if n < wrong else label for n, label in enumerate(labels)]
    return texts, states, swapped


def test_a_label_that_contradicts_its_words_is_hard_and_the_others_are_easy() -> None:
    texts, states, labels = records(100, 5)
    found = difficulties(texts, states, labels, [str(n) for n in range(100)])
    assert found.shape == (100,) and found[:5].min() > 1.0 > found[5:].max() and found.min() > 0


def test_nobody_reads_a_record_before_it_is_asked_about_nor_another_of_its_group() -> None:
    """A group of its own word and label: whoever read one of it knows the others."""
    texts, states, labels = records(100, 0)
    odd = [f"zebra {n}" for n in range(12)]
    texts, labels = [*texts, *odd], [*labels, *["stripes"] * 12]
    states = np.concatenate([states, np.full((12, 2), 5.0)])
    alone = difficulties(texts, states, labels, [str(n) for n in range(112)])
    together = difficulties(texts, states, labels, [*map(str, range(100)), *["zebra"] * 12])
    assert together[100:].min() > 5 > alone[100:].max()


def test_folds_are_about_equal_and_follow_from_the_names_of_the_groups_alone() -> None:
    groups = [f"g{n // 2}" for n in range(200)]
    found = folds(groups)
    assert (np.bincount(found, minlength=FOLDS) == 40).all()
    assert all(found[n] == found[n + 1] for n in range(0, 200, 2))
    order = np.random.default_rng(1).permutation(200)
    assert (folds([groups[n] for n in order]) == found[order]).all()


def test_a_single_label_is_equally_hard_for_all() -> None:
    texts, states, _ = records(30, 0)
    assert len(set(difficulties(texts, states, ["card"] * 30, [str(n) for n in range(30)]))) == 1
