"""Drawn numbers depend on key and text only, and are even."""

from collections import Counter

from ft_platform.privacy.draw import Draw

KEY = bytes(range(32))


def test_the_same_key_and_text_give_the_same_numbers_another_one_others() -> None:
    one, same, text, key = (Draw(k, t) for k, t in ((KEY, "a"), (KEY, "a"), (KEY, "b"), (bytes(32), "a")))
    numbers = [[draw.below(1000) for _ in range(100)] for draw in (one, same, text, key)]
    assert numbers[0] == numbers[1] and numbers[0] != numbers[2] != numbers[3] != numbers[0]


def test_all_numbers_below_the_limit_come_about_equally_often() -> None:
    counts = Counter(Draw(KEY, str(n)).below(10) for n in range(20_000))
    assert set(counts) == set(range(10))
    assert (
        sum((count - 2000) ** 2 / 2000 for count in counts.values()) < 27.9
    )  # chi-square with 9 degrees of freedom, p = 0.001


def test_a_long_sequence_goes_on_after_its_first_block() -> None:
    draw = Draw(KEY, "a")
    assert len({draw.below(1 << 60) for _ in range(200)}) == 200
