import pytest

from ft_platform.evaluation.metric import metric
from ft_platform.reporting.verdict import compared, limits, verdicts
from ft_platform.use_case import Evaluation


def figures(name: str, tuned: float, other: float, low: float, high: float) -> dict:
    def around(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.1, "high": value + 0.1}

    difference = {"base_few_shot": {name: {"value": tuned - other, "low": low, "high": high, "p": 0.01, "detectable": 0.15}}}
    per_class = {"fine_tuned": {"rare": {"support": 3}, "frequent": {"support": 40}}}
    return {
        "systems": {"base_few_shot": {name: around(other)}, "fine_tuned": {name: around(tuned)}},
        "differences": difference,
        "tests": {"base_few_shot": {"metric": name, "p": 0.01, "p_corrected": 0.01, "mcnemar": None}},
        "test_rows": 43,
        "per_class": per_class,
    }


@pytest.mark.parametrize(
    ("name", "low", "high", "expected"),
    [
        ("macro_f1", 0.1, 0.3, "better"),
        ("macro_f1", -0.3, -0.1, "worse"),
        ("macro_f1", -0.1, 0.2, "not_distinguishable"),
        ("macro_f1", 0.0, 0.2, "not_distinguishable"),  # an interval that touches 0 does not tell them apart
        ("answer_loss", -0.3, -0.1, "better"),  # lower is better
        ("answer_loss", 0.1, 0.3, "worse"),
    ],
)
def test_a_difference_counts_only_if_its_interval_is_on_one_side_of_zero(name: str, low: float, high: float, expected: str) -> None:
    assert compared({"value": (low + high) / 2, "low": low, "high": high}, metric(name), 0.01, 0.95) == expected


def test_a_difference_that_may_be_chance_among_several_comparisons_does_not_count() -> None:
    clear = {"value": 0.1, "low": 0.01, "high": 0.2}
    assert compared(clear, metric("macro_f1"), 0.05, 0.95) == "better" and compared(clear, metric("macro_f1"), 0.08, 0.95) == "not_distinguishable"


def test_the_best_system_is_named_whoever_it_is() -> None:
    won = verdicts(figures("macro_f1", 0.8, 0.5, 0.2, 0.4), metric("macro_f1"), 0.95)
    assert won[0] == {"good": True, "text": "Fine-tuned model has the best Macro F1: 0.800 (0.700 to 0.900)."}
    assert won[1]["good"] and "is better" in won[1]["text"]
    lost = verdicts(figures("macro_f1", 0.4, 0.5, -0.2, -0.05), metric("macro_f1"), 0.95)
    assert not lost[0]["good"] and lost[0]["text"].startswith("Base model, few-shot has the best Macro F1: 0.500")
    assert not lost[1]["good"] and "is worse" in lost[1]["text"]
    assert verdicts(figures("answer_loss", 1.0, 2.0, -1.2, -0.8), metric("answer_loss"), 0.95)[0]["good"]


def test_limits_name_the_width_and_the_rare_labels() -> None:
    text = " ".join(limits(figures("macro_f1", 0.8, 0.5, 0.2, 0.4), metric("macro_f1"), Evaluation(), 48))
    assert "43 records" in text and "0.200 wide" in text and "48 tokens" in text
    assert "fewer than 10 test records each: rare." in text
