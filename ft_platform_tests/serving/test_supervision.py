"""A server that is kept running, and the units of systemd and Docker Compose that do the same."""

import configparser
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from ft_platform import __version__
from ft_platform.serving.supervision import MOST_SHORT, compose_service, stop, systemd_unit
from ft_platform.use_case.settings.environment import Environment

SUPERVISOR = """
import os, pathlib, signal, sys, time
from ft_platform.serving import supervision
supervision.SHORT_SECONDS, supervision.LONGEST_PAUSE = float(sys.argv[2]), 0.01
if sys.argv[3] == "stopped between servers":
    time.sleep = lambda seconds: os.kill(os.getpid(), signal.SIGTERM)
sys.executable = sys.argv[1]
sys.exit(supervision.kept_running(["serve", "a use case"], pathlib.Path(sys.argv[4])))
"""
SERVER = """#!{python}
import os, signal, sys, time
open({lives!r}, "a").write(f"{{os.getpid()}} {{sys.argv[1:]}}\\n")
{does}
"""
LIVES_ON = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\ntime.sleep(60)"


class Supervised:
    """A supervisor in a process of its own, and the file in which its servers write that they live."""

    def __init__(self, folder: Path, does: str, short_seconds: float = 0.0, when: str = "") -> None:
        self.lives, self.noted = folder / "lives", folder / "serving" / "server.pid"
        program = folder / "server"
        program.write_text(SERVER.format(python=sys.executable, lives=str(self.lives), does=does))
        program.chmod(0o755)
        command = [sys.executable, "-c", SUPERVISOR, str(program), str(short_seconds), when, str(self.noted)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    @property
    def servers(self) -> list[int]:
        return [int(line.split()[0]) for line in self.lives.read_text().splitlines()] if self.lives.exists() else []

    def end(self) -> tuple[int, str]:
        """Exit code and what it said."""
        said = self.process.communicate(timeout=30)[1]
        return self.process.returncode, said


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    made: list[Supervised] = []

    def start(*how: Any) -> Supervised:
        made.append(Supervised(tmp_path, *how))
        return made[-1]

    yield start
    for one in made:
        one.process.kill()
        one.process.wait()
        for server in one.servers:
            with suppress(ProcessLookupError):
                os.kill(server, signal.SIGKILL)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_server_that_is_killed_is_started_again_with_the_same_words(supervised) -> None:
    kept = supervised(LIVES_ON)
    until(lambda: len(kept.servers) == 1)
    os.kill(kept.servers[0], signal.SIGKILL)
    until(lambda: len(kept.servers) == 2)
    assert lives(kept.servers[1])
    words = {line.split(" ", 1)[1] for line in kept.lives.read_text().splitlines()}
    assert words == {"['-m', 'ft_platform.cli', 'serve', 'a use case']"}
    kept.process.terminate()
    assert "(code -9), is started again" in kept.end()[1]


def test_a_copy_of_the_home_does_not_stop_the_server_of_the_original(supervised, tmp_path: Path) -> None:
    kept = supervised(LIVES_ON)
    until(lambda: len(kept.servers) == 1)
    (tmp_path / "copy").mkdir()
    copy = Path(shutil.copy2(kept.noted, tmp_path / "copy"))
    assert not stop(copy) and stop(kept.noted)
    assert kept.end()[0] in (0, 143)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_ends_with_its_server(supervised, number) -> None:
    kept = supervised("signal.signal(signal.SIGINT, lambda *_: sys.exit(0))\n" + LIVES_ON)
    until(lambda: len(kept.servers) == 1 and lives(kept.servers[0]))
    time.sleep(0.2)  # the server has set its handlers
    kept.process.send_signal(number)
    assert kept.end() == (0, "")
    assert len(kept.servers) == 1 and not lives(kept.servers[0])


def test_asked_to_stop_before_the_server_is_ready_none_is_left(supervised) -> None:
    kept = supervised("time.sleep(60)")
    until(lambda: len(kept.servers) == 1)
    kept.process.terminate()
    assert kept.end()[0] == 128 + signal.SIGTERM
    assert not lives(kept.servers[0])


def test_asked_to_stop_between_two_servers_it_starts_no_more(supervised) -> None:
    kept = supervised("sys.exit(1)", 60.0, "stopped between servers")
    assert kept.end()[0] == 128 + signal.SIGTERM and len(kept.servers) == 1


@pytest.mark.parametrize("code", [0, 2])
def test_what_ended_by_itself_or_was_refused_is_not_started_again(supervised, code) -> None:
    kept = supervised(f"sys.exit({code})", 60.0)
    assert kept.end() == (code, "") and len(kept.servers) == 1


def test_it_gives_up_after_five_short_lives(supervised) -> None:
    kept = supervised("sys.exit(7)", 60.0)
    code, said = kept.end()
    assert code == 7 and len(kept.servers) == MOST_SHORT == 5
    assert said.count("(code 7), is started again") == 4


def test_a_long_life_makes_up_for_short_ones(supervised) -> None:
    """Every life is longer than none."""
    kept = supervised("sys.exit(7)", 0.0)
    until(lambda: len(kept.servers) > MOST_SHORT)
    kept.process.terminate()
    kept.end()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of the death of its parent")
def test_a_server_ends_with_a_supervisor_that_is_killed(supervised) -> None:
    kept = supervised("time.sleep(60)")
    until(lambda: len(kept.servers) == 1)
    kept.process.kill()
    kept.process.wait()
    until(lambda: not lives(kept.servers[0]))


def test_it_is_stopped_by_the_file_that_names_it(supervised, tmp_path) -> None:
    kept = supervised(LIVES_ON)
    until(lambda: len(kept.servers) == 1)
    time.sleep(0.2)  # the server has set its handlers
    assert stop(kept.noted)
    assert kept.end() == (0, "") and not kept.noted.exists()
    assert not stop(kept.noted) and not stop(tmp_path / "none")


def test_another_process_with_the_same_number_is_left_alone(tmp_path) -> None:
    noted = tmp_path / "server.pid"
    noted.write_text(f"{os.getpid()} 1")
    assert not stop(noted)
    noted.write_text("half a fi")
    assert not stop(noted)


HARD = ["serve", "complaints", "--certificate", '/etc/t l s/it\'s "100%" of $HOME\\x.pem']


@pytest.fixture
def variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    home = tmp_path / 'an installation of "100%" $HOME'
    (home / "defs").mkdir(parents=True)
    for name in ("HF_TOKEN", "FT_API_KEY", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, f"planted-secret-{name}")
    uri = "https://ana:planted-secret-uri@mlflow.example.org"
    elsewhere = tmp_path / "elsewhere"
    folders: dict[str, Any] = {"cache": elsewhere / "cache", "lake_root": str(elsewhere / "l k")}
    made = Environment(home=home, defs=tmp_path / "d e f s", tracking_uri=uri, **folders)
    return made.to_variables()


def without_passwords(variables: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if value and name != "FT_TRACKING_URI"}


def unit_of(text: str) -> configparser.RawConfigParser:
    class Repeated(dict):
        """A setting that stands there several times has the lines of all."""

        def __setitem__(self, name, value):
            if isinstance(value, list) and name in self and value[0] not in self[name]:
                value = [*self[name], *value]
            super().__setitem__(name, value)

    parser = configparser.RawConfigParser(strict=False, dict_type=Repeated, delimiters=("=",))
    parser.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]
    parser.read_string(text)
    return parser


def words_of(line: str, special: str = "%") -> list[str]:
    """As systemd reads them (systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers")."""
    words = shlex.split(line)
    for sign in special:
        assert not [word for word in words if sign in word.replace(2 * sign, "")], f"systemd puts something for {sign}"
        words = [word.replace(2 * sign, sign) for word in words]
    return words


def test_a_unit_of_systemd_runs_the_command_with_the_variables(variables, monkeypatch, tmp_path) -> None:
    python = tmp_path / "a python" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(python))
    unit = unit_of(systemd_unit(variables, HARD))
    service = unit["Service"]
    assert words_of(service["ExecStart"], "%$") == [str(python), "-m", "ft_platform.cli", *HARD]
    given = [word.split("=", 1) for line in service["Environment"].splitlines() for word in words_of(line)]
    assert dict(given) == without_passwords(variables)
    folders = [variables[name] for name in ("FT_CACHE", "FT_HOME")]
    assert sorted(words_of(service["ReadWritePaths"])) == sorted(folders)
    assert service["Restart"] == "always" and unit["Install"]["WantedBy"] == "multi-user.target"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_accepts_the_unit(variables, tmp_path) -> None:
    unit = tmp_path / "ft-serve.service"
    unit.write_text(systemd_unit(variables, HARD))
    found = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (found.returncode, [line for line in found.stderr.splitlines() if "ft-serve" in line]) == (0, [])
    unit.write_text(systemd_unit(variables, HARD).replace("Restart=always", "Restart=sometimes"))
    found = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert "sometimes" in found.stderr, "a fault in the unit would be told"


def test_a_service_of_compose_runs_the_command_with_the_variables(variables) -> None:
    (service,) = yaml.safe_load(compose_service(variables, HARD))["services"].values()

    def read(text: str) -> str:
        assert "$" not in text.replace("$$", ""), "Compose would put a variable there"
        return text.replace("$$", "$")

    assert [read(word) for word in service["command"]] == ["ft", *HARD]
    found = {name: read(value) for name, value in service["environment"].items()}
    assert found == without_passwords(variables)
    folders = {variables[name] for name in ("FT_HOME", "FT_DEFS", "FT_LAKE_ROOT", "FT_CACHE")}
    assert {(read(one["source"]), read(one["target"])) for one in service["volumes"]} == {(f, f) for f in folders}
    assert service["restart"] == "always"
    assert (service["image"], service["read_only"]) == (f"ft-platform-server:{__version__}", True)


@pytest.mark.parametrize("write", [systemd_unit, compose_service])
def test_no_secret_is_in_a_unit(variables, write) -> None:
    assert "planted-secret" not in write(variables, HARD)
