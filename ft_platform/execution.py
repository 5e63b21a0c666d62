"""Runs a use case from the command line: the same assets as in the UI, on the same instance, in this process."""

import fcntl
import json
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from ft_platform.environment import Environment, create_pseudonym_key, load_environment
from ft_platform.errors import ConfigError
from ft_platform.lake import files
from ft_platform.loading import load_definitions, prepare_variables
from ft_platform.results import last_run_file
from ft_platform.stages import STAGES

INSTANCE_SETTINGS = Path(__file__).parent.parent / "dagster.yaml"


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        seconds: stage -> wall time.
        reused: stages whose inputs were unchanged.
        artifacts: stage -> id of the checkpoint or report that the run made or used again.
        trained: whether a checkpoint was trained in this run.
        failed_stage, error: the first stage that failed and its message, which holds the next step.
    """

    success: bool
    trained: bool
    run_id: str
    reused: list[str] = field(default_factory=list)
    artifacts: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failed_stage: str | None = None
    error: str | None = None
    next_step: str | None = None


def prepare_home(environment: Environment) -> None:
    """Creates the folders, the key and the Dagster instance of an installation, once, however many processes start."""
    prepare_variables()
    home = environment.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home)
    # Two processes that create the instance's sqlite files at once can leave them unusable for good.
    with open(home / ".create.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        create_pseudonym_key(environment)
        if not (home / "dagster.yaml").exists() and INSTANCE_SETTINGS.exists():
            shutil.copy(INSTANCE_SETTINGS, home / "dagster.yaml")
        with dg.DagsterInstance.get() as instance:
            instance.get_run_records(limit=1)
            instance.get_latest_materialization_event(dg.AssetKey("none"))


def run_use_case(
    name: str,
    overrides: dict[str, Any] | None = None,
    select: list[str] | None = None,
    environment: Environment | None = None,
    instance: dg.DagsterInstance | None = None,
) -> RunOutcome:
    """Runs the stages of a use case in order and waits for the end.

    Args:
        overrides: dotted path -> value, for this run only (`{"training.epochs": 1}`).
        select: stages to run; default all.
        instance: Dagster instance; default the installation's own.

    Raises:
        ConfigError: the use case, a setting or a stage does not exist.
    """
    environment = environment or load_environment()
    unknown = sorted(set(select or []) - set(STAGES))
    if unknown:
        raise ConfigError([f"there is no stage {stage!r}; there are {list(STAGES)}" for stage in unknown])
    if instance is None:
        prepare_home(environment)
        with dg.DagsterInstance.get() as own:
            return run_use_case(name, overrides, select, environment, own)
    definitions = load_definitions(environment, only=name, overrides=overrides)
    selection = [dg.AssetKey([name, stage]) for stage in select] if select else None
    started = time.monotonic()
    job = definitions.resolve_job_def(name)
    result = job.execute_in_process(
        instance=instance, asset_selection=selection, raise_on_error=False, run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    )
    outcome = _outcome(result, time.monotonic() - started)
    _remember(environment, name, outcome)
    return outcome


def _outcome(result: dg.ExecuteInProcessResult, total: float) -> RunOutcome:
    seconds: dict[str, float] = {}
    reused: list[str] = []
    artifacts: dict[str, str] = {}
    trained = False
    failed_stage = error = None
    for event in result.all_events:
        if event.is_step_success:
            stage = (event.step_key or "").split("__")[-1]
            if stage in STAGES:
                seconds[stage] = round(event.step_success_data.duration_ms / 1000, 2)
        elif event.is_step_materialization:
            materialization = event.step_materialization_data.materialization
            stage = materialization.asset_key.path[-1]
            if materialization.metadata.get("reused") and materialization.metadata["reused"].value:
                reused.append(stage)
            if STAGES[stage].kind != "table":
                artifacts[stage] = str(materialization.metadata["version"].value)
            if "trained" in materialization.metadata:
                trained = bool(materialization.metadata["trained"].value)
        elif event.is_step_failure and error is None:
            failed_stage = _stage_of(event.step_key or "")
            error = _message_of(event.step_failure_data)
        elif event.event_type_value == "ASSET_CHECK_EVALUATION" and error is None:
            check = event.asset_check_evaluation_data
            if not check.passed and check.blocking:
                failed_stage = check.asset_key.path[-1]
                error = f"check {check.check_name} of {failed_stage} failed: {_numbers_of(check.metadata)}"
    seconds["total"] = round(total, 2)
    return RunOutcome(result.success, trained, result.run_id, reused, artifacts, seconds, failed_stage, error)


def _stage_of(step_key: str) -> str:
    """`legal__cleaned_records_meets_expectations` is a check of stage `cleaned_records`."""
    step = step_key.split("__")[-1]
    return next((stage for stage in STAGES if step == stage or step.startswith(f"{stage}_")), step)


def _message_of(failure: Any) -> str:
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    cause = failure.error.cause or failure.error
    return (cause.message or "").strip().splitlines()[0]


def _numbers_of(metadata: Any) -> str:
    shown = {k: v.value for k, v in metadata.items() if k not in ("results", "checked_at") and v.value not in (None, [], {})}
    return ", ".join(f"{k} {v}" for k, v in shown.items())


def _remember(environment: Environment, name: str, outcome: RunOutcome) -> None:
    """Keeps what `ft results` says about the last run."""
    value = {
        "trained": outcome.trained,
        "seconds": outcome.seconds,
        "success": outcome.success,
        "reused": outcome.reused,
        "run_id": outcome.run_id,
        **outcome.artifacts,
    }
    fs, path = files.filesystem(str(last_run_file(environment, name)))
    try:
        files.write_bytes(fs, path, json.dumps(value, indent=1, default=str).encode())
    except OSError:
        # A full disk has failed the run already: its own message must reach the user, not this one.
        if outcome.success:
            raise
