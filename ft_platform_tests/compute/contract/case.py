"""A back end under test, and the step that runs a program on it."""

import importlib.util
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg

from ft_platform.compute import backends
from ft_platform.compute.program_runs import ProgramResult, run_program
from ft_platform.lake.opening import open_lake
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.costs.test_ledger import named

CONTRACT = REPOSITORY / "ft_platform_tests" / "compute" / "contract"
PLANTED = str(CONTRACT / "backends")
TOKEN = "token-canary-6601"


class Case:
    """A back end, and the step that runs a program on it.

    Attributes:
        settings: what the back end needs in a compute profile.
    """

    def __init__(self, name: str, environment: Environment, folder: Path, settings: dict[str, Any]) -> None:
        self.name, self.folder, self.environment, self.settings = name, folder, environment, settings
        self.instance = dg.DagsterInstance.ephemeral()
        (folder / "sitecustomize.py").write_text(
            f"import ft_platform.programs\nft_platform.programs.__path__.insert(0, {str(CONTRACT / 'programs')!r})\n"
        )

    def run(
        self, does: str, handles: dict[str, Any] | None = None, code: Path = REPOSITORY, **profile: Any
    ) -> ProgramResult:
        """The result of the program, or what its step raised.

        Args:
            code: folder of the package that the worker has.
        """
        variables = {
            "PYTHONPATH": f"{self.folder}:{code}:{REPOSITORY}",
            "CONTRACT_FOLDER": str(self.folder),
            "CONTRACT_DOES": does,
            "CONTRACT_TOKEN": TOKEN,
            "FT_TRACKERS": "none",
        }
        options = {**self.settings.get("options", {}), **profile.pop("options", {})}
        settings = {"backend": self.name, "environment": variables, **self.settings, "options": options, **profile}
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

    @contextmanager
    def elsewhere(self, does: str) -> Iterator[subprocess.Popen]:
        """Another orchestrator, in a process of its own, that has run as far as the program says it lives."""
        orders = {
            "name": self.name,
            "environment": self.environment.model_dump_json(),
            "folder": str(self.folder),
            "settings": self.settings,
            "does": does,
        }
        words = [sys.executable, "-m", "ft_platform_tests.compute.contract.case", json.dumps(orders)]
        with open(self.folder / "orchestrator.txt", "w") as output:
            process = subprocess.Popen(words, cwd=REPOSITORY, stdout=output, stderr=output)
        try:
            until(lambda: self.beats("program") or process.poll() is not None, 120)
            assert process.poll() is None, (self.folder / "orchestrator.txt").read_text()
            yield process
        finally:
            process.kill()
            process.wait()

    def told(self) -> str:
        """All that is in the event log of the run."""
        return "\n".join(str(entry) for entry in self.instance.all_logs(self.run_id))

    def beats(self, who: str = "") -> dict[str, int]:
        """When each process last showed that it lives, in nanoseconds."""
        return {path.name: path.stat().st_mtime_ns for path in self.folder.glob(f"alive-{who}*")}

    def starts(self) -> int:
        """How often the program began."""
        return len(list(self.folder.glob("started-*")))

    def go_on(self) -> None:
        """Lets a program end that waits to be told."""
        (self.folder / "go").touch()

    def nothing_runs(self) -> bool:
        before = self.beats()
        time.sleep(0.5)
        return bool(before) and self.beats() == before

    def left_in_the_lake(self) -> list[str]:
        lake = open_lake(self.environment)
        place = lake.path_of("shared", "complaints", ".launches")
        return lake.fs.find(place) if lake.fs.exists(place) else []


def other_code(folder: Path) -> Path:
    """A copy of the package with one comment more."""
    shutil.copytree(
        REPOSITORY / "ft_platform", folder / "other" / "ft_platform", ignore=shutil.ignore_patterns("__pycache__")
    )
    with open(folder / "other" / "ft_platform" / "errors" / "__init__.py", "a") as file:
        file.write("# another line\n")
    return folder / "other"


def until(condition: Callable[[], Any], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


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


@cache
def profile_module(name: str) -> ModuleType | None:
    """What `profiles/<name>.py` says of a back end: `settings()`, and for those on other machines its faults."""
    file = CONTRACT / "profiles" / f"{name}.py"
    if not file.exists():
        return None
    spec = importlib.util.spec_from_file_location(f"contract_profile_{name}", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(orders: dict[str, Any]) -> None:
    backends.__path__.append(PLANTED)
    environment = Environment.model_validate_json(orders["environment"])
    case = Case(orders["name"], environment, Path(orders["folder"]), orders["settings"])
    print(json.dumps(case.run(orders["does"]).values))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
