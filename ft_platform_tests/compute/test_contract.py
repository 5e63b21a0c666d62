"""What every back end keeps: the same programs end the same way on each. Back ends are found by folder, so a new one is
tested without a word here.

A back end that needs settings has them in `contract/profiles/<name>.py`, as `settings()`, which may skip where a server
or scheduler is missing. Its programs must see the folder of `CONTRACT_FOLDER`. `by_log` is no back end of ours: it
stands for those that share no file and no variable with this machine."""

import importlib
import importlib.util
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.compute import backends
from ft_platform.compute.backend import Launch
from ft_platform.compute.program_runs import ProgramResult, run_program
from ft_platform.errors import DoesNotFit, NanLoss, ProgramKilled, TrainingFailed
from ft_platform.process import progress
from ft_platform.settings.environment import BACKENDS, ComputeProfile, Environment
from ft_platform.settings.file_names import file_names
from ft_platform.training import estimates
from ft_platform.training.estimates import Estimate
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.costs.test_budgets import SPLITS
from ft_platform_tests.costs.test_ledger import named

CONTRACT = REPOSITORY / "ft_platform_tests" / "compute" / "contract"
PLANTED = str(CONTRACT / "backends")
TOKEN = "token-canary-6601"


@pytest.fixture(autouse=True)
def planted() -> Iterator[None]:
    """Puts `by_log` into the folder of the back ends, as far as Python sees."""
    backends.__path__.append(PLANTED)
    yield
    backends.__path__.remove(PLANTED)


class Case:
    """A back end, and the step that runs a program on it."""

    def __init__(self, name: str, environment: Environment, folder: Path) -> None:
        self.name, self.folder, self.environment = name, folder, environment
        self.instance = dg.DagsterInstance.ephemeral()
        (folder / "sitecustomize.py").write_text(
            f"import ft_platform.programs\nft_platform.programs.__path__.insert(0, {str(CONTRACT / 'programs')!r})\n"
        )

    def run(self, does: str, handles: dict[str, Any] | None = None, **profile: Any) -> ProgramResult:
        """The result of the program, or what its step raised."""
        variables = {
            "PYTHONPATH": f"{self.folder}:{REPOSITORY}",
            "CONTRACT_FOLDER": str(self.folder),
            "CONTRACT_DOES": does,
            "CONTRACT_TOKEN": TOKEN,
            "FT_TRACKERS": "none",
        }
        settings = {"backend": self.name, "environment": variables, **own_settings(self.name), **profile}
        environment = self.environment.model_copy(update={"profiles": {"local": ComputeProfile(**settings)}})
        use_case = named()
        limits = use_case.settings.compute.model_copy(update={"grace_seconds": 1, "threads": 1})
        use_case = use_case.model_copy(update={"settings": use_case.settings.model_copy(update={"compute": limits})})
        found: list[Any] = []

        @dg.asset
        def step(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            try:
                found.append(
                    run_program(context, environment, use_case, "train", {"told": "a handle", **(handles or {})})
                )
            except BaseException as error:  # an interrupt is no Exception
                found.append(error)
            return dg.MaterializeResult()

        self.run_id = dg.materialize([step], instance=self.instance).run_id
        if isinstance(found[0], BaseException):
            raise found[0]
        return found[0]

    def told(self) -> str:
        """All that is in the event log of the run."""
        return "\n".join(str(entry) for entry in self.instance.all_logs(self.run_id))

    def beats(self, who: str = "") -> dict[str, int]:
        """When each process last showed that it lives, in nanoseconds."""
        return {path.name: path.stat().st_mtime_ns for path in self.folder.glob(f"alive-{who}*")}

    def nothing_runs(self) -> bool:
        before = self.beats()
        time.sleep(0.5)
        return bool(before) and self.beats() == before


def own_settings(name: str) -> dict[str, Any]:
    """What the back end needs in a compute profile."""
    file = CONTRACT / "profiles" / f"{name}.py"
    if not file.exists():
        return {}
    spec = importlib.util.spec_from_file_location(f"contract_profile_{name}", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.settings()


@pytest.fixture(params=[*file_names(BACKENDS), "by_log"])
def case(
    request: pytest.FixtureRequest, environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Case:
    monkeypatch.setenv("FT_WARM_PROGRAMS", "0")  # `test_warm.py` is about those
    return Case(request.param, environment, tmp_path)


def once(condition: Callable[[], bool], seconds: float, then: Callable[[], None]) -> threading.Thread:
    """Waits for a condition in a thread of its own, then acts."""

    def watch() -> None:
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.05)
        then()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.mark.smoke  # seam: program
@pytest.mark.integration
def test_a_result_arrives_with_log_lines_and_progress(case: Case) -> None:
    updates: list[progress.Update] = []
    with progress.listening(updates.append):
        result = case.run("reports")
    assert (result.artifact.artifact_id, result.values["told"]) == ("a-1", "a handle")
    assert [update.done for update in updates if update.stage == "adapter_checkpoint"][-1] == 2
    assert "a line of process 0" in case.told() and "a line of process 1" not in case.told()


@pytest.mark.integration
def test_a_failure_reaches_the_step_with_its_type_and_next_step(case: Case) -> None:
    with pytest.raises(NanLoss, match=r"loss is NaN at step 12.*Lower training\.learning_rate"):
        case.run("fails")
    assert case.nothing_runs()


@pytest.mark.integration
def test_a_killed_program_says_the_signal(case: Case) -> None:
    with pytest.raises(ProgramKilled, match=r"program train was ended by SIGKILL.*training\.micro_batch_tokens"):
        case.run("dies")
    assert case.nothing_runs()


@pytest.mark.integration
@pytest.mark.parametrize("does", ["sleeps", "ignores_interrupts"])
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
def test_a_program_that_takes_too_long_is_ended_and_the_setting_named(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = Launch.resources.fget
    assert resources
    monkeypatch.setattr(Launch, "resources", property(lambda launch: replace(resources(launch), timeout_seconds=15)))
    with pytest.raises(
        TrainingFailed, match=r"program train ran longer than .* minutes. Raise compute\.timeout_minutes"
    ):
        case.run("sleeps")
    assert case.nothing_runs()


@pytest.mark.integration
@pytest.mark.parametrize("does", ["reports", "raises", "dies"])
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


def test_a_file_in_the_folder_is_a_back_end_and_checks_its_own_settings() -> None:
    assert ComputeProfile(backend="by_log", options={"queue": "short"}).options == {"queue": "short"}
    with pytest.raises(ValueError, match="`backend: by_log` needs `options"):
        ComputeProfile(backend="by_log")
    with pytest.raises(
        ValueError, match=r"must be one of by_log, local, torchrun, got 'torch_run' \(did you mean 'torchrun'\?\)"
    ):
        ComputeProfile(backend="torch_run")
    with pytest.raises(ValueError, match="`backend: local` takes no `options`, got queue"):
        ComputeProfile(options={"queue": "short"})
    assert ComputeProfile.model_json_schema()["properties"]["backend"]["enum"] == ["by_log", "local", "torchrun"]


def command_lines() -> list[str]:
    """Of all processes of this machine."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found
