"""A decision rests on enough test records, which nobody picked, and says how many."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from ft_platform.errors import ConfigError
from ft_platform.evaluation.intervals import percentiles, resampled_sums
from ft_platform.evaluation.metrics.macro_f1 import score
from ft_platform.release.figures import exact_difference, exact_share, macro_f1_ends
from ft_platform.release.waivers import grant
from ft_platform.use_case.settings.policy import Policy
from ft_platform_tests.release.evidence_case import EvidenceCase, changed, difference, figure, good_figures

TWENTY = Policy(name="tests", test_records=20)


def evaluated(rows: int, **left_out: int) -> dict[str, dict[str, Any]]:
    figures = changed(good_figures(), "evaluation_report", ("test_rows",), rows)
    return changed(figures, "evaluation_report", ("left_out",), left_out)


@pytest.mark.parametrize(
    ("rows", "left_out", "why"),
    [
        (20, {"not_sampled": 354}, "20 of 374 test records were evaluated: 80 more are needed; 354 were not sampled"),
        (99, {}, "99 of 99 test records were evaluated: 1 more are needed"),
        (999, {"not_sampled": 1}, "1 were not sampled: leave out evaluation.max_test_rows"),
        (180, {"prompt_too_long": 20}, "20 could not be asked, more than 5%"),
    ],
)
def test_too_few_or_picked_test_records_refuse(tmp_path: Path, rows: int, left_out: dict[str, int], why: str) -> None:
    refusing = EvidenceCase(tmp_path, figures=evaluated(rows, **left_out)).refusing()
    assert set(refusing) == {"test_records"}
    assert why in refusing["test_records"]


@pytest.mark.parametrize(
    ("rows", "left_out"),
    [(100, {}), (374, {"no_answer": 200}), (1000, {"not_sampled": 49_000}), (300, {"prompt_too_long": 15})],
)
def test_enough_test_records_pass(tmp_path: Path, rows: int, left_out: dict[str, int]) -> None:
    assert EvidenceCase(tmp_path, figures=evaluated(rows, **left_out)).refusing() == {}


def test_an_installation_says_how_many_and_no_file_of_a_use_case_and_no_waiver_less(tmp_path: Path) -> None:
    assert EvidenceCase(tmp_path, figures=evaluated(20), policy=TWENTY).refusing() == {}
    many = Policy(name="tests", test_records=1000)
    case = EvidenceCase(tmp_path, figures=evaluated(400), policy=many, author="dana@example.org").publish()
    (ruling,) = case.decide().refusing
    words: Any = {"granted_by": "ana.ruiz@example.org", "reason": "There are no more of them."}
    today = date(2026, 3, 1)
    with pytest.raises(ConfigError, match="rule test_records cannot be waived"):
        grant(case.lake, case.use_case, case.versions["adapter_checkpoint"], ruling, **words, until=today, today=today)


def test_the_first_words_of_a_decision_say_on_how_many_it_rests_and_how_often_somebody_tried(tmp_path: Path) -> None:
    case = EvidenceCase(tmp_path, figures=evaluated(374, not_sampled=0, no_answer=6)).publish()
    assert case.decide().tested == "This rests on 374 of 374 test records."
    decision = case.published_decision()
    case.figures = changed(case.figures, "evaluation_report", ("info",), {"again": {}})
    case.add("evaluation_report", "-again")
    case.add("evaluation_report", "-and-again")
    assert case.decide().tested == "This rests on 374 of 374 test records, and is one of 3 evaluations so far."
    assert json.loads(case.lake.read_file(decision, "decision.json"))["tested"].startswith("This rests on 374 of 374")
    page = case.lake.read_file(decision, "decision_brief.html").decode()
    assert page.index("This rests on 374 of 374 test records") < page.index("What it gains")


def test_a_decision_says_which_share_of_requests_the_model_answers(tmp_path: Path) -> None:
    rows = [(500, 0.2, 450), (400, 0.6, 392)]
    selective = [
        {"coverage": n / 500, "rows": n, "threshold": least, "accuracy": figure(hits / n)} for n, least, hits in rows
    ]
    figures = changed(evaluated(374), "evaluation_report", ("calibration", "fine_tuned", "selective"), selective)
    case = EvidenceCase(tmp_path, figures=figures).publish()
    says = "The model answers 80 % of requests like the test records with 98 % right and leaves the others to a person."
    assert case.decide().answers == says
    decision = case.published_decision()
    page = case.lake.read_file(decision, "decision_brief.html").decode()
    assert page.index(says) < page.index("What it gains")


@pytest.mark.parametrize(("hits", "rows"), [(20, 20), (0, 20), (90, 100), (374, 400)])
def test_an_exact_share_is_that_of_clopper_and_pearson(hits: int, rows: int) -> None:
    """Each end is the share under which the other tail has half of what the confidence leaves, by definition."""
    low, high = exact_share(hits, rows, 0.95)
    if hits:
        assert binomtest(hits, rows, low, alternative="greater").pvalue == pytest.approx(0.025, rel=1e-3)
    if hits < rows:
        assert binomtest(hits, rows, high, alternative="less").pvalue == pytest.approx(0.025, rel=1e-3)


def test_ends_of_macro_f1_by_hand() -> None:
    # Ten of ten: the share of hits is at least 0.025 ** 0.1 = 0.69150, so F1 at least 2 * 0.69150 / 1.69150 = 0.81762.
    assert macro_f1_ends([[10, 0], [0, 10]], 0.95) == pytest.approx((0.81762, 1.0), abs=1e-5)
    # A label without a record is left out; four equal distances d come to d * sqrt(2 * 4) / 4.
    four = np.eye(5, dtype=int) * [10, 10, 10, 10, 0]
    assert macro_f1_ends(four.tolist(), 0.95)[0] == pytest.approx(1 - 0.18238 * 8**0.5 / 4, abs=1e-5)


@pytest.mark.parametrize("rows", [20, 50, 100])
@pytest.mark.parametrize(("labels", "right"), [(2, 0.9), (2, 0.97), (3, 0.95), (10, 0.9)])
def test_an_interval_of_macro_f1_holds_the_true_value_in_95_of_100_test_splits(
    labels: int, right: float, rows: int
) -> None:
    """The bootstrap alone does not: 43 of 100 with 2 labels, 97 % right and 20 records."""
    share = np.arange(labels, 0, -1) / np.arange(labels + 1).sum()
    joint = share[:, None] * np.where(np.eye(labels), right, (1 - right) / (labels - 1))
    true, rng, tries = float(score(sums(joint))), np.random.default_rng(0), 300
    held = by_bootstrap = 0
    for matrix in rng.multinomial(rows, joint.ravel(), tries).reshape(tries, labels, labels):
        low, high = macro_f1_ends(matrix.tolist(), 0.95)
        held += low <= true <= high
        cells = np.repeat(cell_statistics(labels), matrix.ravel(), axis=0)
        low, high = percentiles(score(resampled_sums(cells, 200, 0)), 0.95)
        by_bootstrap += low <= true <= high
    assert held / tries >= 0.95
    assert rows > 20 or by_bootstrap / tries < 0.93


def sums(joint: np.ndarray) -> np.ndarray:
    """Hits, support and predictions, of so many records that they count as shares."""
    return 1e9 * np.concatenate([np.diag(joint), joint.sum(1), joint.sum(0)])


def cell_statistics(labels: int) -> np.ndarray:
    """Statistics of a record in each cell of the confusion matrix."""
    one = np.eye(labels)
    return np.array([[*one[t] * (t == p), *one[t], *one[p]] for t in range(labels) for p in range(labels)])


def test_twenty_records_that_are_all_right_do_not_prove_a_floor(tmp_path: Path) -> None:
    perfect = figure(1.0, 0.0)
    figures = changed(evaluated(20), "evaluation_report", ("systems", "fine_tuned", "macro_f1"), perfect)
    figures = changed(figures, "evaluation_report", ("confusion",), {"fine_tuned": [[10, 0], [0, 10]]})
    case = {"gate": {"floors": {"macro_f1": 0.85}}}
    refusing = EvidenceCase(tmp_path, case, figures, policy=TWENTY).refusing()
    why = "Macro F1 is 1.000 (0.818 to 1.000): not proven; about 10 more test records like these would prove it."
    assert refusing == {"floor/macro_f1": why}


@pytest.mark.parametrize(("first", "second"), [(6, 0), (5, 0), (12, 3), (3, 12), (20, 9)])
def test_an_exact_difference_excludes_nothing_that_mcnemars_exact_test_does_not(first: int, second: int) -> None:
    low, high = exact_difference(first, second, 120, 0.95)
    p = binomtest(first, first + second).pvalue
    assert low <= (first - second) / 120 <= high
    if p > 0.05:
        assert low <= 0 <= high
    if low > 0 or high < 0:
        assert p <= 0.05


def test_two_systems_that_get_the_same_records_right_differ_by_no_more_than_a_rare_record_says() -> None:
    assert exact_difference(0, 0, 100, 0.95) == pytest.approx((-0.0362, 0.0362), abs=1e-4)  # 1 - 0.025 ** (1 / 100)


def test_a_gain_in_accuracy_that_only_the_bootstrap_sees_is_a_tie(tmp_path: Path) -> None:
    """5 records to 0 on 100: McNemar's exact p is 0.0625."""
    figures = evaluated(100)
    figures = changed(figures, "evaluation_report", ("main_metric",), "accuracy")
    for system, found in figures["evaluation_report"]["differences"].items():
        figures = changed(
            figures, "evaluation_report", ("differences", system), {**found, "accuracy": difference(0.05)}
        )
    test = figures["evaluation_report"]["tests"]["base_few_shot"]
    pairs = {"only_first": 5, "only_second": 0, "p": 0.0625}
    figures = changed(figures, "evaluation_report", ("tests", "base_few_shot"), {**test, "mcnemar": pairs})
    refusing = EvidenceCase(tmp_path, figures=figures).refusing()
    assert set(refusing) == {"beats/base_few_shot"} and "a tie" in refusing["beats/base_few_shot"]


def test_a_share_of_which_all_are_right_has_an_interval_all_the_same(tmp_path: Path) -> None:
    figures = evaluated(100)
    figures = changed(figures, "evaluation_report", ("systems", "fine_tuned", "accuracy"), figure(1.0, 0.0))
    case = EvidenceCase(tmp_path, {"gate": {"floors": {"accuracy": 0.97}}}, figures)
    assert "1.000 (0.964 to 1.000)" in case.refusing()["floor/accuracy"]
