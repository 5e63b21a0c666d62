import pytest

from ft_platform.evaluation.metric import metric
from ft_platform.reporting.verdict import compared, limits, verdicts, worth_paying_for
from ft_platform.use_case.settings.evaluation import Evaluation


def figures(name: str, tuned: float, other: float, low: float, high: float) -> dict:
    def around(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.1, "high": value + 0.1}

    base_few_shot = {name: {"value": tuned - other, "low": low, "high": high, "p": 0.01, "detectable": 0.15}}
    difference = {"base_few_shot": base_few_shot}
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
def test_a_difference_counts_only_if_its_interval_is_on_one_side_of_zero(
    name: str, low: float, high: float, expected: str
) -> None:
    assert compared({"value": (low + high) / 2, "low": low, "high": high}, metric(name), 0.01, 0.95) == expected


def test_a_difference_that_may_be_chance_among_several_comparisons_does_not_count() -> None:
    clear = {"value": 0.1, "low": 0.01, "high": 0.2}
    assert compared(clear, metric("macro_f1"), 0.05, 0.95) == "better"
    assert compared(clear, metric("macro_f1"), 0.08, 0.95) == "not_distinguishable"


def test_the_best_system_is_named_whoever_it_is() -> None:
    won = verdicts(figures("macro_f1", 0.8, 0.5, 0.2, 0.4), metric("macro_f1"), 0.95)
    assert won[0] == {"good": True, "text": "Fine-tuned model has the best Macro F1: 0.800 (0.700 to 0.900)."}
    assert won[1]["good"] and "is better" in won[1]["text"]
    lost = verdicts(figures("macro_f1", 0.4, 0.5, -0.2, -0.05), metric("macro_f1"), 0.95)
    assert not lost[0]["good"] and lost[0]["text"].startswith("Base model, few-shot has the best Macro F1: 0.500")
    assert not lost[1]["good"] and "is worse" in lost[1]["text"]
    assert verdicts(figures("answer_loss", 1.0, 2.0, -1.2, -0.8), metric("answer_loss"), 0.95)[0]["good"]


@pytest.mark.parametrize(("low", "high", "p"), [(-0.031, 0.043, 0.01), (0.01, 0.2, 0.2)])
def test_a_model_that_is_ahead_by_chance_is_not_called_the_best(low: float, high: float, p: float) -> None:
    found = figures("macro_f1", 0.841, 0.834, low, high)
    found["tests"] = {system: {**one, "p_corrected": p} for system, one in found["tests"].items()}
    (first, *_) = verdicts(found, metric("macro_f1"), 0.95)
    assert "best" not in first["text"]
    assert "has the highest Macro F1" in first["text"]
    assert first["text"].endswith("cannot tell it from Base model, few-shot.")


def test_a_test_stands_beside_the_figure_that_it_tests() -> None:
    """Macro F1 may be the same by all that is known where the share of right answers is not."""
    found = figures("macro_f1", 0.52, 0.5, -0.1, 0.14)
    mcnemar = {"only_first": 67, "only_second": 7, "p": 0.002}
    found["tests"]["base_few_shot"] |= {"p": 0.7, "p_corrected": 0.7, "mcnemar": mcnemar}
    text = verdicts(found, metric("macro_f1"), 0.95)[1]["text"]
    assert (
        "43 test records do not show which of the two has the better Macro F1: difference +0.020 (-0.100 to +0.140), p"
        " = 0.7." in text
    )
    assert text.endswith(
        "It gets 67 records right that Base model, few-shot gets wrong; the reverse happens 7 times (McNemar: p ="
        " 0.002), so the share of right answers does differ."
    )
    assert "distinguishable" not in text and "told apart" not in text


@pytest.mark.parametrize(
    ("low", "high", "beats", "good", "words"),
    [
        (
            0.1,
            0.3,
            ["base_few_shot", "champion"],
            True,
            "is better than Base model, few-shot (Macro F1 on 43 test records).",
        ),
        (
            -0.3,
            -0.1,
            ["majority"],
            False,
            ("is worse than Base model, few-shot (Macro F1 on 43 test records), so its savings are not worth having."),
        ),
        (
            -0.1,
            0.3,
            ["base_few_shot"],
            False,
            "There is no proof that the fine-tuned model is better than Base model, few-shot",
        ),
        (0.1, 0.3, ["majority"], False, "was not compared with any system that a release must beat (majority)."),
        (0.1, 0.3, [], False, "was not compared with any system that a release must beat (none)."),
    ],
)
def test_money_is_spoken_of_after_the_quality(
    low: float, high: float, beats: list[str], good: bool, words: str
) -> None:
    said = worth_paying_for(
        figures("macro_f1", 0.5 + (low + high) / 2, 0.5, low, high), metric("macro_f1"), beats, 0.95
    )
    assert said["good"] is good and words in said["text"]


def test_limits_name_the_width_and_the_rare_labels() -> None:
    text = " ".join(limits(figures("macro_f1", 0.8, 0.5, 0.2, 0.4), metric("macro_f1"), Evaluation(), 48))
    assert "43 records" in text and "0.200 wide" in text and "48 tokens" in text
    assert "fewer than 10 test records each: rare." in text
