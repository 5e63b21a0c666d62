"""ft new and ft check: three commands from a file to a report, JSON with the promised keys, lines for every problem."""

import csv
import json
import os
from pathlib import Path

import pytest
import yaml

from ft_platform import cli
from ft_platform.errors import ConfigError
from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log.opening import audit_log_of
from ft_platform.release.waivers import waivers
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.file import load_use_case
from ft_platform_tests.at_a_terminal import at_a_terminal
from ft_platform_tests.tiny_models import split_rows, usable_splits

SECRET = "Erika Musterfrau"
"""Fictitious."""


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FT_DEFS", str(tmp_path / "defs"))
    (tmp_path / "defs").mkdir()
    for name in ("FT_LAKE_ROOT", "FT_KEY_FILE", "FT_PSEUDONYM_KEY", "FT_ENVIRONMENT", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    with open(tmp_path / "letters.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Message", "Team"])
        for number in range(90):
            team = ("cards", "loans", "accounts")[number % 3]
            writer.writerow([f"{SECRET} asks about the {team} of customer {number} once more.", team])
    return tmp_path


STATED = ["--set", "governance.licence=CC-BY-4.0", "--set", "base_model.uri=example/none"]


def test_json_has_the_promised_keys(capsys) -> None:
    assert cli.main(["new", "letters", "--source", "letters.csv", "--json", *STATED]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"path", "lines", "record", "why", "notes"}
    assert found["record"] == {"text": "Message", "label": "Team"}
    assert found["lines"] == len(Path(found["path"]).read_text().splitlines()) <= 40
    assert found["why"]["record.label"] == "3 different values, and its name says so"


def test_the_terminal_shows_shapes_the_question_and_the_next_commands_and_no_value(capsys) -> None:
    assert cli.main(["new", "letters", "--source", "letters.csv", *STATED[2:]]) == 0
    out = capsys.readouterr().out
    assert "Message" in out and "five rows" in out
    assert "You must answer this, or no record is used: governance.licence (defs/letters/defs.yaml:" in out
    assert "ft check letters && ft run letters --until data_report" in out
    assert SECRET not in out and "cards" not in out


def test_check_says_what_is_to_be_answered_and_then_leads_rows_through(capsys) -> None:
    cli.main(["new", "letters", "--source", "letters.csv", *STATED[2:]])
    capsys.readouterr()
    assert cli.main(["check", "letters"]) == 1
    assert "governance.licence: is still to be stated" in capsys.readouterr().err
    file = Path("defs/letters/defs.yaml")
    file.write_text(file.read_text().replace("to be stated", "CC-BY-4.0"))
    assert cli.main(["check", "letters"]) == 0
    captured = capsys.readouterr()
    assert "letters: 90 rows, 2 columns" in captured.out and "of 90 rows run through: raw_records 90" in captured.out
    assert SECRET not in captured.out + captured.err
    assert not (Path("home") / "lake").exists()
    assert cli.main(["check", "letters", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sources"]["letters"]["rehearsal"]["kept"]["raw_records"] == 90


def test_check_ends_with_what_a_release_needs_and_a_run_begins_with_it(capsys) -> None:
    cli.main(["new", "letters", "--source", "letters.csv", *STATED])
    capsys.readouterr()
    assert cli.main(["check", "letters", "--json"]) == 0
    needed = {one["rule"].split("@")[0]: one for one in json.loads(capsys.readouterr().out)["release_needs"]}
    assert needed["recall"]["state"] == "missing"
    assert needed["fairness"]["state"] == "missing"
    assert needed["policy"]["state"] == "there"
    records = "18 of 18 test records were evaluated: 82 more are needed: collect about 410 more records of any kind"
    assert records in needed["test_records"]["why"]
    assert cli.main(["check", "letters"]) == 0
    table = " ".join(capsys.readouterr().out.partition("What a release needs")[2].split())
    assert "privacy.special_categories" in needed["recall"]["why"]
    assert "Recall has to be" in table
    assert cli.main(["run", "letters", "--plan"]) == 0
    line = next(one for one in capsys.readouterr().out.splitlines() if one.startswith("A release will also need: "))
    assert "recall, " in line
    assert line.endswith("; see ft check letters")
    assert cli.main(["run", "letters", "--plan", "--until", "data_report"]) == 0
    assert "A release will also need" not in capsys.readouterr().out


@pytest.mark.parametrize(("rows", "words"), [(90, "counted in splits@0"), (48, "expected from 90 of 90 rows")])
def test_records_are_counted_where_they_were_divided_unless_the_source_has_changed(
    capsys, rows: int, words: str
) -> None:
    cli.main(["new", "letters", "--source", "letters.csv", *STATED])
    environment = load_environment()
    use_case = load_use_case(environment.defs / "letters", environment=environment)
    divided = [{**row, "split": "test"} if n % 4 == 3 else row for n, row in enumerate(split_rows(rows))]
    usable_splits(open_lake(environment), use_case, divided)
    capsys.readouterr()
    assert cli.main(["check", "letters", "--json"]) == 0
    needed = {one["rule"]: one for one in json.loads(capsys.readouterr().out)["release_needs"]}
    assert words in needed["test_records"]["why"]


def test_a_column_that_is_not_there_has_its_line_and_the_nearest_one(capsys) -> None:
    cli.main(["new", "letters", "--source", "letters.csv", *STATED])
    file = Path("defs/letters/defs.yaml")
    file.write_text(file.read_text().replace("label: Team", "label: Teem"))
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "Teem" in text)
    capsys.readouterr()
    assert cli.main(["check"]) == 1
    told = "record.label: the source has no column 'Teem'; did you mean Team? The source has: Message, Team"
    assert f"{told} (defs/letters/defs.yaml:{line})" in capsys.readouterr().err
    assert cli.main(["check", "--files"]) == 0


def test_a_source_that_is_not_there_is_a_problem_of_its_use_case_and_others_go_on(capsys) -> None:
    for name in ("letters", "others"):
        cli.main(["new", name, "--source", "letters.csv", *STATED])
    file = Path("defs/letters/defs.yaml")
    file.write_text(file.read_text().replace("letters.csv", "lost.csv"))
    capsys.readouterr()
    assert cli.main(["check", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert len(found["problems"]) == 1 and "there is no file or folder" in found["problems"][0]
    assert found["sources"]["others"]["rows"] == 90


def test_all_writes_every_field_with_the_proposed_values(capsys) -> None:
    assert cli.main(["new", "letters", "--source", "letters.csv", "--all", *STATED]) == 0
    text = Path("defs/letters/defs.yaml").read_text()
    assert text.count("\n") > 500 and "    label: Team\n" in text
    assert cli.main(["check"]) == 0


def test_set_without_a_source_is_refused(capsys) -> None:
    assert cli.main(["new", "letters", *STATED]) == 1
    assert "--set needs --source" in capsys.readouterr().err


def test_until_runs_what_a_stage_is_built_from() -> None:
    from ft_platform.commands.run import leading_to

    stages = ["raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits"]
    assert leading_to("data_report") == [*stages, "data_report"]
    assert leading_to("raw_records") == ["raw_records"]
    with pytest.raises(ConfigError, match=r"--until data_reprot: there is no such stage; did you mean data_report\?"):
        leading_to("data_reprot")


PERSON, OTHER, SECOND = "maria.lind@example.org", "ana.ruiz@example.org", "bo.lund@example.org"
"""Fictitious."""


def test_at_a_terminal_a_person_answers_in_words_and_the_file_says_who_did() -> None:
    why = "Letters to a call centre say nothing of the group of their writer."
    use = "Clerks sort letters into teams with it."
    approve = f"{OTHER}, {SECOND}"
    lines = [PERSON, "whatever", "CC-BY-4.0", "", "None", why, approve, use, "perhaps", "no"]
    shown = at_a_terminal(["new", "letters", "--source", "letters.csv", "--set", "base_model.uri=example/none"], lines)
    assert "That is no licence" in shown
    assert SECRET not in shown
    file = Path("defs/letters/defs.yaml")
    settings = yaml.safe_load(file.read_text())["attributes"]
    team = {"compliance": [OTHER, SECOND]}
    assert settings["owners"] == {"accountable": PERSON, "compliance": "team:compliance", "teams": team}
    assert settings["governance"]["licence"] == "CC-BY-4.0"
    assert settings["gate"]["without_sensitive_features"] == why
    assert settings["release"]["intended_use"] == use
    assert settings["privacy"]["special_categories"] is False
    assert "Please say yes or no" in shown
    assert "without_quasi_identifiers" not in settings.get("privacy", {}), "one text and a label need no reason"
    said = next(line for line in file.read_text().splitlines() if "licence: CC-BY-4.0" in line)
    assert f"# answered by {PERSON} on " in said
    assert file.read_text().count("# OPEN: ") == 1
    assert "Questions that are still open: 1." in shown
    unconfirmed = f"until it is approved for a trained model by {OTHER}, {SECOND}: gate.without_sensitive_features"
    assert unconfirmed in " ".join(shown.split())
    assert cli.main(["check", "letters", "--files"]) == 0


@pytest.mark.parametrize("is_officer", [True, False])
def test_an_answer_of_a_compliance_officer_is_the_approval_and_that_of_others_stays_a_proposal(
    is_officer: bool,
) -> None:
    roles = f"people:\n  roles:\n    compliance: [{PERSON if is_officer else OTHER}]\n"
    Path("ft_environment.yaml").write_text(f"home: {os.environ['FT_HOME']}\n{roles}", encoding="utf-8")
    why = "Letters to a call centre say nothing of the group of their writer."
    lines = [PERSON, "CC-BY-4.0", "", "none", why, OTHER, "Clerks sort letters into teams with it.", "no"]
    command = ["new", "letters", "--source", "letters.csv", "--set", "base_model.uri=example/none"]
    shown = " ".join(at_a_terminal(command, lines).split())
    environment = load_environment()
    use_case = load_use_case(environment.defs / "letters", environment=environment)
    fields = ["gate.without_sensitive_features"]
    granted = [one for one, _ in waivers(open_lake(environment), use_case)]
    assert sorted(one.rule.split("@")[0] for one in granted) == [f"approval/{field}" for field in fields if is_officer]
    for field in fields:
        assert (f"Approved by {PERSON} with the answer, once a second person" in shown) == is_officer
        assert (f"A proposal, until it is approved for a trained model by {OTHER}: {field}" in shown) != is_officer
    log = audit_log_of(open_lake(environment))
    assert [one.what for one in log.entries() if one.kind == "waiver"] == ["granted a waiver"] * len(granted)


def test_without_a_terminal_the_file_has_one_marked_line_for_each_open_question(capsys) -> None:
    assert cli.main(["new", "letters", "--source", "letters.csv", *STATED[2:]]) == 0
    text = Path("defs/letters/defs.yaml").read_text()
    asked = ["accountable", "licence", "subject", "sensitive_features", "compliance", "intended_use"]
    asked.append("special_categories")
    lines = [line for line in text.splitlines() if "# OPEN: " in line]
    for field in asked:
        assert sum(f"{field}: " in line.partition("#")[0] for line in lines) == 1, field
    assert len(lines) == len(asked)
    assert f"Questions that are still open: {len(asked)}." in capsys.readouterr().out


def test_records_of_ones_own_without_consent_ask_what_permits_their_use() -> None:
    with open("letters.csv", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    with open("own.csv", "w", newline="", encoding="utf-8") as file:
        written = [
            [*row, "Ground" if number == 0 else ("contract", "unknown")[number % 2]] for number, row in enumerate(rows)
        ]
        csv.writer(file).writerows(written)
    lines = [PERSON, "own", "ground", "Contract", "contract", *[""] * 6]
    shown = at_a_terminal(["new", "letters", "--source", "own.csv", "--set", "base_model.uri=example/none"], lines)
    assert "No row has 'Contract': capitals count" in shown
    attributes = yaml.safe_load(Path("defs/letters/defs.yaml").read_text())["attributes"]
    assert attributes["record"]["lawful_basis"] == "Ground"
    assert attributes["governance"]["licence"] == "proprietary"
    assert attributes["governance"]["without_consent_column"] == "lawful_basis"
    assert attributes["governance"]["lawful_bases_without_consent"] == ["contract"]
    assert cli.main(["check", "letters", "--files"]) == 0
