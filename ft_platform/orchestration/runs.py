"""How runs of a use case ended, from Dagster's events: of `ft run` itself, or of the newest run on the instance,
whoever started it: a command, the button in the UI, an automation condition or a sensor."""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from ft_platform.assets.stage import NONE
from ft_platform.assets.version_io import HANDLE, handle_in
from ft_platform.lake.versions import Version, from_dict
from ft_platform.orchestration.instance import existing_instance
from ft_platform.orchestration.lost_runs import mend_lost_runs
from ft_platform.stages import STAGES, TRAINING_AUDIT
from ft_platform.use_case.settings.environment import Environment

SHOWN_PROBLEMS = 2
"""Of a failed check: an error on a terminal has five lines at most."""
PAGE = 100
"""Runs that are fetched at once."""

EVENTS = {
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
}
ACTS = ("sign_off", "release", "deployment")
"""Stages in which a person acts on what a run found. A run of these alone finds nothing: it is no result, and where it
is refused, the use case has not failed."""
INTERRUPTS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")


@dataclass
class RunOutcome:
    """How a run ended, seen from one use case.

    Attributes:
        success: every stage of the use case that was to be made was made. Another use case in the same run may have
            failed.
        trained: whether a checkpoint was trained in this run.
        reused: stages whose inputs were unchanged.
        artifacts: stage -> id of the checkpoint or report that the run made or used again.
        versions: stage -> handle of what the run made or used again.
        seconds: stage -> wall time, and `total`.
        failed_stage, error: the first stage that failed and its message.
        next_step: what to do about it, where the message does not say it.
        stopped: it was stopped by a person or the system, by Ctrl-C, a signal or the UI.
        stopped_by: number of the signal that this process got.
    """

    success: bool = False
    trained: bool = False
    run_id: str = ""
    reused: list[str] = field(default_factory=list)
    artifacts: dict[str, str] = field(default_factory=dict)
    versions: dict[str, Version] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failed_stage: str | None = None
    error: str | None = None
    next_step: str | None = None
    stopped: bool = False
    stopped_by: int | None = None


@dataclass(frozen=True)
class LastRun:
    """The newest runs of a use case.

    Attributes:
        outcome: of the newest run that ended, or None.
        unfinished: id of a newer run that has not ended, or None.
        ended_at: when the run of `outcome` ended, as manifests write it, or None.
    """

    outcome: RunOutcome | None = None
    unfinished: str | None = None
    ended_at: str | None = None

    @property
    def state(self) -> str:
        """`never run`, `running`, `succeeded`, `failed` or `stopped`."""
        if self.unfinished:
            return "running"
        if self.outcome is None:
            return "never run"
        return "succeeded" if self.outcome.success else "stopped" if self.outcome.stopped else "failed"


def outcome_of(
    events: Iterable[dg.DagsterEvent], use_case: str, run_id: str, succeeded: bool, total: float
) -> RunOutcome:
    """What the events of a run say about one use case.

    Args:
        succeeded: whether the run as a whole did.
        total: its wall time in seconds.
    """
    outcome = RunOutcome(run_id=run_id)
    planned: set[str] = set()
    made: set[str] = set()
    said: str | None = None
    for event in events:
        if event.event_type_value == "ASSET_MATERIALIZATION_PLANNED":
            planned |= _stages([event.asset_key], use_case)
        elif event.is_step_materialization:
            made |= _stages([event.asset_key], use_case)
            _note_materialization(outcome, event, use_case)
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            _note_check(outcome, event, use_case)
        elif (event.step_key or "").startswith(f"{use_case}__"):
            _note_step(outcome, event, use_case)
        elif event.event_type_value in ("PIPELINE_CANCELED", "PIPELINE_FAILURE"):
            said = event.message if event.event_specific_data is None else None
            outcome.stopped |= event.event_type_value == "PIPELINE_CANCELED" or _is_interrupt(
                getattr(event.event_specific_data, "error", None)
            )
    outcome.success = succeeded or (bool(planned) and planned <= made and outcome.error is None and not outcome.stopped)
    if outcome.stopped:
        outcome.error, outcome.next_step = (
            "stopped",
            f"What was finished is kept and used again. Go on with: ft run {use_case}",
        )
    elif not outcome.success and outcome.error is None:
        # A run that was ended from outside (`lost_runs`, Dagster's monitor) has the reason in the event; one that ended
        # by itself had said it at a step.
        outcome.error, outcome.next_step = said or "the run ended without saying why", "Look at it in the UI: ft ui"
    outcome.seconds["total"] = round(total, 2)
    return outcome


def last_runs(environment: Environment, use_cases: Iterable[str]) -> dict[str, LastRun]:
    """The newest run of each use case on the installation's instance. Runs whose process is gone are marked as failed
    first, with a line on standard error."""
    names = list(use_cases)
    found: dict[str, LastRun] = {}
    with existing_instance(environment) as instance:
        if instance is None:
            return dict.fromkeys(names, LastRun())
        for lost in mend_lost_runs(instance):
            print(lost, file=sys.stderr)
        # A use case with no event never ran; without this, looking for it would read every run there is.
        open_names = set(names) & {key.path[0] for key in instance.all_asset_keys() if len(key.path) > 1}
        unfinished: dict[str, str] = {}
        for record in _newest_first(instance):
            for name in sorted(open_names & _use_cases_of(record.dagster_run)):
                if record.dagster_run.is_finished:
                    ended = record.end_time and datetime.fromtimestamp(record.end_time, UTC)
                    ended_at = ended.isoformat(timespec="seconds") if ended else None
                    found[name] = LastRun(_outcome_from(instance, record, name), unfinished.get(name), ended_at)
                    open_names.discard(name)
                else:
                    unfinished.setdefault(name, record.dagster_run.run_id)
            if not open_names:
                break
    return {name: found.get(name) or LastRun(unfinished=unfinished.get(name)) for name in names}


def last_made(environment: Environment, use_case: str, stages: Iterable[str]) -> dict[str, Version]:
    """Stage -> what a run takes from it that does not make it: the version of its newest materialization."""
    with existing_instance(environment) as instance:
        if instance is None:
            return {}
        events = {name: instance.get_latest_materialization_event(dg.AssetKey([use_case, name])) for name in stages}
    return {name: version for name, event in events.items() if (version := handle_in(event))}


def _newest_first(instance: dg.DagsterInstance) -> Iterator[Any]:
    cursor = None
    while records := instance.get_run_records(limit=PAGE, cursor=cursor):
        yield from records
        cursor = records[-1].dagster_run.run_id


def _use_cases_of(run: dg.DagsterRun) -> set[str]:
    """A run of a use case's own job has its name; the button and the automation select assets. A run of checks alone,
    or of `ACTS`, is no run."""
    if run.asset_selection or run.asset_check_selection:
        return {key.path[0] for key in run.asset_selection or () if key.path[1] not in ACTS}
    return {run.job_name}


def _outcome_from(instance: dg.DagsterInstance, record: Any, use_case: str) -> RunOutcome:
    run = record.dagster_run
    records = instance.get_records_for_run(run.run_id, of_type=EVENTS).records
    events = [r.event_log_entry.dagster_event for r in records if r.event_log_entry.dagster_event]
    total = (record.end_time or 0) - (record.start_time or record.end_time or 0)
    return outcome_of(events, use_case, run.run_id, run.is_success, total)


def _note_materialization(outcome: RunOutcome, event: dg.DagsterEvent, use_case: str) -> None:
    metadata = event.step_materialization_data.materialization.metadata
    for stage in _stages([event.asset_key], use_case):
        if "reused" in metadata and metadata["reused"].value:
            outcome.reused.append(stage)
        if "trained" in metadata:
            outcome.trained = bool(metadata["trained"].value)
        if HANDLE in metadata and isinstance(handle := metadata[HANDLE].value, dict):
            outcome.versions[stage] = from_dict(handle)
        if stage in STAGES and STAGES[stage].kind in ("checkpoint", "report") and "version" in metadata:
            outcome.artifacts[stage] = str(metadata["version"].value)


def _note_step(outcome: RunOutcome, event: dg.DagsterEvent, use_case: str) -> None:
    step = (event.step_key or "").removeprefix(f"{use_case}__").partition("__")[0]
    if event.is_step_success and step in STAGES:
        outcome.seconds[step] = round(event.step_success_data.duration_ms / 1000, 2)
    elif event.is_step_failure and outcome.error is None:
        failure = event.step_failure_data
        outcome.failed_stage = next((stage for stage in STAGES if step == stage or step.startswith(f"{stage}_")), step)
        outcome.stopped = _is_interrupt(failure.error)
        outcome.error = _message_of(failure)


def _note_check(outcome: RunOutcome, event: dg.DagsterEvent, use_case: str) -> None:
    check = event.asset_check_evaluation_data
    if (
        outcome.error is None
        and not check.passed
        and check.blocking
        and check.severity == dg.AssetCheckSeverity.ERROR
        and check.asset_key.path[0] == use_case
    ):
        outcome.failed_stage = "/".join(check.asset_key.path[1:])
        outcome.error = f"check {check.check_name} of {outcome.failed_stage} failed: {said_by_check(check.metadata)}"
        outcome.next_step = (
            f"All of it: ft audit {use_case}"
            if check.check_name == TRAINING_AUDIT
            else "All of it: its report in ft ui"
        )


def _stages(keys: Iterable[dg.AssetKey | None], use_case: str) -> set[str]:
    return {key.path[1] for key in keys if key is not None and key.path[0] == use_case}


def _is_interrupt(error: Any) -> bool:
    """Whether an error, or what it was raised from, is a stop from outside."""
    return error is not None and (error.cls_name in INTERRUPTS or _is_interrupt(error.cause))


def _message_of(failure: Any) -> str:
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    cause = failure.error.cause or failure.error
    said = ((cause.message or "").strip().splitlines() or [cause.cls_name or ""])[0]
    if re.fullmatch(r"[\w.]*:?", said):
        return (
            f"its code ended with {said.rstrip(':') or 'an error'} and said nothing about it. Look at it in the UI:"
            " ft ui"
        )
    return said


def said_by_check(metadata: Any) -> str:
    """What a check says, in a few lines of a terminal: its own sentence, its first problems, or its figures. Lists and
    mappings stay in its report."""
    if "says" in metadata:
        return str(metadata["says"].value)
    problems = metadata["problems"].value if "problems" in metadata else None
    if isinstance(problems, list) and problems:
        more = f" And {len(problems) - SHOWN_PROBLEMS} more." if len(problems) > SHOWN_PROBLEMS else ""
        return " ".join(map(str, problems[:SHOWN_PROBLEMS])) + more
    return ", ".join(
        f"{name} {one.value}"
        for name, one in metadata.items()
        if name not in ("checked_at", "report", "report_file")
        and one.value not in (None, NONE)
        and not isinstance(one.value, (dict, list))
    )
