"""What follows from judgements: two raters who agree settle a record, an arbiter settles what they disagree about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ft_platform.evaluation.agreement import agreement, in_words
from ft_platform.use_case.settings.evaluation import Evaluation

Said = Mapping[str, Mapping[str, str]]
"""Rater -> record id -> value."""


@dataclass(frozen=True)
class Settled:
    """A value that stands.

    Attributes:
        raters: who said so, and the arbiter where one had to.
    """

    value: str
    raters: tuple[str, ...]
    arbiter: str | None


@dataclass
class Outcome:
    """Of each judged record: its value, or what it waits for.

    Attributes:
        single: judged by one rater.
        disputed: judged by several who disagree, and by no arbiter.
    """

    settled: dict[str, Settled] = field(default_factory=dict)
    single: list[str] = field(default_factory=list)
    disputed: list[str] = field(default_factory=list)


def settle(ratings: Said, arbiters: Said) -> Outcome:
    """
    Args:
        ratings: of those who judged by themselves.
        arbiters: of those who decide. Who rated a record is not its arbiter.
    """
    found = Outcome()
    for record in sorted(set().union(*ratings.values())):
        said = {rater: values[record] for rater, values in sorted(ratings.items()) if record in values}
        deciding = {who: one[record] for who, one in sorted(arbiters.items()) if record in one and who not in said}
        if len(said) < 2:
            found.single.append(record)
        elif len(set(said.values())) == 1:
            found.settled[record] = Settled(next(iter(said.values())), tuple(said), None)
        elif deciding:
            who, value = next(iter(deciding.items()))
            found.settled[record] = Settled(value, tuple(said), who)
        else:
            found.disputed.append(record)
    return found


def agreed(ratings: Said, settings: Evaluation, labels: list[str]) -> dict[str, Any]:
    """How far raters agree (`evaluation.agreement`). Answers are texts: of two, only whether they are the same."""
    if labels:
        return agreement(ratings, settings, labels)
    several = [[said[r] for said in ratings.values() if r in said] for r in sorted(set().union(*ratings.values()))]
    several = [row for row in several if len(row) > 1]
    equal = sum(len(set(row)) == 1 for row in several)
    found = {"kappa": None, "method": "share of equal answers", "raters": len(ratings), "rows": len(several)}
    status = "measured" if several else "no record was judged by two raters"
    return {**found, "observed": equal / len(several) if several else None, "status": status}


def agreed_in_words(found: Mapping[str, Any]) -> str:
    """What `agreed` says, in a line."""
    if found["status"] != "measured":
        return str(found["status"])
    same = f"the same answer to {found['observed']:.0%} of {found['rows']:,} records"
    if (kappa := found["kappa"]) is None:
        return f"raters give {same}"
    range_ = f"{kappa['value']:.2f} ({kappa['low']:.2f} to {kappa['high']:.2f}), {in_words(kappa['value'])}"
    return f"{found['method']} {range_}: {same}"
