"""business.realized: what was forecast beside what requests and feedback show. All figures are made up."""

from pathlib import Path
from typing import Any

import pytest

from ft_platform.monitoring.business.realized import MONTH_DAYS, realized
from ft_platform.monitoring.day_reports import day_reports
from ft_platform.reporting.publishing.monitoring import publish_monitoring
from ft_platform_tests.monitoring.made_up import MadeUp, day, made_up


@pytest.fixture
def made(tmp_path: Path) -> MadeUp:
    return made_up(tmp_path)


def figures() -> dict[str, Any]:
    def figure(after: float, status: str = "measured", unit: str = "accuracy") -> dict[str, Any]:
        return {"after": {"value": after}, "status": status, "unit": unit}

    return {
        "assumptions": {"volume_per_month": {"value": 4000}, "adoption": {"value": 0.5}, "minutes_with": {"value": 2}},
        "figures": {
            "accuracy": figure(0.8),
            "efficiency": figure(2.5),
            "customer_satisfaction": figure(4.0, "not measured"),
        },
    }


def test_without_a_monitored_day_nothing_is_realized(made: MadeUp) -> None:
    assert realized(made.lake, made.evaluation, figures()) is None


def test_volume_and_overrides_come_from_requests_and_feedback(made: MadeUp) -> None:
    asked = made.asked(1)
    made.asked(2)
    made.judged(asked[:40], on=3)
    publish_monitoring(made.lake, made.use_case, day(2))
    found = realized(made.lake, made.evaluation, figures())
    assert found and (found["from"], found["to"]) == (day(1), day(2))
    told = {what: (one["forecast"], one["realized"]) for what, one in found["compared"].items()}
    assert told["volume_per_month"] == (2000, pytest.approx(150 * MONTH_DAYS))
    wrong = sum(truth != predicted for _, truth, predicted in asked[:40])
    assert told["overrides"] == (pytest.approx(0.2), wrong / 40)
    assert told["minutes_per_case"] == (2, 2.5) and told["satisfaction"] == (None, None)
    assert told["days_from_data_to_deployment"] == (None, None), "it was not deployed"


def test_a_day_on_which_another_model_answered_counts_for_nothing(made: MadeUp) -> None:
    made.asked(1)
    publish_monitoring(made.lake, made.use_case, day(1))
    ((_, own),) = day_reports(made.lake, made.use_case.name)
    before = realized(made.lake, made.evaluation, figures())
    for number, releases in ((2, ["release-other"]), (3, ["release-0", "release-other"])):
        other = own.model_copy(update={"day": day(number), "releases": releases})
        with made.lake.scratch(made.use_case.name, "monitoring_report") as folder:
            folder.mkdir(parents=True)
            (folder / "monitoring.json").write_text(other.model_dump_json())
            how: dict[str, Any] = {"settings_hash": "s", "input_hash": str(number), "info": {"day": other.day}}
            made.lake.publish(made.use_case.name, "monitoring_report", f"day-{number}", folder, parents=[], **how)
    assert realized(made.lake, made.evaluation, figures()) == before
