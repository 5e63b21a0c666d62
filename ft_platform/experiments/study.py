"""The study of a search: trials in a journal file that survives a kill at any point, and goes on as if there had been
none.

The journal is one JSON line per event, appended under a file lock that the kernel frees with its process, and fsynced.
A line that a kill cut is removed when the study is opened again; a trial that was running then is marked as killed and
made again. The sampler is a new one for each trial, seeded by the trial's place: with one trial at a time the rest of a
search that was killed is the rest it would have been.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ft_platform.errors import TrainerRunning
from ft_platform.settings.experiments import Search
from ft_platform.use_case.named import NamedUseCase

STAGE = "hyperparameter_search"
JOURNAL = "journal.log"
KILLED, FAILED = "killed", "failed"
"""User attributes of a trial that did not end: killed ones are made again, failed ones (NaN, out of memory) are not."""


class FileLock:
    """The lock of Optuna's journal as an flock: its own locks are files, which stay behind when the process is
    killed."""

    def __init__(self, place: Path) -> None:
        self._place, self._file = place, None

    def acquire(self) -> bool:
        self._file = open(self._place, "w")  # noqa: SIM115
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        if self._file is not None:
            self._file.close()


@contextmanager
def owning(folder: Path) -> Iterator[None]:
    """Only one run works on an experiment at a time.

    Raises:
        TrainerRunning: another one does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "owner.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainerRunning(f"another run is working on {folder}", "Wait for it, or stop it") from None
        yield


def open_study(folder: Path) -> Any:
    """The Optuna study in a folder; a new one if there is none."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    lock: Any = FileLock(folder / "journal.lock")
    storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL), lock_obj=lock))
    return optuna.create_study(storage=storage, study_name="search", direction="minimize", load_if_exists=True)


def recover(folder: Path) -> int:
    """Makes a study usable again after a kill; only its owner may call it. Returns how many trials were killed."""
    journal = folder / JOURNAL
    if journal.exists():
        _cut_torn_line(journal)
    from optuna.trial import TrialState

    study = open_study(folder)
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in running:
        study._storage.set_trial_user_attr(trial._trial_id, KILLED, True)
        study.tell(trial.number, state=TrialState.FAIL)
    return len(running)


def _cut_torn_line(journal: Path) -> None:
    content = journal.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with open(journal, "r+b") as file:
            file.truncate(whole)
            os.fsync(file.fileno())


def trials_of(study: Any) -> list[Any]:
    """All trials but killed ones."""
    return [trial for trial in study.get_trials(deepcopy=False) if not trial.user_attrs.get(KILLED)]


def next_trial(study: Any, folder: Path, use_case: NamedUseCase) -> Any | None:
    """A new trial with its values drawn, or None when there are as many as wanted. The first has the present settings,
    where they are in the space."""
    import optuna

    search = use_case.settings.search
    lock = FileLock(folder / "ask.lock")
    lock.acquire()
    try:
        place = len(trials_of(study))
        if place >= search.trials:
            return None
        seed = int.from_bytes(hashlib.sha256(f"{search.seed}-{place}".encode()).digest()[:4], "big")
        study.sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=search.startup_trials, constant_liar=search.parallel > 1
        )
        study.pruner = (
            optuna.pruners.MedianPruner(n_startup_trials=search.startup_trials)
            if search.prune
            else optuna.pruners.NopPruner()
        )
        training = use_case.settings.training
        present = {name: getattr(training, name) for name in search.dimensions}
        if place == 0 and not training.leaves_open(present) and _is_within(search, present):
            study.enqueue_trial(present)
        trial = study.ask()
        _draw(trial, search)
        return trial
    finally:
        lock.release()


def _draw(trial: Any, search: Search) -> None:
    """Draws a value of every dimension, in the order of their names."""
    for name, dimension in sorted(search.dimensions.items()):
        if dimension.choices is not None:
            trial.suggest_categorical(name, dimension.choices)
        elif _is_whole(name):
            trial.suggest_int(name, int(dimension.low or 0), int(dimension.high or 0), log=dimension.log)
        else:
            trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)


def _is_whole(name: str) -> bool:
    from ft_platform.settings.training import Training

    return Training.model_fields[name].annotation is int


def _is_within(search: Search, values: Mapping[str, Any]) -> bool:
    for name, dimension in search.dimensions.items():
        value = values[name]
        if dimension.choices is not None and value not in dimension.choices:
            return False
        if dimension.low is not None and dimension.high is not None and not dimension.low <= value <= dimension.high:
            return False
    return True
