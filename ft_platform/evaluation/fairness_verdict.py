"""Whether accuracy is alike between groups: one judgement of the figures, which the report, its check, the model card,
the brief, the commands and the gate repeat.

The burden of proof is on the model: the interval of a difference must end within the limit, and nothing is said about a
group that has too few records.

Covered: the largest difference of accuracy (or ROUGE-L) between groups of a feature and of pairs of features. Not
covered by the limit, and told with the verdict: precision, recall, F1 and false positives of a label that differ. Not
covered: groups that the data does not name."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.proportions import share
from ft_platform.use_case.schema import UseCase

Status = Literal["within_max_gap", "above_max_gap", "not_enough_evidence"]
IN_WORDS = {
    "within_max_gap": "within the limit",
    "above_max_gap": "above the limit",
    "not_enough_evidence": "not enough evidence",
}
WITHIN, ABOVE, TOO_LITTLE = "within_max_gap", "above_max_gap", "not_enough_evidence"
GAP_METRIC = {"classification": "accuracy", "generation": "rouge_l"}
"""Kind of a task -> the metric that may differ between groups by `fairness.max_gap`."""
MOST_NAMED = 6
"""Groups that a sentence names; `decision.json` has all."""
LONGEST_NAME = 60
RATES = {"F1": "F1", "precision": "precision", "true positive rate": "recall", "false positive rate": "false positives"}
"""Rates of one label that are told -> in words; the false negative rate is one minus recall."""


@dataclass(frozen=True)
class FairnessVerdict:
    """What the figures of one feature, or of a pair of them, prove.

    Attributes:
        name: of the feature, or `region and age`.
        text: the verdict in words.
        gap: `{"value", "low", "high"}` of the largest difference between groups that are large enough; None: fewer than
            two are.
        missing: group -> test records that it lacks to be compared, of groups that nobody accepted.
    """

    name: str
    status: Status
    text: str
    gap: Mapping[str, float] | None
    missing: Mapping[str, int]

    @property
    def passed(self) -> bool:
        return self.status == WITHIN


def fairness_verdicts(found: Mapping[str, Any], settings: UseCase) -> dict[str, FairnessVerdict]:
    """The verdict about every feature and every pair of features in `fairness.json`."""
    return {
        name: verdict_about(name, one, found["gap_metric"], settings)
        for name, one in {**found["features"], **found["intersections"]}.items()
    }


def all_fair(found: Mapping[str, Any], settings: UseCase) -> bool:
    """Whether every verdict passes. Without sensitive features nothing is compared: then the reason for that
    decides."""
    if not settings.fairness.sensitive_features:
        return bool(settings.gate.without_sensitive_features.strip())
    return all(verdict.passed for verdict in fairness_verdicts(found, settings).values())


def why_not_fair(found: Mapping[str, Any], settings: UseCase) -> str:
    """The sentences of the verdicts that do not pass; of all where every one does."""
    if not settings.fairness.sensitive_features:
        return nothing_compared(settings)
    verdicts = list(fairness_verdicts(found, settings).values())
    return " ".join(verdict.text for verdict in [one for one in verdicts if not one.passed] or verdicts)


def nothing_compared(settings: UseCase) -> str:
    """Why there is no group to compare, as the use case says it."""
    reason = settings.gate.without_sensitive_features.strip()
    return (
        f"No sensitive feature: {reason}"
        if reason
        else "Neither fairness.sensitive_features nor gate.without_sensitive_features is set."
    )


def verdict_about(name: str, compared: Mapping[str, Any], gap_metric: str, settings: UseCase) -> FairnessVerdict:
    """The verdict about one feature, or about a pair.

    Args:
        compared: `groups` (`{"rows"}`, and the gap metric of those that are large enough) and `differences`.
    """
    fairness, groups = settings.fairness, compared["groups"]
    least, limit = fairness.min_group_rows, fairness.max_gap
    small = {group: least - row["rows"] for group, row in groups.items() if row["rows"] < least}
    accepted = {group: reason for group, reason in fairness.small_groups.get(name, {}).items() if group in small}
    missing = {
        group: count
        for group, count in sorted(small.items(), key=lambda item: (item[1], item[0]))
        if group not in accepted
    }
    gap = _gap(compared, gap_metric, groups.keys() - small.keys(), settings)
    status = _status(gap, limit, missing)
    sentences = [f"{name}: {IN_WORDS[status]}."]
    if gap is None and len(groups) - len(small) < 2:
        sentences.append(f"Fewer than two groups have {least} test records, so nothing can be compared.")
        if len(groups) == 1:
            group, row = next(iter(groups.items()))
            sentences.append(f"All {row['rows']:,} are {named(group)}: {least} of another group are missing.")
    elif gap is None:
        sentences.append("Figures of groups are missing.")
    if missing:
        sentences.append(_too_small(missing, least))
    if gap is not None:
        ends = [compared["differences"][gap_metric][end] for end in ("best", "worst")]
        of_others = " of the other groups" if missing else ""
        sentences.append(
            f"{metric(gap_metric).title}{of_others} differs by {gap['value']:.3f} ({gap['low']:.3f} to"
            f" {gap['high']:.3f}) between {named(ends[0])} (best) and {named(ends[1])}"
            f" (worst){_against_limit(gap, limit, min(groups[end]['rows'] for end in ends))}"
        )
        sentences.append(_not_judged(compared.get("errors") or {}, gap_metric, limit))
    if accepted:
        reasons = "; ".join(f"{named(group)}: {_ended(reason)}" for group, reason in accepted.items())
        sentences.append(f"Too small to be compared, and accepted in fairness.small_groups: {reasons}.")
    pools = [pool for pool in fairness.pooled_groups.get(name, {}) if pool in groups]
    if pools:
        sentences.append(f"Pooled by fairness.pooled_groups: {_listed([named(pool) for pool in pools])}.")
    return FairnessVerdict(name, status, " ".join(sentences), gap, missing)


def _status(gap: Mapping[str, float] | None, limit: float, missing: Mapping[str, int]) -> Status:
    if gap is not None and gap["value"] > limit:
        return ABOVE
    return TOO_LITTLE if gap is None or gap["high"] > limit or missing else WITHIN


def _against_limit(gap: Mapping[str, float], limit: float, rows: int) -> str:
    if gap["value"] > limit:
        return f", more than the limit of {limit:g}."
    if gap["high"] <= limit:
        return f", the whole interval within the limit of {limit:g}."
    text = (
        f". Its interval reaches above the limit of {limit:g}, so these test records do not prove that it is within"
        " the limit."
    )
    if gap["value"] >= limit:
        return text
    # The half of an interval shrinks with the square root of the records.
    factor = ((gap["high"] - gap["value"]) / (limit - gap["value"])) ** 2
    return (
        f"{text} About {math.ceil(rows * factor):,} test records in each of the two groups would be enough if the"
        " difference stayed the same."
    )


def _not_judged(rates: Mapping[str, Any], gap_metric: str, limit: float) -> str:
    """What the limit is not for: rates of a label that surely differ, or by more than the limit.

    Args:
        rates: rate -> its largest difference over all labels (`group_rates`).
    """
    apart = [one for rate in RATES if (one := rates.get(rate)) and (one["low"] > 0 or one["value"] > limit)]
    told = [
        f"for {named(one['label'])}, {RATES[one['rate']]} differs by {one['value']:.3f} ({one['low']:.3f} to"
        f" {one['high']:.3f}) between {named(one['highest'])} (highest) and {named(one['lowest'])} (lowest)"
        for one in apart
    ]
    only = f"The limit is for {metric(gap_metric).title} alone"
    return f"{only}: {'; '.join(told)}." if told else f"{only}."


def _too_small(missing: Mapping[str, int], least: int) -> str:
    few = "A group has" if len(missing) == 1 else f"{len(missing)} groups have"
    lacking = [f"{named(group)} needs {count} more" for group, count in list(missing.items())[:MOST_NAMED]]
    others = len(missing) - MOST_NAMED
    rest = f", and {others} other{'s' * (others > 1)} (fairness.json has all)" if others > 0 else ""
    return f"{few} fewer than {least} test records: {_listed(lacking) if not rest else ', '.join(lacking)}{rest}."


def _gap(compared: Mapping[str, Any], gap_metric: str, large: Any, settings: UseCase) -> dict[str, float] | None:
    """The largest difference between large groups. What the groups' own figures say counts too, so that a difference
    cannot be smaller than they are."""
    difference = compared["differences"].get(gap_metric)
    if len(large) < 2 or difference is None:
        return None
    best, worst = difference["best"], difference["worst"]
    values = {group: compared["groups"][group].get(gap_metric) for group in large}
    if not {best, worst} <= large or any(figure is None for figure in values.values()):
        return None
    shares = [figure["value"] for figure in values.values()]
    value = max(difference["value"], max(shares) - min(shares))
    high = max(difference["high"], value)
    if gap_metric == "accuracy":
        one, other = (
            (compared["groups"][group][gap_metric]["value"], compared["groups"][group]["rows"])
            for group in (best, worst)
        )
        high = max(high, score_interval(one, other, settings.evaluation.confidence)[1])
    return {"value": value, "low": difference["low"], "high": high}


def score_interval(one: tuple[float, int], other: tuple[float, int], confidence: float) -> tuple[float, float]:
    """Ends of the difference of two shares (Newcombe 1998, Statistics in Medicine 17, method 10). A bootstrap of groups
    that are all right has no width.

    Args:
        one, other: share in [0, 1], and the rows it was found in.
    """
    a, b = (share(value * rows, rows, confidence) for value, rows in (one, other))
    value = a["value"] - b["value"]
    return value - math.hypot(a["value"] - a["low"], b["high"] - b["value"]), value + math.hypot(
        a["high"] - a["value"], b["value"] - b["low"]
    )


def named(group: str) -> str:
    """A group's name as a sentence can hold it: values of the data must not steer a terminal or fill a page."""
    flat = "".join(letter if letter.isprintable() else "�" for letter in " ".join(str(group).split()))
    return flat if len(flat) <= LONGEST_NAME else flat[: LONGEST_NAME - 1] + "…"


def _listed(texts: list[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else texts[0]


def _ended(reason: str) -> str:
    return " ".join(reason.split()).rstrip(".")
