"""`ft chat`: at a terminal and with a pipe, against a server with a fake engine."""

import io
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ft_platform.cli import main
from ft_platform.serving.api.server import ApiServer
from ft_platform.serving.api_keys import ApiKeys, add_key
from ft_platform.serving.engine.requests import Full
from ft_platform_tests.conftest import REPOSITORY, minimal_attributes, write_use_case
from ft_platform_tests.serving.fakes import WORDS, FakeEngine, app_of, running, wait_until, withholding

pytestmark = pytest.mark.integration

SECONDS = 60


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def server(engine: FakeEngine) -> Iterator[ApiServer]:
    with running(app_of(engine)) as found:
        wait_until(lambda: len(engine.loaded) == 3)
        yield found


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`support` writes answers, `complaints` has labels."""
    attributes = minimal_attributes("file:///none.csv")
    write_use_case(tmp_path / "defs", "complaints", attributes)
    record = {"id": "id", "text": "text", "answer": "answer", "consent": "consent"}
    task = {"kind": "generation", "instruction": "Answer."}
    support = {**attributes, "task": task, "record": record, "splits": {}, "fairness": {}}
    write_use_case(tmp_path / "defs", "support", support)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FT_DEFS", str(tmp_path / "defs"))
    for name in ("FT_LAKE_ROOT", "FT_ENVIRONMENT", "FT_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def piped(monkeypatch: pytest.MonkeyPatch, use_case: str, url: str, *lines: str) -> int:
    """The exit code after these lines."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    return main(["chat", use_case, "--url", url])


def test_each_line_is_answered_with_a_label_and_its_confidence(
    server: ApiServer, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert piped(monkeypatch, "complaints", server.url, "My card", "", "My loan") == 0
    assert capsys.readouterr().out == "Card  (84%)\nCard  (84%)\n"
    assert len(engine.prompts) == 2 and len(engine.prompts[0]) == len(engine.prompts[1]), "each text is by itself"
    engine.scored = [-1.0, -1.0, -1.0]
    assert piped(monkeypatch, "complaints", server.url, "My card") == 0
    assert "abstained: a person should decide" in capsys.readouterr().out


def test_an_answer_belongs_to_the_conversation_until_it_begins_anew(
    server: ApiServer, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.words = ("\x1b[2J", "Yes.")
    assert piped(monkeypatch, "support", server.url, "Why?", "How?", "/reset", "/release", "Why?") == 0
    out = capsys.readouterr().out.splitlines()
    assert out == [
        *["\\u001b[2JYes."] * 2,
        "support: release release-1, checkpoint checkpoint-of-release-1",
        "\\u001b[2JYes.",
    ]
    first, second, third = (len(one.prompt) for one in engine.asked)
    assert first == third and second > first + len("How?") + len("Yes.")


def test_a_question_that_fails_is_told_and_forgotten_and_the_conversation_goes_on(
    server: ApiServer, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refusals = [Full(1.0)]
    engine.refusal = lambda: refusals.pop() if refusals else None  # pyright: ignore[reportAttributeAccessIssue]
    assert piped(monkeypatch, "support", server.url, "Why?", "Why?") == 1
    told = capsys.readouterr()
    assert told.out == f"{''.join(WORDS)}\n" and "the server is busy" in told.err
    engine.fails_after = 2
    assert piped(monkeypatch, "support", server.url, "Why?") == 1
    assert "stopped: the answer could not be written" in capsys.readouterr().err
    second, alone = (len(one.prompt) for one in engine.asked)
    assert second == alone, "it does not follow the one that failed"


def test_an_answer_that_was_withheld_is_told(
    server: ApiServer, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    withholding(engine)
    assert piped(monkeypatch, "support", server.url, "Why?") == 1
    assert "the answer was withheld by a guardrail" in capsys.readouterr().err


def test_the_key_comes_from_the_environment(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, key = add_key(tmp_path / "keys.json", "support", "terminal")
    with running(app_of(engine, keys=ApiKeys(tmp_path / "keys.json"))) as server:
        wait_until(lambda: len(engine.loaded) == 3)
        assert piped(monkeypatch, "support", server.url, "Why?", "/release") == 1
        told = capsys.readouterr()
        assert told.out == "" and told.err.count("refuses") == 2
        monkeypatch.setenv("FT_API_KEY", key)
        assert piped(monkeypatch, "support", server.url, "Why?", "/release") == 0
        assert "release-1" in capsys.readouterr().out


class Terminal:
    """`ft chat` at a terminal of its own."""

    def __init__(self, *words: str) -> None:
        self._own, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ft_platform.cli", "chat", *words],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TERM": "dumb"},
        )  # fmt: skip
        os.close(theirs)
        self.shown = ""

    def wait_for(self, words: str) -> None:
        """Until the words were shown after what was waited for before."""
        end = time.monotonic() + SECONDS
        while words not in self.shown:
            assert time.monotonic() < end, self.shown
            if select.select([self._own], [], [], 0.1)[0]:
                self.shown += os.read(self._own, 4096).decode()
        self.shown = self.shown.partition(words)[2]

    def type(self, text: str) -> None:
        os.write(self._own, text.encode())

    def ended(self) -> int:
        """The exit code."""
        code = self.process.wait(SECONDS)
        os.close(self._own)
        return code


def test_at_a_terminal_answers_are_streamed_and_control_d_ends(server: ApiServer, engine: FakeEngine) -> None:
    engine.pace = 0.05
    terminal = Terminal("support", "--url", server.url)
    terminal.wait_for("> ")
    terminal.type("Why?\n")
    terminal.wait_for("The card ")
    assert engine.running == 1, "the first words are shown while the others are written"
    terminal.wait_for("blocked now.")
    terminal.wait_for("> ")
    terminal.type("/release\n")
    terminal.wait_for("release-1")
    terminal.wait_for("> ")
    terminal.type("\x04")
    assert terminal.ended() == 0


def test_control_c_ends_an_answer_and_then_the_conversation(server: ApiServer, engine: FakeEngine) -> None:
    engine.endless, engine.pace = True, 0.02
    terminal = Terminal("support", "--url", server.url)
    terminal.wait_for("> ")
    terminal.type("Why?\n")
    terminal.wait_for("The card ")
    terminal.process.send_signal(signal.SIGINT)
    terminal.wait_for("ft: stopped")
    wait_until(lambda: engine.cancelled == 1)
    terminal.wait_for("> ")
    terminal.process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):  # Python waits on when the signal comes between its look and its wait
        terminal.process.wait(SECONDS / 4)
    if terminal.process.poll() is None:
        terminal.process.send_signal(signal.SIGINT)
    assert terminal.ended() == 0
    assert "Traceback" not in terminal.shown
