"""What an evaluation and a decision come to, as one would say it to a clerk: how many of 100 are right, what that
gains, for whom it is worse, what to do next. Judged as `verdict` judges it; intervals and tests stand elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any

from ft_platform.evaluation.metric import Metric, metric
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.reporting.html import number
from ft_platform.reporting.verdict import best_prompt, compared

COUNTED = ("accuracy", "exact_match")
"""Metrics that are the share of records that are right."""
BASELINES = {
    "tfidf_logreg": ("a plain word-count model (TF-IDF)", "needs no language model"),
    "linear_probe": ("a linear probe of the base model", "needs no fine-tuning"),
}
"""System -> what it is, and what it does without."""

ADVICE = {
    "lineage": "Create the missing or outdated evidence: ft run {name}",
    "data": "Read the data report, fix the records or the settings, then: ft run {name}",
    "policy": "Some settings go below the minimum of this installation. See which: ft check",
    "recall": "Mark personal data in some of your own records, so that the search for it can be measured on them.",
    "beats": "Read what it gets wrong (ft errors {name} --text), then improve the records or the training.",
    "floor": "Read what it gets wrong (ft errors {name} --text), then improve the records or the training.",
    "fairness": "Add records of the groups that are too small or do worse, or pool small groups.",
    "memorization": (
        "Learn from more records. Where training makes steps: fewer epochs, a lower rank, or differential privacy."
    ),
    "not_worse_on_frozen": "Learn earlier records beside the newest: training.window_days with training.replay_share.",
    "forgetting": "Train for fewer epochs, with a lower rank or a lower rate.",
    "seeds": "Find out whether the gain holds for other seeds: ft run {name} --select seed_variation",
    "human_review": "Have experts compare answers: ft review start {name}",
}
"""Kind of a rule -> what to do where it is broken."""


def right_of_100(share: float) -> str:
    """A share of records as a count out of 100."""
    return f"{100 * share:.0f}"


def counted(figures: Mapping[str, Any]) -> str | None:
    """The metric that is the share of right records; None where answers are texts."""
    return next((name for name in COUNTED if name in figures["systems"][FINE_TUNED]), None)


def quality(figures: Mapping[str, Any], people: float | None = None) -> str:
    """How good the fine-tuned model is, beside the best prompt and people.

    Args:
        figures: of an evaluation (`evaluation.scores`).
        people: share of records that people get right without the model, in [0, 1], where it is known.
    """
    main = metric(figures["main_metric"])
    prompt = best_prompt(figures["systems"], main)
    tuned, prompted = figures["systems"][FINE_TUNED], figures["systems"][prompt]
    if not (name := counted(figures)):
        low, high = number(tuned[main.name]["low"]), number(tuned[main.name]["high"])
        best = "higher" if main.higher_is_better else "lower"
        return (
            f"The answers of the fine-tuned model score {number(tuned[main.name]['value'])} for {main.title} ({low} to"
            f" {high}; {best} is better). The best prompt scores {number(prompted[main.name]['value'])}."
        )
    found = tuned[name]
    low, high = right_of_100(found["low"]), right_of_100(found["high"])
    text = (
        f"Of 100 records, the fine-tuned model gets about {right_of_100(found['value'])} right ({low} to {high})."
        f" The same base model with the best prompt gets {right_of_100(prompted[name]['value'])} right."
    )
    return text if people is None else f"{text} People get {right_of_100(people)} right."


def gain(figures: Mapping[str, Any], confidence: float) -> dict[str, Any]:
    """`{"good", "text"}`: what fine-tuning gains over the best prompt, and over the baselines that learn."""
    main = metric(figures["main_metric"])
    prompt = best_prompt(figures["systems"], main)
    judged = _judged(figures, prompt, main, confidence)
    if judged == "not_distinguishable":
        text = (
            f"We cannot say that fine-tuning is better than a good prompt: on {figures['test_rows']:,} test records"
            " the difference is too small to see."
        )
    elif judged == "better":
        text = f"Fine-tuning pays off: {_more(figures, prompt, main)} than the best prompt."
    else:
        text = f"Fine-tuning does not pay off: the best prompt gets {_more(figures, prompt, main, swapped=True)}."
    beside = [
        {
            "better": f"It also beats {name}, which {spares}.",
            "worse": f"But {name} is better still, and {spares}.",
            "not_distinguishable": f"But {name}, which {spares}, may be as good.",
        }[_judged(figures, system, main, confidence)]
        for system, (name, spares) in BASELINES.items()
        if system in figures["differences"]
    ]
    return {"good": judged == "better", "text": " ".join([text, *beside])}


def _judged(figures: Mapping[str, Any], system: str, main: Metric, confidence: float) -> str:
    return compared(
        figures["differences"][system][main.name], main, figures["tests"][system]["p_corrected"], confidence
    )


def _more(figures: Mapping[str, Any], system: str, main: Metric, swapped: bool = False) -> str:
    """By how much the better one of two is better."""
    name = counted(figures)
    difference = figures["differences"][system].get(name) if name else None
    more = round(100 * difference["value"] * (-1 if swapped else 1)) if difference else 0
    if difference and more > 0:
        if swapped:
            return f"about {more} more of 100 records right"
        low, high = right_of_100(difference["low"]), right_of_100(difference["high"])
        return f"it gets about {more} more of 100 records right ({low} to {high})"
    values = [number(figures["systems"][one][main.name]["value"]) for one in (FINE_TUNED, system)]
    first, second = reversed(values) if swapped else values
    return f"{'' if swapped else 'it has '}a better {main.title} ({first} instead of {second})"


def worse_for(slices: Sequence[Mapping[str, Any]], confidence: float, counts: bool) -> list[str]:
    """On which parts of the test split the model is clearly worse.

    Args:
        counts: their figure is a share of right records.
    """
    said = right_of_100 if counts else number
    unit = " of 100 right" if counts else ""
    worse = [one for one in slices if one.get("p_corrected", 1.0) <= 1 - confidence and one["value"] < one["rest"]]
    if worse:
        return [
            f"It does worse where {one['by']} is {one['part']}: {said(one['value'])}{unit} there,"
            f" {said(one['rest'])} elsewhere ({one['rows']:,} test records)."
            for one in worse
        ]
    looked_at = sum(one["enough_evidence"] for one in slices)
    if not looked_at:
        return ["No part of the test split has enough records to be judged on its own."]
    parts = ", ".join(dict.fromkeys(one["by"] for one in slices if one["enough_evidence"]))
    return [f"We looked at {looked_at} parts of the test records (by {parts}) and it is clearly worse on none of them."]


def next_after_evaluation(figures: Mapping[str, Any], confidence: float, name: str) -> list[str]:
    """What to do with an evaluation."""
    main = metric(figures["main_metric"])
    judged = _judged(figures, best_prompt(figures["systems"], main), main, confidence)
    read = f"Read some of its mistakes: ft errors {name} --text"
    if judged == "worse":
        return ["Do not release it: use the prompt, or look for better training records.", read]
    if judged == "not_distinguishable":
        return ["Do not decide on this yet: add test records, or improve the training records and train again.", read]
    for system, (baseline, spares) in BASELINES.items():
        if system in figures["differences"] and _judged(figures, system, main, confidence) != "better":
            return [f"Ask whether {baseline} is enough for the task: it {spares}.", read]
    return [read, f"Then open the release decision: ft decide {name}"]


def diagnosed(figures: Mapping[str, Any]) -> list[str]:
    """What holds the model back, and the command that helps; nothing where the evaluation has no diagnosis."""
    found = figures.get("diagnosis")
    if not found:
        return []
    return [found["text"], f"{found['remedy']} Type: {found['command']}"]


def next_after_decision(found: Mapping[str, Any]) -> list[str]:
    """What to do with a decision.

    Args:
        found: a `decision.json`.
    """
    name = found["use_case"]
    broken = [rule for rule in found["rules"] if not rule["passed"] and not rule["waiver"]]
    if not broken:
        until = f" before {found['valid_until']}, when a waiver ends," if found["valid_until"] else ""
        again = [f"Decide again{until} with: ft decide {name}"] if until else []
        # Decisions from before it was said have no such key.
        signs = found.get("signs", True)
        first = "Ask the people named in the release decision to sign, then: " if signs else "Release it: "
        return [f"{first}ft release {name}", *again]
    advice = dict.fromkeys(
        ADVICE[kind].format(name=name) for rule in broken if (kind := rule["rule"].partition("/")[0]) in ADVICE
    )
    said = list(advice) or ["Read below why each rule is broken."]
    waivable = [rule["rule"] for rule in broken if rule["waivable"]]
    if len(waivable) == len(broken):
        said.append(
            f"Or let a person take responsibility, for a time and with a reason: ft waiver grant {name} --rule"
            f" {waivable[0]}"
        )
    return said


def fair_to_groups(found: Mapping[str, Any]) -> list[str]:
    """What the rules of a decision say about groups of people, with the figure that each is about."""
    return [rule["why"] for rule in found["rules"] if rule["rule"].startswith("fairness/")]
