"""A training of low priority makes room for one of high priority and ends with the weights of an undisturbed one,
whoever is killed meanwhile. Two orchestrators, one place; `python -m pytest -m slow` with this file."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ft_platform.costs.fair_queue import Entry
from ft_platform.costs.ledger import Ledger
from ft_platform.costs.queue_folder import QueueFolder
from ft_platform.lake.store import Lake
from ft_platform_tests.compute.orchestrator import ENVIRONMENT
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.kill_test import case

pytestmark = pytest.mark.slow
EPOCHS = {"patient": 40, "urgent": 2}
PRIORITY = {"patient": "low", "urgent": "high"}
LONGEST = 400.0
NO_GATE = "from ft_platform.lake import gate\ngate.require_usable = lambda *_: None\n"
"""The small splits of the kill test come from no records."""


class Office:
    """A folder with model, data and one place, and orchestrators that want it."""

    def __init__(self, folder: Path, profile: str = "{}") -> None:
        self.folder, self.started = folder, []
        self.lake: Lake = case.lake_of(folder)
        self.queue = QueueFolder(self.lake)
        (folder / "ft_environment.yaml").write_text(ENVIRONMENT.format(folder=folder, profile=profile))
        (folder / "sitecustomize.py").write_text(NO_GATE)

    def begin(self, name: str) -> subprocess.Popen:
        variables = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
        variables |= {
            "FT_ENVIRONMENT": str(self.folder / "ft_environment.yaml"),
            "PYTHONPATH": f"{self.folder}:{REPOSITORY}",
        }
        variables |= {"OMP_NUM_THREADS": "1", "FT_WARM_PROGRAMS": "0"}
        words = [str(self.folder), name, PRIORITY[name], str(EPOCHS[name])]
        process = subprocess.Popen(
            [sys.executable, "-m", "ft_platform_tests.compute.orchestrator", *words],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=(self.folder / f"{name}.log").open("a"),
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def end(self, process: subprocess.Popen) -> dict[str, Any]:
        told, _ = process.communicate(timeout=LONGEST)
        assert process.returncode == 0, [path.read_text()[-3000:] for path in self.folder.glob("*.log")]
        return json.loads(told.splitlines()[-1])

    def wait(self, until: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + LONGEST
        while not until():
            alive = [process.poll() for process in self.started]
            assert time.monotonic() < deadline and not any(alive), (what, alive)
            time.sleep(0.05)

    def entry(self, name: str) -> Entry | None:
        return next((one for one in self.queue.entries() if one.use_case == name), None)

    def trains(self) -> None:
        """Until the patient training has saved states."""
        folder = Path(self.lake.root) / "shared" / "patient"
        self.wait(lambda: any(folder.rglob("step-*")) or any(folder.rglob("*state*/*")), "a saved state")

    def kill(self, process: subprocess.Popen) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.started.remove(process)

    def rows(self) -> list[tuple[str, str, str | None]]:
        return [(row["use_case"], row["state"], row["error"]) for row in Ledger(self.lake).rows()]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model and data of both use cases."""
    folder = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        for name in EPOCHS:
            patch.setattr(case, "NAME", name)
            case.build(folder)
    return folder


def office_in(folder: Path, built: Path, profile: str = "{}") -> Office:
    """With model and data of its own."""
    shutil.copytree(built, folder, dirs_exist_ok=True)
    return Office(folder, profile)


@pytest.fixture(scope="module")
def undisturbed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    office = office_in(tmp_path_factory.mktemp("undisturbed"), built)
    told = office.end(office.begin("patient"))
    assert told["attempts"] == 1
    return told["weights"]


@pytest.fixture
def office(tmp_path: Path, built: Path) -> Iterator[Office]:
    made = office_in(tmp_path / "office", built)
    yield made
    for process in made.started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_training_makes_room_and_ends_with_equal_weights(office: Office, undisturbed: str) -> None:
    patient = office.begin("patient")
    office.trains()
    urgent = office.begin("urgent")
    office.end(urgent)
    told = office.end(patient)
    assert told["weights"] == undisturbed and told["attempts"] == 2
    assert office.rows() == [
        ("patient", "stopped", "MadeRoom"),
        ("urgent", "finished", None),
        ("patient", "finished", None),
    ]
    assert not office.queue.entries()


def test_so_do_two_processes_that_train_together(tmp_path: Path, built: Path) -> None:
    weights = []
    for urgent in (False, True):
        office = office_in(tmp_path / str(urgent), built, "{backend: torchrun, processes: 2}")
        patient = office.begin("patient")
        office.trains()
        if urgent:
            office.end(office.begin("urgent"))
        told = office.end(patient)
        weights.append(told["weights"])
        assert told["attempts"] == 1 + urgent
    assert weights[0] == weights[1]


@pytest.mark.parametrize("moment", ["it is asked", "it waits"])
def test_killed_while_it_makes_room_it_goes_on_all_the_same(office: Office, undisturbed: str, moment: str) -> None:
    patient = office.begin("patient")
    office.trains()
    urgent = office.begin("urgent")
    if moment == "it is asked":
        office.wait(lambda: (one := office.entry("patient")) and (one.asked_by or one.stint), "the ask")
    else:
        office.wait(lambda: (one := office.entry("patient")) and one.stint, "room")
    office.kill(patient)
    if moment == "it is asked":  # nobody but the next orchestrator notices that the place is free
        again = office.begin("patient")
        office.end(urgent)
    else:
        office.end(urgent)
        again = office.begin("patient")
    told = office.end(again)
    assert told["weights"] == undisturbed and told["attempts"] >= 2


def test_who_asked_may_be_killed_too(office: Office, undisturbed: str) -> None:
    patient = office.begin("patient")
    office.trains()
    urgent = office.begin("urgent")
    office.wait(lambda: (one := office.entry("patient")) and (one.asked_by or one.stint), "the ask")
    office.kill(urgent)
    again = office.begin("urgent")
    assert {office.end(patient)["weights"], office.end(again)["weights"]} > {undisturbed}


def test_planted_a_training_that_begins_anew_has_other_attempts(office: Office, undisturbed: str) -> None:
    """That the tests above see a resumed training: without its states it is made in one attempt."""
    patient = office.begin("patient")
    office.trains()
    office.kill(patient)
    for folder in (Path(office.lake.root) / "shared" / "patient").glob(".training*"):
        shutil.rmtree(folder, ignore_errors=True)
    told = office.end(office.begin("patient"))
    assert told["attempts"] == 1 and told["weights"] == undisturbed
