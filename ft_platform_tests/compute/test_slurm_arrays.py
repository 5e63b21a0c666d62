"""A search as a job array of Slurm: what it asks for, and what a real cluster shows when its tasks are preempted,
killed and cancelled. Those with trainings take minutes: `python -m pytest -m slow` with this file."""

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ft_platform.compute.backend import Job, Launch, Look
from ft_platform.compute.backends import slurm
from ft_platform.costs.ledger import Ledger
from ft_platform.errors import ConfigError
from ft_platform.lake.launches import LaunchFolder
from ft_platform.lake.opening import open_lake
from ft_platform.programs.lake_messages import require_one_home
from ft_platform.training.experiments import study
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.experiments import Search
from ft_platform_tests.compute import searching
from ft_platform_tests.compute.contract.case import profile_module
from ft_platform_tests.compute.test_slurm import state
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.costs.test_ledger import named
from ft_platform_tests.kill_test import case

REAL = profile_module("slurm")
LONGEST = 300.0
NO_GATE = "from ft_platform.lake import gate\ngate.require_usable = lambda *_: None\n"
"""The small splits of the kill test come from no records."""


def launch(environment: Environment, program: str, parallel: int, backend: str = "slurm", **options: Any) -> Launch:
    plain = named()
    settings = plain.settings.model_copy(update={"search": Search(parallel=parallel, trials=3)})
    made = plain.model_copy(update={"settings": settings})
    profile = ComputeProfile(backend=backend, options=options)
    return Launch(None, environment, profile, made, program, {})  # type: ignore[arg-type]


def test_a_search_is_an_array_of_as_many_tasks_as_trials_at_once(environment: Environment) -> None:
    text = slurm.script(Job("ft-1", launch(environment, "search", 2, logs="/logs", srun="--label"), {"TOKEN": "x"}))
    assert "#SBATCH --array=0-1\n" in text and "--output=/logs/ft-1-%a.txt" in text
    assert "--export=PATH,FT_TASK,TOKEN\n" in text, "srun would not pass it on"
    assert 'export FT_TASK="$SLURM_ARRAY_TASK_ID"\nexec srun' in text
    assert launch(environment, "search", 64).tasks == 3, "there are no more trials"
    for one in (launch(environment, "search", 1), launch(environment, "train", 2)):
        assert one.tasks == 1 and "FT_TASK" not in slurm.script(Job("ft-1", one, {}))
    assert launch(environment, "search", 2, "local").tasks == 1


def task(number: int | None, *words: str, string: str = "", **more: Any) -> dict[str, Any]:
    told = {"set": number is not None, "infinite": False, "number": number or 0}
    return {**state(*words, **more), "array_task_id": told, "array_task_string": string}


FIRST = Look("runs", beside=1, beside_seconds=30)


@pytest.mark.parametrize(
    ("tasks", "look", "ends_the_rest"),
    [
        ([task(None, "PENDING", string="0-2", reason="Resources")], Look("waits", reason="Resources"), False),
        ([task(0, "RUNNING"), task(1, "RUNNING"), task(2, "FAILED", code=1)], FIRST, False),
        # The first was preempted; the others go on.
        (
            [task(1, "RUNNING"), task(0, "PENDING", reason="BeginTime")],
            Look("waits", reason="BeginTime", beside=1),
            False,
        ),
        # Nobody needs the others any more.
        ([task(0, "FAILED", code=3), task(1, "RUNNING"), task(2, "RUNNING")], Look("runs", beside=1), True),
        (
            [task(0, "COMPLETED"), task(None, "PENDING", string="1-2")],
            Look("ended", "program", 0, "COMPLETED, None", 30),
            True,
        ),
        (
            [task(0, "FAILED", code=3), task(1, "CANCELLED")],
            Look("ended", "program", 3, "FAILED, None", 30, 0, 30),
            False,
        ),
        ([task(1, "RUNNING")], Look("runs"), True),  # Slurm has forgotten the first
        (
            [task(None, "PENDING", string="0-2", reason="PartitionTimeLimit")],
            Look("ended", "refused", 1, "PartitionTimeLimit"),
            True,
        ),
    ],
)
def test_an_array_is_what_its_first_task_is(
    monkeypatch: pytest.MonkeyPatch, tasks: list[dict[str, Any]], look: Look, ends_the_rest: bool
) -> None:
    asked: list[str] = []

    def answer(*words: str) -> str:
        asked.append(words[0])
        return json.dumps({"jobs": tasks})

    monkeypatch.setattr(slurm, "_slurm", answer)
    assert slurm.Slurm().look("7") == look and ("scancel" in asked) == ends_the_rest


def test_tasks_whose_homes_are_different_folders_do_not_begin(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = LaunchFolder(open_lake(environment), "complaints", "ft-1")
    params = {"launch": "ft-1", "use_case": "complaints", "attempt": folder.note_attempt()}
    variables = {"FT_LAKE_ROOT": str(environment.lake_uri), "FT_HOME": str(environment.home)}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    require_one_home(params)
    require_one_home(params)
    monkeypatch.setenv("FT_HOME", str(tmp_path / "of-another-node"))
    with pytest.raises(ConfigError, match="is not the same folder on all nodes"):
        require_one_home(params)


class Office:
    """A folder with model, data and an environment whose programs run on the cluster."""

    def __init__(self, folder: Path, **options: Any) -> None:
        assert REAL
        self.folder, self.started = folder, []
        settings = REAL.settings()["options"] | {"memory_gib": 1.5} | options
        profile = {
            "backend": "slurm",
            "options": settings,
            "price_per_hour": 3600.0,
            "environment": {"PYTHONPATH": f"{folder}:{REPOSITORY}"},
        }
        written = {"home": str(folder), "lake_root": str(folder / "lake"), "tracking_uri": "none"}
        self.file = folder / "ft_environment.yaml"
        self.file.write_text(yaml.safe_dump({**written, "profiles": {"local": profile}}))
        (folder / "sitecustomize.py").write_text(NO_GATE)
        self.environment = Environment.model_validate(yaml.safe_load(self.file.read_text()))
        self.lake = open_lake(self.environment)

    def begin(self) -> subprocess.Popen:
        variables = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
        variables |= {"FT_ENVIRONMENT": str(self.file), "PYTHONPATH": f"{self.folder}:{REPOSITORY}"}
        words = [sys.executable, "-m", "ft_platform_tests.compute.searching", str(self.folder)]
        log = (self.folder / "orchestrator.log").open("a")
        process = subprocess.Popen(words, env=variables, stdout=subprocess.PIPE, stderr=log, text=True)
        self.started.append(process)
        return process

    def end(self, process: subprocess.Popen) -> list[dict[str, Any]]:
        """The trials that it reports, once it has ended."""
        told, _ = process.communicate(timeout=LONGEST)
        assert process.returncode == 0, self.told()
        artifact = json.loads(told.splitlines()[-1])["artifact"]
        [report] = self.lake.artifacts(case.NAME, study.STAGE)
        assert report.id == artifact["artifact_id"]
        return json.loads(self.lake.read_file(report, "search.json"))["trials"]

    def log(self) -> str:
        return (self.folder / "orchestrator.log").read_text()

    def told(self) -> str:
        logs = [path.read_text()[-2000:] for path in REAL.cluster().folder.glob("ft-*.txt")] if REAL else []
        return "\n".join([self.log()[-3000:], *logs])

    def trials(self) -> list[Any]:
        return searching.trials(self.environment, self.folder)

    def running(self) -> dict[int, int]:
        """Task -> place of the trial that it makes, of those with a saved state."""
        saved = {
            path.parent.name for path in (self.folder / "lake" / "shared" / case.NAME).glob(".training/trial-*/step-*")
        }
        return {
            one.user_attrs[study.WORKER]: one.user_attrs[study.PLACE]
            for one in self.trials()
            if one.state.name == "RUNNING" and len(saved) >= 2
        }

    def wait(self, until: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + LONGEST
        while not until():
            assert time.monotonic() < deadline, (what, self.told())
            time.sleep(0.1)

    def stop(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()
        assert REAL
        if (cluster := REAL.cluster()).jobs():
            cluster.ask("scancel", "--user=root")
            cluster.until(lambda: not cluster.jobs())


def what_counts(trials: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps([trial["state"], trial["params"], trial["validation_loss"]]) for trial in trials)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    case.build(folder)
    return folder


@pytest.fixture(scope="module")
def one_after_the_other(built: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The trials of the same search in one process."""
    from ft_platform.reporting.publishing.search import publish_search
    from ft_platform.training.threads import pin_threads

    folder = tmp_path_factory.mktemp("one") / "office"
    shutil.copytree(built, folder)
    environment = case.environment_of(folder)
    lake = open_lake(environment)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FT_THREADS", "1")
        pin_threads()
        found = searching.use_case(folder, 1)
        report = publish_search(lake, environment, found, case.splits_of(folder), logging.getLogger("test"))
    return what_counts(json.loads(lake.read_file(report, "search.json"))["trials"])


@pytest.fixture
def office(tmp_path: Path, built: Path) -> Iterator[Office]:
    assert REAL
    REAL.settings()
    shutil.copytree(built, tmp_path / "office")
    made = Office(tmp_path / "office")
    yield made
    made.stop()


@pytest.mark.slow
@pytest.mark.components(name="slurm")
def test_an_array_makes_the_trials_that_one_process_makes(office: Office, one_after_the_other: list[str]) -> None:
    assert what_counts(office.end(office.begin())) == one_after_the_other
    assert {one.user_attrs[study.WORKER] for one in office.trials()} == {0, 1}
    assert not list((office.folder / "lake" / "shared" / case.NAME).glob(".training/*")), "no state is left"
    [row] = Ledger(office.lake).rows()
    logs = max(Path(REAL.cluster().folder).glob("ft-*-1.txt"), key=lambda path: path.stat().st_mtime)  # type: ignore[union-attr]
    assert row["state"] == "finished" and logs.exists()


@pytest.mark.slow
@pytest.mark.components(name="slurm")
def test_preempted_tasks_and_a_killed_orchestrator_change_no_trial(
    office: Office, one_after_the_other: list[str]
) -> None:
    assert REAL
    killed = office.begin()
    office.wait(lambda: len(office.running()) == 2, "two trials with saved states")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    [number] = set(REAL.cluster().ask("squeue", "-h", "-o", "%F").split())
    REAL.preempt()  # both nodes
    again = office.begin()
    assert what_counts(office.end(again)) == one_after_the_other
    said = re.findall(r"(submitted|adopted) ft-.* which the scheduler knows as (\d+)", office.log())
    assert said == [("submitted", number), ("adopted", number)]
    repeated = [one for one in office.trials() if one.user_attrs.get(study.KILLED)]
    places = {one.user_attrs[study.PLACE] for one in repeated}
    went_on = [one for one in office.trials() if one.user_attrs.get("attempts", 1) > 1]
    assert len(places) == 2 and {one.user_attrs[study.PLACE] for one in went_on} == places


@pytest.mark.slow
@pytest.mark.components(name="slurm")
def test_the_first_task_makes_the_trial_of_one_that_died(office: Office, one_after_the_other: list[str]) -> None:
    assert REAL
    process = office.begin()
    office.wait(lambda: 1 in office.running(), "a trial of the second task")
    place = office.running()[1]
    [step] = [pid for pid in processes() if b"FT_TASK=1" in pid[1]]
    os.kill(step[0], signal.SIGKILL)
    assert what_counts(office.end(process)) == one_after_the_other
    again = [one for one in office.trials() if one.user_attrs[study.PLACE] == place and one.state.name == "COMPLETE"]
    assert [one.user_attrs[study.WORKER] for one in again] == [0]


def processes() -> Iterator[tuple[int, list[bytes]]]:
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            yield int(file.parent.name), file.read_bytes().split(b"\0")
        except OSError:
            continue


@pytest.mark.slow
@pytest.mark.components(name="slurm")
def test_the_end_of_the_run_is_the_end_of_the_whole_array(office: Office) -> None:
    assert REAL
    process = office.begin()
    office.wait(lambda: len(office.running()) == 2, "two trials")
    process.send_signal(signal.SIGINT)
    process.wait(LONGEST)
    assert REAL.cluster().jobs() == [] and not [one for one in processes() if b"FT_TASK=1" in one[1]]
    assert process.returncode != 0 and not office.lake.artifacts(case.NAME, study.STAGE)


@pytest.mark.slow
@pytest.mark.components(name="slurm")
def test_nodes_that_do_not_share_home_are_named(tmp_path: Path, built: Path) -> None:
    assert REAL
    REAL.settings()
    shutil.copytree(built, tmp_path / "office")
    office = Office(tmp_path / "office", setup=f"export FT_HOME={tmp_path}/node-$SLURM_ARRAY_TASK_ID")
    try:
        process = office.begin()
        process.wait(LONGEST)
        assert process.returncode != 0 and "is not the same folder on all nodes" in office.told()
    finally:
        office.stop()
