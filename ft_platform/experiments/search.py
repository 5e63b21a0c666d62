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

from ft_platform.errors import ConfigError, FtError, NanLoss, OutOfMemory, TrainingFailed
from ft_platform.experiments import study as studies
from ft_platform.experiments.study import STAGE
from ft_platform.experiments.training_once import train_once, with_training
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.process import progress
from ft_platform.settings.environment import Environment
from ft_platform.use_case.named import NamedUseCase

POLL_SECONDS = 1.0
PR_SET_PDEATHSIG = 1


def make_trials(
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
