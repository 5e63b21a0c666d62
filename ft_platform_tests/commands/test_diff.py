"""`ft diff` shows what changed to people at a terminal, and ids and hashes to everybody else."""

import argparse
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ft_platform.cleaning import repair
from ft_platform.cleaning.clean import clean
from ft_platform.cleaning.differences import MAX_TOKENS, refused_without_access, spans, visible
from ft_platform.commands import diff
from ft_platform.errors import DataError, FtError
from ft_platform.lake.opening import open_lake
from ft_platform.lake.stage_table import write_stage
from ft_platform.lake.store import Lake
from ft_platform.people.audit_log.opening import audit_log_of
from ft_platform.records.schemas import cleaned_schema, raw_schema
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.tables import raw, use_case

DIRTY = [
    "<p>My  card ending 4242</p>",
    "the bankâ€™s reply to Ann Miller",
    "nothing to do here",
    "two  blanks of Bob",
    "hidden\u202e text of Eve",
]


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NamedUseCase:
    """A use case whose permitted and cleaned records are in the lake."""
    monkeypatch.setenv("FT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FT_DEFS", str(tmp_path / "defs"))
    for name in ("FT_LAKE_ROOT", "FT_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    owners = {"accountable": "team:complaints", "data_engineering": "dora@example.org"}
    write_use_case(tmp_path / "defs", "tests", {**minimal_attributes("x.csv"), "owners": owners})
    from ft_platform.use_case.environment import create_pseudonym_key, load_environment

    create_pseudonym_key(load_environment())
    lake = open_lake(load_environment())
    case = use_case()
    records = raw(case, DIRTY, label=["a"] * len(DIRTY), record_id=[f"r{i}" for i in range(len(DIRTY))])
    permitted = lake.write_table(
        case.name, "permitted_records", records.to_batches(), raw_schema(case), zone="restricted"
    )
    write_stage(
        lake,
        case,
        "cleaned_records",
        [permitted],
        lambda work: clean(case, lake.rows(permitted), work),
        cleaned_schema(case),
    )
    return case


WHY = ("--by", "dora@example.org", "--purpose", "data_quality", "--reason", "Ticket 4711 of today")


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    diff.add_arguments(parser)
    return diff.run(parser.parse_args(["tests", "cleaned", *WHY, *words]))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    assert run(*words) == 0
    return terminal.getvalue()


def test_changes_are_marked_where_they_are(case: NamedUseCase, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = on_a_terminal(monkeypatch)
    assert "[-<p>-]My[-·-] card ending 4242[-</p>-]" in shown
    assert "the [-bankâ€™-]{+bank’+}s reply" in shown
    assert "hidden[-<U+202E>-] text of Eve" in shown and "\u202e" not in shown
    assert "nothing to do here" not in shown
    assert shown.count("record r") == 4 and "record r1  unicode" in shown


def test_the_same_seed_shows_the_same_records_and_another_one_others(
    case: NamedUseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {seed: on_a_terminal(monkeypatch, "--sample", "2", "--seed", str(seed)) for seed in range(4)}
    assert all(shown.count("record r") == 2 for shown in seen.values())
    assert seen[0] == on_a_terminal(monkeypatch, "--sample", "2", "--seed", "0") and len(set(seen.values())) > 1


def test_one_kind_of_change_can_be_asked_for(case: NamedUseCase, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "record r0" in (shown := on_a_terminal(monkeypatch, "--kind", "html")) and "record r1" not in shown
    assert "No text was changed in this way." in on_a_terminal(monkeypatch, "--kind", "boilerplate")


def test_every_kind_of_change_can_be_asked_for() -> None:
    assert diff.KINDS == repair.KINDS


def test_what_is_no_terminal_gets_no_texts_unless_the_policy_allows_it(
    case: NamedUseCase, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(FtError, match="standard output is not a terminal"):
        run()
    assert capsys.readouterr().out == ""
    Path("ft_environment.yaml").write_text("policy: {name: tests, looks: {anywhere: true}}\n")
    assert run() == 0 and "ending 4242" in capsys.readouterr().out


def test_texts_are_for_those_who_may_see_them_and_each_page_is_noted(
    case: NamedUseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ft_platform.use_case.environment import load_environment

    with pytest.raises(FtError, match="only the data engineer"):
        on_a_terminal(monkeypatch, "--by", "nobody@example.org")
    on_a_terminal(monkeypatch)
    log = audit_log_of(open_lake(load_environment()))
    said = [(one.what, (one.details or {}).get("version")) for one in log.entries() if one.kind == "look_up"]
    assert said == [("opened a look", None), ("showed records", "cleaned_records@0")]


def test_json_has_ids_kinds_and_hashes_and_no_texts(case: NamedUseCase, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json", "--sample", "3") == 0
    printed = capsys.readouterr().out
    found = json.loads(printed)
    assert len(found["records"]) == 3 and found["changed_rows"] == 4 and found["version"] == "cleaned_records@0"
    for record in found["records"]:
        assert set(record) == {"record_id", "changes", "sha256_before", "sha256_after"}
        assert record["sha256_before"] != record["sha256_after"]
    assert not [word for text in DIRTY for word in text.split() if len(word) > 4 and word in printed]


def test_before_the_first_run_it_says_so(case: NamedUseCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FT_HOME", str(tmp_path / "other"))
    with pytest.raises(DataError, match="tests has no cleaned_records yet"):
        run("--json")


@pytest.mark.parametrize(
    "closed",
    [
        "restricted",
        "restricted/tests/tables",
        "restricted/tests/manifests",
        "restricted/tests/tables/permitted_records",
    ],
)
def test_who_may_not_read_the_restricted_zone_sees_nothing(
    case: NamedUseCase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], closed: str
) -> None:
    from ft_platform.use_case.environment import load_environment

    folder = Path(load_environment().lake_uri) / closed
    with (
        another_user(folder),
        pytest.raises(FtError, match=r"you may not read the restricted zone of tests .* Ask the data owner"),
    ):
        on_a_terminal(monkeypatch)
    with another_user(folder), pytest.raises(FtError, match="you may not read"):
        run("--json")
    assert capsys.readouterr().out == ""
    assert run("--json") == 0


@contextmanager
def another_user(folder: Path) -> Iterator[None]:
    """Takes all rights to a folder away; as root, by becoming another user for the time."""
    open_to_all = [
        parent
        for parent in folder.parents
        if parent.stat().st_uid == os.geteuid() and parent.stat().st_mode & 0o005 != 0o005
    ]
    modes = {path: path.stat().st_mode for path in [folder, *open_to_all]}
    for parent in open_to_all:
        parent.chmod(0o755)
    folder.chmod(0)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        yield
    finally:
        if root:
            os.seteuid(0)
        for path, mode in modes.items():
            path.chmod(mode)


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (PermissionError("Access Denied"), True),  # s3fs
        (
            OSError("Generic S3 error: Error performing GET: 403 Forbidden <Code>AccessDenied</Code>"),
            True,
        ),  # deltalake on S3
        (
            OSError("Generic LocalFileSystem error: Unable to open file: Permission denied (os error 13)"),
            True,
        ),  # deltalake on a disk
        (OSError("Input/output error"), False),
    ],
)
def test_only_missing_rights_are_reported_as_missing_rights(tmp_path: Path, error: OSError, refused: bool) -> None:
    with pytest.raises(FtError if refused else OSError) as raised, refused_without_access(Lake(tmp_path), "tests"):
        raise error
    assert refused or raised.value is error


def test_texts_are_not_logged(
    case: NamedUseCase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    with caplog.at_level(0):
        on_a_terminal(monkeypatch)
    written = {path for path in tmp_path.rglob("*") if path.is_file()} - files
    assert written and all("audit_log" in str(path) for path in written)
    logged = caplog.text + "".join(path.read_text() for path in written)
    assert not [word for word in ("4242", "Miller", "Bob") if word in logged]


def test_a_sample_of_none_is_refused(case: NamedUseCase, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("--sample", "0")
    assert "whole number, 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("same", "same", [("same", "same")]),
        ("a b", "b", [("removed", "a·"), ("same", "b")]),
        ("a", "a b", [("same", "a"), ("added", "·b")]),
        ("", "x", [("added", "x")]),
        ("a\n\n\nb", "a\n\nb", [("same", "a\n\n"), ("removed", "⏎\n"), ("same", "b")]),
        ("x x x", "x x", [("same", "x x"), ("removed", "·x")]),
    ],
)
def test_spans_are_those_of_a_comparison_by_hand(before: str, after: str, found: list) -> None:
    assert spans(before, after) == found


def test_long_texts_that_differ_throughout_are_shown_as_a_whole() -> None:
    kinds = [kind for kind, _ in spans("same " + "a " * MAX_TOKENS, "same " + "b " * MAX_TOKENS)]
    assert kinds == ["same", "removed", "added", "same"]


def test_what_steers_a_terminal_is_spelled_out() -> None:
    assert visible("\x1b[2J\u200b\u00a0é\n") == "<U+001B>[2J<U+200B><U+00A0>é\n"


def test_only_the_surroundings_of_a_change_are_shown() -> None:
    text = diff.marked("a" * 50 + " <b>x</b> " + "b" * 50, "a" * 50 + " x " + "b" * 50, 10).plain
    assert text == " … aaaaaaaaa [-<b>-]x[-</b>-] bbbbbbbbb … "
