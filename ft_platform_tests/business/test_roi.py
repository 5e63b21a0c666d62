"""Figures, payback, break-even and sensitivity; expected values are calculated by hand beside them."""

import json
from pathlib import Path

import numpy as np
import pytest

from ft_platform.evaluation.files import read_metrics
from ft_platform.monitoring.business.inputs import ASSUMPTIONS
from ft_platform.monitoring.business.quantities import assumed
from ft_platform.monitoring.business.returns import NEVER, until
from ft_platform.reporting.roi_words import alternative_rows, with_interval
from ft_platform_tests.business.cases import PLAN, found, priced, satisfaction, write_rows
from ft_platform_tests.evaluation.tiny_case import TinyCase

FIGURES = ["accuracy", "efficiency", "cost_savings", "customer_satisfaction", "employee_productivity"]


def values(figure: dict) -> tuple:
    return tuple(figure[side]["value"] for side in ("before", "after", "difference"))


def test_without_business_figures_only_the_evaluation_is_shown_and_nothing_is_estimated(case: TinyCase) -> None:
    roi = found(case)
    assert list(roi["figures"]) == FIGURES
    for name in FIGURES[1:]:
        figure = roi["figures"][name]
        seen = (figure["status"], figure["before"], figure["after"], figure["difference"], figure["source"])
        assert seen == ("not measured", None, None, None, None)
        assert figure["reason"]
    assert roi["figures"]["accuracy"]["status"] == "measured"
    assert roi["savings_per_month"] is None and roi["sensitivity"] == [] and roi["assumptions"] == {}
    assert roi["payback_months"]["value"] is None and roi["payback_months"]["status"] == "not measured"


def test_accuracy_is_the_evaluations_own_figure_with_its_id_as_source(case: TinyCase) -> None:
    figure, metrics = found(case)["figures"]["accuracy"], read_metrics(case.lake, case.report)
    for side, system in (("before", "base_few_shot"), ("after", "fine_tuned")):
        assert {k: figure[side][k] for k in ("value", "low", "high")} == metrics["systems"][system]["accuracy"]
    difference = metrics["differences"]["base_few_shot"]["accuracy"]
    assert figure["difference"] == {k: difference[k] for k in ("value", "low", "high")}
    assert figure["source"] == case.report.artifact_id


def test_a_declared_accuracy_of_people_is_a_labelled_assumption(case: TinyCase) -> None:
    figure = found(case, accuracy_without=0.9)["figures"]["accuracy"]
    assert figure["before"]["value"] == 0.9 and figure["before"]["source"] == "assumption: business.accuracy_without"
    assert figure["after"] == {
        **read_metrics(case.lake, case.report)["systems"]["fine_tuned"]["accuracy"],
        "source": case.report.artifact_id,
    }
    assert figure["source"] == f"assumption: business.accuracy_without; {case.report.artifact_id}"
    assert figure["status"] == "worked out"


def test_figures_from_assumptions_follow_by_hand_calculation(case: TinyCase) -> None:
    roi = found(case, **PLAN)
    # 0.7 * 2 + 0.3 * 6 = 3.2 minutes
    assert values(roi["figures"]["efficiency"]) == pytest.approx((6, 3.2, -2.8))
    # 4000 cases * minutes / 60 * 45
    assert values(roi["figures"]["cost_savings"]) == pytest.approx((18000, 9600, -8400))
    assert values(roi["figures"]["employee_productivity"]) == pytest.approx((10, 18.75, 8.75))
    assert roi["savings_per_month"]["value"] == pytest.approx(8400)
    assert roi["payback_months"]["value"] == pytest.approx(30000 / 8400)
    assert roi["break_even_volume"]["value"] == pytest.approx(30000 / 2.1)
    for name in ("efficiency", "cost_savings", "employee_productivity"):
        figure = roi["figures"][name]
        assert figure["status"] == "assumed"
        assert all(part.startswith("assumption: business.") for part in figure["source"].split("; "))
    assert roi["figures"]["cost_savings"]["unit"] == "EUR per month"
    assert roi["figures"]["cost_savings"]["left_out"].keys() == {"errors", "requests"}


def test_intervals_are_monte_carlo_over_the_declared_uncertainty(case: TinyCase) -> None:
    roi = found(case, **PLAN, uncertainty=0.1)
    rng = np.random.default_rng(5)
    draws = {name: value * rng.uniform(0.9, 1.1, 200_000) for name, value in PLAN.items()}
    saving = (
        draws["volume_per_month"]
        * draws["adoption"]
        * (draws["minutes_without"] - draws["minutes_with"])
        / 60
        * draws["cost_per_hour"]
    )
    months = draws["investment"] / saving
    # 400 resamples: a quantile at 2.5 % has a standard error of about 3 % of the width.
    for figure, expected in ((roi["savings_per_month"], saving), (roi["payback_months"], months)):
        low, high = np.quantile(expected, [0.025, 0.975])
        width = high - low
        assert figure["low"] == pytest.approx(low, abs=0.12 * width)
        assert figure["high"] == pytest.approx(high, abs=0.12 * width)
    certain = found(case, **PLAN, uncertainty=0.0)
    assert (
        certain["payback_months"]["low"]
        == pytest.approx(certain["payback_months"]["high"])
        == pytest.approx(30000 / 8400)
    )


def test_errors_and_requests_count_where_all_of_them_is_known(case: TinyCase) -> None:
    environment = priced(case.environment)
    model = read_metrics(case.lake, case.report)
    accuracy = model["systems"]["fine_tuned"]["accuracy"]["value"]
    roi = found(case, environment, **PLAN, accuracy_without=0.95, cost_of_error=20)
    wrong = 0.7 * (1 - accuracy) + 0.3 * 0.05
    savings = roi["figures"]["cost_savings"]
    assert model["per_1000_requests"]["fine_tuned"]["money"] is None  # evaluated without a price, so requests have none
    assert savings["parts"] == ["labour", "errors"] and savings["unit"] == "CHF per month"
    assert values(savings)[:2] == pytest.approx((18000 + 4000 * 0.05 * 20, 9600 + 4000 * wrong * 20))
    assert case.report.artifact_id in savings["source"]
    assert savings["status"] == "worked out"
    # The tiny model is often wrong: what its errors cost is more than the minutes it saves.
    assert roi["savings_per_month"]["value"] < 0
    assert roi["payback_months"]["value"] is None and roi["payback_months"]["status"] == NEVER
    assert roi["break_even_volume"]["status"] == NEVER


def test_what_requests_and_programs_cost_comes_from_the_evaluation_and_the_ledger(
    case: TinyCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = priced(case.environment)

    def row(artifact: str, use_case: str = "complaints", currency: str = "CHF") -> dict:
        return {"use_case": use_case, "artifact": artifact, "money": 100.0, "currency": currency, "seconds": 9.0}

    rows = [row(artifact.artifact_id) for artifact in (case.checkpoint, case.report, case.base)]
    others = [row("ckpt-of-another-model"), row(case.checkpoint.artifact_id, use_case="letters")]
    monkeypatch.setattr("ft_platform.monitoring.business.program_costs.Ledger.rows", lambda self: [*rows, *others])
    roi = found(case, environment, **PLAN)
    assert (roi["programs"]["runs"], roi["programs"]["money"], roi["programs"]["currency"]) == (3, 300.0, "CHF")
    assert roi["investment"]["value"] == 30300 and roi["investment"]["programs"] == 300
    assert roi["payback_months"]["value"] == pytest.approx(30300 / 8400)
    expected = {case.checkpoint.artifact_id, case.report.artifact_id, case.base.artifact_id}
    assert set(roi["programs"]["artifacts"]) == expected
    assert case.checkpoint.artifact_id in roi["investment"]["source"]
    monkeypatch.setattr(
        "ft_platform.monitoring.business.program_costs.Ledger.rows",
        lambda self: [*rows, row(case.report.artifact_id, currency="USD")],
    )
    programs = found(case, environment, **PLAN)["programs"]
    assert programs["money"] is None and "another currency" in programs["reason"]


def test_without_a_price_programs_cost_nothing_known_and_not_nothing(case: TinyCase) -> None:
    programs = found(case, **PLAN)["programs"]
    assert programs["money"] is None and programs["reason"]


def test_zero_volume_saves_nothing_and_never_pays_back(case: TinyCase) -> None:
    roi = found(case, **{**PLAN, "volume_per_month": 0})
    assert roi["savings_per_month"]["value"] == 0
    assert roi["payback_months"] == {"value": None, "low": None, "high": None, "status": NEVER, "reason": NEVER}
    assert roi["break_even_volume"]["value"] == pytest.approx(30000 / 2.1)
    assert roi["figures"]["cost_savings"]["relative"] is None


def test_a_slower_process_costs_more_than_it_saves(case: TinyCase) -> None:
    roi = found(case, **{**PLAN, "minutes_with": 9})
    assert roi["savings_per_month"]["value"] == pytest.approx(-4000 * 0.7 * 3 / 60 * 45)
    assert roi["payback_months"]["value"] is None and roi["payback_months"]["reason"] == NEVER


@pytest.mark.parametrize(
    "missing", ["volume_per_month", "adoption", "minutes_without", "minutes_with", "cost_per_hour"]
)
def test_a_missing_figure_is_named_and_nothing_is_put_in_its_place(case: TinyCase, missing: str) -> None:
    roi = found(case, **{name: value for name, value in PLAN.items() if name != missing})
    savings = roi["figures"]["cost_savings"]
    assert savings["status"] == "not measured" and savings["difference"] is None
    assert f"business.{missing}" in savings["reason"]
    assert roi["payback_months"]["status"] == "not measured"
    assert f"business.{missing}" in roi["payback_months"]["reason"]


def test_without_an_investment_there_are_savings_and_no_payback(case: TinyCase) -> None:
    roi = found(case, **{name: value for name, value in PLAN.items() if name != "investment"})
    assert roi["savings_per_month"]["value"] == pytest.approx(8400)
    assert roi["payback_months"]["status"] == "not measured"
    assert "business.investment" in roi["payback_months"]["reason"]


@pytest.mark.parametrize("name", [*ASSUMPTIONS])
def test_every_assumption_changes_a_figure(case: TinyCase, name: str) -> None:
    plan = {**PLAN, "accuracy_without": 0.9, "cost_of_error": 2, "api_price_per_1000": 3}
    environment = priced(case.environment)
    before, after = found(case, environment, **plan), found(case, environment, **{**plan, name: plan[name] * 0.9})
    changed = [key for key in ("figures", "payback_months", "alternatives") if before[key] != after[key]]
    assert changed and after["assumptions"][name]["value"] == pytest.approx(plan[name] * 0.9)


def test_the_sensitivity_moves_one_quantity_at_a_time_and_sorts_by_effect(case: TinyCase) -> None:
    roi = found(case, **PLAN, uncertainty=0.25)
    rows = {row["name"]: row for row in roi["sensitivity"]}
    assert set(rows) == {*PLAN}
    assert (rows["cost_per_hour"]["low"], rows["cost_per_hour"]["high"]) == (33.75, 56.25)
    seen = (rows["cost_per_hour"]["saving_at_low"], rows["cost_per_hour"]["saving_at_high"])
    assert seen == pytest.approx((6300, 10500))
    assert rows["minutes_without"]["saving_at_low"] == pytest.approx(4000 * 0.7 * 2.5 / 60 * 45)
    assert rows["investment"]["saving_at_low"] == pytest.approx(8400)
    assert rows["investment"]["payback_at_low"] == pytest.approx(22500 / 8400)
    assert rows["adoption"]["high"] == pytest.approx(0.875)
    effects = [abs(row["saving_at_high"] - row["saving_at_low"]) for row in roi["sensitivity"]]
    assert effects == sorted(effects, reverse=True) and roi["sensitivity"][0]["name"] == "minutes_without"


def test_a_share_stays_a_share() -> None:
    quantity = assumed("adoption", 0.9, 0.5, 1000, 1, share=True)
    assert quantity.high == 1.0 and quantity.draws.max() == 1.0 and quantity.draws.min() >= 0.45


def test_payback_has_no_upper_end_where_the_interval_holds_no_saving() -> None:
    gained = assumed("cost_per_hour", 10.0, 0.0, 1000, 1)
    uncertain = type(gained)(1.0, np.linspace(-1, 3, 1000), gained.source, -1, 3)
    result = until(assumed("investment", 100.0, 0.0, 1000, 1), uncertain, 0.95, "")
    assert result["value"] == 100 and result["high"] is None and result["low"] == pytest.approx(100 / 2.9, rel=0.02)
    assert "no upper end" in result["reason"]


def test_a_prompted_model_elsewhere_is_compared_by_price(case: TinyCase, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = read_metrics(case.lake, case.report)
    for system in metrics["per_1000_requests"].values():
        system |= {"money": 0.5, "currency": "CHF"}
    monkeypatch.setattr("ft_platform.monitoring.business.inputs.read_metrics", lambda *_: metrics)
    roi = found(case, priced(case.environment), **{**PLAN, "investment": 31000}, api_price_per_1000=4.5)
    api = roi["alternatives"]["api"]
    assert api["money_per_1000"]["value"] == 4.5 and api["source"] == "assumption: business.api_price_per_1000"
    assert api["quality"] is None
    invested = roi["investment"]["value"]
    assert api["requests_until_paid_back"]["value"] == pytest.approx(invested / (4.0 / 1000))
    prompt = roi["alternatives"]["base_few_shot"]
    assert prompt["money_per_1000"]["value"] == 0.5 and prompt["requests_until_paid_back"]["status"] == NEVER
    assert prompt["quality"] == metrics["systems"]["base_few_shot"]["accuracy"]
    # 0.7 of the cases are requests at 0.5 per 1,000
    assert roi["figures"]["cost_savings"]["after"]["value"] == pytest.approx(9600 + 4000 * 0.7 * 0.0005)
    assert roi["figures"]["cost_savings"]["parts"] == ["labour", "requests"]


def with_endpoint(case: TinyCase, monkeypatch: pytest.MonkeyPatch, money: float | None, currency: str = "CHF") -> dict:
    """The case as if an endpoint had been evaluated as well."""
    metrics = read_metrics(case.lake, case.report)
    metrics["systems"]["endpoint_big"] = metrics["systems"]["tfidf_logreg"]
    for system in metrics["per_1000_requests"].values():
        system |= {"money": 0.5, "currency": "CHF"}
    metrics["per_1000_requests"]["endpoint_big"] = {"seconds": 812.5, "money": money, "currency": currency}
    metrics["info"]["endpoint_big"] = {
        "model": "big-1",
        "host": "models.example.org",
        "unreadable": 0,
        "money_per_1000": money,
        "currency": currency,
    }
    monkeypatch.setattr("ft_platform.monitoring.business.inputs.read_metrics", lambda *_: metrics)
    return metrics


def test_a_measured_endpoint_enters_with_its_quality_seconds_and_price(
    case: TinyCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = with_endpoint(case, monkeypatch, 6.5)
    roi = found(case, priced(case.environment), **{**PLAN, "investment": 30000}, api_price_per_1000=4.5)
    assert list(roi["alternatives"]) == ["fine_tuned", "base_few_shot", "endpoint_big", "api"]
    one = roi["alternatives"]["endpoint_big"]
    assert one["quality"] == metrics["systems"]["tfidf_logreg"]["accuracy"] and one["seconds_per_1000"] == 812.5
    assert one["money_per_1000"]["value"] == 6.5 and one["currency"] == "CHF"
    assert one["source"] == case.report.artifact_id
    assert one["measured"] == {"model": "big-1", "host": "models.example.org"}
    assert one["requests_until_paid_back"]["value"] == pytest.approx(roi["investment"]["value"] / (6.0 / 1000))
    declared = roi["alternatives"]["api"]
    assert declared["quality"] is None and declared["seconds_per_1000"] is None and declared["measured"] is None
    rows = alternative_rows(roi)
    assert rows[2]["title"] == "Model big-1 at models.example.org (endpoint_big)"
    assert rows[2]["seconds"] == "812.5 for 1,000"
    assert rows[2]["money"].endswith(" CHF")
    assert rows[2]["source"] == case.report.artifact_id and rows[2]["quality"] == with_interval(one["quality"])
    assert rows[3]["quality"] == rows[3]["seconds"] == "not measured"


@pytest.mark.parametrize(
    ("money", "currency", "told", "shown"),
    [
        (6.5, "USD", "prices are in USD and CHF", "6.50 (6.50 to 6.50) USD"),
        (None, "USD", "no price is known", "no price"),
    ],
)
def test_an_endpoint_without_a_comparable_price_has_its_quality_and_no_payback(
    case: TinyCase, monkeypatch: pytest.MonkeyPatch, money: float | None, currency: str, told: str, shown: str
) -> None:
    with_endpoint(case, monkeypatch, money, currency)
    roi = found(case, priced(case.environment), **PLAN)
    one = roi["alternatives"]["endpoint_big"]
    assert one["quality"]["value"] > 0 and one["requests_until_paid_back"]["value"] is None
    assert one["requests_until_paid_back"]["reason"] == told
    assert alternative_rows(roi)[2]["money"] == shown


def test_without_an_endpoint_nothing_is_claimed_about_one(case: TinyCase) -> None:
    assert list(found(case, **PLAN)["alternatives"]) == ["fine_tuned", "base_few_shot"]


@pytest.mark.integration
def test_a_generation_task_has_its_text_figure_and_no_cost_of_errors(generated: TinyCase) -> None:
    roi = found(generated, **PLAN, accuracy_without=0.9, cost_of_error=3)
    assert roi["figures"]["accuracy"]["unit"] == "rouge_l"
    savings = roi["figures"]["cost_savings"]
    assert savings["parts"] == ["labour"] and "only classification" in savings["left_out"]["errors"]


def test_the_same_inputs_give_the_same_file(case: TinyCase) -> None:
    assert json.dumps(found(case, **PLAN)) == json.dumps(found(case, **PLAN))


def test_measured_satisfaction_has_the_files_hash_and_a_bootstrap_interval(case: TinyCase, tmp_path: Path) -> None:
    import hashlib

    rng = np.random.default_rng(3)
    before, after = (rng.normal(mean, 0.4, 28).round(2).tolist() for mean in (3.6, 4.1))
    uri = write_rows(tmp_path / "csat.csv", satisfaction(before, after))
    figure = found(case, measurements=[{"uri": uri, "period": "period"}])["figures"]["customer_satisfaction"]
    assert figure["status"] == "measured"
    assert values(figure) == pytest.approx((np.mean(before), np.mean(after), np.mean(after) - np.mean(before)))
    assert figure["source"] == f"sha256:{hashlib.sha256(Path(uri).read_bytes()).hexdigest()}"
    error = np.sqrt(np.var(before) / 28 + np.var(after) / 28)
    assert figure["difference"]["high"] - figure["difference"]["low"] == pytest.approx(2 * 1.96 * error, rel=0.2)
    relative = np.mean(after) / np.mean(before) - 1
    assert figure["relative"]["value"] == pytest.approx(relative)


def test_measured_minutes_take_the_place_of_assumed_ones_and_the_rest_stays_assumed(
    case: TinyCase, tmp_path: Path
) -> None:
    uri = write_rows(tmp_path / "minutes.csv", satisfaction([8.0] * 9 + [9.0], [5.0] * 9 + [6.0], "minutes_per_case"))
    roi = found(case, **PLAN, measurements=[{"uri": uri, "period": "period"}])
    assert values(roi["figures"]["efficiency"]) == pytest.approx((8.1, 5.1, -3.0))
    assert roi["figures"]["efficiency"]["status"] == "measured"
    assert roi["savings_per_month"]["value"] == pytest.approx(4000 * 3.0 / 60 * 45)
    assert {row["name"]: row["assumption"] for row in roi["sensitivity"]}["minutes_before"] is False


def test_accuracy_measured_in_operation_goes_before_the_test_split(case: TinyCase, tmp_path: Path) -> None:
    uri = write_rows(tmp_path / "accuracy.csv", satisfaction([1, 1, 1, 0] * 5, [1, 1, 1, 1, 0] * 4, "accuracy"))
    roi = found(case, **PLAN, cost_of_error=10, measurements=[{"uri": uri, "period": "period"}])
    assert values(roi["figures"]["accuracy"]) == pytest.approx((0.75, 0.8, 0.05))
    assert roi["figures"]["cost_savings"]["difference"]["value"] == pytest.approx(-8400 - 4000 * 0.05 * 10)


def test_one_side_only_is_no_comparison(case: TinyCase, tmp_path: Path) -> None:
    uri = write_rows(tmp_path / "csat.csv", satisfaction([3.0, 4.0, 5.0, 4.0, 4.0, 3.0], []))
    roi = found(case, measurements=[{"uri": uri, "period": "period"}])
    figure = roi["figures"]["customer_satisfaction"]
    assert figure["before"]["value"] == pytest.approx(23 / 6) and figure["after"] is None
    assert figure["difference"] is None
    assert figure["status"] == "not measured" and "0 measurements after" in figure["reason"]
    assert roi["not_compared"]["customer_satisfaction"] == figure["reason"]


def test_a_handful_of_measurements_shows_no_interval(case: TinyCase, tmp_path: Path) -> None:
    uri = write_rows(tmp_path / "csat.csv", satisfaction([3.0] * 20, [5.0] * 4))
    figure = found(case, measurements=[{"uri": uri, "period": "period"}])["figures"]["customer_satisfaction"]
    assert figure["after"] is None and figure["status"] == "not measured" and "4 measurements after" in figure["reason"]
