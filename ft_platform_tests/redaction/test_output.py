"""What processes print when something goes wrong, and code of a use case as it is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from ft_platform import cli
from ft_platform.assets.stage import typed_failures
from ft_platform.redaction.lint import own_code_warnings
from ft_platform.redaction.own_code import prints_kept, said_of
from ft_platform.redaction.withheld import Withheld
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import REPOSITORY, minimal_attributes, write_use_case

SECRET = "marta.canary7950@mail.example"
PROCESS = f"""
import os, sys, threading
from types import SimpleNamespace
from ft_platform import cli

class Panic(BaseException): pass

class Broken:
    def __del__(self):
        raise ValueError({SECRET!r})

def run(arguments):
    os.write(2, b"thread panicked at {SECRET}")
    thread = threading.Thread(target=lambda: int({SECRET!r}))
    thread.start()
    thread.join()
    Broken()
    raise {{}}({SECRET!r})

cli.COMMANDS["list"] = SimpleNamespace(HELP="", EXAMPLES=[], add_arguments=lambda parser: None, run=run)
sys.argv = ["ft", "list"]
cli.run_and_exit()
"""


@pytest.mark.parametrize("kind", ["Panic", "SystemExit", "ValueError"])
def test_a_command_prints_no_text_of_what_it_cannot_handle(kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROCESS.replace("{}", kind)], capture_output=True, text=True, cwd=REPOSITORY, check=False
    )
    assert done.returncode == 1
    assert SECRET not in done.stdout + done.stderr
    assert (
        "in thread" in done.stderr
        and "which cannot be raised" in done.stderr
        and ("--debug" in done.stderr or "only you can read" in done.stderr)
    )


PROGRAM = f"""
import threading
from ft_platform.programs.reporting import program
class Panic(BaseException): pass
with program("train") as running:
    raise {{}}({SECRET!r})
"""


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["Panic", "SystemExit"])
def test_a_program_prints_no_text_of_what_it_cannot_handle(
    kind: str, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_use_case(environment.defs, "letters", minimal_attributes("records.csv"))
    for name, value in environment.to_variables().items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-c", PROGRAM.replace("{}", kind), "--use-case", "letters"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert done.returncode == 1
    assert SECRET not in done.stdout + done.stderr
    assert f"ended with {kind} at" in done.stderr


class Panic(BaseException):
    """What a panic in Rust becomes."""


@pytest.mark.parametrize("kind", [Panic, SystemExit, ValueError])
def test_a_stage_turns_everything_but_a_stop_into_a_failure_without_its_text(kind: type[BaseException]) -> None:
    import dagster as dg

    with (
        pytest.raises(dg.Failure, match=f"raw_records failed with {kind.__name__} at") as failed,
        typed_failures("raw_records"),
    ):
        raise kind(SECRET)
    assert SECRET not in str(failed.value) and failed.value.__cause__ is None
    for stop in (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        with pytest.raises(stop), typed_failures("raw_records"):
            raise stop()


def test_prints_of_code_that_is_loaded_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with prints_kept("letters", Withheld(tmp_path)):
        print(SECRET)
        print(SECRET, file=sys.stderr)
    printed = capsys.readouterr()
    assert printed.out + printed.err == ""
    assert (tmp_path / "restricted" / "output" / "loading_letters.log").read_text() == f"{SECRET}\n{SECRET}\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ModuleNotFoundError("No module named 'no_such_package'"),
            "ModuleNotFoundError: No module named 'no_such_package'",
        ),
        (ModuleNotFoundError(f"No module named '{SECRET}'"), "ModuleNotFoundError, text withheld: "),
        (ValueError(SECRET), "ValueError, text withheld: "),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_an_exception_while_loading_shows_what_python_says_of_code(error: Exception, said: str, tmp_path: Path) -> None:
    found = said_of(error, "letters", Withheld(tmp_path))
    assert found.startswith(said) and SECRET not in found
    if "withheld" in said:
        assert SECRET in (tmp_path / "restricted" / "withheld" / "loading_letters.log").read_text()


CODE = """
import dagster as dg
from ft_platform.components import figures, shown
rows, who = 3, "Marta"
print(who)
context.log.info(f"{who} has {rows} rows")
context.log.info(shown("{} rows", rows))
context.log.info(shown(f"{who} rows"))
dg.MaterializeResult(metadata={"who": who})
dg.MaterializeResult(metadata=figures(rows=rows))
dg.MaterializeResult(metadata={"rows": 3, **figures(kept=rows)})
context.add_output_metadata({"who": who})
logger.debug("a text")
"""


def test_check_warns_of_what_own_code_would_show_to_nobody(tmp_path: Path) -> None:
    (tmp_path / "component.py").write_text(CODE)
    (tmp_path / "broken.py").write_text("def (")
    found = own_code_warnings(tmp_path)
    assert [int(line.rsplit(":", 1)[1].rstrip(")")) for line in found] == [5, 6, 8, 9, 12, 13]
    assert "figures(rows=rows)" in found[3] and "must stand in the code" in found[2]


PRINTS = """
from ft_platform.components import FineTuningUseCase
class Own(FineTuningUseCase):
    def stages(self):
        print("x")
        return super().stages()
"""


def test_warnings_leave_the_exit_code_alone(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FT_HOME", str(environment.home))
    monkeypatch.setenv("FT_DEFS", str(environment.defs))
    file = write_use_case(environment.defs, "letters", minimal_attributes("records.csv"))
    file.write_text(file.read_text().replace("ft_platform.components.FineTuningUseCase", ".component.Own"))
    (file.parent / "component.py").write_text(PRINTS)
    assert cli.main(["check", "--files"]) == 0
    printed = capsys.readouterr()
    assert (
        "warning: what is printed goes to a file" in printed.err
        and "component.py:5" in printed.err
        and "all load" in printed.out
    )
