"""Makes the trials of a search, one after the other or in several processes, and publishes what they show."""

import ctypes
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ft_platform.environment import Environment
from ft_platform.errors import ConfigError, FtError, MissingExtra, NanLoss, OutOfMemory, TrainingFailed
from ft_platform.experiments import study as studies
from ft_platform.experiments.inputs import experiment_inputs, study_id, working_folder
from ft_platform.experiments.training_once import train_once, with_training
from ft_platform.lake import ArtifactVersion, Lake, TableVersion, open_lake
from ft_platform.process import progress
from ft_platform.stages import STAGES
from ft_platform.tracking import finish_report, parent_tags, tracker_for
from ft_platform.use_case import NamedUseCase

STAGE = "hyperparameter_search"
POLL_SECONDS = 1.0
PR_SET_PDEATHSIG = 1


def publish_search(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, log: Any
) -> ArtifactVersion:
    """The report of a search: an existing one, or a new one after all its trials. A search that was killed goes on.

    Args:
        splits: a version that passed the gate.
        log: a logger.

    Raises:
        MissingExtra: Optuna is not installed.
        TrainerRunning: the same search runs already.
        TrainingFailed: no trial came to an end.
    """
    artifact_id, inputs = experiment_inputs(use_case, STAGE, splits)
    if existing := lake.intact_artifact(use_case.name, STAGE, artifact_id):
        return existing
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise MissingExtra("optuna", "search") from error
    from ft_platform.experiments.search_report import summary, write_search_report

    started = time.monotonic()
    folder = working_folder(environment, STAGE, use_case, study_id(use_case, splits))
    with (
        studies.owning(folder),
        tracker_for(environment, use_case, STAGE, artifact_id, parent_tags([splits]), log) as tracker,
    ):
        if killed := studies.recover(folder):
            log.info(f"the search goes on: {killed} trials were killed and are made again")
        tracker.parameters(use_case.settings.search.model_dump(mode="json"))
        _make_trials(lake, environment, use_case, splits, folder)
        found = summary(studies.trials_of(studies.open_study(folder)), use_case)
        if found["best"] is None:
            kinds = sorted({str(trial["failed"]) for trial in found["trials"] if trial["failed"]})
            raise TrainingFailed(
                f"none of {len(found['trials'])} trials came to an end ({', '.join(kinds)})", "Narrow search.space"
            )
        with lake.scratch(use_case.name, STAGE) as place:
            write_search_report(place, lake, use_case, artifact_id, splits, found)
            report = lake.publish(
                use_case.name,
                STAGE,
                artifact_id,
                place,
                parents=[splits],
                settings_hash=STAGES[STAGE].settings_hash(use_case),
                input_hash=inputs,
                counts=found["figures"],
                info={"best": found["best"], "tracking": tracker.state()},
                seconds=time.monotonic() - started,
            )
        for trial in found["trials"]:
            if trial["validation_loss"] is not None:
                tracker.metrics(trial["number"], {"validation_loss": trial["validation_loss"]})
        finish_report(tracker, lake, report, {"best_validation_loss": found["best"]["validation_loss"]})
    return report


def trainings_left(environment: Environment, use_case: NamedUseCase, splits: TableVersion) -> float:
    """How many trials a search still makes. Those that were made on another machine are not known here."""
    folder = working_folder(environment, STAGE, use_case, study_id(use_case, splits))
    made = 0
    if (folder / studies.JOURNAL).exists():
        made = sum(trial.state.is_finished() for trial in studies.trials_of(studies.open_study(folder)))
    return float(max(use_case.settings.search.trials - made, 0))


def _make_trials(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, folder: Path
) -> None:
    search = use_case.settings.search
    if search.parallel == 1:
        work(
            lake,
            environment,
            use_case,
            splits,
            folder,
            lambda done: progress.report(STAGE, done, search.trials, "trials"),
        )
        return
    threads = max(1, int(os.environ.get("FT_THREADS") or len(os.sched_getaffinity(0))) // search.parallel)
    before = {name: os.environ.get(name) for name in ("FT_THREADS", "OMP_NUM_THREADS")}
    os.environ |= dict.fromkeys(before, str(threads))
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_worker, args=(environment, use_case, splits, folder, n), daemon=True)
        for n in range(search.parallel)
    ]
    for n in range(search.parallel):
        _error_file(folder, n).unlink(missing_ok=True)
    try:
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            time.sleep(POLL_SECONDS)
            progress.report(
                STAGE,
                sum(t.state.is_finished() for t in studies.trials_of(studies.open_study(folder))),
                search.trials,
                "trials",
            )
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    _require_ended_well([(_error_file(folder, n), worker.exitcode) for n, worker in enumerate(workers)])


def _require_ended_well(ends: list[tuple[Path, int | None]]) -> None:
    for file, code in ends:
        if file.exists():
            said = json.loads(file.read_text())
            raise TrainingFailed(said["message"], said["next_step"])
        if code:
            raise TrainingFailed(
                f"a process of the search ended with {code}",
                "Run the search again, it goes on; lower search.parallel if memory ran out",
            )


def _error_file(folder: Path, number: int) -> Path:
    return folder / f"worker-{number}.error.json"


def _worker(environment: Environment, use_case: NamedUseCase, splits: TableVersion, folder: Path, number: int) -> None:
    """One process of a parallel search; it ends with the one that started it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the main process ends this one
    from ft_platform.training.threads import pin_threads

    pin_threads()
    try:
        work(open_lake(environment), environment, use_case, splits, folder)
    except FtError as error:
        _error_file(folder, number).write_text(json.dumps({"message": error.message, "next_step": error.next_step}))
        raise SystemExit(1) from None


def work(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    folder: Path,
    on_done: Callable[[int], None] = lambda done: None,
) -> None:
    """Makes trials until there are enough."""
    study = studies.open_study(folder)
    while (trial := studies.next_trial(study, folder, use_case)) is not None:
        _make_trial(lake, environment, use_case, splits, study, trial)
        on_done(len(studies.trials_of(study)))


def _make_trial(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, study: Any, trial: Any
) -> None:
    """Trains with the values of a trial. It is compared with others by validations done, which are equal shares of an
    epoch."""
    import optuna
    from optuna.trial import TrialState

    validations = 0

    def on_step(step: int, values: dict[str, float]) -> None:
        nonlocal validations
        if step and "validation_loss" in values:
            validations += 1
            trial.report(values["validation_loss"], validations)
            if trial.should_prune():
                raise optuna.TrialPruned

    try:
        run, _ = train_once(lake, environment, with_training(use_case, **trial.params), splits, on_step)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except (NanLoss, OutOfMemory, ConfigError) as error:  # of these settings; the others may do
        trial.set_user_attr(studies.FAILED, type(error).__name__)
        study.tell(trial, state=TrialState.FAIL)
    else:
        trial.set_user_attr("steps", run.step)
        trial.set_user_attr("seconds", round(run.seconds, 1))
        study.tell(trial, run.best_loss)
