"""What stays on record about deletion: legal holds, under which nothing is deleted, and the report of each deletion.
`erasure.retention` deletes.

Covered: that a hold, its end and each report are signed and stay on record, without a word about a record. Not covered:
a person who asks to be erased while a hold stands: the compliance officer decides that (GDPR, Article 17(3)(e))."""

from typing import Any

from ft_platform.errors import ConfigError, DataError
from ft_platform.lake.manifest import now
from ft_platform.lake.store import Lake
from ft_platform.people.audit_log.opening import note
from ft_platform.people.may import Permissions, knowledge_problem
from ft_platform.people.person import Person
from ft_platform.people.statements import IN_FORCE, Stated, state, statements, take_back
from ft_platform.process.reasons import require_reason
from ft_platform.use_case.named import NamedUseCase

HOLD, REPORT = "legal_hold", "retention_report"
ACTION = "keep_records"
HIDDEN = ("signature", "key", "use_case")


def hold(lake: Lake, use_case: NamedUseCase, permissions: Permissions, person: Person, reason: str) -> dict[str, Any]:
    """From now on nothing of a use case is deleted by its retention, until the hold is lifted.

    Raises:
        ConfigError: the person may not, or names no reason.
    """
    said = {"reason": require_reason(reason), "person": person.name, "known_by": person.known_by}
    require_keeper(lake, use_case, permissions, person)
    note(lake, use_case, "erasure", "put a legal hold on records", person)
    return state(lake, use_case, HOLD, {**said, "at": now("milliseconds")}, [])


def lift(
    lake: Lake, use_case: NamedUseCase, permissions: Permissions, person: Person, hold_id: str, reason: str
) -> None:
    """Ends a legal hold; it stays on record.

    Raises:
        ConfigError: the person may not, or names no reason.
        DataError: there is no such hold, or it was lifted before.
    """
    require_keeper(lake, use_case, permissions, person)
    reason = require_reason(reason)
    found = next((one for one in statements(lake, use_case, HOLD) if one.said["id"] == hold_id), None)
    if found is None:
        raise DataError(f"{use_case.name} has no legal hold {hold_id}", f"See: ft retention list {use_case.name}")
    note(lake, use_case, "erasure", "lifted a legal hold", person, hold=hold_id)
    take_back(lake, use_case, found, by=person.name, known_by=person.known_by, reason=reason)


def holds(lake: Lake, use_case: NamedUseCase) -> list[Stated]:
    """Every legal hold, newest first, those that were lifted among them. Raises as `statements`."""
    return statements(lake, use_case, HOLD)


def standing_holds(lake: Lake, use_case: NamedUseCase) -> list[str]:
    """Ids of the holds under which nothing may be deleted. Raises as `statements`."""
    return [one.said["id"] for one in holds(lake, use_case) if one.taken_back is None]


def is_held(lake: Lake, use_case: str) -> bool:
    """Whether a legal hold stands, for what deletes by itself and signs nothing."""
    found = (lake.verdicts(one).get(IN_FORCE) for one in lake.artifacts(use_case, HOLD))
    return any(verdict is None or verdict.passed for verdict in found)


def reports(lake: Lake, use_case: NamedUseCase) -> list[dict[str, Any]]:
    """What each deletion did, newest first. Raises as `statements`."""
    found = sorted(statements(lake, use_case, REPORT), key=lambda one: one.said["at"], reverse=True)
    return [shown(one) for one in found]


def shown(stated: Stated) -> dict[str, Any]:
    """What a statement says, without its signature."""
    return {name: value for name, value in stated.said.items() if name not in HIDDEN}


def require_keeper(lake: Lake, use_case: NamedUseCase, permissions: Permissions, person: Person) -> None:
    """Raises ConfigError unless a person may say what is kept and what is deleted."""
    ruling = permissions.may(person, ACTION, use_case.name)
    problem = knowledge_problem(use_case, person.known_by) or ("" if ruling else ruling.why)
    if problem:
        note(lake, use_case, "denial", "may not say which records are kept", person)
        raise ConfigError([problem])
