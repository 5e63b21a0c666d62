"""What every back end keeps: the same programs end the same way on each. Back ends are found by folder, so a new one is
tested without a word here.

A back end that needs settings has them in `contract/profiles/<name>.py`, as `settings()`, which may skip where a server
or scheduler is missing. Its programs must see the folder of `CONTRACT_FOLDER`. `by_log` is no back end of ours: it
stands for those that share no file and no variable with this machine."""

import hashlib
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest

from ft_platform.compute import backends, elsewhere
from ft_platform.compute.backend import Launch
from ft_platform.costs.ledger import Ledger
from ft_platform.errors import (
    DoesNotFit,
    NanLoss,
    OtherCode,
    OutOfMemory,
    ProgramKilled,
    SubmissionRefused,
    TrainerRunning,
    TrainingFailed,
)
from ft_platform.lake.opening import open_lake
from ft_platform.process import progress
from ft_platform.training import estimates
from ft_platform.training.estimates import Estimate
from ft_platform.use_case.settings.compute_profile import BACKENDS, ComputeProfile
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.file_names import file_names
from ft_platform_tests.compute.contract.case import (
    PLANTED,
    TOKEN,
    Case,
    once,
    other_code,
    profile_module,
    until,
)
from ft_platform_tests.compute.contract.scenarios import shows
from ft_platform_tests.costs.test_budgets import SPLITS
from ft_platform_tests.costs.test_ledger import named


@pytest.fixture(autouse=True)
def planted() -> Iterator[None]:
    """Puts `by_log` into the folder of the back ends, as far as Python sees."""
    backends.__path__.append(PLANTED)
    yield
    backends.__path__.remove(PLANTED)


def back_end(backend: str) -> Any:
    """`python -m ft_platform_tests.compute.contract` runs all; by default only what needs no cluster and no cloud, and
    `by_lake`, which has in common with those what stands once."""
    name = getattr(profile_module(backend), "COMPONENT", None)
    marks = [pytest.mark.components(name=name)] if name else []
    return pytest.param(backend, marks=[*marks, *([pytest.mark.slow] if backend in CLUSTERS else [])])


SHIPPED = file_names(BACKENDS)
CLUSTERS = [name for name in SHIPPED if hasattr(profile_module(name), "preempt")]
ELSEWHERE = [name for name in [*SHIPPED, "by_lake"] if hasattr(profile_module(name), "preempt")]
"""Those that submit to a scheduler, and so can be tried with its faults."""


@pytest.fixture(params=[back_end(name) for name in [*SHIPPED, "by_log", "by_lake"]])
def case(request: pytest.FixtureRequest, environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The step, on each back end. What it started is gone after the test, at the scheduler and in the lake."""
    monkeypatch.setenv("FT_WARM_PROGRAMS", "0")  # `test_warm.py` is about those
    monkeypatch.setattr(elsewhere, "LOOK_SECONDS", 0.5)
    monkeypatch.setattr(elsewhere, "AGAIN_SECONDS", 0.5)
    says, scenario = profile_module(request.param), request.node.get_closest_marker("scenario")
    if scenario and (why := getattr(says, "NOT_RUN", {}).get(scenario.kwargs["name"])):
        pytest.skip(f"not run: {why}")
    made = Case(request.param, environment, tmp_path, says.settings() if says else {})
    getattr(says, "let_in", lambda _: None)(made)
    for variable, value in getattr(says, "variables", dict)().items():
        monkeypatch.setenv(variable, value)
    for attribute, value in getattr(says, "attributes", dict)().items():
        monkeypatch.setattr(attribute, value)
    yield made
    assert made.left_in_the_lake() == []
    for kind in ("jobs", "left"):
        assert getattr(says, kind, list)() == []


@pytest.fixture
def faults(request: pytest.FixtureRequest, case: Case) -> ModuleType:
    """What a back end's scheduler can be made to do."""
    found = profile_module(case.name)
    assert found
    return found


def on_schedulers(test: Any) -> Any:
    return pytest.mark.integration(
        pytest.mark.parametrize("case", [back_end(name) for name in ELSEWHERE], indirect=True)(test)
    )


@pytest.mark.smoke  # seam: program
@pytest.mark.integration
@shows("result")
def test_a_result_arrives_with_log_lines_and_progress(case: Case) -> None:
    updates: list[progress.Update] = []
    with progress.listening(updates.append):
        result = case.run("reports")
    assert (result.artifact.artifact_id, result.values["told"]) == ("a-1", "a handle")
    assert [update.done for update in updates if update.stage == "adapter_checkpoint"][-1] == 2
    assert "a line of process 0" in case.told() and "a line of process 1" not in case.told()


@pytest.mark.integration
@shows("program_error")
def test_a_failure_reaches_the_step_with_its_type_and_next_step(case: Case) -> None:
    with pytest.raises(NanLoss, match=r"loss is NaN at step 12.*Lower training\.learning_rate"):
        case.run("fails")
    assert case.nothing_runs()


@pytest.mark.integration
@shows("worker_killed")
def test_a_killed_program_says_the_signal(case: Case) -> None:
    with pytest.raises(ProgramKilled, match=r"program train was ended by SIGKILL.*training\.micro_batch_tokens"):
        case.run("dies")
    assert case.nothing_runs()


@pytest.mark.integration
@pytest.mark.parametrize(
    "does",
    [
        pytest.param("sleeps", marks=shows("cancelled")),
        pytest.param("ignores_interrupts", marks=shows("cancelled_by_force")),
    ],
)
def test_the_end_of_the_run_is_the_end_of_the_program_and_of_what_it_started(case: Case, does: str) -> None:
    seen: list[str] = []

    def stop() -> None:
        seen.extend(command for command in command_lines() if TOKEN in command)
        os.kill(os.getpid(), signal.SIGINT)

    watching = once(lambda: bool(case.beats("child")), 120, stop)
    with pytest.raises(dg.DagsterExecutionInterruptedError):
        case.run(does)
    watching.join()
    assert case.nothing_runs()
    assert seen == [], "variables in a command line are for all on the machine to see"


@pytest.mark.integration
@shows("time_limit")
def test_a_program_that_takes_too_long_is_ended_and_the_setting_named(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = Launch.resources.fget
    assert resources
    seconds = 40 if case.name == "torchrun" else 10  # it imports torch before the program begins
    short = property(lambda launch: replace(resources(launch), timeout_seconds=seconds))
    monkeypatch.setattr(Launch, "resources", short)
    with pytest.raises(
        TrainingFailed, match=r"program train ran longer than .* minutes. Raise compute\.timeout_minutes"
    ):
        case.run("sleeps")
    assert case.nothing_runs()


@pytest.mark.integration
@pytest.mark.parametrize("does", ["reports", "raises", "dies"])
@shows("secrets")
def test_values_of_variables_are_shown_nowhere(case: Case, does: str, capfd: pytest.CaptureFixture[str]) -> None:
    said = ""
    try:
        case.run(does)
    except TrainingFailed as error:
        said = str(error)
    printed = capfd.readouterr()
    assert bool(said) == (does != "reports")
    assert TOKEN not in said + printed.out + printed.err + case.told()


def test_memory_that_the_profile_does_not_have_is_refused_before_the_start(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = {"memory_gib": 9.0, "seconds": 1.0, "seconds_band": [1.0, 2.0], "device": "cpu", "examples": 10}
    monkeypatch.setattr(estimates, "kept", lambda *given: Estimate(large, given[-1]))
    with pytest.raises(
        DoesNotFit, match=r"need 9\.00 GiB of memory, memory_limit_gib of compute profile 'local' is 8\.00 GiB"
    ):
        case.run("reports", handles={"splits": SPLITS.to_dict()}, memory_limit_gib=8.0)
    assert case.beats() == {}


@on_schedulers
@shows("orchestrator_killed")
def test_another_orchestrator_adopts_the_program_of_one_that_was_killed(case: Case) -> None:
    with case.elsewhere("waits") as first:
        first.kill()
    once(lambda: False, 3, case.go_on)
    assert case.run("waits").artifact.artifact_id == "a-1"
    assert case.starts() == 1 and "adopted" in case.told() and "a line of process 0" in case.told()


@on_schedulers
@shows("ended_unwatched")
def test_what_ended_while_nobody_watched_is_read_and_not_run_again(case: Case, faults: ModuleType) -> None:
    with case.elsewhere("waits") as first:
        first.kill()
    case.go_on()
    until(lambda: not faults.jobs(), 60)
    assert case.run("waits").artifact.artifact_id == "a-1"
    assert case.starts() == 1 and "a line of process 0" in case.told()


@on_schedulers
@shows("preempted")
def test_a_program_that_is_taken_off_its_machine_goes_on_to_equal_weights(case: Case, faults: ModuleType) -> None:
    taking = once(lambda: bool(case.beats("program")), 60, lambda: (time.sleep(1), faults.preempt()))
    weights = case.run("learns").values["weights"]
    taking.join()
    expected = "begin"
    for _ in range(20):
        expected = hashlib.sha256(expected.encode()).hexdigest()
    assert weights == expected and case.starts() == 2


@on_schedulers
@shows("machine_lost")
def test_a_program_whose_machine_is_gone_is_tried_again_on_another(case: Case, faults: ModuleType) -> None:
    losing = once(lambda: bool(case.beats("program")), 60, faults.lose_machine)
    once(lambda: case.starts() == 2, 120, case.go_on)
    try:
        assert case.run("waits").artifact.artifact_id == "a-1"
        losing.join()
        assert case.starts() == 2
    finally:
        getattr(faults, "mend", lambda: None)()


@on_schedulers
@shows("out_of_memory")
def test_a_program_that_needs_more_memory_than_its_job_may_have_says_so(case: Case) -> None:
    with pytest.raises(OutOfMemory, match=r"more memory than its job may.*training\.micro_batch_tokens"):
        case.run("needs_memory")
    assert case.starts() == 1


@on_schedulers
@shows("no_capacity")
def test_a_program_waits_for_a_machine_and_says_so_and_then_runs(case: Case, faults: ModuleType) -> None:
    waited, free, began = threading.Event(), ExitStack(), time.monotonic()
    free.enter_context(faults.full())
    with progress.listening(lambda update: waited.set() if "waits_for" in update.fields else None), free:
        once(waited.is_set, 60, lambda: (time.sleep(1), free.close()))
        assert case.run("reports").artifact.artifact_id == "a-1"
    assert waited.is_set() and "waits for a machine" in case.told() and case.starts() == 1
    [row] = Ledger(open_lake(case.environment)).rows()
    assert row["seconds"] < time.monotonic() - began - 1, "only what ran is paid for"


@on_schedulers
@shows("refused")
def test_what_the_scheduler_will_never_take_fails_at_once(case: Case, faults: ModuleType) -> None:
    with pytest.raises(SubmissionRefused):
        case.run("reports", options=faults.REFUSED)
    assert case.starts() == 0


@on_schedulers
@shows("credentials_expired")
def test_credentials_that_expire_end_the_watching_and_not_the_program(case: Case, faults: ModuleType) -> None:
    expired = ExitStack()
    once(lambda: bool(case.beats("program")), 60, lambda: expired.enter_context(faults.expired()))
    with pytest.raises(SubmissionRefused, match=r"refuses the credentials.*it is adopted"):
        case.run("waits")
    assert not case.nothing_runs()
    expired.close()
    case.go_on()
    assert case.run("waits").artifact.artifact_id == "a-1" and case.starts() == 1


@on_schedulers
@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=shows(name)) for name in ("messages_lost", "messages_twice", "clock_skew")]
)
def test_messages_arrive_once_and_in_order_whatever_store_and_clock_do(case: Case, fault: str) -> None:
    assert case.run(fault).artifact.artifact_id == "a-1"
    lines = re.findall(r"line (\d+) of process 0", "\n".join(logged(case)))
    assert lines == [str(number) for number in range(12)]


@on_schedulers
def test_the_same_work_after_its_end_is_a_job_of_its_own(case: Case) -> None:
    """Schedulers remember jobs that have ended, under their names."""
    assert [case.run("reports").artifact.artifact_id for _ in range(2)] == ["a-1", "a-1"]
    assert case.starts() == 2


@on_schedulers
@shows("other_code")
def test_a_worker_with_other_code_is_refused(case: Case, tmp_path: Path) -> None:
    with pytest.raises(OtherCode, match=r"this worker has ft-platform .*, the orchestrator .*nothing was run"):
        case.run("reports", code=other_code(tmp_path))
    assert case.starts() == 1, "it was not tried again"


@on_schedulers
@shows("submitted_twice")
def test_of_two_submissions_of_the_same_work_one_runs(case: Case) -> None:
    with case.elsewhere("waits") as first:
        with pytest.raises(TrainerRunning, match=r"program train runs already .* by process \d+ on"):
            case.run("waits")
        case.go_on()
        assert first.wait(60) == 0, (case.folder / "orchestrator.txt").read_text()
    assert case.starts() == 1


def logged(case: Case) -> list[str]:
    return [one.user_message for one in case.instance.all_logs(case.run_id) if one.dagster_event is None]


def test_a_launch_that_is_printed_shows_no_variable_and_no_setting(environment: Environment) -> None:
    profile = ComputeProfile(environment={"TOKEN": TOKEN})
    launch = Launch(None, environment, profile, named(), "train", {"splits": TOKEN})  # type: ignore[arg-type]
    assert repr(launch) == "Launch(program='train')" and TOKEN in launch.variables_elsewhere().values()


def test_of_the_variables_of_this_process_only_credentials_of_the_object_store_go_elsewhere(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("OTHER", TOKEN)
    launch = Launch(None, environment, ComputeProfile(), named(), "train", {})  # type: ignore[arg-type]
    assert launch.variables()["OTHER"] == TOKEN
    assert "OTHER" not in launch.variables_elsewhere() and launch.variables_elsewhere()["AWS_ACCESS_KEY_ID"] == "key"


@pytest.mark.parametrize(
    ("program", "processes", "each"), [("train", 4, "2"), ("train", 16, "1"), ("evaluate", 4, "8")]
)
def test_processes_that_work_together_share_the_threads(
    program: str, processes: int, each: str, environment: Environment
) -> None:
    profile, use_case = ComputeProfile(backend="slurm", processes=processes), named(threads=8)
    launch = Launch(None, environment, profile, use_case, program, {})  # type: ignore[arg-type]
    told = launch.variables_elsewhere()
    assert (told["FT_THREADS"], told["OMP_NUM_THREADS"]) == (each, each)
    own = ComputeProfile(backend="slurm", processes=processes, environment={"OMP_NUM_THREADS": "3"})
    launch = Launch(None, environment, own, use_case, program, {})  # type: ignore[arg-type]
    assert launch.variables_elsewhere()["OMP_NUM_THREADS"] == "3", "what the profile says wins"


def test_a_file_in_the_folder_is_a_back_end_and_checks_its_own_settings() -> None:
    assert ComputeProfile(backend="by_log", options={"queue": "short"}).options == {"queue": "short"}
    with pytest.raises(ValueError, match="`backend: by_log` needs `options"):
        ComputeProfile(backend="by_log")
    names = sorted([*SHIPPED, "by_lake", "by_log"])
    words = rf"must be one of {', '.join(names)}, got 'torch_run' \(did you mean 'torchrun'\?\)"
    with pytest.raises(ValueError, match=words):
        ComputeProfile(backend="torch_run")
    with pytest.raises(ValueError, match="`backend: local` takes no `options`, got queue"):
        ComputeProfile(options={"queue": "short"})
    assert ComputeProfile.model_json_schema()["properties"]["backend"]["enum"] == names


def command_lines() -> list[str]:
    """Of all processes of this machine."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found
