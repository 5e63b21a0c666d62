"""Each rule finds the fault that was planted, with its figures and its command, and is silent without it."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from ft_platform.evaluation.diagnosis.diagnose import RULES, diagnose
from ft_platform.evaluation.diagnosis.facts import Facts
from ft_platform.evaluation.diagnosis.of_labels import kappa
from ft_platform_tests.evaluation.diagnosis.planted_facts import (
    LABELS,
    LOSSES,
    curve,
    facts,
    figures,
    opinion,
    predicted,
    shuffled,
    training,
)

RISING = (1.10, 1.60, 1.90, 1.80, 1.75)
FALLING = (1.10, 0.90, 0.75, 0.62, 0.51)
TURNING = (1.10, 0.60, 0.50, 0.75, 0.95)


def cut(worse: bool) -> Facts:
    """A third of the test records is cut, and they are answered worse, or as well as the others."""
    shortened = np.arange(400) % 3 == 0
    scores = np.where(shortened & worse, np.arange(400) % 2, np.arange(400) % 10 > 0).astype(float)
    trained = training()
    trained["counts"]["train"]["truncated"] = 200
    return facts(training=trained, scores=scores, shortened=shortened, longest=(900, 4))


def dated(falls: bool, newest: str = "2025-12-31") -> Facts:
    dates = np.array([f"2026-{1 + number // 34:02d}-{1 + number % 28:02d}" for number in range(400)], object)
    rng = np.random.default_rng(3)
    right = rng.random(400) < (np.linspace(0.95, 0.5, 400) if falls else np.full(400, 0.8))
    return facts(dates=dates, newest=newest, scores=right.astype(float))


def written(**changed: Any) -> Facts:
    """Of a task whose answers are written: no labels."""
    found = {"confusion": {}, "per_class": {}, "systems": {}, "test_rows": 400}
    texts = {
        "figures": found,
        "labels": {},
        "opinion": None,
        "unfinished": 3,
        "long_references": 0,
        "longest": (300, 90),
    }
    return facts(**{**texts, **changed})


PLANTED: dict[str, tuple[Facts, list[str], str]] = {
    "nothing_left": (facts(scores=np.ones(400)), ["all 400 test records right"], "ft decide letters"),
    "nothing_to_learn": (
        facts(tuned=shuffled(seed=1), baseline=shuffled(seed=2), training=training(curve((1.1, 1.1, 1.1, 1.1, 1.1)))),
        ["400 test records", "no better than chance"],
        "ft errors letters --text",
    ),
    "wrong_labels": (
        facts(tuned=predicted(0.7), opinion=opinion(0.3), sides=(40, 4)),
        ["About 27% of the training labels", "150 labels", "40 times and that of the label 4 times"],
        "ft errors letters --wrong-labels --text",
    ),
    "rate_too_high": (
        facts(training=training(curve(RISING), best_step=10)),
        ["1.100 before training and never below 1.600", "0.0004"],
        "ft run letters --set training.learning_rate=0.0002 --keep",
    ),
    "still_learning": (
        facts(training=training(curve(FALLING))),
        ["step 40", "from 0.620 to 0.510", "by 0.2"],
        "ft run letters --set training.continue_from=ckpt-diagnosed",
    ),
    "over_trained": (
        facts(training=training(curve(TURNING), best_step=20)),
        ["after step 20", "from 0.500 to 0.950", "went down to 0.025"],
        "ft run letters --set training.epochs=2 --keep",
    ),
    "texts_cut": (
        cut(worse=True),
        ["134 of 400 test records were cut to 512", "0.50 instead of 0.90", "200 were cut"],
        "ft run letters --set evaluation.max_prompt_tokens=960 --set training.max_length=960 --keep",
    ),
    "label_too_rare": (
        facts(tuned=predicted({"card": 0.95, "loan": 0.95, "rare": 0.2})),
        ["rare: 60 training records", "270 training records or more"],
        "ft run letters --set splits.rare_labels=other --set splits.min_rows_per_label=122 --keep",
    ),
    "times_change": (dated(falls=True), ["400 of 400 test records are newer", "2025-12-31"], "ft run letters"),
    "answers_do_not_end": (
        written(unfinished=300),
        ["300 of 400 answers are empty or do not end within 96 tokens", "chat template"],
        "ft audit letters --show 3",
    ),
    "more_records": (facts(), ["No fault was found"], "ft run letters --select learning_curve"),
}


def test_every_rule_has_a_planted_fault() -> None:
    assert set(PLANTED) == {rule.__name__ for rule in RULES} | {"more_records"}


@pytest.mark.parametrize("case", PLANTED)
def test_the_planted_fault_is_the_diagnosis_with_its_figures_and_command(case: str) -> None:
    planted, said, command = PLANTED[case]
    found = diagnose(planted)
    assert found["case"] == case, found
    for words in said:
        assert words in found["text"], found["text"]
    assert found["command"] == command and found["remedy"].endswith(".")


@pytest.mark.parametrize("case", PLANTED)
def test_one_fault_is_found_alone(case: str) -> None:
    further = {one["case"] for one in diagnose(PLANTED[case][0])["further"]}
    # Labels that nobody can predict are doubted too, and rare ones look worse than others.
    assert further <= ({"label_too_rare"} if case == "nothing_to_learn" else set())


SOUND: dict[str, tuple[str, Facts]] = {
    "one answer is wrong": ("nothing_left", facts(scores=np.arange(400) > 0)),
    "eight test records of shuffled labels show nothing": (
        "nothing_to_learn",
        facts(tuned=shuffled(8, 1), baseline=shuffled(8, 2), scores=np.zeros(8), shortened=np.zeros(8, bool)),
    ),
    "the word-count model learned something": (
        "nothing_to_learn",
        facts(tuned=shuffled(seed=1), baseline=predicted(0.6)),
    ),
    "the word-count model learned something from other training records": (
        "nothing_to_learn",
        facts(
            tuned=shuffled(seed=1),
            baseline=shuffled(seed=2),
            opinion=dataclasses.replace(opinion(0.5), confusion=np.eye(3) * 20 + 10),
        ),
    ),
    "the metric on validation records rose": (
        "nothing_to_learn",
        facts(
            tuned=shuffled(seed=1),
            baseline=shuffled(seed=2),
            training=training(curve(validation_macro_f1=(0.3, 0.5, 0.6, 0.6, 0.6))),
        ),
    ),
    "few labels are doubted beside the errors": (
        "wrong_labels",
        facts(tuned=predicted(0.7), opinion=opinion(0.08), sides=(40, 4)),
    ),
    "the fine-tuned model takes the side of the labels": (
        "wrong_labels",
        facts(tuned=predicted(0.7), opinion=opinion(0.3), sides=(10, 14)),
    ),
    "the loss rose, and so did the metric": (
        "rate_too_high",
        facts(training=training(curve(RISING, validation_macro_f1=(0.3, 0.5, 0.6, 0.7, 0.7)))),
    ),
    "the loss falls by less than records can tell": (
        "still_learning",
        facts(training=training(curve((*LOSSES[:-1], 0.505)))),
    ),
    "it stopped early": ("still_learning", facts(training={**training(curve(FALLING)), "stopped_early": True})),
    "with differential privacy more steps are not free": (
        "still_learning",
        facts(training={**training(curve(FALLING)), "differential_privacy": {"epsilon": 3.0}}),
    ),
    "the loss rose by less than records can tell": (
        "over_trained",
        facts(training=training(curve((1.1, 0.6, 0.50, 0.52, 0.53)), best_step=20)),
    ),
    "the last weights were kept": ("over_trained", facts(training=training(curve(TURNING), best_step=40))),
    "cut texts are answered as well": ("texts_cut", cut(worse=False)),
    "the rare label is as good": ("label_too_rare", facts(tuned=predicted(0.9))),
    "the label is worse, but not rare": (
        "label_too_rare",
        facts(tuned=predicted({"card": 0.95, "loan": 0.95, "rare": 0.2}), labels=dict.fromkeys(LABELS, 200)),
    ),
    "quality does not fall with time": ("times_change", dated(falls=False)),
    "test records are not newer": ("times_change", dated(falls=True, newest="2026-11-01")),
    "answers end": ("answers_do_not_end", written()),
    "half of the answers, which may be chance": ("answers_do_not_end", written(unfinished=210)),
}


@pytest.mark.parametrize("why", SOUND)
def test_without_the_fault_its_rule_is_silent(why: str) -> None:
    rule, sound = SOUND[why]
    found = diagnose(sound)
    assert rule not in {found["case"], *(one["case"] for one in found["further"])}


def test_a_training_that_max_steps_cut_is_told_to_go_on() -> None:
    found = diagnose(facts(training=training(curve((*LOSSES[:-1], 0.505)), max_steps=40, epochs=9.0)))
    assert found["case"] == "still_learning" and found["command"].endswith("training.continue_from=ckpt-diagnosed")


def test_a_metric_that_still_rises_is_enough() -> None:
    found = diagnose(facts(training=training(curve(validation_macro_f1=(0.3, 0.5, 0.6, 0.65, 0.8)))))
    assert found["case"] == "still_learning" and "macro-F1 on validation records still rose from 0.650" in found["text"]


def test_a_training_loss_that_rises_means_a_high_rate() -> None:
    found = diagnose(facts(training=training(curve(trained=(0.5, 0.6, 0.9, 1.4)), best_step=30)))
    assert found["case"] == "rate_too_high" and "training loss rose" in found["text"]


def test_the_first_of_several_is_the_diagnosis_and_the_others_are_further_findings() -> None:
    found = diagnose(
        facts(tuned=predicted({"card": 0.95, "loan": 0.95, "rare": 0.2}), training=training(curve(FALLING)))
    )
    assert found["case"] == "still_learning" and [one["case"] for one in found["further"]] == ["label_too_rare"]


@pytest.mark.parametrize(
    ("told_apart", "says", "remedy"),
    [
        (True, "would lower the validation loss by 0.060 (0.030 to 0.100)", "Bring more records"),
        (False, "it is unclear whether", "Try a larger base model"),
    ],
)
def test_a_learning_curve_says_what_more_records_bring(told_apart: bool, says: str, remedy: str) -> None:
    doubling = {"rows": 1200, "gain": {"value": 0.06, "low": 0.03, "high": 0.1}, "told_apart": told_apart}
    found = diagnose(facts(doubling=doubling))
    assert says in found["text"] and found["remedy"].startswith(remedy)


def test_a_linear_probe_is_not_sent_to_a_learning_curve_that_refuses_it() -> None:
    told = {**training(), "training": {**training()["training"], "method": "linear_probe"}}
    found = diagnose(dataclasses.replace(facts(), training=told))
    assert found["case"] == "more_records" and "training.method=lora" in found["command"]


def test_long_references_ask_for_longer_answers() -> None:
    found = diagnose(written(unfinished=390, long_references=380, longest=(300, 250)))
    assert found["command"] == "ft run letters --set evaluation.max_new_tokens=256 --keep"


def test_facts_that_are_not_known_silence_their_rules() -> None:
    bare = Facts("letters", written().figures, "ckpt-diagnosed", training(), 0.95)
    assert diagnose(bare)["case"] == "more_records"
    without = dataclasses.replace(bare, training={**training(), "curve": []})
    assert diagnose(without)["case"] == "more_records"


def test_kappa_is_that_of_scikit_learn_and_its_error_that_of_shuffled_answers() -> None:
    from sklearn.metrics import cohen_kappa_score

    right = predicted(0.6)
    value, _ = kappa(np.array(figures(right, right)["confusion"]["fine_tuned"], float))
    assert value == pytest.approx(cohen_kappa_score(right.truth, right.predicted))
    drawn = [shuffled(seed=seed) for seed in range(400)]
    found = [kappa(np.array(figures(one, one)["confusion"]["fine_tuned"], float)) for one in drawn]
    assert np.std([value for value, _ in found]) == pytest.approx(np.mean([error for _, error in found]), rel=0.1)
