"""Membership label by label: one that is known by heart stands out, and guessing does not."""

import numpy as np

from ft_platform.training.privacy_attacks.slices import LEAST_MEMBERS, slices_of

RARE, LABELS = "fraud", ("card", "loan", "transfer")


def scores(rng: np.random.Generator, *, knows_rare: bool) -> tuple[np.ndarray, np.ndarray, dict]:
    """900 training and 300 others; one in twenty has the rare label."""
    labels = [[RARE if n % 20 == 0 else LABELS[n % 3] for n in range(rows)] for rows in (900, 300)]
    members, others = rng.normal(size=900), rng.normal(size=300)
    if knows_rare:
        members[::20] += 4
    return members, others, {"label": (labels[0], labels[1])}


def test_a_rare_label_that_is_known_by_heart_comes_first() -> None:
    found = slices_of(*scores(np.random.default_rng(3), knows_rare=True), confidence=0.95)
    first = found[0]
    assert (first["kind"], first["name"], first["members"], first["others"]) == ("label", RARE, 45, 15)
    assert first["low"] > 0.3 and first["chance"] < 0.001 and first["mistaken"] <= 1
    assert all(one["low"] < 0.05 for one in found[1:])


def test_guessing_shows_no_label_more_often_than_the_error_that_all_labels_share() -> None:
    rng, shown = np.random.default_rng(11), 0
    for _ in range(200):
        found = slices_of(*scores(rng, knows_rare=False), confidence=0.9)
        shown += any(one["low"] > 0.01 and one["chance"] < 0.05 for one in found)
    assert shown <= 20, "one in twenty is said; a binomial stays below 20 of 200 in 99.8 % of cases"


def test_each_of_many_labels_is_held_to_its_part_of_the_error() -> None:
    members, others, kinds = scores(np.random.default_rng(3), knows_rare=True)
    group = ([RARE] * 450 + ["other"] * 450, [RARE] * 150 + ["other"] * 150)
    alone = slices_of(members, others, kinds, 0.95)[0]
    among_more = slices_of(members, others, {**kinds, "region": group}, 0.95)[0]
    assert among_more["low"] < alone["low"] and among_more["chance"] > alone["chance"]


def test_a_label_with_hardly_a_record_and_one_without_others_to_compare_are_left_out() -> None:
    few = LEAST_MEMBERS - 1
    kinds = {"label": (["a"] * few + ["b"] * 50 + ["c"] * 50, ["a"] * 20 + ["b"] * 20)}
    found = slices_of(np.arange(few + 100.0), np.arange(40.0), kinds, 0.95)
    assert [one["name"] for one in found] == ["b"]
    assert slices_of(np.arange(50.0), np.arange(50.0), {"label": (["a"] * 50, ["a"] * 50)}, 0.95) == []
