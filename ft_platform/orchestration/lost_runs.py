"""Runs whose process is gone: without a daemon nobody tells Dagster, and they stay STARTED and keep their places in
pools for good."""

from dataclasses import dataclass

import dagster as dg
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus

from ft_platform.errors.vouched import vouch
from ft_platform.orchestration.run_launcher import gone_from_here

OPEN = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]


@dataclass(frozen=True)
class LostRun:
    """A run that was marked as ended because its process is gone, and why that is known."""

    run_id: str
    job: str
    why: str

    def __str__(self) -> str:
        return f"run {self.run_id[:8]} of {self.job} was lost and is now marked as ended: {self.why}"


def mend_lost_runs(instance: DagsterInstance) -> list[LostRun]:
    """Marks runs of this machine whose process is gone as failed (or as stopped, if they were being stopped) and frees
    their places in pools.

    Covered: killed processes and restarted machines, as far as they can be seen from here (`run_launcher`).
    Not covered: runs on other machines and in other containers; Dagster's daemon there asks about them.
    """
    return [lost for run in instance.get_runs(dg.RunsFilter(statuses=OPEN)) if (lost := _mended(instance, run))]


def _mended(instance: DagsterInstance, run: DagsterRun) -> LostRun | None:
    why = gone_from_here(instance, run)
    # Looked at again: before a process ends it notes how its run ended, perhaps since the list was read.
    now = instance.get_run_by_id(run.run_id) if why else None
    if why is None or now is None or now.status not in OPEN:
        return None
    if now.status == DagsterRunStatus.CANCELING:
        instance.report_run_canceled(now, vouch(f"stopped: {why}"))
    else:
        instance.report_run_failed(now, vouch(why))
    if instance.event_log_storage.supports_global_concurrency_limits:
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return LostRun(run.run_id, run.job_name.strip("_"), why)
