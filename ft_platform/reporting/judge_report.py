"""The page and the picture of a judge's verdict."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ft_platform.evaluation.agreement import in_words
from ft_platform.evaluation.systems import TITLES
from ft_platform.lake.draft import Draft
from ft_platform.reporting.html import number
from ft_platform.reporting.report_page import saved, write_report_page
from ft_platform.reporting.review_report import preference_sentence, preferences_plot


def write_judge_report(folder: Path, draft: Draft, found: Mapping[str, Any]) -> None:
    """`judge.png` and `report.html`."""
    write_report_page(
        folder,
        draft,
        "judge_report.html",
        title=f"Judge of {draft.use_case.name}",
        found=found,
        alternative=TITLES.get(found["alternative"], found["alternative"]),
        sentences=judge_sentences(found),
        pictures=saved(folder, {"judge": preferences_plot({"judge": found["answers"]}, found["alternative"])}),
    )


def judge_sentences(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a verdict says in words, each `{"good", "text"}`; whether it may be relied on comes first."""
    usable = found["usable_in_gate"]
    if usable:
        first = "This verdict may be used in a gate: the judge agrees with people."
    else:
        first = f"This verdict may not be used in a gate: {found['reason']}."
    sentences = [{"good": usable, "text": first}]
    if kappa := found["gold"]["kappa"]:
        equal = found["gold"]["agreement"]
        text = (
            f"The judge agrees with people ({found['gold']['source']}, {number(found['gold']['rows'])} pairs) in"
            f" {100 * equal['value']:.0f} % ({100 * equal['low']:.0f} to {100 * equal['high']:.0f} %). Agreement"
            f" beyond chance: kappa {number(kappa['value'])} ({number(kappa['low'])} to {number(kappa['high'])}):"
            f" {in_words(kappa['value'])}."
        )
        sentences.append({"good": usable, "text": text})
    if found["win_rate"] is None:
        return [*sentences, {"good": False, "text": f"There is no win rate: {found['status']}."}]
    bias = found["position_bias"]
    order = (
        f"In {100 * bias['value']:.0f} % of the pairs the judge contradicts itself when the answers swap places"
        f" ({100 * bias['low']:.0f} to {100 * bias['high']:.0f} %); these count as ties. Left out because the reply"
        f" was unreadable: {number(found['unreadable']['rows'])} pairs."
    )
    sentences += [_preferred(found), {"good": bias["value"] < 0.2, "text": order}]
    return sentences + ([_support_sentence(found["groundedness"])] if "groundedness" in found else [])


def _preferred(found: Mapping[str, Any]) -> dict[str, Any]:
    sentence = preference_sentence("The judge's replies", found)
    return {**sentence, "good": sentence["good"] and found["usable_in_gate"]}


def _support_sentence(found: Mapping[str, Any]) -> dict[str, Any]:
    rate = found["hallucination_rate"]
    if rate is None:
        return {"good": False, "text": f"Unsupported claims were not judged: {found['reason']}."}
    text = (
        f"The judge finds claims that the question does not support in {100 * rate['value']:.0f} %"
        f" ({100 * rate['low']:.0f} to {100 * rate['high']:.0f} %) of {number(found['rows'])} answers of the"
        f" trained model. This figure may not be used in a gate: {found['reason']}."
    )
    return {"good": False, "text": text}
