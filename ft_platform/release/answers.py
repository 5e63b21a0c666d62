"""An answer that a person gave when a file was written, as the approval of what it says (`ft new`).

It is a waiver like any other, but for every checkpoint that is trained on the same records, since there is none yet.
Covered: whoever has no right to approve, or has it only from the file that the answers fill; words that are edited
afterwards, another source, and other columns. Not covered: what else of the file is edited."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta

from ft_platform.lake.store import Lake
from ft_platform.people.may import Permissions, conflict, knowledge_problem
from ft_platform.people.person import Person
from ft_platform.release.policy import unapproved
from ft_platform.release.rule import Ruling
from ft_platform.release.separation import acted
from ft_platform.release.waiver_persons import COMPLIANCE
from ft_platform.release.waivers import grant, longest_days, of_records, waivers
from ft_platform.use_case.named import NamedUseCase

MOST_QUOTED = 900


def approvable(use_case: NamedUseCase, answered: Collection[str], person: str) -> dict[str, str]:
    """Fields that a person answered, that need an approval, and that this person may approve by right of the
    installation -> the rule. Who names themselves in the same answers has no right."""
    has_role = COMPLIANCE in Permissions(use_case.people).roles(Person(person.strip().lower()))
    found = unapproved(use_case) if has_role else {}
    return {path: f"approval/{path}@{digest}" for path, digest in found.items() if path in answered}


def approve(
    lake: Lake, use_case: NamedUseCase, answered: Collection[str], person: Person, today: date | None = None
) -> list[str]:
    """Records answers as approvals, as far as the person may approve them.

    Args:
        use_case: as it was written, with the answers.
        answered: fields that the person answered.

    Returns:
        The fields whose approval is new. Where two persons are needed, each counts once a second one has confirmed it.
    """
    known = knowledge_problem(use_case, person.known_by)
    if known or conflict(person, "waive", acted(lake, use_case, None)):
        return []
    today = today or datetime.now(UTC).date()
    given = {
        one.rule
        for one, revoked in waivers(lake, use_case)
        if not revoked and (one.granted_by, one.checkpoint) == (person.name, of_records(use_case))
    }
    rules = {path: rule for path, rule in approvable(use_case, answered, person.name).items() if rule not in given}
    for path, rule in rules.items():
        needed = "a person approves what the field says"
        ruling = Ruling(rule, False, None, None, None, needed, "", waivable=True)
        reason = f"Answered when the file was written: {str(use_case.section(path))[:MOST_QUOTED]}"
        until = today + timedelta(days=longest_days(use_case))
        grant(lake, use_case, None, ruling, granted_by=person, reason=reason, until=until, today=today)
    return list(rules)
