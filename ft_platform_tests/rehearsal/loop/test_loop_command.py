"""`ft loop` before it plays anything."""

import subprocess
from argparse import Namespace

import pytest

from ft_platform.commands import loop
from ft_platform.errors import ConfigError
from ft_platform.onboarding.rehearsal.loop.case import alone, installation
from ft_platform.serving.supervision import started
from ft_platform.use_case.settings.environment import Environment


def test_a_server_that_a_killed_loop_left_is_ended(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: environment)
    monkeypatch.setattr(loop, "played", lambda *_, **__: 0)
    left = environment.home / "loop" / "change" / "serving"
    left.mkdir(parents=True)
    with subprocess.Popen(["sleep", "600"]) as server:
        (left / "server-8123.pid").write_text(f"{server.pid} {started(server.pid)}", encoding="utf-8")
        assert loop.run(Namespace(days=None, requests=None, control=False, json=False)) == 0
        assert server.wait(timeout=10) == -15
    assert not left.exists()


def test_a_second_loop_is_refused_and_takes_nothing(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: environment)
    monkeypatch.setattr(loop, "played", lambda *_, **__: 0)
    own = environment.home / "loop" / "change" / "own.txt"
    with alone(installation(environment, "change")):
        own.parent.mkdir()
        own.touch()
        with pytest.raises(ConfigError, match="a loop is played in"):
            loop.run(Namespace(days=None, requests=None, control=False, json=False))
        assert own.exists()
        assert loop.run(Namespace(days=None, requests=None, control=True, json=False)) == 0  # has its own folder
    assert loop.run(Namespace(days=None, requests=None, control=False, json=False)) == 0
