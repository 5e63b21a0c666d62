import math

import numpy as np
import pytest

from ft_platform.records.profiling.drift import chance, drift, level_of, psi
from ft_platform.records.profiling.lengths import Lengths
from ft_platform.records.profiling.profile import Profile


def lengths(values: np.ndarray) -> Lengths:
    made = Lengths()
    made.add(values)
    return made


def of_labels(**counts: int) -> Profile:
    return Profile(rows=sum(counts.values()), values={"label": counts}, missing={"label": 0})


def levels(before: Profile, after: Profile) -> dict[str, str]:
    return {found.what: found.level for found in drift(before, after)}


def test_psi_is_the_sum_of_the_formula() -> None:
    # By hand, Siddiqi 2006: (0.4-0.5) ln(0.4/0.5) + (0.6-0.5) ln(0.6/0.5); half a row in a million changes nothing
    # here.
    expected = -0.1 * math.log(0.8) + 0.1 * math.log(1.2)
    assert psi({"a": 500_000, "b": 500_000}, {"a": 400_000, "b": 600_000})[0] == pytest.approx(expected, rel=1e-4)
    assert psi({"a": 3, "b": 9}, {"a": 3, "b": 9}) == (0.0, 2)


@pytest.mark.parametrize(("freedom", "quantile"), [(1, 6.635), (4, 13.277), (9, 21.666), (30, 50.892)])
def test_chance_is_the_quantile_of_chi_square(freedom: int, quantile: float) -> None:
    # 99 % quantiles: NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4.
    assert chance(1000, 500, freedom + 1) == pytest.approx(quantile * (1 / 1000 + 1 / 500), rel=0.01)


def test_chance_holds_where_nothing_changed() -> None:
    random = np.random.default_rng(0)
    above = 0
    for _ in range(500):
        before, after = (dict(enumerate(random.multinomial(n, [0.1] * 10))) for n in (2_000, 1_000))
        above += psi({str(k): int(v) for k, v in before.items()}, {str(k): int(v) for k, v in after.items()})[
            0
        ] > chance(2_000, 1_000, 10)
    assert above <= 14  # expected 5; more than 14 has a probability below 0.001


@pytest.mark.parametrize(
    ("value", "by_chance", "expected"),
    [
        (0.05, 0.01, "stable"),
        (0.05, 0.5, "stable"),
        (0.1, 0.01, "moderate"),
        (0.25, 0.01, "large"),
        (0.3, 0.4, "too_few_rows"),
    ],
)
def test_levels(value: float, by_chance: float, expected: str) -> None:
    assert level_of(value, by_chance) == expected


def test_the_same_table_has_not_moved() -> None:
    found = levels(of_labels(card=500, loan=500), of_labels(card=500, loan=500))
    assert found == {"label": "stable", "missing label": "stable"}


def test_a_planted_shift_of_the_labels_is_seen_and_new_ones_are_named() -> None:
    found, *_ = drift(of_labels(card=900, loan=100), of_labels(card=400, loan=400, fraud=200))
    assert (found.what, found.level, found.new, found.gone) == ("label", "large", ("fraud",), ())


def test_the_same_shift_of_a_few_records_is_no_evidence() -> None:
    assert levels(of_labels(card=9, loan=3), of_labels(card=6, loan=6))["label"] == "too_few_rows"


def test_longer_texts_are_seen() -> None:
    random = np.random.default_rng(0)
    before = Profile(rows=5_000, lengths={"user_words": lengths(random.poisson(40, 5_000))})
    same = Profile(rows=5_000, lengths={"user_words": lengths(random.poisson(40, 5_000))})
    longer = Profile(rows=5_000, lengths={"user_words": lengths(random.poisson(60, 5_000))})
    assert levels(before, same) == {"user_words": "stable"}
    (found,) = drift(before, longer)
    assert (
        found.level == "large" and found.before == pytest.approx(40, abs=1) and found.after == pytest.approx(60, abs=1)
    )


def test_values_that_went_missing_are_seen() -> None:
    before, after = (Profile(rows=1_000, missing={"feature_region": count}) for count in (10, 300))
    (found,) = drift(before, after)
    assert (found.what, found.level, found.before, found.after) == ("missing feature_region", "large", 0.01, 0.3)


def test_a_table_without_rows_gives_no_shift() -> None:
    found = levels(of_labels(card=100), Profile(values={"label": {}}, missing={"label": 0}))
    assert found == {"label": "stable", "missing label": "stable"}
