"""monitoring.groups: outcomes of a day by what requests say of the region they come from."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from ft_platform.evaluation.files import read_predictions
from ft_platform.evaluation.proportions import share
from ft_platform.evaluation.slices import OTHERS
from ft_platform.monitoring.alarms import DAYS
from ft_platform.monitoring.day_reports import DayReport, day_reports
from ft_platform.monitoring.groups import NO_FEATURES, NOBODY_SAYS, as_known, unfair
from ft_platform.reporting.monitoring_groups import groups_in_words
from ft_platform.reporting.publishing.monitoring import publish_monitoring
from ft_platform_tests.monitoring.made_up import SHARES, MadeUp, day, made_up
from ft_platform_tests.planted import places_of, readable

MANY_CARDS, MANY_WIRES = (0.8, 0.1, 0.1), (0.1, 0.1, 0.8)
Asked = list[tuple[str, str, str]]


@pytest.fixture
def made(tmp_path: Path) -> MadeUp:
    return made_up(tmp_path)


def ask(made: MadeUp, region: str, rows: int, shares: tuple[float, ...] = SHARES, **changes: Any) -> Asked:
    """Requests that say where they come from."""
    writer = "." * sum(made.tables.rows_of_days().values(), start=2)
    return made.asked(1, rows, shares, texts=True, features={"region": region}, writer=writer, **changes)


def report(made: MadeUp) -> DayReport:
    publish_monitoring(made.lake, made.use_case, day(1))
    return day_reports(made.lake, made.use_case.name)[-1][1]


def by_region(made: MadeUp) -> dict[str, Any]:
    return report(made).figures["fairness"]["features"]["region"]


def page(made: MadeUp) -> str:
    version, _ = day_reports(made.lake, made.use_case.name)[-1]
    return made.lake.read_file(version, "report.html").decode()


def test_a_model_that_answers_groups_differently_is_shown_with_its_figures(made: MadeUp) -> None:
    asked = {"north": ask(made, "north", 200, MANY_CARDS), "south": ask(made, "south", 210, MANY_WIRES)}
    made.asked(1, rows=90, writer="without texts")
    found = by_region(made)
    assert {group: one["asked"] for group, one in found["groups"].items()} == {"north": 200, "south": 210}
    for group, answers in asked.items():
        decided = Counter(predicted for *_, predicted in answers)
        shares = found["groups"][group]["shares"]
        for label, count in decided.items():
            assert shares[f"label {label}"] == share(count, len(answers), 0.95)
        assert shares["answered"]["value"] == 1.0
    wires = [found["groups"][group]["shares"]["label wire"]["value"] for group in ("north", "south")]
    told = found["differences"]["label wire"]
    assert (told["highest"], told["lowest"]) == ("south", "north") and told["value"] == wires[1] - wires[0] > 0.4
    assert told["low"] < told["value"] < told["high"]
    assert told["value"] > 5 * told["tested"] == pytest.approx(5 * on_test_split(made, "wire", ("north", "south")))
    (sentence,) = groups_in_words(report(made).figures["fairness"])
    assert sentence.startswith("By region, groups differ most in the share of label ")
    assert f"{100 * told['tested']:.1f}" in page(made)


def on_test_split(made: MadeUp, label: str, regions: tuple[str, ...]) -> float:
    rows = read_predictions(made.lake, made.evaluation).to_pylist()
    of = [[one["predicted"] == label for one in rows if one["feature_region"] == region] for region in regions]
    shares = [float(np.mean(one)) for one in of]
    return max(shares) - min(shares)


def test_abstentions_and_failed_requests_of_a_group_are_seen(made: MadeUp) -> None:
    ask(made, "north", 50)
    ask(made, "south", 30)
    ask(made, "south", 20, status=503, answers=[])
    found = by_region(made)
    assert found["groups"]["south"]["shares"]["answered"] == share(30, 50, 0.95)
    assert found["differences"]["answered"]["value"] == 0.4 and found["differences"]["answered"]["tested"] is None


def test_a_small_group_is_counted_and_no_share_is_told_of_it(made: MadeUp) -> None:
    ask(made, "north", 40)
    made.judged(ask(made, "south", 19), on=2)
    found = by_region(made)
    assert found["groups"]["south"] == {"asked": 19, "judged": 19, "shares": {}} and found["differences"] == {}
    assert "fewer than two groups have enough answers" in page(made)
    ask(made, "south", 1)
    assert "label card" in by_region(made)["differences"]


def test_values_that_no_record_has_are_counted_together_and_compared_with_none(made: MadeUp) -> None:
    ask(made, "north", 40)
    ask(made, "Atlantis", 30, MANY_WIRES)
    ask(made, "Lemuria", 30, MANY_WIRES)
    made.asked(1, rows=25, texts=True, writer="says nothing")
    found = by_region(made)
    sizes = {group: one["asked"] for group, one in found["groups"].items()}
    assert sizes == {"north": 40, OTHERS: 60, "not stated": 25} and found["differences"] == {}
    assert not places_of("Atlantis", readable(made.environment.home))


def test_where_no_request_says_a_feature_the_page_says_what_to_do(made: MadeUp) -> None:
    made.asked(1, rows=60, texts=True)
    assert report(made).figures["fairness"] == {"note": NOBODY_SAYS, "features": {}}
    assert "send the feature in" in page(made)


def test_without_a_sensitive_feature_nothing_is_compared(made: MadeUp) -> None:
    ask(made, "north", 60)
    settings = made.use_case.settings
    fairness = settings.fairness.model_copy(update={"sensitive_features": []})
    made.use_case = made.use_case.model_copy(update={"settings": settings.model_copy(update={"fairness": fairness})})
    assert report(made).figures["fairness"] == {"note": NO_FEATURES, "features": {}}


def test_late_labels_tell_which_group_gets_right_answers(made: MadeUp) -> None:
    asked = {"north": ask(made, "north", 200), "south": ask(made, "south", 100)}
    before = by_region(made)
    assert [one["judged"] for one in before["groups"].values()] == [0, 0] and "right" not in before["differences"]
    for answers in asked.values():
        made.judged(answers[:90], on=3)
    after = by_region(made)
    for group, answers in asked.items():
        right = sum(truth == predicted for _, truth, predicted in answers[:90])
        assert after["groups"][group]["shares"].pop("right") == share(right, 90, 0.95)
        assert after["groups"][group]["judged"] == 90
    assert after["differences"].pop("right")["tested"] is not None
    assert after == {**before, "groups": {group: {**one, "judged": 90} for group, one in before["groups"].items()}}


def test_groups_that_the_use_case_pools_are_one(made: MadeUp) -> None:
    settings = made.use_case.settings
    fairness = settings.fairness.model_copy(update={"pooled_groups": {"region": {"coast": ["south", "east"]}}})
    ask(made, "east", 15)
    ask(made, "south", 15)
    assert set(by_region(made)["groups"]) == {"east", "south"}
    made.use_case = made.use_case.model_copy(update={"settings": settings.model_copy(update={"fairness": fairness})})
    assert by_region(made)["groups"]["coast"]["asked"] == 30, "other settings, another report"


@pytest.mark.parametrize(
    ("value", "kind", "known", "group"),
    [
        ("north", "category", {"north"}, "north"),
        ("North", "category", {"north"}, OTHERS),
        (None, "category", {"north"}, None),
        ("34", "age", {"30-39", "40-49"}, "30-39"),
        ("30-39", "age", {"30-39"}, "30-39"),
        ("54", "age", {"30-39"}, OTHERS),
        ("62704", "postal_code", {"627**"}, "627**"),
        ("north", "category", {"*"}, "*"),
    ],
)
def test_a_value_is_made_as_coarse_as_the_records_are(
    value: str | None, kind: str, known: set[str], group: str | None
) -> None:
    assert as_known(value, kind, known) == group


def judged(*groups: tuple[str, int, int, int]) -> dict[str, Any]:
    """Figures of groups: name, right, judged and all answers."""
    rows = {
        name: {"asked": asked, "judged": said, "shares": {"right": share(right, said, 0.95)}}
        for name, right, said, asked in groups
    }
    return {"features": {"region": {"groups": rows}}}


@pytest.mark.parametrize(("rows", "gap"), [((20, 120), 0.05), ((40, 40), 0.2)])
def test_a_gap_that_is_allowed_raises_no_more_alarms_than_stated(rows: tuple[int, int], gap: float) -> None:
    """Every outcome of a day, with its probability, where the true gap is the largest that is allowed. The ends of
    `score_interval` would have 1.9 times as many as stated with 20 and 120 answers."""
    n, m = rows
    rate = 0.05
    alarmed = np.array(
        [
            [bool(unfair(judged(("a", x, n, n), ("b", y, m, m)), rate, gap, day(1))) for y in range(m + 1)]
            for x in range(n + 1)
        ]
    )
    assert alarmed[n, 0] and alarmed[0, m]
    for best in np.linspace(gap, 1, 9):
        chances = [binom.pmf(range(k + 1), k, p) for k, p in ((n, best), (m, best - gap))]
        assert chances[0] @ alarmed @ chances[1] <= rate / DAYS


def test_a_large_gap_raises_an_alarm_unless_too_many_answers_are_not_judged(made: MadeUp) -> None:
    (told,) = unfair(judged(("north", 285, 300, 300), ("south", 120, 300, 300)), 0.05, 0.2, day(1))
    assert (told.what, told.kind, told.since) == ("fairness_region", "accuracy", day(1))
    assert "95.0% of 300 judged answers to north" in told.evidence and "40.0% of 300" in told.evidence
    assert not unfair(judged(("north", 285, 300, 400), ("south", 120, 300, 400)), 0.05, 0.2, day(1))
    assert not unfair(judged(("north", 285, 300, 300), ("not stated", 120, 300, 300)), 0.05, 0.2, day(1))
    made.judged(ask(made, "north", 300), on=2)
    wrong = [(one, "card" if told != "card" else "loan", told) for one, _, told in ask(made, "south", 300)]
    made.judged(wrong, on=2)
    assert "fairness_region" in [one.what for one in report(made).alarms]


def test_what_requests_say_is_in_the_table_of_texts_and_in_no_other(made: MadeUp) -> None:
    ask(made, "north", 1)
    assert made.tables.read("texts")["features"].to_pylist() == [json.dumps({"region": "north"})]
    assert not any("features" in made.tables.read(kind).schema.names for kind in ("requests", "feedback", "records"))
