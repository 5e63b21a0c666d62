"""`ft lake check` finds each kind of damage and rest, and a repair takes away rests only. Persons are fictitious."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ft_platform import cli
from ft_platform.lake.check import Found, look, repair
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.lake.seals import PENDING
from ft_platform.lake.store import Lake
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.opening import note
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.lake.test_store import SCHEMA, rows

TABLE = "shared/legal/tables/splits"
OLD = 30 * 86_400


@pytest.fixture
def lake(environment: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lake:
    """Two versions of a table with a verdict, and a report."""
    for name, value in environment.to_variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FT_ENVIRONMENT", raising=False)
    made = open_lake(environment)
    for number in range(2):
        version = made.write_table("legal", "splits", rows(str(number)), SCHEMA, zone="shared", append=number > 0)
    made.add_verdict(version, "no_leakage", True, "s")
    with made.scratch("legal", "evaluation_report") as folder:
        folder.mkdir()
        (folder / "page.html").write_text("<p>figures</p>")
        made.publish("legal", "evaluation_report", "eval-a", folder, parents=[], settings_hash="s", input_hash="i")
    note(made, "", "settings", "began")
    return made


def ago(seconds: float) -> tuple[float, float]:
    return time.time() - seconds, time.time() - seconds


def put(lake: Lake, path: str, content: bytes = b"rest", age: float = OLD) -> Path:
    file = Path(lake.folder, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    os.utime(file, ago(age))
    return file


def one(lake: Lake, pattern: str) -> Path:
    return sorted(Path(lake.folder).glob(pattern))[-1]


RESTS: dict[str, tuple[str, str]] = {
    "a file of a table that no version names": ("no_version", f"{TABLE}/part-00000-orphan.snappy.parquet"),
    "a folder whose upload was killed": ("not_published", "shared/legal/evaluation_report/eval-b/page.html"),
    "a file that was not renamed": ("half_written", f"shared/legal/manifests/splits/.00000009.json.{'a' * 32}.tmp"),
    "a file of a killed erasure": ("half_written", f"{TABLE}/part-00000.parquet.erasing"),
    "a control file that was never signed": ("half_written", f"shared/legal/manifests/splits/00000009.json{PENDING}"),
    "work of a killed run": ("half_written", "shared/legal/.scratch/report-abc/artifact/page.html"),
}


@pytest.mark.parametrize("what", RESTS)
def test_a_rest_is_found_and_removed_once_it_is_old(lake: Lake, what: str) -> None:
    assert look(lake) == []
    kind, path = RESTS[what]
    file = put(lake, path, age=3600)
    os.utime(Path(lake.folder, *Path(path).parts[:4]), ago(60))
    found = look(lake)
    assert [(one.kind, one.path) for one in found] == [(kind, path)] and not found[0].is_wrong
    assert repair(lake, found, 0) == [] and file.exists(), "a living writer may be about to name it"
    os.utime(file, ago(OLD))
    for folder in file.parents:
        if folder.name.startswith("report-"):
            os.utime(folder, ago(OLD))
    assert repair(lake, look(lake), 40) == [] and file.exists()
    assert [one.path for one in repair(lake, look(lake), 7)] == [path]
    assert not file.exists() and look(lake) == [] and inspect(lake, "legal").problems == []


def test_what_was_signed_and_not_put_in_its_place_is_put_there_and_not_lost(lake: Lake) -> None:
    verdict = one(lake, "shared/legal/verdicts/splits/*/no_leakage.json")
    pending = put(lake, f"{verdict.relative_to(lake.folder)}{PENDING}", verdict.read_bytes())
    verdict.unlink()
    repair(lake, look(lake), 7)
    assert verdict.exists() and not pending.exists() and inspect(lake, "legal").problems == []


def test_a_file_that_a_writer_names_in_the_meantime_stays(lake: Lake) -> None:
    found = [Found("no_version", str(one(lake, f"{TABLE}/*.parquet").relative_to(lake.folder)), 1, 30.0)]
    assert repair(lake, found, 7) == [] and inspect(lake, "legal").problems == []


EVIDENCE: dict[str, tuple[str, str]] = {
    "a manifest that somebody wrote": ("not_signed", "shared/legal/manifests/splits/00000009.json"),
    "a verdict that somebody wrote": ("not_signed", "shared/legal/verdicts/splits/splits-1/no_pii.json"),
    "a folder that was damaged": ("set_aside", "shared/legal/evaluation_report/eval-a.corrupt-0a1b2c3d/page.html"),
    "a state that was damaged": ("set_aside", "shared/legal/.training/ckpt-a/damaged-00000001-0a1b/state.bin"),
    "a chain that was begun again": ("set_aside", "shared/legal/seals-before-2027/000000.jsonl"),
    "a log that was begun again": ("set_aside", "audit_log.until-2027/entries/000000000000.jsonl"),
}


@pytest.mark.parametrize("what", EVIDENCE)
def test_what_may_be_evidence_is_told_and_never_removed(lake: Lake, what: str) -> None:
    kind, path = EVIDENCE[what]
    file = put(lake, path)
    assert [(one.kind, one.path) for one in look(lake)] == [(kind, path)]
    assert repair(lake, look(lake), 1) == [] and file.exists()


def altered(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a manifest is altered": ("shared/legal/manifests/splits/*.json", altered, "was altered"),
    "a manifest is missing": ("shared/legal/manifests/splits/*.json", Path.unlink, "was deleted"),
    "a verdict is missing": ("shared/legal/verdicts/splits/*/no_leakage.json", Path.unlink, "was deleted"),
    "rows are altered": (f"{TABLE}/*.parquet", altered, "does not match its manifest"),
    "rows are missing": (f"{TABLE}/*.parquet", Path.unlink, "files are missing that a table names"),
    "a log of Delta is half written": (
        f"{TABLE}/_delta_log/*1.json",
        lambda file: file.write_text('{"a'),
        "logs of tables",
    ),
    "a page is altered": ("shared/legal/evaluation_report/eval-a/page.html", altered, "does not match its manifest"),
    "a page is missing": (
        "shared/legal/evaluation_report/eval-a/page.html",
        Path.unlink,
        "has lost its file page.html",
    ),
    "a page was added": (
        "shared/legal/evaluation_report/eval-a/page.html",
        lambda file: file.with_name("more.html").write_text("x"),
        "contains more.html, which its manifest does not name",
    ),
    "the chain is cut off": (
        "shared/legal/seals/*.jsonl",
        lambda file: file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1])),
        "was put back to an older state or cut off",
    ),
    "the chain is gone": ("shared/legal/seals/*.jsonl", Path.unlink, "was put back to an older state or cut off"),
    "the audit log is cut off": ("audit_log/entries/*.jsonl", lambda file: file.write_text(""), "audit log"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_named_and_the_code_is_1(lake: Lake, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lake", "check"]) == 0 and "the lake is intact" in capsys.readouterr().out
    pattern, harm, words = DAMAGE[what]
    harm(one(lake, pattern))
    assert cli.main(["lake", "check"]) == 1
    out = capsys.readouterr().out
    assert words in out and "problems were found" in out


def test_the_command_repairs_notes_it_and_prints_json(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    file = put(lake, f"{TABLE}/orphan.parquet")
    assert cli.main(["lake", "check", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["kind"] for one in told["found"]] == ["no_version"] and told["problems"] == told["removed"] == []
    assert told["use_cases"][0]["tables"] == 2 and file.exists()
    assert cli.main(["lake", "check", "--repair"]) == 0
    assert "1 rests were removed" in capsys.readouterr().out and not file.exists()
    assert [entry.what for entry in AuditLog(lake).entries()][-1] == "removes rests of killed writers"
    assert cli.main(["lake", "check", "--repair", "--older-than", "0.5"]) == 1
    assert "--older-than must be 1 or more" in capsys.readouterr().err


def test_a_copy_by_the_command_is_noted(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["lake", "copy", lake.root, str(tmp_path / "other"), "--json"]
    assert cli.main(words) == 0 and json.loads(capsys.readouterr().out)["problems"] == []
    assert "copied the lake" in [entry.what for entry in AuditLog(lake).entries()]
    shutil.rmtree(lake.folder)
    monkeypatch.setenv("FT_LAKE_ROOT", str(tmp_path / "other"))
    assert cli.main(["lake", "check"]) == 0
