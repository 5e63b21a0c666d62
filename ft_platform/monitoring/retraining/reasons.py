"""The reasons for a retraining, each with its evidence and what it still needs."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ft_platform.monitoring.retraining.facts import PERSON, Facts
from ft_platform.use_case.settings.retraining import Retraining

if TYPE_CHECKING:
    from ft_platform.monitoring.day_reports import Accuracy, DayReport

SHARE = 0.1
"""`when.new_records` by default, of the records of the newest training. By the power laws of learning curves a tenth
more lowers the loss by about 1 % to 3 % (exponents 0.1 to 0.35; Hestness et al., 2017, arXiv:1712.00409)."""


@dataclass(frozen=True)
class Reason:
    """One reason at one moment.

    Attributes:
        evidence: what is known, in one sentence without values of records.
        needs: what is missing; empty if it holds.
        key: which evidence this is: the same starts one run only.
    """

    name: str
    holds: bool
    evidence: str
    needs: str = ""
    key: str = ""


def new_content(facts: Facts, settings: Retraining) -> Reason:
    name, asked = "new_content", settings.when.new_records
    if facts.content is None:
        return Reason(name, False, "no permitted_records yet", "permitted_records")
    if facts.trained is None:
        evidence = f"{facts.content.rows:,} permitted records, and nothing was trained on them yet"
        return Reason(name, True, evidence, key=facts.content.hash)
    if facts.new_records is None:
        return Reason(name, False, f"records that {facts.trained.checkpoint} was made from are gone", "a training")
    needed = asked or max(1, math.ceil(SHARE * facts.trained_rows))
    evidence = f"{facts.new_records:,} new permitted records since {facts.trained.checkpoint}"
    if facts.new_records < needed:
        return Reason(name, False, evidence, f"{needed:,} of them (retraining.when.new_records)")
    return Reason(name, True, evidence, key=facts.content.hash)


def estimated_decline(facts: Facts, settings: Retraining) -> Reason:
    return _decline("estimated_decline", "estimated", lambda day: day.estimated_accuracy, facts, settings)


def measured_decline(facts: Facts, settings: Retraining) -> Reason:
    return _decline("measured_decline", "measured by feedback", lambda day: day.measured_accuracy, facts, settings)


def _decline(name: str, how: str, of: "Callable[[DayReport], Accuracy]", facts: Facts, settings: Retraining) -> Reason:
    asked, days = settings.when.decline, settings.when.decline_days
    if asked is None:
        return _off(name, "retraining.when.decline")
    told = [(day.day, of(day)) for day in facts.days[-days:]]
    below = sum(one.high is not None and one.of is not None and one.high < one.of - asked for _, one in told)
    day, newest = told[-1] if told else ("any day", None)
    if newest is None or newest.value is None or newest.high is None or newest.low is None or newest.of is None:
        evidence = f"accuracy {how}: no figure on {day}"
    else:
        evidence = (
            f"accuracy {how} {newest.value:.3f} [{newest.low:.3f}, {newest.high:.3f}] on {day}, {newest.of:.3f} in the"
            " evaluation"
        )
    if below < days:
        needs = (
            f"{days} days in a row whose whole interval is more than {asked:g} below; {below} of the last {days} are"
        )
        return Reason(name, False, evidence, needs)
    return Reason(name, True, evidence, key=_since_content(facts))


def drift(facts: Facts, settings: Retraining) -> Reason:
    days = settings.when.drift_days
    if days is None:
        return _off("drift", "retraining.when.drift_days")
    told = [{one.what for one in day.alarms if one.kind in ("inputs", "outputs")} for day in facts.days[-days:]]
    standing = set.intersection(*told) if told else set()
    evidence = f"alarms about inputs or outputs on the newest day: {len(told[-1]) if told else 0}"
    if len(told) < days or not standing:
        return Reason("drift", False, evidence, f"one that stands on {days} days with traffic in a row")
    return Reason("drift", True, f"{evidence}; {len(standing)} for {days} days or more", key=_since_content(facts))


def feedback(facts: Facts, settings: Retraining) -> Reason:
    asked = settings.when.feedback
    if asked is None:
        return _off("feedback", "retraining.when.feedback")
    evidence = f"{facts.feedback:,} requests with feedback since the newest training"
    if facts.feedback < asked:
        return Reason("feedback", False, evidence, f"{asked:,} of them (retraining.when.feedback)")
    return Reason("feedback", True, evidence, key=f"{_trained(facts)}:{facts.feedback // asked}")


def withdrawn(facts: Facts, settings: Retraining) -> Reason:
    if not settings.when.withdrawn:
        return _off("withdrawn", "retraining.when.withdrawn")
    if facts.champion is None:
        return Reason("withdrawn", False, "nothing is released", "withdrawn records in a champion")
    evidence = f"{facts.withdrawn_rows:,} withdrawn records in {facts.champion.checkpoint}"
    if not facts.withdrawn_rows:
        return Reason("withdrawn", False, evidence, "one of them")
    return Reason("withdrawn", True, evidence, key=f"{facts.champion.checkpoint}:{facts.withdrawn_rows}")


def schedule(facts: Facts, settings: Retraining) -> Reason:
    if settings.every is None:
        return _off("schedule", "retraining.every")
    if facts.trained is None:
        return Reason("schedule", False, "nothing was trained yet", "a training")
    age = (facts.at - facts.trained.at).total_seconds() / 86_400
    evidence = f"{facts.trained.checkpoint} is {age:.0f} days old"
    if age < settings.every:
        return Reason("schedule", False, evidence, f"{settings.every} days (retraining.every)")
    return Reason("schedule", True, evidence, key=f"{_trained(facts)}:{age // settings.every:.0f}")


def new_base_model(facts: Facts, settings: Retraining) -> Reason:
    name, asked = "new_base_model", facts.base_model
    if not settings.when.new_base_model:
        return _off(name, "retraining.when.new_base_model")
    had = facts.trained.base_model if facts.trained and facts.trained.base_model.get("uri") else asked
    other = [part for part in ("uri", "revision", "sha256") if asked.get(part) and asked[part] != had.get(part)]
    if not other:
        return Reason(name, False, "base_model is that of the newest training", "another one")
    key = ":".join(str(asked.get(part)) for part in ("uri", "revision", "sha256"))
    return Reason(name, True, f"base_model has another {' and '.join(other)} than the newest training", key=key)


def person(facts: Facts, settings: Retraining) -> Reason:
    asked = [one.id for one in facts.requests]
    if not asked:
        return Reason(PERSON, False, "nobody asks for one", "ft retraining start")
    return Reason(PERSON, True, f"asked for by {', '.join(asked)}", key=",".join(asked))


REASONS = (
    new_content,
    estimated_decline,
    measured_decline,
    drift,
    feedback,
    withdrawn,
    schedule,
    new_base_model,
    person,
)


def _off(name: str, setting: str) -> Reason:
    return Reason(name, False, "not weighed", f"{setting}, which is off")


def _since_content(facts: Facts) -> str:
    """With the same records the same trouble is no new evidence."""
    release = facts.champion.id if facts.champion else ""
    return f"{release}:{facts.content.hash if facts.content else ''}"


def _trained(facts: Facts) -> str:
    return facts.trained.checkpoint if facts.trained else ""
