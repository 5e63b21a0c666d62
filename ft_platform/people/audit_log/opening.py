"""The audit log of a lake, and the one line with which whoever acts notes it."""

from pathlib import Path

from ft_platform.lake.places import Places
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.noted import Kind, Noted
from ft_platform.people.person import Person, at_this_machine
from ft_platform.settings.environment_file import NAME, environment_file
from ft_platform.use_case.named import NamedUseCase


def audit_log_of(lake: Places, *use_cases: NamedUseCase) -> AuditLog:
    """The log, as a `people.noted.Noting`.

    Args:
        use_cases: those that something is done in. Their files, and that of the installation, are noted first where
            they have changed.
    """
    return _watching(lake, {one.name: one.path for one in use_cases if one.path})


def note(
    lake: Places, use_case: NamedUseCase | str, kind: Kind, what: str, by: Person | None = None, **details: object
) -> None:
    """Notes what is about to be done in a use case. Where it cannot be noted, this raises, and it is not done.

    Args:
        use_case: its name where the file of the use case has no part in it.
        by: who does it; None: whoever sits at the machine.
        details: names and ids, never texts of records.

    Raises:
        FtError: as `AuditLog.note`.
    """
    named = isinstance(use_case, NamedUseCase)
    log = audit_log_of(lake, *([use_case] if named else []))
    told = {name: str(value) for name, value in details.items() if value}
    log(Noted(kind, by or at_this_machine(), what, use_case.name if named else use_case, told))


def note_files(lake: Places, use_cases: dict[str, Path]) -> None:
    """Notes which files of settings have changed or are gone, when they are loaded.

    Args:
        use_cases: name -> file.
    """
    _watching(lake, use_cases).note_files()


def _watching(lake: Places, use_cases: dict[str, Path]) -> AuditLog:
    own = environment_file()
    return AuditLog(lake, {**({NAME: own} if own else {}), **use_cases})
