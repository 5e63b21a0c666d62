"""`ft look` shows records on a terminal to those who may see them, and `ft looks` says who saw which. Persons are
fictitious."""

import io
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.cli import main
from ft_platform.errors import ConfigError, CorruptVersion, DataError, FtError
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic.tables import SCHEMAS, TrafficTables
from ft_platform.people.audit_log.opening import audit_log_of
from ft_platform.records.columns import REMOVED
from ft_platform.records.schemas import cleaned_schema
from ft_platform.use_case.environment import create_pseudonym_key, load_environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.tables import table, use_case

DORA, DEEN, ANNA = "dora@example.org", "deen@example.org", "anna@example.org"
OWNERS = {"accountable": ANNA, "data_engineering": "team:data", "teams": {"data": [DORA, DEEN]}}
TEXTS = [f"letter {n} of Mirela Okonjo" for n in range(11)] + ["\x1b[2Jhidden\u202e text of Eve"]
WHY = ("--by", DORA, "--purpose", "label_check", "--reason", "Ticket 4711 of today")


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Of a use case with cleaned and removed records, and texts of a request."""
    for name in [name for name in os.environ if name.startswith(("FT_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FT_DEFS", str(tmp_path / "defs"))
    write_use_case(tmp_path / "defs", "tests", {**minimal_attributes("x.csv"), "owners": OWNERS})
    environment = load_environment()
    create_pseudonym_key(environment)
    found, case = open_lake(environment), use_case()
    cleaned = table(cleaned_schema(case), TEXTS, label=["card"] * len(TEXTS))
    found.write_table("tests", "cleaned_records", cleaned.to_batches(), cleaned.schema, zone="restricted")
    removed = pa.table({"record_id": ["r900"], "reason": ["too_short"], "duplicate_of": [None]}, REMOVED)
    found.write_table("tests", "cleaned_records_removed", removed.to_batches(), REMOVED, zone="restricted")
    return found


def policy(text: str) -> None:
    Path("ft_environment.yaml").write_text(f"policy: {{name: tests, looks: {text}}}\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, *words: str, typed: str | None = None) -> str:
    """What a terminal shows; without `typed` nobody sits at it."""
    from ft_platform.cli import COMMANDS, build_parser

    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", terminal := Terminal())
        patched.setattr(sys, "stdin", io.StringIO("") if typed is None else Terminal(typed))
        arguments = build_parser().parse_args(words)
        assert COMMANDS[arguments.command].run(arguments) == 0
    return terminal.getvalue()


def entries(lake: Lake) -> list[Any]:
    return [one for one in audit_log_of(lake).entries() if one.kind in ("look_up", "denial")]


def test_records_are_shown_to_a_data_engineer_and_each_page_is_noted(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = shown(monkeypatch, "look", "tests", "cleaned_records", "--rows", "12", *WHY)
    assert text.count("record_id: r0") == 12 and text.count("Mirela Okonjo") == 11 and "label: card" in text
    assert "user: <U+001B>[2Jhidden<U+202E> text of Eve" in text and "\x1b" not in text
    said = [(one.what, one.details.get("rows"), one.details.get("version")) for one in entries(lake)]
    assert said == [("opened a look", "12", None), *[("showed records", n, "cleaned_records@0") for n in "552"]]


def test_the_same_seed_shows_the_same_records_and_an_id_that_record(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def some(*words: str) -> str:
        return shown(monkeypatch, "look", "tests", "cleaned_records", *words, *WHY)

    assert some("--rows", "2") == some("--rows", "2") != some("--rows", "2", "--seed", "1")
    one = some("--id", "r003", "--id", "r003")
    assert one.count("record_id") == 1 and "letter 3" in one
    with pytest.raises(DataError, match="has no record r999"):
        some("--id", "r999")


def test_removed_records_and_texts_of_requests_are_shown_too(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "too_short" in shown(monkeypatch, "look", "tests", "cleaned_records_removed", *WHY)
    row = {"request_id": "q1", "day": "2027-03-01", "conversations": '[{"role": "user", "content": "I am Mirela"}]'}
    rows = pa.Table.from_pylist([row], SCHEMAS["texts"])
    TrafficTables(lake, "tests").append("texts", rows, "test", 1)
    assert "I am Mirela" in shown(monkeypatch, "look", "tests", "traffic/texts", *WHY)


@pytest.mark.parametrize(
    ("asset", "problem"), [("splits", "no table"), ("../x", "no table"), ("raw_records", "no raw_records yet")]
)
def test_what_is_not_in_the_restricted_zone_is_not_shown(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, asset: str, problem: str
) -> None:
    with pytest.raises(FtError, match=problem):
        shown(monkeypatch, "look", "tests", asset, *WHY)


def test_what_is_no_terminal_gets_nothing_unless_the_policy_allows_it(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["look", "tests", "cleaned_records", *WHY]
    assert main(words) == 1
    output = capsys.readouterr()
    assert "on a terminal only" in output.err and output.out == "" and entries(lake) == []
    policy("{anywhere: true}")
    assert main(words) == 0 and "Mirela" in capsys.readouterr().out
    assert entries(lake)[0].what == "opened a look"


@pytest.mark.parametrize("by", [["--by", ANNA], []])
def test_who_may_not_look_sees_nothing_and_is_noted(lake: Lake, monkeypatch: pytest.MonkeyPatch, by: list[str]) -> None:
    with pytest.raises(ConfigError, match="only the data engineer"):
        shown(monkeypatch, "look", "tests", "cleaned_records", *by, *WHY[2:])
    assert [one.kind for one in entries(lake)] == ["denial"]


def test_without_a_working_audit_log_nothing_is_shown(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown(monkeypatch, "look", "tests", "cleaned_records", *WHY)
    (audit_log_of(lake).home / "head.json").unlink()
    capsys.readouterr()
    with pytest.raises(CorruptVersion):
        shown(monkeypatch, "look", "tests", "cleaned_records", *WHY)
    assert "Mirela" not in capsys.readouterr().out


def test_who_sits_there_is_asked_for_the_purpose_and_again_after_the_end(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ft_platform.people.looks.door import Door

    real, pages = Door.show, []

    def late(door: Door, look: Any, *rest: Any) -> Any:
        """The second page comes after the end."""
        pages.append(look.number)
        if len(pages) == 2:
            later = look.ends
            return real(Door(door.log, door.permissions, door.rules, door.ring, lambda: later), look, *rest)
        return real(door, look, *rest)

    monkeypatch.setattr(Door, "show", late)
    typed = "label_check\nTicket 4711 of today\n\ndata_quality\nTicket 4712 of today\nq\n"
    text = shown(monkeypatch, "look", "tests", "cleaned_records", "--rows", "12", "--by", DORA, typed=typed)
    assert text.count("record_id") == 10, "q after the second page"
    first, *_, second, last = entries(lake)
    assert [one.details.get("purpose") for one in (first, second)] == ["label_check", "data_quality"]
    assert last.what == "showed records" and last.details["look"] == str(second.number)


def test_nobody_who_gives_no_purpose_sees_more(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="the purpose must be one of"):
        shown(monkeypatch, "look", "tests", "cleaned_records", "--by", DORA, typed="\n\n")
    assert entries(lake) == []


def test_a_second_person_confirms_where_the_policy_asks_for_it(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    policy("{second_person: [records]}")
    with pytest.raises(FtError, match="waits for a second person") as waits:
        shown(monkeypatch, "look", "tests", "cleaned_records", *WHY)
    number = str(entries(lake)[0].number)
    assert f"ft looks confirm {number} --by" in str(waits.value)
    assert main(["looks", "confirm", number, "--by", DORA]) == 1
    assert "cannot confirm" in capsys.readouterr().err
    assert main(["looks", "confirm", number, "--by", DEEN]) == 0
    assert f"confirmed by {DEEN}" in capsys.readouterr().out
    again = ("look", "tests", "cleaned_records", "--by", DORA, "--look", number)
    assert shown(monkeypatch, *again, "--rows", "3").count("record_id") == 3
    assert shown(monkeypatch, *again, "--rows", "12").count("record_id") == 7, "10 were asked for"


def test_the_list_says_who_saw_which_record(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown(monkeypatch, "look", "tests", "cleaned_records", "--id", "r003", *WHY)
    shown(monkeypatch, "look", "tests", "cleaned_records", "--id", "r004", *("--by", DEEN), *WHY[2:])
    capsys.readouterr()
    assert main(["looks"]) == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert f"{DORA} (self-declared)  tests  cleaned_records@0  1 of 1 records" in first
    assert "label_check: Ticket 4711 of today" in first and DEEN in second and last == "2 look(s)"
    for words, who in (
        (["--use-case", "tests", "--id", "r004"], [DEEN]),
        (["--use-case", "tests", "--id", "r005"], []),
        (["--person", "Dora@example.org"], [DORA]),
        (["--use-case", "other"], []),
        (["--since", "2999-01-01"], []),
    ):
        assert main(["looks", "--json", *words]) == 0
        assert [one["person"] for one in json.loads(capsys.readouterr().out)] == who
    assert main(["looks", "--id", "r004"]) == 1 and "needs --use-case" in capsys.readouterr().err
    assert main(["looks", "confirm", "--by", DEEN]) == 1 and "number of a look" in capsys.readouterr().err


def test_where_the_policy_asks_for_it_whoever_looks_signs_in_with_a_password(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("argon2")
    from ft_platform.people.identity.users import Users

    policy("{signed_in: true}")
    users = Users(load_environment().people_path)
    first = users.add(DORA)
    words = ("look", "tests", "cleaned_records", *WHY)

    def with_password(password: str) -> str:
        answers = iter([password, ""])
        monkeypatch.setattr("getpass.getpass", lambda _: next(answers))
        return shown(monkeypatch, *words)

    with pytest.raises(FtError, match="only for the first sign-in"):
        with_password(first)
    users.set_password(DORA, "quite a long one 4711")
    with pytest.raises(FtError, match="are not right"):
        with_password("not this one 4711")
    assert "Mirela" in with_password("quite a long one 4711")
    assert [one.known_by for one in entries(lake) if one.kind == "look_up"] == ["password"] * 3
    with pytest.raises(ConfigError, match="only persons who signed in"):
        shown(monkeypatch, "look", "tests", "cleaned_records", *WHY[2:])


@pytest.mark.integration
def test_on_a_real_terminal_somebody_reads_a_page_and_stops(lake: Lake) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ft_platform.cli", "look", "tests", "cleaned_records", "--rows", "12", *WHY]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    text, deadline = "", time.monotonic() + 120
    while "Enter: more" not in text and time.monotonic() < deadline:
        text += os.read(ours, 65536).decode()
    os.write(ours, b"q\n")
    assert process.wait(60) == 0
    os.close(ours)
    assert text.count("record_id: r0") == 5 and "\x1b[2J" not in text
    assert [one.what for one in entries(lake)] == ["opened a look", "showed records"]
