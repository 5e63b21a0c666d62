"""Which use case a process loads that was started for one run: the others of an installation cost it seconds."""

import sys

from dagster import DagsterRun

from ft_platform.orchestration.run_settings import USE_CASE_TAG


def own_use_case() -> str | None:
    """The one use case of the run that this process executes; None: it executes none, or one of several use cases.

    Dagster loads definitions without a word about the run, so it is found in the caller."""
    frame = sys._getframe()
    while frame := frame.f_back:
        if frame.f_code.co_name == "core_execute_run":
            run = frame.f_locals.get("dagster_run")
            return use_case_of(run) if isinstance(run, DagsterRun) else None
    return None


def use_case_of(run: DagsterRun) -> str | None:
    """The use case that all of a run belongs to, if there is one."""
    keys = {*(run.asset_selection or ()), *(check.asset_key for check in run.asset_check_selection or ())}
    names = {key.path[0] for key in keys} or {run.tags.get(USE_CASE_TAG)}
    return names.pop() if len(names) == 1 else None
