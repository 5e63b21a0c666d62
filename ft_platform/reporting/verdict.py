"""What the figures of an evaluation say in words: who wins, by how much, and what this test split cannot tell."""

from collections.abc import Mapping, Sequence
from typing import Any

from ft_platform.evaluation.metric import Metric, metric
from ft_platform.evaluation.requests import taken
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.systems import TITLES
from ft_platform.reporting.figure import short
from ft_platform.reporting.html import number, percent
from ft_platform.use_case.settings.evaluation import Evaluation

FEW_TEST_RECORDS = 10
"""Labels with fewer test records are named as uncertain: with 9 records one more hit moves recall by 0.11."""

MOST_RIVALS = 4
"""Systems that a sentence names."""


def best_system(systems: Mapping[str, Mapping[str, Mapping[str, float]]], metric: Metric) -> str:
    """The system with the best value of a metric; the first of equal ones."""
    return max(
        systems, key=lambda system: systems[system][metric.name]["value"] * (1 if metric.higher_is_better else -1)
    )


def best_system_sentence(figures: Mapping[str, Any], metric: Metric, confidence: float) -> str:
    """Which system is the best by a metric, or, where the test records do not tell it from others, from which. No page
    says "best" of a system but by this sentence."""
    systems = figures["systems"]
    first = best_system(systems, metric)
    rivals = [
        TITLES.get(other, short(other))
        for other in systems
        if other != first and not _surely_ahead(figures, metric, first, other, confidence)
    ]
    name, value = TITLES.get(first, short(first)), _with_interval(systems[first][metric.name])
    if not rivals:
        return f"{name} has the best {metric.title}: {value}."
    if len(rivals) > MOST_RIVALS:
        rivals = [*rivals[: MOST_RIVALS - 1], f"{len(rivals) - MOST_RIVALS + 1} others"]
    told = ", ".join(rivals[:-1]) + " and " * (len(rivals) > 1) + rivals[-1]
    extreme = "highest" if metric.higher_is_better else "lowest"
    return f"{name} has the {extreme} {metric.title}, {value}, but these test records cannot tell it from {told}."


def _surely_ahead(figures: Mapping[str, Any], metric: Metric, first: str, other: str, confidence: float) -> bool:
    """By their difference on the same records where the fine-tuned model is one of them; otherwise if their intervals
    are apart."""
    if FINE_TUNED in (first, other):
        named = other if first == FINE_TUNED else first
        difference = figures.get("differences", {}).get(named, {}).get(metric.name)
        if difference is None:
            return False
        judged = compared(difference, metric, figures["tests"][named]["p_corrected"], confidence)
        return judged == ("better" if first == FINE_TUNED else "worse")
    one, two = (figures["systems"][system][metric.name] for system in (first, other))
    return one["low"] > two["high"] if metric.higher_is_better else one["high"] < two["low"]


def verdicts(figures: Mapping[str, Any], main: Metric, confidence: float) -> list[dict[str, Any]]:
    """`[{"good": bool, "text": sentence}]`: the best system, then the fine-tuned model against each other one."""
    systems = figures["systems"]
    best = best_system(systems, main)
    sentences = [{"good": best == FINE_TUNED, "text": best_system_sentence(figures, main, confidence)}]
    if best != FINE_TUNED:
        sentences[0]["text"] += f" The fine-tuned model has {_with_interval(systems[FINE_TUNED][main.name])}."
    for system, difference in figures["differences"].items():
        found = difference[main.name]
        judged = compared(found, main, figures["tests"][system]["p_corrected"], confidence)
        sentences.append({"good": judged == "better", "text": _against(figures, system, main, judged, confidence)})
    return [*sentences, *win_sentences(figures.get("win_rates", {}))]


def worth_paying_for(
    figures: Mapping[str, Any], main: Metric, beats: Sequence[str], confidence: float
) -> dict[str, Any]:
    """`{"good", "text"}`: whether the fine-tuned model is better than what a release must beat, and worse than nothing
    else. Opens pages about money.

    Args:
        beats: systems that a release must beat (`gate.beats`); those that were not evaluated are left out.
    """
    judged = {
        system: compared(found[main.name], main, figures["tests"][system]["p_corrected"], confidence)
        for system, found in figures["differences"].items()
    }
    of = f"{main.title} on {figures['test_rows']:,} test records"
    if worse := [_title(system) for system, word in judged.items() if word == "worse"]:
        return {
            "good": False,
            "text": (
                f"The fine-tuned model is worse than {', '.join(worse)} ({of}), so its savings are not worth having."
            ),
        }
    if unsure := [_title(system) for system in beats if judged.get(system) == "not_distinguishable"]:
        return {
            "good": False,
            "text": f"There is no proof that the fine-tuned model is better than {', '.join(unsure)} ({of}).",
        }
    better = [_title(system) for system in beats if judged.get(system) == "better"]
    if not better:
        return {
            "good": False,
            "text": (
                "The fine-tuned model was not compared with any system that a release must beat"
                f" ({', '.join(beats) or 'none'})."
            ),
        }
    return {"good": True, "text": f"The fine-tuned model is better than {', '.join(better)} ({of})."}


def _title(system: str) -> str:
    return TITLES.get(system) or short(system)


def win_sentences(rates: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Whether training on pairs moved a system towards what people prefer: `[{"good", "text"}]`."""
    return [
        {
            "good": found["low"] > 0.5,
            "text": (
                f"{TITLES.get(system, system)}: of {found['pairs']:,} pairs of answers its training moved"
                f" {percent(found['value'])} ({percent(found['low'])} to {percent(found['high'])}) towards the one that"
                " people prefer; 50 % is chance."
            ),
        }
        for system, found in rates.items()
    ]


def _against(figures: Mapping[str, Any], system: str, main: Metric, judged: str, confidence: float) -> str:
    """The fine-tuned model against another system. Each test stands beside the figure that it tests: one figure may
    differ where another does not."""
    name, found, test = TITLES.get(system, system), figures["differences"][system][main.name], figures["tests"][system]
    comparisons = len(figures["tests"])
    corrected = (
        f", {probability(test['p_corrected'])} corrected for {comparisons} comparisons" if comparisons > 1 else ""
    )
    difference = f"{_signed(found)}, {probability(test['p'])}{corrected}"
    if judged != "not_distinguishable":
        text = f"Against {name} the fine-tuned model is {judged}: {main.title} {difference}."
    else:
        chance = "" if found["low"] <= 0 <= found["high"] else " After the correction it may be chance."
        text = (
            f"Against {name}, {figures['test_rows']:,} test records do not show which of the two has the better"
            f" {main.title}: difference {difference}.{chance} Differences below {found['detectable']:.3f} stay hidden"
            " on this test split more often than in 1 of 5 cases."
        )
    return f"{text}{_records_right(test['mcnemar'], name, judged, confidence)}"


def _records_right(test: Mapping[str, Any] | None, name: str, judged: str, confidence: float) -> str:
    """McNemar's test, which is about the share of records that are right, whatever the main metric is."""
    if not test:
        return ""
    text = (
        f" It gets {test['only_first']} records right that {name} gets wrong; the reverse happens"
        f" {_times(test['only_second'])}"
    )
    differs = (
        ", so the share of right answers does differ"
        if judged == "not_distinguishable" and test["p"] <= 1 - confidence
        else ""
    )
    return f"{text} (McNemar: {probability(test['p'])}){differs}."


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def probability(p: float) -> str:
    """`p = 0.03`, or `p < 0.001`."""
    return f"p = {p:.2g}" if p >= 0.001 else "p < 0.001"


LEARNED = ("tfidf_logreg", "linear_probe")
"""Baselines that learn from the training records and need no fine-tuning."""
PROMPTED = ("base_zero_shot", "base_few_shot")
ENDPOINT = "endpoint_"


def is_prompted(system: str) -> bool:
    return system in PROMPTED or system.startswith(ENDPOINT)


def best_prompt(systems: Mapping[str, Mapping[str, Mapping[str, float]]], main: Metric) -> str:
    """The best of the systems that are prompted."""
    return best_system({name: found for name, found in systems.items() if is_prompted(name)}, main)


def gain_over_prompting(figures: Mapping[str, Any]) -> dict[str, Any] | None:
    """How much better the fine-tuned model is than the best prompt, by the main metric: `{"value", "low", "high",
    "metric", "over"}`; None where no prompt was evaluated."""
    if not any(is_prompted(system) for system in figures["differences"]):
        return None
    main = metric(figures["main_metric"])
    over = best_prompt(figures["systems"], main)
    found = figures["differences"][over][main.name]
    return {**{name: found[name] for name in ("value", "low", "high")}, "metric": main.name, "over": over}


def fine_tune_or_prompt(figures: Mapping[str, Any], main: Metric, confidence: float) -> str:
    """Whether fine-tuning is worth it on this evidence, against the best prompt and the baselines that learn, with the
    reasons."""
    systems, differences, tests = figures["systems"], figures["differences"], figures["tests"]
    prompt = best_prompt(systems, main)
    found, name, p = differences[prompt][main.name], TITLES.get(prompt, prompt), tests[prompt]["p_corrected"]
    judged = compared(found, main, p, confidence)
    gap = f"{main.title} {_signed(found)}, {probability(p)} corrected"
    answer = {
        "better": f"Fine-tune: it is better than the best prompt ({name}) by {gap}.",
        "worse": f"Prompt: the fine-tuned model is worse than {name} by {gap}.",
        "not_distinguishable": (
            f"This test split gives no reason to fine-tune rather than to prompt: the difference to {name} is {gap},"
            f" and only differences of {found['detectable']:.3f} and more would show."
        ),
    }[judged]
    requests = figures["per_1000_requests"]
    costs = f"1,000 requests take {taken(requests['fine_tuned'])} fine-tuned and {taken(requests[prompt])} prompted."
    unsure = f"has a {main.title} so close that {figures['test_rows']:,} test records do not show which is better"
    words = {"better": "is worse", "worse": "is better still", "not_distinguishable": unsure}
    beside = [
        f"{TITLES[cheap]}, in {taken(requests[cheap])},"
        f" {words[compared(differences[cheap][main.name], main, tests[cheap]['p_corrected'], confidence)]}."
        for cheap in LEARNED
        if cheap in differences
    ]
    return " ".join([answer, costs, *beside])


def slice_sentences(slices: Sequence[Mapping[str, Any]], confidence: float) -> list[str]:
    """Parts of the test split on which the model is worse than on the rest, beyond chance."""
    level = 1 - confidence
    worse = [one for one in slices if one.get("p_corrected", 1.0) <= level and one["value"] < one["rest"]]
    if not worse:
        judged = sum(one["enough_evidence"] for one in slices)
        return [
            f"On none of {judged} parts of the test split is the model worse than on the rest beyond chance (corrected"
            " for all of them)."
        ]
    return [
        f"Worse where {one['by']} is {one['part']}: {number(one['value'])} ({number(one['low'])} to"
        f" {number(one['high'])}) on {one['rows']:,} records, {number(one['rest'])} on the others;"
        f" {probability(one['p_corrected'])} corrected."
        for one in worse
    ]


def compared(difference: Mapping[str, float], metric: Metric, p_corrected: float, confidence: float) -> str:
    """`better`, `worse` or `not_distinguishable`: whether the interval of a difference lies on one side of 0, and it is
    no chance among all comparisons."""
    if difference["low"] <= 0 <= difference["high"] or p_corrected > 1 - confidence:
        return "not_distinguishable"
    return "better" if (difference["value"] > 0) == metric.higher_is_better else "worse"


def limits(figures: Mapping[str, Any], main: Metric, settings: Evaluation, example_tokens: int) -> list[str]:
    """Sentences about what the figures do not show."""
    found = figures["systems"][FINE_TUNED][main.name]
    width = found["high"] - found["low"]
    rows = figures["test_rows"]
    sentences = [
        (
            f"The test split has {rows:,} records. The {percent(settings.confidence)} interval of the fine-tuned"
            f" model's {main.title} is {number(width)} wide: another test split of this size could as well have given a"
            " value anywhere in it."
        ),
        (
            "Intervals cover the choice of test records, not the seed of training: one training was evaluated;"
            " `seed_variation` measures that."
        ),
        (
            f"User texts are shortened so that a prompt has at most {settings.max_prompt_tokens:,} tokens, the same for"
            f" every system. Each of the {settings.few_shot_examples} few-shot examples ({settings.few_shot_selection},"
            f" from the training split) shows at most {example_tokens} tokens of its text."
        ),
    ]
    rare = [
        label for label, row in figures["per_class"].get(FINE_TUNED, {}).items() if row["support"] < FEW_TEST_RECORDS
    ]
    sentences += [
        endpoint_sentence(name, one, rows) for name, one in figures.get("info", {}).items() if name.startswith(ENDPOINT)
    ]
    sentences += generated_labels(figures.get("info", {}), rows)
    champion = figures.get("info", {}).get("champion", {"status": "compared"})
    if champion["status"] != "compared":
        sentences.append(f"The champion {champion['checkpoint']} is {champion['status']}.")
    if rare:
        sentences.append(
            f"Figures of these labels rest on fewer than {FEW_TEST_RECORDS} test records each: {', '.join(rare)}."
        )
    return sentences


def generated_labels(info: Mapping[str, Mapping[str, Any]], rows: int) -> list[str]:
    """How labels that the model wrote were read (`evaluation.label_answers: generated`), and how many answers could not
    be; nothing where it scored them."""
    written = {system: one["unreadable"] for system, one in info.items() if one.get("label_answers") == "generated"}
    if not written:
        return []
    told = ", ".join(f"{TITLES.get(system, short(system))} {count:,}" for system, count in written.items())
    return [
        f"The model wrote its labels as free text. Of {rows:,} answers each, so many named no label or several, and"
        f" count as wrong: {told}. Answers that are written have no confidence."
    ]


def endpoint_sentence(system: str, one: Mapping[str, Any], rows: int) -> str:
    """What is to be known about the figures of an endpoint."""
    unreadable = (
        ""
        if one["unreadable"] is None
        else f" {one['unreadable']:,} of {rows:,} answers named no label or several, and count as wrong."
    )
    return (
        f"{system} is model {one['model']} at {one['host']}, asked one request at a time: its seconds hold the way"
        f" there. The same model may answer otherwise another day.{unreadable}"
    )


def _with_interval(found: Mapping[str, float]) -> str:
    return f"{number(found['value'])} ({number(found['low'])} to {number(found['high'])})"


def _signed(found: Mapping[str, float]) -> str:
    return f"{found['value']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"
