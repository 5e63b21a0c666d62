"""Makes the trials of a search: one after the other, in several processes of this machine, or in the tasks of a job
array, which all take trials of one study."""

import ctypes
import json
import logging
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

from ft_platform.errors import ConfigError, FtError, NanLoss, OutOfMemory, TrainingFailed
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.training_states import TrainingStates
from ft_platform.lake.versions import TableVersion
from ft_platform.process import progress
from ft_platform.training.experiments import study as studies
from ft_platform.training.experiments.study import STAGE
from ft_platform.training.experiments.training_once import require_steps, train_once, with_training
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.program_variables import TASK
from ft_platform.use_case.settings.environment import Environment

LOG = logging.getLogger("ft_platform.search")
POLL_SECONDS = 1.0
PR_SET_PDEATHSIG = 1


def make_trials(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, folder: Path, log: Any
) -> None:
    require_steps(use_case, STAGE)
    search = use_case.settings.search
    if search.parallel == 1 or TASK in os.environ:
        _first_worker(lake, environment, use_case, splits, folder, log)
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
            progress.report(STAGE, studies.finished_of(studies.open_study(folder)), search.trials, "trials")
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    _require_ended_well([(_error_file(folder, n), worker.exitcode) for n, worker in enumerate(workers)])


def _first_worker(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, folder: Path, log: Any
) -> None:
    """Makes trials, waits for those of other tasks, and makes those of tasks that were lost."""
    study, search = studies.open_study(folder), use_case.settings.search
    while studies.finished_of(study) < search.trials:
        work(lake, environment, use_case, splits, folder, log=log)
        if studies.finished_of(study) < search.trials:
            if lost := studies.recover(folder):
                log.info(f"{lost} trials of tasks that were lost are made again")
            else:
                time.sleep(POLL_SECONDS)
                progress.report(STAGE, studies.finished_of(study), search.trials, "trials")


def _require_ended_well(ends: list[tuple[Path, int | None]]) -> None:
    for file, code in ends:
        if file.exists():
            said = json.loads(file.read_text())
            raise TrainingFailed(said["message"], said["next_step"])
        if code:
            raise TrainingFailed(
                f"a process of the search ended with {code}",
                "Run the search again: it continues. Lower search.parallel if memory ran out",
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
        work(open_lake(environment), environment, use_case, splits, folder, number)
    except FtError as error:
        _error_file(folder, number).write_text(json.dumps({"message": error.message, "next_step": error.next_step}))
        raise SystemExit(1) from None


def work(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    folder: Path,
    worker: int = 0,
    log: Any = LOG,
) -> None:
    """Makes trials until all places are taken."""
    study, search = studies.open_study(folder), use_case.settings.search
    with studies.working(folder, worker):
        while (trial := studies.next_trial(study, folder, use_case, worker)) is not None:
            states = TrainingStates(
                lake, splits, studies.training_of(folder, trial), use_case.settings.compute.states_kept
            )
            _make_trial(lake, environment, use_case, splits, study, trial, states, log)
            progress.report(STAGE, studies.finished_of(study), search.trials, "trials")


def _make_trial(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    study: Any,
    trial: Any,
    folders: TrainingStates,
    log: Any,
) -> None:
    """Trains with the values of a trial, from its last saved state on. It is compared with others by validations done,
    which are equal shares of an epoch.

    Raises:
        Preempted: this process was asked to end. The state was saved.
    """
    import optuna
    from optuna.trial import TrialState

    from ft_platform.training.state import States
    from ft_platform.training.stopping import Stopping

    validations = 0
    states = States(folders, use_case.settings.compute.save_minutes * 60, log)
    stopping = Stopping(use_case.name, stage=STAGE)

    def on_step(step: int, values: dict[str, float]) -> None:
        nonlocal validations
        if step and "validation_loss" in values:
            validations += 1
            trial.report(values["validation_loss"], validations)
            if trial.should_prune():
                raise optuna.TrialPruned

    try:
        tried = with_training(use_case, **trial.params)
        with stopping.on_signals():
            run, _ = train_once(lake, environment, tried, splits, on_step, states=states, limit=stopping)
    except optuna.TrialPruned:
        told: dict[str, Any] = {"state": TrialState.PRUNED}
    except (NanLoss, OutOfMemory, ConfigError) as error:  # of these settings; the others may do
        trial.set_user_attr(studies.FAILED, type(error).__name__)
        told = {"state": TrialState.FAIL}
    else:
        trial.set_user_attr("steps", run.step)
        trial.set_user_attr("attempts", len(run.attempts))
        trial.set_user_attr("seconds", round(run.seconds, 1))
        told = {"values": run.best_loss}
    folders.remove()  # first: nobody would look for states of a trial that has ended
    study.tell(trial, **told)
