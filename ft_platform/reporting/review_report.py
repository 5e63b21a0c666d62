"""The page and the picture of a human review."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ft_platform.evaluation.agreement import ALTERNATIVE, FINE_TUNED, TIE, in_words
from ft_platform.evaluation.systems import TITLES
from ft_platform.lake.draft import Draft
from ft_platform.reporting.figure import COLOURS, drawing, short
from ft_platform.reporting.html import number
from ft_platform.reporting.report_page import saved, write_report_page

PARTS = ((FINE_TUNED, COLOURS[4], ""), (TIE, "#DDDDDD", ".."), (ALTERNATIVE, COLOURS[1], "//"))
"""Answer, colour and hatching: told apart without colours as well."""


END_WORDS = {
    "": "The review goes on.",
    "reached": "The review may end: the whole interval reaches the win rate that is asked for.",
    "missed": "The review may end: the whole interval is below the win rate that is asked for.",
    "too_close": "The review may end: the records that are left will most likely not show a difference.",
    "all": "The review may end: all its records are judged.",
}
"""Of `evaluation.review.sequential.End`."""
ENDED = {
    "": "a person ended it",
    "reached": "the whole interval reached the win rate that is asked for",
    "missed": "the whole interval was below the win rate that is asked for",
    "too_close": "the records that were left would most likely not have shown a difference",
    "all": "all its records were judged",
}


def write_review_report(folder: Path, draft: Draft, found: Mapping[str, Any]) -> None:
    """`human_review.png` and `report.html`."""
    answered = {rater["rater"]: rater for rater in found["raters"] if rater["answers"]}
    write_report_page(
        folder,
        draft,
        "human_review.html",
        title=f"Human review of {draft.use_case.name}",
        found=found,
        alternative=TITLES.get(found["alternative"], found["alternative"]),
        sentences=review_sentences(found),
        pictures=saved(folder, {"human_review": preferences_plot(answered, found["alternative"])}),
    )


def preference_sentence(who: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """What a win rate says in words: `{"good", "text"}`.

    Args:
        who: who judged, e.g. `Experts`.
        found: has `win_rate`, `alternative`, `rows`, `confidence`.
    """
    rate = found["win_rate"]
    other = TITLES.get(found["alternative"], found["alternative"])
    text = (
        f"{who} prefer the trained model to “{other}” in {100 * rate['value']:.0f} % of the {number(found['rows'])}"
        f" judged records ({100 * rate['low']:.0f} to {100 * rate['high']:.0f} %, {100 * found['confidence']:.0f} %"
        " interval; a tie counts half)"
    )
    if rate["low"] > 0.5:
        return {"good": True, "text": f"{text}."}
    if rate["high"] < 0.5:
        return {"good": False, "text": f"{text}: they prefer the alternative."}
    return {
        "good": False,
        "text": (f"{text}. The interval includes 50 %, so these judgements do not show which is better."),
    }


def review_sentences(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a review says in words, each `{"good", "text"}`."""
    differing = found["test_rows"] - found["identical_rows"]
    scope = (
        f"The two answers differ on {number(differing)} of {number(found['test_rows'])} test records; only such records"
        " were judged."
    )
    return [
        preference_sentence("Experts", found),
        {"good": True, "text": scope},
        *_end_sentence(found),
        _agreement_sentence(found["agreement"]),
    ]


def _end_sentence(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Why a review in the portal ended, and after how many records."""
    if not (told := found.get("sequential")):
        return []
    text = f"It could end at any record, after {number(told['most'])} at most, and did after {number(found['rows'])}"
    return [{"good": True, "text": f"{text}: {ENDED[told['end']]}."}]


def _agreement_sentence(found: Mapping[str, Any]) -> dict[str, Any]:
    kappa = found["kappa"]
    if kappa is None:
        return {"good": False, "text": f"Agreement between raters: {found['status']}."}
    text = (
        f"Agreement of {found['raters']} raters beyond chance: {found['method']} {number(kappa['value'])}"
        f" ({number(kappa['low'])} to {number(kappa['high'])}) on {number(found['rows'])} records,"
        f" {in_words(kappa['value'])}."
    )
    return {"good": kappa["value"] >= 0.4, "text": text}


def preferences_plot(rows: Mapping[str, Mapping[str, int]], alternative: str) -> bytes:
    """For each row, how often each answer was preferred, as parts of one bar. Each row has counts `fine_tuned`, `tie`,
    `alternative`."""
    names = {FINE_TUNED: "trained model", TIE: "tie", ALTERNATIVE: TITLES.get(alternative, alternative)}
    with drawing(6.4, 1.6 + 0.35 * len(rows)) as (figure, axes, buffer):
        titles = [short(name) for name in rows]
        left = [0.0] * len(rows)
        for part, colour, hatch in PARTS:
            shares = [row[part] / max(sum(row[p] for p, _, _ in PARTS), 1) for row in rows.values()]
            bars = axes.barh(
                range(len(rows)), shares, left=left, color=colour, hatch=hatch, edgecolor="white", label=names[part]
            )
            labels = [str(row[part]) if row[part] else "" for row in rows.values()]
            axes.bar_label(bars, labels=labels, label_type="center", fontsize=8)
            left = [a + b for a, b in zip(left, shares, strict=True)]
        axes.set(xlabel="share of judgements: which answer is better", xlim=(0, 1), yticks=range(len(rows)))
        axes.set_yticklabels(titles)
        axes.invert_yaxis()
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return buffer.getvalue()
