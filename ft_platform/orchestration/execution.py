"""Runs a use case from the command line: the same assets as in the UI, on the same instance, in this process."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from ft_platform.assets.order import Order
from ft_platform.compute.program_runs import begin
from ft_platform.errors import ConfigError
from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.instance import prepare_home, told
from ft_platform.orchestration.loading import load_definitions, stages_of
from ft_platform.orchestration.lost_runs import mend_lost_runs
from ft_platform.orchestration.run_launcher import this_process
from ft_platform.orchestration.runs import EVENTS, RunOutcome, outcome_of
from ft_platform.redaction.edge import Edge
from ft_platform.redaction.instance import edge_of, guard
from ft_platform.redaction.output import output_to
from ft_platform.redaction.run_notes import note_runs
from ft_platform.redaction.withheld import Withheld
from ft_platform.stages import ON_DEMAND, STAGES, stage_named
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.file import load_use_case, readable, use_case_folder
from ft_platform.use_case.settings.environment import Environment

__all__ = ["RunOutcome", "prepare_home", "run_use_case"]


def run_use_case(
    name: str,
    overrides: dict[str, Any] | None = None,
    select: list[str] | None = None,
    environment: Environment | None = None,
    instance: dg.DagsterInstance | None = None,
    order: Order | None = None,
) -> RunOutcome:
    """Runs the stages of a use case in order and waits for the end.

    Ctrl-C and SIGTERM end the run; its outcome then says that and by which signal.

    Args:
        overrides: dotted path -> value, for this run only (`{"training.epochs": 1}`).
        select: stages to run, a target of `deployment` as `deployment/<target>`; default all.
        instance: Dagster instance; default the installation's own.
        order: what the stages of `select` are asked for beyond being made.

    Raises:
        ConfigError: the use case, a setting or a stage does not exist.
    """
    environment = environment or load_environment()
    if select:
        known = stages_of(use_case_folder(environment.defs, name), environment)
        if unknown := sorted(stage for stage in select if stage_named(stage) not in known):
            raise ConfigError([f"{name} has no stage {stage!r}; it has {', '.join(known)}" for stage in unknown])
    on_demand = _on_demand(select)
    if on_demand and len(on_demand) < len(select or []):
        raise ConfigError(
            [f"{', '.join(on_demand)} run by themselves"], f"Run: ft run {name} --select {' '.join(on_demand)}"
        )
    if instance is None:
        prepare_home(environment)
        with told(environment.dagster_home), dg.DagsterInstance.get() as own:
            for lost in mend_lost_runs(own):
                print(lost, file=sys.stderr)
            return run_use_case(name, overrides, select, environment, own, order)
    note_runs(instance, lambda: environment)
    edge, withheld = edge_of(guard(instance)), Withheld(instance.root_directory)
    with output_to(
        withheld.file("output", f"ft_run_{os.getpid()}.out"), withheld.file("output", f"ft_run_{os.getpid()}.err")
    ):
        return _run(name, overrides, select, environment, instance, edge, order)


def _run(
    name: str,
    overrides: dict[str, Any] | None,
    select: list[str] | None,
    environment: Environment,
    instance: dg.DagsterInstance,
    edge: Edge,
    order: Order | None,
) -> RunOutcome:
    definitions = load_definitions(environment, only=name, overrides=overrides, order=order)
    selection = [dg.AssetKey([name, *stage.split("/")]) for stage in select] if select else None
    started = time.monotonic()
    asked = {stage_named(stage) for stage in select or STAGES}
    if any(stage.program for stage in STAGES.values() if stage.name in asked):
        _begin_programs(environment, name, overrides)
    job = definitions.resolve_job_def(f"{name}{ON_DEMAND}" if _on_demand(select) else name)
    with _noted_signals() as last_signal:
        result = job.execute_in_process(
            instance=instance,
            asset_selection=selection,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={**this_process().tag(), **readable_tags(select, overrides)},
        )
        events = (
            edge.passed(event, result.run_id, keep=False) for event in result.all_events if event.event_type in EVENTS
        )
        outcome = outcome_of(events, name, result.run_id, result.success, time.monotonic() - started)
        if outcome.stopped:
            outcome.stopped_by = last_signal() or signal.SIGINT
    return outcome


def _on_demand(select: list[str] | None) -> list[str]:
    """Those stages that only a person starts; none that a use case added."""
    return sorted(stage for stage in select or [] if (known := STAGES.get(stage_named(stage))) and known.on_demand)


def readable_tags(select: list[str] | None, overrides: dict[str, Any] | None) -> dict[str, str]:
    """What was typed: the command, its stages, and the settings it changed."""
    changed = " ".join(readable(overrides or {}))
    told = {"ft/command": "ft run", "ft/select": " ".join(select or []), "ft/set": changed}
    return {name: value for name, value in told.items() if value}


def _begin_programs(environment: Environment, name: str, overrides: dict[str, Any] | None) -> None:
    """At the first run of a use case: a later one may have nothing to compute, and would compete with imports that
    nobody needs."""
    if not open_lake(environment).artifacts(name, "adapter_checkpoint"):
        begin(environment, load_use_case(use_case_folder(environment.defs, name), overrides, environment))


@contextmanager
def _noted_signals() -> Iterator[Callable[[], int | None]]:
    """Yields a function that says which signal came last.

    Dagster has handlers of its own for SIGINT and SIGTERM while it executes, and does not tell which of them it was.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    try:
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    except ValueError:  # not in the main thread: no handler runs there, and no signal ends the run
        before = None

    def last() -> int | None:
        try:
            numbers = os.read(reader, 4096)
        except BlockingIOError:
            return None
        return next((n for n in reversed(numbers) if n in (signal.SIGINT, signal.SIGTERM)), None)

    try:
        yield last
    finally:
        if before is not None:
            signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)
