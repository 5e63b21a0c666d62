"""What a judge's choices say: who wins, how much the order of answers matters, and how far it agrees with people."""

from collections.abc import Mapping, Sequence
from typing import Any

from ft_platform.evaluation.agreement import ALTERNATIVE, FINE_TUNED, POINTS, TIE, agreement, win_rate
from ft_platform.evaluation.judging.gold import Gold
from ft_platform.use_case.settings.evaluation import Evaluation
from ft_platform.use_case.settings.judge import Judge

LEAST_GOLD_ROWS = 20
"""Judged pairs from which agreement with people is measured; with fewer its interval is as wide as the scale."""
MOST_UNREADABLE = 0.1
"""Share of pairs without a readable verdict above which the others may be a choice of easy ones."""

FIRST_ORDER = {"A": FINE_TUNED, "B": ALTERNATIVE, "tie": TIE}
SWAPPED = {"A": ALTERNATIVE, "B": FINE_TUNED, "tie": TIE}


def verdict(first: str | None, swapped: str | None) -> tuple[str | None, bool]:
    """What both orders say of one pair, and whether they contradict each other, which is a tie. None where one cannot
    be read.

    Args:
        first: choice with the fine-tuned model's answer as A.
        swapped: choice with it as B.
    """
    if first is None or swapped is None:
        return None, False
    one, other = FIRST_ORDER[first], SWAPPED[swapped]
    return (one, False) if one == other else (TIE, True)


def judge_figures(
    choices: Mapping[str, tuple[str | None, str | None]],
    sampled: Sequence[str],
    gold: Gold,
    judge: Judge,
    evaluation: Evaluation,
) -> dict[str, Any]:
    """What `judge.json` says of the choices.

    Args:
        choices: pair -> choice in first order, and swapped.
        sampled: pairs of the evaluation that the win rate is about.
        gold: what people said.

    Returns:
        `{"rows", "unreadable", "answers", "win_rate", "status", "ties_count_half", "position_bias", "first_share",
        "calibrated", "gold": {"source", "rows", "kappa", "agreement", "status"}, "usable_in_gate", "reason"}`.
        `position_bias` is the share of pairs on which the orders contradict each other, `first_share` how often the
        answer that stood first was chosen, among choices that are no tie.
    """
    verdicts = {pair: verdict(*choices[pair]) for pair in choices}
    readable = [
        (preferred, contradicts)
        for pair in sampled
        if (preferred := verdicts[pair][0]) is not None
        for contradicts in [verdicts[pair][1]]
    ]
    preferred = [one for one, _ in readable]
    single = [choice for pair in sampled for choice in choices[pair] if choice in ("A", "B")]
    unreadable = 1 - len(readable) / len(sampled)
    calibration = _calibration({pair: verdicts[pair][0] for pair in gold.preferred}, gold, evaluation)
    found = {
        "rows": len(readable),
        "unreadable": {"rows": len(sampled) - len(readable), "share": unreadable},
        "answers": {choice: preferred.count(choice) for choice in (FINE_TUNED, TIE, ALTERNATIVE)},
        "win_rate": win_rate([POINTS[one] for one in preferred], evaluation.confidence) if preferred else None,
        "status": "measured" if preferred else "no reply of the judge could be read",
        "ties_count_half": True,
        "confidence": evaluation.confidence,
        "position_bias": (
            win_rate([float(contradicts) for _, contradicts in readable], evaluation.confidence) if readable else None
        ),
        "first_share": single.count("A") / len(single) if single else None,
        "calibrated": calibration["kappa"] is not None,
        "gold": calibration,
    }
    reason = why_not_usable(found, judge.min_kappa)
    return {**found, "usable_in_gate": reason is None, "reason": reason}


def _calibration(judged: Mapping[str, str | None], gold: Gold, settings: Evaluation) -> dict[str, Any]:
    """Agreement of the judge with people: Cohen's kappa and the share of equal verdicts, each with its interval."""
    readable = {pair: preferred for pair, preferred in judged.items() if preferred is not None}
    found: dict[str, Any] = {"source": gold.source, "rows": len(readable), "kappa": None, "agreement": None}
    if not gold.preferred:
        return {**found, "status": "there is no gold set: nobody knows whether this judge agrees with people"}
    if len(readable) < LEAST_GOLD_ROWS:
        return {
            **found,
            "status": (
                f"the gold set has {len(readable)} pairs that the judge gave a verdict on; {LEAST_GOLD_ROWS} are needed"
            ),
        }
    people = {pair: gold.preferred[pair] for pair in readable}
    both = agreement({"judge": readable, "people": people}, settings)
    equal = win_rate([float(people[pair] == readable[pair]) for pair in readable], settings.confidence)
    return {**found, "kappa": both["kappa"], "agreement": equal, "status": both["status"]}


def why_not_usable(found: Mapping[str, Any], min_kappa: float) -> str | None:
    """Why a verdict cannot be used in a gate, or None where it can."""
    kappa = found["gold"]["kappa"]
    if found["win_rate"] is None:
        return str(found["status"])
    if kappa is None:
        return str(found["gold"]["status"])
    if kappa["value"] < min_kappa:
        return (
            f"the judge agrees with people by a kappa of {kappa['value']:.3f}, less than judge.min_kappa {min_kappa:g}"
        )
    if kappa["low"] <= 0:
        return (
            f"the judge's agreement with people is not told apart from chance: kappa {kappa['value']:.3f}"
            f" ({kappa['low']:.3f} to {kappa['high']:.3f})"
        )
    if found["unreadable"]["share"] > MOST_UNREADABLE:
        return (
            f"{found['unreadable']['share']:.0%} of the pairs have no readable verdict, more than {MOST_UNREADABLE:.0%}"
        )
    return None


def support_figures(verdicts: Sequence[str | None], confidence: float) -> dict[str, Any]:
    """What a judge says of claims without support: `{"hallucination_rate": {"value", "low", "high"} or None, "rows",
    "unreadable", ...}`.

    Nobody has judged the same answers for support, so it is never calibrated and never usable in a gate.
    """
    readable = [float(verdict == "unsupported") for verdict in verdicts if verdict is not None]
    return {
        "hallucination_rate": win_rate(readable, confidence) if readable else None,
        "rows": len(readable),
        "unreadable": len(verdicts) - len(readable),
        "calibrated": False,
        "usable_in_gate": False,
        "reason": (
            "no people have judged these answers for support" if readable else "no reply of the judge could be read"
        ),
    }
