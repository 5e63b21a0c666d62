"""Runs in the audit log. Whoever starts one, by a command, a button, a sensor or a schedule: the process that executes
it notes it before its first step. That process has the lake; Dagster's web server and daemon need not have it."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg

from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log.opening import audit_log_of
from ft_platform.people.noted import Noted
from ft_platform.people.person import at_this_machine
from ft_platform.people.started import NOT_SHOWN, starter
from ft_platform.use_case.file import FILE_NAME, find_use_cases
from ft_platform.use_case.settings.environment import Environment

INSTALLATION = "_ft_installation"
"""Attribute of an instance: gives the environment whose audit log is told of its runs."""


def note_runs(instance: dg.DagsterInstance, environment: Callable[[], Environment]) -> None:
    """From now on, runs of the instance are noted in the audit log of this installation."""
    setattr(instance, INSTALLATION, environment)


def noted(instance: dg.DagsterInstance, entry: dg.EventLogEntry) -> dg.EventLogEntry:
    """The same entry of the event log. Where it says that a run starts, that is noted first.

    Raises:
        FtError: it cannot be noted, so the run fails before its first step.
    """
    event = entry.dagster_event
    if event and event.event_type == dg.DagsterEventType.RUN_START and (run := instance.get_run_by_id(entry.run_id)):
        _note(instance, run)
    return entry


def _note(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    told_of = getattr(instance, INSTALLATION, None)
    environment: Environment | None = told_of() if told_of else None
    if environment is None or Path(instance.root_directory).resolve() != environment.dagster_home.resolve():
        return  # an instance for a test, or of another installation
    keys = [key.to_user_string() for key in run.asset_selection or ()]
    names = sorted({key.partition("/")[0] for key in keys}) or [run.job_name]
    lake = open_lake(environment)
    assert lake.signing
    named = starter(run.run_id, run.tags, lake.signing.keys)
    details = {
        "run": run.run_id,
        "job": run.job_name,
        "assets": " ".join(sorted(keys)),
        "repeats": run.parent_run_id or "",
        "person": NOT_SHOWN if named and named.known_by == "self-declared" and named != at_this_machine() else "",
    }
    person = named or at_this_machine()
    files = {folder.name: folder / FILE_NAME for folder in find_use_cases(environment.defs) if folder.name in names}
    log = audit_log_of(lake, files)
    log.note([Noted("run", person, "started a run", name, {k: v for k, v in details.items() if v}) for name in names])
