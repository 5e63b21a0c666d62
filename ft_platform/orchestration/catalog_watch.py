"""Shows tables of the lake in the Unity Catalog of the environment: after each run what it made, and once an hour
everything, because erasures and other installations change the lake without a run of this one. A catalogue that is
down is asked again with the next tick; no run waits for it."""

import json
import time
from collections.abc import Collection
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

import dagster as dg

from ft_platform.errors import FtError
from ft_platform.errors.vouched import vouch
from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.identities import is_served_here
from ft_platform.orchestration.lineage_watch import OVERLAP_SECONDS
from ft_platform.use_case.file import find_use_cases, load_use_case
from ft_platform.use_case.settings.environment import Environment

if TYPE_CHECKING:
    from ft_platform.tracking.unity_tables import Shown

WATCH_SECONDS = 60
TICK_SECONDS = 30.0
"""A sensor of Dagster has 60."""
WHOLE_SECONDS = 3600.0
AT_ONCE = 20
"""Use cases between two looks at the clock; each look lists all tables of the catalogue's schemas."""
WHOLE = "*"
"""Beside names of use cases: what is left of those that are gone."""
GOING = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def catalog_watch(environment: Environment) -> list[dg.SensorDefinition]:
    """The sensor `unity_catalog`; none where no catalogue shows tables."""
    if environment.unity_catalog is None:
        return []

    @dg.sensor(
        name="unity_catalog",
        minimum_interval_seconds=WATCH_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Shows the tables that runs made in Unity Catalog, and takes out what may not be seen any more.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        now, until = time.time(), time.monotonic() + TICK_SECONDS
        seen = json.loads(context.cursor) if context.cursor else {"since": now, "due": [], "whole": 0.0}
        since = datetime.fromtimestamp(seen["since"] - OVERLAP_SECONDS, UTC)
        changed = [one.dagster_run for one in context.instance.get_run_records(dg.RunsFilter(updated_after=since))]
        due = {name for run in changed if run.is_finished for name in _use_cases_in(run)} | set(seen["due"])
        if now - seen["whole"] > WHOLE_SECONDS:
            seen["whole"] = now
            due |= {WHOLE, *(folder.name for folder in find_use_cases(environment.defs))}
        # A table that a run is making has no verdicts yet.
        going = {
            name for run in context.instance.get_runs(dg.RunsFilter(statuses=GOING)) for name in _use_cases_in(run)
        }
        waiting, looked, problems = iter(sorted(due - going)), 0, []
        try:
            while (part := list(islice(waiting, AT_ONCE))) and time.monotonic() < until:
                found = look(environment, part)
                due -= set(part)
                looked += len(found)
                problems += [one.line() for one in found if one.state == "failed"]
        except FtError as error:
            problems.append(str(error))
        for problem in problems:
            context.log.warning(vouch(problem))
        context.update_cursor(json.dumps({"since": now, "due": sorted(due), "whole": seen["whole"]}))
        return dg.SkipReason(vouch("; ".join([f"{looked} tables looked at", *problems])))

    return [sensor]


def _use_cases_in(run: dg.DagsterRun) -> set[str]:
    """Also of a run of checks alone: a verdict decides what is shown."""
    keys = {*(run.asset_selection or ()), *(check.asset_key for check in run.asset_check_selection or ())}
    return {key.path[0] for key in keys} or {run.job_name}


def look(environment: Environment, only: Collection[str] | None = None) -> "list[Shown]":
    """Makes the catalogue show what the lake has (`show_tables`). Tables of a use case whose file cannot be read stay
    as they are, and count as failed.

    Args:
        only: names of use cases, and `WHOLE` for what is left of those that are gone; default everything.
    """
    from ft_platform.tracking.unity_tables import Shown, show_tables

    folders = [one for one in find_use_cases(environment.defs) if is_served_here(environment, one.name)]
    use_cases, broken = [], []
    for folder in folders:
        if only is None or folder.name in only:
            try:
                use_cases.append(load_use_case(folder, environment=environment))
            except FtError:  # the code location shows why
                broken.append(Shown(f"tables of {folder.name}", "failed", "its file does not load: ft check"))
    whole = only is None or WHOLE in only
    known = {one.name for one in folders} if whole else None
    if not use_cases and not whole:
        return broken
    return [*broken, *show_tables(environment, open_lake(environment), use_cases, known)]
