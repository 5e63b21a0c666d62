import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ft_platform.errors import DataError
from ft_platform.monitoring import alarms
from ft_platform.monitoring.alarms import State, acknowledged, day_passed, from_json, renewed, started, to_json
from ft_platform.monitoring.evidence import Evidence, after
from ft_platform.monitoring.measures import Measure, day_counts, first_of_each

LABELS = np.array(["card", "loan", "other"])


def requests(rng: np.random.Generator, rows: int, shares: tuple[float, ...] = (0.6, 0.3, 0.1)) -> dict[str, Any]:
    """Made-up answers: a label, a confidence, and whether a guardrail acted."""
    return {
        "label": rng.choice(LABELS, rows, p=shares),
        "confidence": rng.beta(8, 2, rows),
        "guarded": rng.random(rows) < 0.02,
    }


def measures(state: State) -> list[Measure]:
    return [one.measure for one in state.watched.values()]


def watched_days(
    state: State, days: range, day: Callable[[int], dict[str, Any]], stratum: Callable[[int], str] = lambda _: "all"
) -> State:
    for number in days:
        state = day_passed(state, f"{number:03d}", day_counts(measures(state), day(number)), stratum(number))
    return state


def false_alarms(streams: int) -> float:
    """Share of quiet streams of 90 days with an alarm: a reference of 120 requests, 60 a day."""
    alarmed = 0
    for seed in range(streams):
        rng = np.random.default_rng(seed)
        state = started(requests(rng, 120))
        alarmed += bool(watched_days(state, range(90), lambda _, rng=rng: requests(rng, 60)).alarms)
    return alarmed / streams


def plug_in(before: np.ndarray, day: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What must not be done: the shares of the reference are taken for the true ones."""
    shares, drawn = (before + 0.5) / (before + 0.5).sum(), day.sum()
    return ((day - drawn * shares) / np.sqrt(drawn * shares * (1 - shares)))[:-1]


def test_false_alarms_over_all_measures_are_at_most_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    assert false_alarms(100) <= 0.05
    monkeypatch.setattr(alarms, "normal_scores", plug_in)
    assert false_alarms(20) > 0.5, "a test without the uncertainty of the reference must be seen here"


def test_bets_on_a_day_that_chose_them_raise_false_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    """The direction learned may not know the day it is judged on: planted, and seen by the mean of `R`."""

    def mean_of_sums(days: int, peek: bool) -> float:
        rng, found = np.random.default_rng(7), []
        for _ in range(400):
            evidence = Evidence()
            for _ in range(days):
                scores = rng.standard_normal(4)
                if peek:
                    evidence = Evidence(
                        evidence.log_sums, tuple(tuple(scores) for _ in range(2)), evidence.days or 1, evidence.smallest
                    )
                evidence = after(evidence, scores, None)
            found.append(np.exp(evidence.log_sums[-2:]))
        return float(np.median(np.mean(found, axis=0)))

    assert mean_of_sums(4, peek=False) < 2 * 4  # E R(t) = t (Shin, Ramdas and Rinaldo, 2024)
    assert mean_of_sums(4, peek=True) > 10 * 4


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("label", lambda rng: requests(rng, 200, (0.3, 0.6, 0.1))),
        ("confidence", lambda rng: {**requests(rng, 200), "confidence": rng.beta(5, 3, 200)}),
        ("guarded", lambda rng: {**requests(rng, 200), "guarded": rng.random(200) < 0.2}),
    ],
)
def test_a_change_is_found_within_days_and_its_measure_named(
    name: str, changed: Callable[[np.random.Generator], dict[str, Any]]
) -> None:
    rng = np.random.default_rng(3)
    state = watched_days(started(requests(rng, 1000)), range(50), lambda _: requests(rng, 200))
    assert state.alarms == {}
    state = watched_days(state, range(50, 55), lambda _: changed(rng))
    assert list(state.alarms) == [name]
    assert state.levels()[name] >= 1


def test_a_label_never_seen_before_is_found() -> None:
    rng = np.random.default_rng(3)
    state = watched_days(started({"label": rng.choice(LABELS, 500)}), range(9), lambda _: {"label": ["new"] * 40})
    assert state.alarms == {"label": "000"}


def test_an_alarm_fires_once_and_stays_until_it_is_acknowledged() -> None:
    rng = np.random.default_rng(3)
    state = watched_days(started(requests(rng, 500)), range(20), lambda _: requests(rng, 200, (0.1, 0.8, 0.1)))
    assert state.alarms == {"label": "000"}
    state = acknowledged(state, "label")
    assert state.alarms == {} and state.levels()["label"] == 0
    back = watched_days(state, range(20, 40), lambda _: requests(rng, 200))
    assert back.alarms == {}
    again = watched_days(state, range(20, 40), lambda _: requests(rng, 200, (0.1, 0.8, 0.1)))
    assert again.alarms == {"label": "020"}
    with pytest.raises(DataError, match="no alarm to acknowledge"):
        acknowledged(state, "label")


def test_the_state_is_small_json_and_goes_on_from_there_to_the_bit() -> None:
    rng = np.random.default_rng(3)
    state = watched_days(started(requests(rng, 500), reserved=1), range(30), lambda _: requests(rng, 100))
    text = to_json(state)
    assert len(text) < 5000 and from_json(text) == state and to_json(from_json(text)) == text
    counts = day_counts(measures(state), requests(rng, 100))
    assert to_json(day_passed(from_json(text), "030", counts)) == to_json(day_passed(state, "030", counts))


def test_two_parts_of_a_day_are_the_whole_day_in_any_order() -> None:
    rng = np.random.default_rng(3)
    state = started(requests(rng, 500))
    day = requests(rng, 100)
    parts = [{name: column[part] for name, column in day.items()} for part in (slice(70, None), slice(70))]
    a, b = (day_counts(measures(state), part) for part in parts)
    whole = day_passed(state, "000", day_counts(measures(state), day))
    assert day_passed(state, "000", {name: a[name] + b[name] for name in a}) == whole


def test_five_requests_a_day_claim_nothing_and_break_nothing() -> None:
    rng = np.random.default_rng(3)
    state = started(requests(rng, 40))
    waited = watched_days(state, range(5), lambda _: requests(rng, 5))
    assert waited.levels() == {"label": 0.0, "confidence": 0.0, "guarded": 0.0}
    assert sum(waited.watched["label"].waiting["all"]) == 25
    assert watched_days(state, range(90), lambda _: requests(rng, 5)).alarms == {}
    assert watched_days(state, range(90), lambda _: requests(rng, 0)).alarms == {}


def test_weekends_of_their_own_raise_alarms_unless_they_are_a_stratum() -> None:
    def day(number: int) -> dict[str, Any]:
        return requests(rng, 100, (0.2, 0.7, 0.1) if number % 7 >= 5 else (0.6, 0.3, 0.1))

    def kind(number: int) -> str:
        return "weekend" if number % 7 >= 5 else "weekday"

    rng = np.random.default_rng(3)
    first = [day(number) for number in range(14)]
    columns = {name: np.concatenate([one[name] for one in first]) for name in first[0]}
    strata = [kind(number) for number in range(14) for _ in range(100)]
    assert watched_days(started(columns, strata), range(14, 104), day, kind).alarms == {}
    assert "label" in watched_days(started(columns), range(14, 104), day).alarms
    weekdays = {name: column[np.array(strata) == "weekday"] for name, column in columns.items()}
    only = started(weekdays, ["weekday"] * 1000)
    assert watched_days(only, range(14, 104), day, kind).alarms == {}, "the first weekend becomes the reference"


def test_copies_within_a_day_count_once() -> None:
    assert first_of_each(["a", "b", "a", "c", "b"]).tolist() == [True, True, False, True, False]
    assert first_of_each([]).tolist() == []


def test_requests_without_a_value_are_a_bin_of_their_own() -> None:
    rng = np.random.default_rng(3)
    columns = {"label": [None] * 200, "seconds": np.where(rng.random(200) < 0.1, np.nan, rng.random(200))}
    state = started(columns)
    assert list(state.watched) == ["seconds"], "open answers have no label to watch"
    gone = watched_days(state, range(3), lambda _: {"seconds": np.full(100, np.nan)})
    assert gone.alarms == {"seconds": "000"}


def test_what_cannot_be_taken_in_is_refused() -> None:
    rng = np.random.default_rng(3)
    state = started(requests(rng, 100))
    counts = day_counts(measures(state), requests(rng, 50))
    done = day_passed(state, "2026-11-02", counts)
    with pytest.raises(DataError, match="2026-11-02 was taken in before 2026-11-02"):
        day_passed(done, "2026-11-02", counts)
    with pytest.raises(DataError, match="words is not watched"):
        day_passed(state, "2026-11-02", {"words": np.ones(3, int)})
    with pytest.raises(DataError, match="label has 4 bins"):
        day_passed(state, "2026-11-02", {"label": np.ones(3, int)})
    with pytest.raises(DataError, match="columns of the day are missing: guarded"):
        day_counts(measures(state), {"label": [], "confidence": []})
    with pytest.raises(DataError, match="differ in length"):
        day_counts(measures(state), {"label": ["a"], "confidence": [], "guarded": []})
    with pytest.raises(DataError, match="30 are needed"):
        started(requests(rng, 20))
    with pytest.raises(DataError, match="no values"):
        started({"label": [None] * 50})
    with pytest.raises(DataError, match="no share of the rate"):
        renewed(state, Measure("new", bounds=(0.5,)), np.array([0, 5, 5]))


def test_a_reserved_measure_costs_its_share_from_the_start() -> None:
    columns = requests(np.random.default_rng(3), 100)
    state = renewed(started(columns, reserved=1), Measure("new", bounds=(0.5,)), np.array([0, 50, 50]))
    assert (len(state.watched), state.shares) == (4, 4)
    json.loads(to_json(state))
    seen = day_passed(state, "000", {"new": np.array([0, 0, 100])})
    assert seen.alarms == {"new": "000"}
    assert renewed(seen, Measure("new", bounds=(0.7,)), np.array([0, 50, 50])) == seen, "an alarm stays"


@pytest.mark.parametrize(
    ("shares", "rate", "alarm"),
    [(2, 0.05, True), (3, 0.05, False), (3, 0.08, True)],  # 1e-4 beside 0.025 / (90 * 2) = 1.39e-4, 0.93e-4, 1.48e-4
)
def test_a_day_raises_an_alarm_below_half_the_rate_by_days_and_measures(shares: int, rate: float, alarm: bool) -> None:
    assert (alarms.level(Evidence(smallest=1e-4), rate, shares) >= 1) is alarm


def test_quiet_days_join_the_reference_and_days_of_an_alarm_do_not() -> None:
    rng = np.random.default_rng(3)
    state = watched_days(started({"label": rng.choice(LABELS, 500)}), range(2), lambda _: {"label": ["card"] * 15})
    assert sum(state.watched["label"].pool["all"]) == 400 + 30
    assert state.alarms == {"label": "001"}
    later = watched_days(state, range(2, 9), lambda _: {"label": ["card"] * 90})
    assert later.watched["label"].pool == state.watched["label"].pool
