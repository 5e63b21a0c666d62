"""What is held on a person is written for that person, whole, for the owner of a new folder alone. Persons are
fictitious."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from ft_platform import cli
from ft_platform.erasure.disclosure import NOT_IN_HERE
from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.privacy.pseudonyms import subject_pseudonyms
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.erasure.conftest import PERSON, bytes_below
from ft_platform_tests.erasure.test_whole import ANA, BO, house  # noqa: F401


def export(capsys: pytest.CaptureFixture[str], out: Path, *words: str, fails: int = 0, by: str = BO) -> str:
    code = cli.main(["subject", "export", *words, "--out", str(out), "--by", by])
    printed = capsys.readouterr()
    assert code == fails, printed.err
    assert "Zebulon" not in printed.out + printed.err, "never printed"
    return printed.err if fails else printed.out


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_person_gets_every_row_with_its_purpose_and_what_learned_from_it(house, capsys, tmp_path):  # noqa: F811
    out = tmp_path / "for_the_person"
    assert "letters: 1 records" in export(capsys, out, "letters", PERSON)
    (told,) = json.loads((out / "summary.json").read_text())["use_cases"]
    assert told["purpose"] == "complaint routing" and told["permitted_by"]["consent_that_counts"] == ["yes"]
    assert told["models_that_learned_from_it"] == [{"checkpoint": "ckpt-with", "rows": 1}]
    assert told["kept_until"] == "no day is stated" and told["not_in_here"] == list(NOT_IN_HERE)
    raw = lines(out / "letters" / "restricted-raw_records.jsonl")
    assert {one["row"]["subject_id"] for one in raw} == {PERSON}
    assert {version for one in raw for version in one["held_in"]} == {"raw_records@0", "raw_records@1"}
    assert {one["row"]["consent"] for one in raw} == {"yes"} and raw[0]["row"]["source_uri"].endswith("letters.csv")
    (predicted,) = lines(out / "letters" / "evaluation_report-eval-a-predictions.jsonl")
    assert predicted["row"]["record_id"] == raw[0]["row"]["record_id"]
    assert sum(told["files"].values()) == told["rows"] == sum(len(lines(file)) for file in out.rglob("*.jsonl"))
    others = {f"p{number}" for number in range(6)}
    assert not any(f'"{one}"' in file.read_text() for file in out.rglob("*.jsonl") for one in others), "of nobody else"
    entries = [one for one in AuditLog(open_lake(house.environment)).entries() if one.kind == "look_up"]
    assert [(one.what, one.person) for one in entries] == [("took out what is held on a person", BO)]
    assert bytes_below(house.environment.home / "lake" / "audit_log", PERSON) == 0


def test_only_the_owner_of_the_folder_reads_it_and_a_folder_that_is_there_is_left_alone(
    house,  # noqa: F811
    capsys,
    tmp_path,
):
    out = tmp_path / "for_the_person"
    export(capsys, out, PERSON)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in out.rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in (out, out / "letters")}
    assert (modes, folders) == ({0o600}, {0o700})
    assert "is there already" in export(capsys, out, PERSON, fails=1)
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".for_the")] == []


def test_whoever_has_the_pseudonym_gets_the_same(house, capsys, tmp_path):  # noqa: F811
    pseudonym = subject_pseudonyms(house.environment, "letters", PERSON)[1]
    export(capsys, tmp_path / "by_id", "letters", PERSON)
    export(capsys, tmp_path / "by_pseudonym", "letters", pseudonym)
    both = [
        {str(file.relative_to(tmp_path / name)): file.read_text() for file in (tmp_path / name).rglob("*.jsonl")}
        for name in ("by_id", "by_pseudonym")
    ]
    assert both[0] == both[1] and both[0]


def test_somebody_who_may_not_gets_nothing_and_is_noted(house, capsys, tmp_path):  # noqa: F811
    why = export(capsys, tmp_path / "out", "letters", PERSON, fails=1, by="eve@example.org")
    assert "compliance officer" in why and not (tmp_path / "out").exists()
    entries = [one for one in AuditLog(open_lake(house.environment)).entries() if one.kind == "denial"]
    assert [one.what for one in entries] == ["may not take out what is held on a person"]


def test_an_id_that_nobody_has_is_no_answer_and_near_ones_are_suggested(house, capsys, tmp_path):  # noqa: F811
    told = export(capsys, tmp_path / "out", "nobody at all", by=ANA, fails=1)
    assert "no record has this id" in told and "did you mean" not in told and not (tmp_path / "out").exists()
    words = ["subject", "export", "letters", PERSON.lower().replace(" ", "-"), "--out", str(tmp_path / "out")]
    assert cli.main([*words, "--by", ANA]) == 1
    assert f"did you mean {PERSON}?" in capsys.readouterr().err and not (tmp_path / "out").exists()
    assert cli.main([*words, "--by", "eve.noll@example.org"]) == 1
    assert PERSON not in capsys.readouterr().err, "who may not take it out is told no id of anybody"
