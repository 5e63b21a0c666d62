"""What holds a retraining back, whatever the reasons, and which reasons it spares."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

from ft_platform.monitoring.retraining.facts import PERSON, Facts
from ft_platform.use_case.settings.retraining import Retraining

LOSSES = 3
"""So many refused candidates in a row end retraining on more of the same data."""
NOT_OF_DATA = frozenset({"withdrawn", "new_base_model", PERSON})
"""Reasons for which the same data will do."""


@dataclass(frozen=True)
class Block:
    """A rule that holds.

    Attributes:
        why: with figures, in one sentence.
        spares: reasons that count all the same.
    """

    rule: str
    why: str
    spares: frozenset[str] = field(default_factory=frozenset)


def mode(facts: Facts, settings: Retraining) -> Block | None:
    if settings.mode == "by_reasons":
        return None
    return Block("mode", f"retraining.mode is {settings.mode}; reasons count with by_reasons")


def running(facts: Facts, settings: Retraining) -> Block | None:
    if facts.running is None:
        return None
    return Block("running", f"{facts.running.id} was started on {facts.running.at:%Y-%m-%d %H:%M} and has not ended")


def waiting(facts: Facts, settings: Retraining) -> Block | None:
    return Block("waiting", facts.waiting, frozenset({"withdrawn", PERSON})) if facts.waiting else None


def cool_down(facts: Facts, settings: Retraining) -> Block | None:
    moments = [start.at for start in facts.starts[-1:]] + ([facts.trained.at] if facts.trained else [])
    if not moments or not settings.when.cool_down_days:
        return None
    last, spares = max(moments), frozenset({"withdrawn", PERSON})
    over = last + timedelta(days=settings.when.cool_down_days)
    if last > facts.at:
        why = f"the last retraining is of {last:%Y-%m-%d %H:%M}, after now: the clock was set back"
        return Block("cool_down", why, spares)
    if facts.at < over:
        return Block("cool_down", f"the last retraining is of {last:%Y-%m-%d}; over on {over:%Y-%m-%d %H:%M}", spares)
    return None


def minimum(facts: Facts, settings: Retraining) -> Block | None:
    least = settings.when.min_new_records
    if facts.trained is None or not least:
        return None
    if facts.new_records is None:
        return Block("min_new_records", "new records cannot be counted: those before are gone", NOT_OF_DATA)
    if facts.new_records >= least:
        return None
    why = f"{facts.new_records:,} new permitted records, {least:,} are needed: the same data gives the same model"
    return Block("min_new_records", why, NOT_OF_DATA)


def budget(facts: Facts, settings: Retraining) -> Block | None:
    cost = facts.cost.money
    for one in facts.budgets:
        if one.left < (cost or 0) or (cost is None and not one.left):
            costs = f"it will cost {cost:.2f} {one.currency}; " if cost else ""
            why = f"{costs}{one.spent:.2f} of {one.limit:.2f} {one.currency} are spent this month ({one.setting})"
            return Block("budget", why)
    return None


def quiet_hours(facts: Facts, settings: Retraining) -> Block | None:
    quiet = settings.when.quiet
    if quiet is None:
        return None
    start, end = quiet
    now = facts.at.astimezone(ZoneInfo(settings.when.time_zone)).time()
    inside = start <= now < end if start <= end else now >= start or now < end
    why = f"it is {now:%H:%M} in {settings.when.time_zone}, within {settings.when.quiet_hours}"
    return Block("quiet_hours", why, frozenset({PERSON})) if inside else None


def losses(facts: Facts, settings: Retraining) -> Block | None:
    if facts.losses < LOSSES:
        return None
    return Block("losses", losing_streak(facts), NOT_OF_DATA)


def losing_streak(facts: Facts) -> str:
    """What so many losses in a row mean, with the learning curve where there is one."""
    curve = f"the learning curve says: {facts.curve}" if facts.curve else "no learning curve was measured"
    return f"{facts.losses} candidates in a row were refused: more of the same data does not help; {curve}"


Rule = Callable[[Facts, Retraining], Block | None]
RULES: tuple[Rule, ...] = (mode, running, waiting, cool_down, minimum, budget, quiet_hours, losses)
