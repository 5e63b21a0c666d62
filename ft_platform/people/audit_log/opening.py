"""The audit log of a lake, and the one line with which whoever acts notes it."""

from collections.abc import Mapping
from pathlib import Path

from ft_platform.lake.places import Places
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.noted import Kind, Noted
from ft_platform.people.person import Person, at_this_machine, named
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment_file import NAME, environment_file


def audit_log_of(lake: Places, use_cases: Mapping[str, Path] | None = None) -> AuditLog:
    """The log, as a `people.noted.Noting`.

    Args:
        use_cases: name -> file of those that something is done in. These files, and that of the installation, are noted
            first where they have changed.
    """
    own = environment_file()
    return AuditLog(lake, {**({NAME: own} if own else {}), **(use_cases or {})})


def note(
    lake: Places, use_case: NamedUseCase | str, kind: Kind, what: str, by: Person | str | None = None, **details: object
) -> None:
    """Notes what is about to be done in a use case. Where it cannot be noted, this raises, and it is not done.

    Args:
        use_case: its name where the file of the use case has no part in it.
        by: who does it: a person, or one who was named; None or empty: whoever sits at the machine.
        details: names and ids, never texts of records.

    Raises:
        FtError: as `AuditLog.note`.
    """
    name, file = (use_case, None) if isinstance(use_case, str) else (use_case.name, use_case.path)
    person = (named(by) if isinstance(by, str) else by) if by else at_this_machine()
    told = {key: str(value) for key, value in details.items() if value}
    audit_log_of(lake, {name: file} if file else None)(Noted(kind, person, what, name, told))
