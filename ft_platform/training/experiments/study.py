"""The study of a search: trials in a journal file that survives a kill at any point, and goes on as if there had been
none.

The journal is one JSON line per event, appended under a file lock that the kernel frees with its process, and fsynced.
A line that a kill cut is removed before the next one is written. Each worker holds a lock of its own while it lives; a
trial whose worker does not is marked as killed and made again, at its place and with its values. The sampler is a new
one for each trial, seeded by the trial's place: the random trials at the beginning are the same however many workers
there are, and with one trial at a time the rest of a search that was killed is the rest it would have been.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ft_platform.errors import TrainerRunning
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.experiments import Search
from ft_platform.use_case.settings.hash import settings_hash

STAGE = "hyperparameter_search"
JOURNAL = "journal.log"
KILLED, FAILED = "killed", "failed"
"""User attributes of a trial that did not end: killed ones are made again, failed ones (NaN, out of memory) are not."""
PLACE, WORKER = "place", "worker"
"""User attributes: which of the wanted trials it is, from 0; number of the worker that makes it."""


class FileLock:
    """The lock of Optuna's journal as an flock: its own locks are files, which stay behind when the process is
    killed."""

    def __init__(self, place: Path) -> None:
        self._place, self._file = place, None

    def acquire(self, wait: bool = True) -> bool:
        """Whether it is held now."""
        self._file = open(self._place, "w")  # noqa: SIM115
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            self._file.close()
            return False
        return True

    def release(self) -> None:
        if self._file is not None:
            self._file.close()

    close = release


class JournalLock(FileLock):
    """That of the journal: who gets it finds whole lines."""

    def acquire(self, wait: bool = True) -> bool:
        held = super().acquire(wait)
        if held and (journal := self._place.with_name(JOURNAL)).exists():
            _cut_torn_line(journal)
        return held


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
    folder.mkdir(parents=True, exist_ok=True)
    lock: Any = JournalLock(folder / "journal.lock")
    storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL), lock_obj=lock))
    return optuna.create_study(storage=storage, study_name="search", direction="minimize", load_if_exists=True)


@contextmanager
def working(folder: Path, worker: int) -> Iterator[None]:
    """Shows that this worker lives. It waits for one of its number that still does: a node that was given up."""
    with closing(_lock_of(folder, worker)) as lock:
        lock.acquire()
        yield


def _lock_of(folder: Path, worker: int) -> FileLock:
    return FileLock(folder / f"worker-{worker}.lock")


def recover(folder: Path) -> int:
    """Frees the places of trials whose worker is dead. Returns how many that were."""
    study, killed = open_study(folder), 0
    for worker in sorted({_worker_of(trial) for trial in _running(study)}):
        with closing(_lock_of(folder, worker)) as lock:
            if lock.acquire(wait=False):
                dead = [trial for trial in _running(study) if _worker_of(trial) == worker]
                for trial in dead:
                    _kill(study, trial)
                killed += len(dead)
    return killed


def _running(study: Any) -> list[Any]:
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def _worker_of(trial: Any) -> int:
    return trial.user_attrs.get(WORKER, 0)


def _kill(study: Any, trial: Any) -> None:
    from optuna.trial import TrialState

    study._storage.set_trial_user_attr(trial._trial_id, KILLED, True)
    study._storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)


def _cut_torn_line(journal: Path) -> None:
    with open(journal, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        if file.read() in (b"", b"\n"):
            return
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        os.fsync(file.fileno())


def trials_of(study: Any) -> list[Any]:
    """All trials but killed ones."""
    return [trial for trial in study.get_trials(deepcopy=False) if not trial.user_attrs.get(KILLED)]


def finished_of(study: Any) -> int:
    """How many trials have ended, one way or the other."""
    return sum(trial.state.is_finished() for trial in trials_of(study))


def training_of(folder: Path, trial: Any) -> str:
    """Names the saved states of a trial: of two with equal values each has its own."""
    parts = {"study": folder.name, "place": trial.user_attrs[PLACE], "values": trial.params}
    return f"trial-{settings_hash(parts)}"


def next_trial(study: Any, folder: Path, use_case: NamedUseCase, worker: int = 0) -> Any | None:
    """A new trial with its values drawn, or None when there are as many as wanted. The first has the present settings,
    where they are in the space; one that takes the place of a killed one has the values of that."""
    import optuna

    search = use_case.settings.search
    lock = FileLock(folder / "ask.lock")
    lock.acquire()
    try:
        for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,)):
            _kill(study, trial)  # whoever enqueued it was killed before it could take it
        # Trials of earlier versions have no place, and stand in their order.
        taken = {trial.user_attrs.get(PLACE, number) for number, trial in enumerate(trials_of(study))}
        place = next(place for place in range(len(taken) + 1) if place not in taken)
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
        study.enqueue_trial(_given(study, use_case, place), user_attrs={PLACE: place, WORKER: worker})
        trial = study.ask()
        _draw(trial, search)
        return trial
    finally:
        lock.release()


def _given(study: Any, use_case: NamedUseCase, place: int) -> dict[str, Any]:
    """Values that are not drawn."""
    search, training = use_case.settings.search, use_case.settings.training
    for trial in study.get_trials(deepcopy=False):
        killed = trial.user_attrs.get(KILLED) and trial.user_attrs.get(PLACE) == place
        if killed and trial.params.keys() == search.dimensions.keys():
            return trial.params
    present = {name: getattr(training, name) for name in search.dimensions}
    begins = place == 0 and not training.leaves_open(present) and _is_within(search, present)
    return present if begins else {}


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
    from ft_platform.use_case.settings.training import Training

    return Training.model_fields[name].annotation is int


def _is_within(search: Search, values: Mapping[str, Any]) -> bool:
    for name, dimension in search.dimensions.items():
        value = values[name]
        if dimension.choices is not None and value not in dimension.choices:
            return False
        if dimension.low is not None and dimension.high is not None and not dimension.low <= value <= dimension.high:
            return False
    return True
