import numpy as np
import pytest

from ft_platform.monitoring.causes import causes

IDS = [f"r{i}" for i in range(200)]
NEW_IDS = [f"n{i}" for i in range(100)]


def words(rng: np.random.Generator, rows: int) -> list[list[str]]:
    return [[f"word{i}" for i in np.flatnonzero(rng.random(40) < 0.2)] for _ in range(rows)]


def test_the_word_and_the_label_that_moved_are_named_with_shares_and_records() -> None:
    rng = np.random.default_rng(1)
    before, now = words(rng, 200), words(rng, 100)
    for text in now[60:]:
        text.append("strike")
    found = causes(
        {"word": before, "label": ["delay"] * 20 + ["card"] * 180, "source": ["web"] * 200},
        {"word": now, "label": ["card"] * 70 + ["delay"] * 30, "group": ["a"] * 100},
        IDS,
        NEW_IDS,
    )
    assert [(one.kind, one.value) for one in found[:3]] == [("word", "strike"), ("label", "card"), ("label", "delay")]
    assert (found[0].before, found[0].now) == (0.0, 0.4)
    assert found[0].records == tuple(NEW_IDS[60:65])
    assert (found[2].before, found[2].now, found[2].records[0]) == (0.1, 0.3, "n70")
    assert found[1].records == (), "of a share that fell, no record of now has more of it"


def test_what_chance_moves_is_not_named() -> None:
    """The ratio is twice the log likelihood, here by hand for no movement at all: 0."""
    named = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        named += bool(causes({"word": words(rng, 200)}, {"word": words(rng, 100)}, IDS, NEW_IDS))
    assert named <= 6  # 5 % of 40, and chance


def test_values_of_fewer_than_five_records_are_never_named() -> None:
    now = [["Erna"]] * 4 + [[]] * 96
    assert causes({"word": [[]] * 200}, {"word": now}, IDS, NEW_IDS) == []
    assert causes({"word": [[]] * 200}, {"word": [["rain"]] * 8 + [[]] * 92}, IDS, NEW_IDS)[0].value == "rain"


def test_nothing_before_or_now_names_nothing() -> None:
    assert causes({"label": []}, {"label": ["a"] * 100}, [], NEW_IDS) == []
    assert causes({}, {}, [], []) == []


def test_a_record_without_values_must_still_be_there() -> None:
    with pytest.raises(ValueError, match="shorter"):
        causes({"label": ["a"]}, {"label": ["a"]}, ["r0", "r1"], ["n0"])
