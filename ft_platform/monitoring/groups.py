"""Outcomes of a day compared between groups of people, by what requests say of sensitive features.

Covered: requests whose texts are kept, so drawn by chance among those that allow it. Every answer counts, also to a
text that was asked before, and a failed request counts as one that nobody answered. Not covered: two features together,
people whose requests say nothing, and whether a difference is justified; people judge that."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.stats import beta

from ft_platform.evaluation.fairness_verdict import named, score_interval
from ft_platform.evaluation.groups import NOT_STATED, group_values
from ft_platform.evaluation.proportions import share
from ft_platform.evaluation.slices import OTHERS
from ft_platform.monitoring.alarms import DAYS
from ft_platform.monitoring.day_reports import Alarm
from ft_platform.monitoring.reference import Reference
from ft_platform.monitoring.served import Served
from ft_platform.monitoring.traffic.feedback import Answer, Settled
from ft_platform.privacy.hierarchies import coarser, levels

ANSWERED, RIGHT, LABEL = "answered", "right", "label "
UNKNOWN = {NOT_STATED, OTHERS}
"""Groups that are counted and not compared."""
NO_FEATURES = "The use case names no sensitive feature (fairness.sensitive_features), so groups are not compared"
NOBODY_SAYS = (
    "No request says a sensitive feature together with a text that is kept, so groups are not compared: send the"
    " feature in the field metadata, with what monitoring.capture.requires demands"
)


def outcomes(served: Served, reference: Reference) -> dict[str, Any]:
    """Answers by group, without what people said of them.

    Returns:
        `{"note", "features": {feature: {"groups": {group: {"asked", "shares": {figure: share with its interval}}},
        "differences": {figure: `_Feature.compared`}}}}`. `note`: why nothing is compared, else empty. `asked`: answers
        that were asked for. Figures: `answered` (without abstention) of them, `label <label>` of the decisions. A group
        with fewer than `fairness.min_group_rows` has no share.
    """
    names = reference.use_case.settings.fairness.sensitive_features
    said = [name for name in names if any(name in one for one in served.features.values())]
    found = {name: _outcomes(served, reference, name) for name in said}
    return {"note": "" if said else NOBODY_SAYS if names else NO_FEATURES, "features": found}


def _outcomes(served: Served, reference: Reference, name: str) -> dict[str, Any]:
    feature = _Feature(served, reference, name)
    asked, answered, decided = Counter[str](), Counter[str](), defaultdict[str, Counter[str]](Counter)
    for one in served.requests:
        if group := feature.group_of.get(one["request_id"]):
            answers = one["answers"] if one["status"] == 200 else []
            asked[group] += len(answers) or 1
            answered[group] += sum(not answer["abstained"] for answer in answers)
            decided[group].update(answer["decision"] for answer in answers if answer["decision"])
    found: dict[str, Any] = {
        "groups": {group: {"asked": asked[group], "shares": {}} for group in sorted(asked)},
        "differences": {},
    }
    feature.add(found, ANSWERED, {group: (answered[group], asked[group]) for group in asked})
    for label in sorted(set().union(*decided.values())):
        counts = {group: (labels[label], labels.total()) for group, labels in decided.items()}
        feature.add(found, LABEL + label, counts, ("predicted", label))
    return found


def with_judgements(
    found: Mapping[str, Any], served: Served, reference: Reference, known: Mapping[Answer, Settled]
) -> dict[str, Any]:
    """The same with what people said: `judged` answers of each group, and the figure `right`, as far as what requests
    said is still kept.

    Args:
        found: of `outcomes`.
        known: of `accuracy.verdicts`.
    """
    features = {}
    for name, one in found["features"].items():
        feature = _Feature(served, reference, name)
        judged, right = Counter[str](), Counter[str]()
        for (request, _), settled in known.items():
            group = feature.group_of.get(request, "")
            if settled.verdict in ("right", "wrong") and group in one["groups"]:
                judged[group] += 1
                right[group] += settled.verdict == "right"
        rows = one["groups"].items()
        groups = {group: {**row, "judged": judged[group], "shares": dict(row["shares"])} for group, row in rows}
        features[name] = {"groups": groups, "differences": dict(one["differences"])}
        counts = {group: (right[group], judged[group]) for group in judged}
        feature.add(features[name], RIGHT, counts, ("correct", True))
    return {**found, "features": features}


def unfair(found: Mapping[str, Any], rate: float, most: float, day: str) -> list[Alarm]:
    """An alarm for each feature where two groups surely differ by more than `most` in right answers, whatever the
    answers are that nobody judged. With a probability of 1 - `rate`, the ends of all groups hold on every day of `DAYS`
    (Bonferroni). `score_interval` would not do: at this rate and 20 answers beside 500 it misses six times as often as
    it says.

    Args:
        found: of `with_judgements`.
    """
    features = {
        name: {group: row for group, row in one["groups"].items() if group not in UNKNOWN}
        for name, one in found["features"].items()
    }
    each = rate / DAYS / max(2 * sum(map(len, features.values())), 1)
    told = []
    for name, groups in features.items():
        known = [_Judged(group, row) for group, row in groups.items() if RIGHT in row["shares"]]
        best = max(known, key=lambda one: one.low(each), default=None)
        worst = min(known, key=lambda one: one.high(each), default=None)
        if best and worst and best.low(each) - worst.high(each) > most:
            evidence = f"{best}, {worst}: surely more than {most:.0%} apart (fairness.max_gap)"
            told.append(Alarm(what=f"fairness_{name}", kind="accuracy", since=day, evidence=evidence))
    return told


class _Judged:
    """What people judged of the answers to a group. Ends by Clopper and Pearson (The use of confidence or fiducial
    limits, 1934), which hold for any number of answers."""

    def __init__(self, group: str, row: Mapping[str, Any]) -> None:
        self._group, self._share = group, row["shares"][RIGHT]["value"]
        self._judged, self._asked = row["judged"], row["asked"]
        self._right = round(self._share * self._judged)

    def __str__(self) -> str:
        return f"{self._share:.1%} of {self._judged:,} judged answers to {named(self._group)} are right"

    def low(self, missed: float) -> float:
        """Where all others are wrong; too high with a probability of at most `missed`."""
        return float(beta.ppf(missed, self._right, self._asked - self._right + 1)) if self._right else 0.0

    def high(self, missed: float) -> float:
        """Where all others are right; too low with a probability of at most `missed`."""
        wrong = self._judged - self._right
        return 1 - float(beta.ppf(missed, wrong, self._asked - wrong + 1)) if wrong else 1.0


class _Feature:
    """The groups of a sensitive feature among requests of a day and among test records.

    Attributes:
        group_of: request -> group, of requests whose texts are kept.
    """

    def __init__(self, served: Served, reference: Reference, name: str) -> None:
        settings, column = reference.use_case.settings, f"feature_{name}"
        self._least, self._confidence = settings.fairness.min_group_rows, settings.evaluation.confidence
        kind = settings.privacy.quasi_identifiers.get(name, "category")
        known = reference.feature_values.get(name, frozenset())
        said = [as_known(one.get(name), kind, known) for one in served.features.values()]
        groups = group_values(settings.fairness, pa.table({column: pa.array(said, pa.string())}), [name])
        self.group_of: dict[str, str] = dict(zip(served.features, groups, strict=True))
        self._tested = reference.predictions
        if column in self._tested.schema.names:
            self._tested_groups = group_values(settings.fairness, self._tested, [name])
        else:
            self._tested_groups = np.full(self._tested.num_rows, NOT_STATED, object)

    def add(
        self,
        found: Mapping[str, Any],
        figure: str,
        counts: Mapping[str, tuple[int, int]],
        tested: tuple[str, Any] | None = None,
    ) -> None:
        """Adds a figure to the groups and to the differences.

        Args:
            counts: group -> answers that the figure counts, of so many.
            tested: column of the predictions, and its value that counts.
        """
        shares = {
            group: share(hits, rows, self._confidence) for group, (hits, rows) in counts.items() if rows >= self._least
        }
        for group, value in shares.items():
            found["groups"][group]["shares"][figure] = value
        stated = sorted(set(shares) - UNKNOWN, key=lambda group: (shares[group]["value"], group))
        if len(stated) < 2:
            return
        lowest, highest = stated[0], stated[-1]
        one, other = ((shares[group]["value"], counts[group][1]) for group in (highest, lowest))
        low, high = score_interval(one, other, self._confidence)
        found["differences"][figure] = {
            "value": one[0] - other[0],
            "low": low,
            "high": high,
            "highest": highest,
            "lowest": lowest,
            "tested": self._difference_tested(stated, *tested) if tested else None,
        }

    def _difference_tested(self, groups: Collection[str], column: str, value: Any) -> float | None:
        """The largest difference between the same groups on the test split; None with fewer than two that have enough
        records."""
        counts = np.array([one == value for one in self._tested[column].to_pylist()])
        rows = [counts[self._tested_groups == group] for group in groups]
        shares = [float(one.mean()) for one in rows if len(one) >= self._least]
        return max(shares) - min(shares) if len(shares) > 1 else None


def as_known(value: str | None, kind: str, known: Collection[str]) -> str | None:
    """A value as records of the splits have it, which anonymization may have made coarser; else `OTHERS`.

    Args:
        kind: of its hierarchy (`privacy.quasi_identifiers`).
    """
    if value is None:
        return None
    steps = (coarser(kind, level, value) for level in range(levels(kind) + 1))
    return next((one for one in steps if one in known), OTHERS)
