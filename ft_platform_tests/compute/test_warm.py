"""Programs out of a warm process: processes of their own, told apart from cold ones by nothing but their start."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ft_platform.compute import warm
from ft_platform_tests.conftest import REPOSITORY

pytestmark = pytest.mark.integration

PROGRAM = """
import json, os, signal, sys, time
from pathlib import Path
from ft_platform.programs.reporting import prepare_process

def main():
    prepare_process()
    folder = Path(os.environ["FT_FOLDER"])
    told = {"folder": os.getcwd(), "pid": os.getpid(), "parent": os.getppid(), "variables": dict(os.environ), "argv": sys.argv, "name": __name__, "torch": "torch" in sys.modules,
            "interrupts": signal.getsignal(signal.SIGINT) is signal.default_int_handler}
    (folder / "new").write_text(json.dumps(told))
    (folder / "new").rename(folder / "told")
    print("to standard output", flush=True)
    print("to standard error", file=sys.stderr, flush=True)
    what = os.environ.get("FT_WHAT", "")
    if what == "fails":
        raise SystemExit(3)
    if what == "raises":
        raise ValueError("inside")
    if what == "sleeps":
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            (folder / "saved").touch()
            raise SystemExit(5)

if __name__ == "__main__":
    main()
"""  # noqa: E501


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder before the others on the path of the warm process: a program `told` in `ft_platform.programs`, and empty
    modules for the large ones."""
    folder = tmp_path_factory.mktemp("package")
    (folder / "told.py").write_text(PROGRAM)
    for module in ("torch", "transformers", "peft"):
        (folder / f"{module}.py").touch()
    (folder / "sitecustomize.py").write_text(
        f"import ft_platform.programs\nft_platform.programs.__path__.append({str(folder)!r})\n"
    )
    return folder


@pytest.fixture
def variables(package: Path, tmp_path: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("FT_", "DAGSTER_"))}
    return {
        **own,
        "PYTHONPATH": f"{package}:{REPOSITORY}",
        "FT_FOLDER": str(tmp_path),
        "FT_THREADS": "1",
        "FT_TRACKERS": "none",
        "FT_HOME": str(tmp_path / "home"),
    }


@pytest.fixture(scope="module", autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    warm.close()


def started(variables: dict[str, str], what: str = "") -> warm.WarmProgram:
    program = warm.start("told", {**variables, "FT_WHAT": what})
    assert program is not None
    return program


def told(folder: Path) -> dict:
    deadline = time.monotonic() + 60
    while not (folder / "told").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    found = json.loads((folder / "told").read_text())
    (folder / "told").unlink()
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_each_program_is_a_process_of_its_own_out_of_one_that_has_imported(variables, tmp_path):
    seen = []
    before = warm.cpu_seconds()
    for number in range(2):
        program = started(variables | {"FT_NUMBER": str(number)})
        assert program.wait(60) == 0 and program.poll() == 0
        seen.append(told(tmp_path))
        assert seen[-1]["pid"] == program.pid
    assert warm.cpu_seconds() > before, "what they used is known, although they are no children of this process"
    assert seen[0]["pid"] != seen[1]["pid"] and seen[0]["parent"] == seen[1]["parent"] != os.getpid()
    assert all(one["torch"] and one["name"] == "__main__" and one["interrupts"] for one in seen)
    assert [one["variables"]["FT_NUMBER"] for one in seen] == ["0", "1"]
    assert set(variables) <= set(seen[1]["variables"]) and not {"DAGSTER_PIPES_CONTEXT"} & set(seen[1]["variables"])


def test_other_variables_that_libraries_read_get_a_process_of_their_own(variables, tmp_path):
    parents = []
    for extra in (
        {},
        {"OMP_NUM_THREADS": "3"},
        {"FT_THREADS": "2"},
        {"FT_THREADS": "2", "FT_HOME": str(tmp_path / "other")},
    ):
        assert started({**variables, **extra}).wait(120) == 0
        found = told(tmp_path)
        assert {name: found["variables"][name] for name in extra} == extra
        parents.append(found["parent"])
    assert len(set(parents[:3])) == 3 and parents[3] == parents[2]


def test_a_program_begins_in_the_folder_in_which_this_process_is_at_that_moment(variables, tmp_path, monkeypatch):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert started(variables).wait(60) == 0
        assert told(tmp_path)["folder"] == str(tmp_path / name)


def test_output_goes_where_this_process_writes_at_that_moment(variables, tmp_path):
    before = [os.dup(1), os.dup(2)]
    try:
        for number, name in ((1, "output"), (2, "errors")):
            descriptor = os.open(tmp_path / name, os.O_WRONLY | os.O_CREAT)
            os.dup2(descriptor, number)
            os.close(descriptor)
        code = started(variables).wait(60)
    finally:
        for number, old in zip((1, 2), before, strict=True):
            os.dup2(old, number)
            os.close(old)
    assert code == 0
    assert (tmp_path / "output").read_text() == "to standard output\n"
    assert "to standard error" in (tmp_path / "errors").read_text()


@pytest.mark.parametrize(("what", "code"), [("fails", 3), ("raises", 1)])
def test_the_exit_code_is_that_of_the_program_and_the_next_one_starts(variables, tmp_path, what, code):
    assert started(variables, what).wait(60) == code
    told(tmp_path)
    assert started(variables).wait(60) == 0


def test_an_interrupted_program_ends_by_itself_and_a_killed_one_at_once(variables, tmp_path):
    program = started(variables, "sleeps")
    told(tmp_path)
    assert program.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        program.wait(0.05)
    program.send_signal(signal.SIGINT)
    assert program.wait(30) == 5 and (tmp_path / "saved").exists()
    program = started(variables, "sleeps")
    told(tmp_path)
    program.kill()
    assert program.wait(30) == -signal.SIGKILL
    program.send_signal(signal.SIGKILL)  # nobody else is hit


def test_while_one_runs_there_is_no_second(variables, tmp_path):
    program = started(variables, "sleeps")
    told(tmp_path)
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(warm.start("told", variables)))
    thread.start()
    thread.join()
    assert found == [None]
    program.kill()
    program.wait(30)


def test_a_killed_warm_process_takes_its_program_along_and_the_next_program_gets_a_new_one(variables, tmp_path):
    program = started(variables | {"DAGSTER_PIPES_CONTEXT": "as from a back end"}, "sleeps")
    found = told(tmp_path)
    os.kill(found["parent"], signal.SIGKILL)
    assert program.wait(30) == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while is_running(found["pid"]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(found["pid"])
    assert started(variables).wait(120) == 0
    assert told(tmp_path)["parent"] != found["parent"]


STARTS_AND_DIES = """
import json, os, signal, sys, time
from ft_platform.compute import warm
program = warm.start("told", json.loads(sys.argv[1]))
time.sleep(60)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=lambda end: end.name)
def test_the_end_of_who_started_it_is_the_end_of_all(variables, tmp_path, end):
    orders = json.dumps({**variables, "FT_WHAT": "sleeps"})
    with subprocess.Popen([sys.executable, "-c", STARTS_AND_DIES, orders]) as process:
        found = told(tmp_path)
        pid, parent = found["pid"], found["parent"]
        process.send_signal(end)
    deadline = time.monotonic() + 30
    while (is_running(pid) or is_running(parent)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid) and not is_running(parent)


def test_a_process_that_cannot_start_is_none_and_the_back_end_starts_the_program_itself(variables, tmp_path):
    broken = {**variables, "PYTHONPATH": str(tmp_path / "nowhere"), "PYTHONHOME": str(tmp_path / "nowhere")}
    assert warm.start("told", broken) is None
    assert started(variables).wait(120) == 0


def test_it_can_begin_before_its_first_program(variables, tmp_path):
    warm.begin(variables)
    begun = warm._server
    assert begun is not None and begun.alive()
    warm.begin(variables)
    assert warm._server is begun, "one is enough"
    process = started(variables)
    assert process.wait(120) == 0 and told(tmp_path)["parent"] == begun.process.pid


def test_a_run_does_not_wait_for_the_program_of_another_one(variables):
    with warm._lock:  # as while a program runs
        beginning = threading.Thread(target=warm.begin, args=(variables,), daemon=True)
        beginning.start()
        beginning.join(30)
        assert not beginning.is_alive()


def test_one_that_has_begun_and_is_not_needed_ends_at_once(variables, tmp_path):
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "sitecustomize.py").write_text("import time\ntime.sleep(60)\n")
    before = time.monotonic()
    warm.begin({**variables, "PYTHONPATH": str(tmp_path / "slow")})
    begun = warm._server
    assert begun is not None and begun.alive()
    warm.close()
    assert begun.process.poll() is not None and time.monotonic() - before < 30


def test_it_is_on_where_the_system_can_and_no_accelerator_is_there(monkeypatch, tmp_path):
    monkeypatch.delenv("FT_WARM_PROGRAMS", raising=False)
    monkeypatch.setattr(warm, "ACCELERATORS", (str(tmp_path / "none"),))
    assert warm.possible() is (sys.platform == "linux")
    monkeypatch.setattr(warm, "ACCELERATORS", (str(tmp_path / "none"), str(tmp_path)))
    assert not warm.possible()


def test_it_can_be_turned_off(monkeypatch):
    monkeypatch.setattr(warm, "ACCELERATORS", ())
    monkeypatch.setenv("FT_WARM_PROGRAMS", "0")
    assert not warm.possible()
