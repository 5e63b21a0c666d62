"""The `ft` command: exit codes, one clear line for an error, JSON, and nothing heavy loaded for `--help`."""

import errno
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ft_platform import cli
from ft_platform.commands import list as list_command
from ft_platform.errors import DataError
from ft_platform.use_case.scaffold import scaffold_yaml
from ft_platform_tests.conftest import minimal_attributes, write_use_case

HEAVY = (
    "dagster",
    "pandas",
    "pyarrow",
    "pydantic",
    "yaml",
    "rich",
    "torch",
    "numpy",
    "deltalake",
    "great_expectations",
    "mlflow",
    "spacy",
)


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FT_DEFS", str(tmp_path / "defs"))
    for name in ("FT_LAKE_ROOT", "FT_KEY_FILE", "FT_PSEUDONYM_KEY", "FT_ENVIRONMENT", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    add_use_case(tmp_path, "letters")
    return tmp_path


def add_use_case(root: Path, name: str, text: str = "") -> None:
    (root / "defs" / name).mkdir(parents=True)
    (root / "defs" / name / "defs.yaml").write_text(text or scaffold_yaml(name, "classification"), encoding="utf-8")


def outcome(**fields) -> SimpleNamespace:
    ended = {
        "success": True,
        "trained": True,
        "reused": [],
        "seconds": {},
        "failed_stage": None,
        "error": None,
        "next_step": None,
        "stopped": False,
    }
    return SimpleNamespace(**{**ended, "stopped_by": None, **fields})


def stand_in(monkeypatch: pytest.MonkeyPatch, result: SimpleNamespace) -> list[tuple]:
    """Replaces the run and the collection of results; returns the calls."""
    from ft_platform.orchestration import execution, results
    from ft_platform.process import progress

    calls = []

    def run_use_case(*args):
        calls.append(args)
        progress.report("cleaned_records", 10, 20)
        progress.report("adapter_checkpoint", 3, 6, "steps", loss=0.5, tokens_per_second=300.0, learning_rate=1e-4)
        return result

    found = {
        "use_case": "letters",
        "systems": {"fine_tuned": {"macro_f1": {"value": 0.75, "low": 0.7, "high": 0.8}}},
        "test_rows": 40,
        "funnel": [{"stage": "cleaned_records", "rows_in": 12, "kept": 10, "removed": {"too_short": 2}}],
        "trained": True,
        "reused": ["raw_records"],
        "seconds": {"total": 61.0},
        "report": "/lake/report.html",
        "decision": None,
        "differences": {},
    }
    monkeypatch.setattr(execution, "run_use_case", run_use_case)
    monkeypatch.setattr(results, "collect_results", lambda *_: found)
    return calls


def test_help_loads_nothing_heavy():
    code = (
        f"import sys; from ft_platform import cli; cli.build_parser().format_help(); print([m for m in {HEAVY!r} if m"
        " in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_has_help_with_examples(capsys):
    for name in cli.COMMANDS:
        with pytest.raises(SystemExit) as ended:
            cli.main([name, "--help"])
        shown = capsys.readouterr().out
        assert ended.value.code == 0
        assert "examples:" in shown and f"ft {name}" in shown


def test_without_a_command_the_help_is_shown(capsys):
    assert cli.main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n    {name} " in shown for name in cli.COMMANDS)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["rum"], "ft: there is no command 'rum'; did you mean run. Try: ft --help"),
        (["run"], "ft run: the following arguments are required: use_case. Try: ft run --help"),
        (
            ["new", "x1", "--kind", "poem"],
            (
                "ft new: argument --kind: invalid choice: 'poem' (choose from 'classification', 'generation'). Try: ft"
                " new --help"
            ),
        ),
    ],
)
def test_wrong_usage_ends_with_one_line_and_code_1(capsys, words, line):
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 1
    assert capsys.readouterr().err == line + "\n"


def test_an_unknown_use_case_is_one_line_with_the_closest_name(capsys):
    assert cli.main(["run", "leters"]) == 1
    assert capsys.readouterr().err == "ft run: there is no use case 'leters' in defs; did you mean letters?\n"


def test_a_setting_that_does_not_exist_is_named(capsys):
    assert cli.main(["run", "letters", "--set", "training.epoch=1"]) == 1
    assert capsys.readouterr().err == "ft run: --set training.epoch is not a field; did you mean training.epochs?\n"


def test_every_problem_of_a_file_has_its_line(capsys, installation):
    text = scaffold_yaml("bad", every_field=True).replace("rank: 16", "rank: 0").replace("epochs: 2.0", "epochs: -1")
    add_use_case(installation, "bad", text)
    assert cli.main(["check"]) == 1
    captured = capsys.readouterr()
    assert "training.rank must be at least 1, got 0 (defs/bad/defs.yaml:" in captured.err
    assert "training.epochs must be greater than 0, got -1 (defs/bad/defs.yaml:" in captured.err
    assert captured.out == "Settings: no ft_environment.yaml. Policy: default 1\n2 use cases in defs: 2 problems\n"
    assert cli.main(["check", "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 2


def test_check_succeeds_when_all_load(capsys):
    assert cli.main(["check"]) == 0
    assert capsys.readouterr() == (
        "Settings: no ft_environment.yaml. Policy: default 1\n1 use case in defs: all load\n",
        "",
    )


def test_check_names_the_settings_and_the_policy_in_force(capsys, installation):
    (installation / "ft_environment.yaml").write_text("policy: {name: bank, version: '7'}")
    assert cli.main(["check"]) == 0
    assert capsys.readouterr().out.startswith("Settings: ft_environment.yaml. Policy: bank 7\n")
    assert cli.main(["check", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["settings"], found["policy"]) == (str(installation / "ft_environment.yaml"), "bank 7")


def test_list_shows_a_broken_use_case_beside_the_others(capsys, installation):
    add_use_case(installation, "bad", "type: x")
    assert cli.main(["list", "--json"]) == 0
    rows = {row["use_case"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["letters"]["task"] == "classification" and rows["letters"]["last_run"] == "never run"
    assert rows["bad"]["task"] is None and "does not load" in rows["bad"]["description"]
    assert cli.main(["list"]) == 0
    assert "does not load" in capsys.readouterr().out


def test_new_writes_a_file_that_check_accepts_and_never_overwrites(capsys, installation):
    assert cli.main(["new", "answers", "--kind", "generation"]) == 0
    assert cli.main(["check"]) == 0
    before = (installation / "defs/answers/defs.yaml").read_text()
    assert cli.main(["new", "answers"]) == 1
    assert "already exists" in capsys.readouterr().err
    assert (installation / "defs/answers/defs.yaml").read_text() == before
    assert cli.main(["new", "My-Case"]) == 1


def test_schema_is_json_on_screen_and_in_a_file(capsys, installation):
    assert cli.main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert cli.main(["schema", "--output", "out/schema.json"]) == 0
    assert json.loads((installation / "out/schema.json").read_text()) == schema


def test_run_passes_overrides_and_stages_on_and_prints_progress_and_summary(capsys, monkeypatch):
    calls = stand_in(monkeypatch, outcome())
    words = [
        "run",
        "letters",
        "--set",
        "training.epochs=1",
        "--set",
        "record.subject=null",
        "--select",
        "raw_records,permitted_records",
        "cleaned_records",
    ]
    assert cli.main(words) == 0
    ((name, overrides, stages, _),) = calls
    assert (name, overrides, stages) == (
        "letters",
        {"training.epochs": 1, "record.subject": None},
        ["raw_records", "permitted_records", "cleaned_records"],
    )
    shown = capsys.readouterr().out
    assert "3 of 6 steps" in shown and "loss 0.5" in shown and "300 tokens/s" in shown
    assert "too_short 2" in shown and "0.750 (0.70-0.80)" in shown
    assert "unchanged, reused: raw_records, because content and settings are the same" in shown
    assert "1:01 min" in shown and "/lake/report.html" in shown and "make ui" in shown


def test_run_json_keeps_standard_output_for_json_alone(capsys, monkeypatch):
    stand_in(monkeypatch, outcome())
    assert cli.main(["run", "letters", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["test_rows"] == 40
    assert "3 of 6 steps" in captured.err


def test_a_failed_run_ends_with_code_1_and_one_line(capsys, monkeypatch):
    stand_in(
        monkeypatch,
        outcome(success=False, failed_stage="splits", error="one class only", next_step="Look at record.label"),
    )
    assert cli.main(["run", "letters"]) == 1
    assert capsys.readouterr().err == "ft run: splits failed: one class only. Look at record.label\n"
    assert cli.main(["run", "letters", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["failed_stage"] == "splits"


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_a_stopped_run_says_so_and_ends_with_the_code_that_shells_give_its_signal(capsys, monkeypatch, number, code):
    ended = outcome(
        success=False,
        stopped=True,
        stopped_by=number,
        failed_stage="splits",
        error="stopped",
        next_step="Go on with: ft run letters",
    )
    stand_in(monkeypatch, ended)
    assert cli.main(["run", "letters"]) == code
    assert capsys.readouterr().err == "ft run: splits was stopped. Go on with: ft run letters\n"
    assert cli.main(["run", "letters", "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert (found["stopped"], found["failed_stage"]) == (True, "splits")


def test_ctrl_c_outside_a_run_ends_with_the_code_that_shells_give_it(capsys, monkeypatch):
    def interrupted(_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(list_command, "run", interrupted)
    assert cli.main(["list"]) == 130
    assert capsys.readouterr().err == "ft: stopped\n"


def test_an_expected_error_is_one_line_without_traceback(capsys, monkeypatch):
    def fail(_arguments):
        raise DataError("no record is left", "Look at governance")

    monkeypatch.setattr(list_command, "run", fail)
    assert cli.main(["list"]) == 1
    assert capsys.readouterr().err == "ft list: no record is left. Look at governance\n"


class Panic(BaseException):
    """Native libraries raise such."""


@pytest.mark.parametrize("kind", [ValueError, Panic])
def test_an_unexpected_error_shows_its_place_and_keeps_its_text_where_only_its_owner_can_read_it(
    capsys, monkeypatch, installation, kind
):
    def fail(_arguments):
        raise kind("Ada Lovelace, 12 High Street")

    monkeypatch.setattr(list_command, "run", fail)
    assert cli.main(["list"]) == 1
    error = capsys.readouterr().err
    assert "Lovelace" not in error and kind.__name__ not in error and error.count("\n") == 2
    assert re.search(r"went wrong at .*test_cli\.py:\d+", error)
    (name,) = re.findall(r"The details are in (\S+\.txt), which only you can read", error)
    file = Path(name)
    assert "Lovelace" in file.read_text()
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
    assert "restricted" in file.parts
    assert cli.main(["list", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_unexpected_error_is_told_although_its_text_cannot_be_kept(capsys, monkeypatch, tmp_path):
    def fail(_arguments):
        raise ValueError("Ada Lovelace")

    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("FT_HOME", str(tmp_path / "taken"))
    monkeypatch.setattr(list_command, "run", fail)
    assert cli.main(["list"]) == 1
    error = capsys.readouterr().err
    assert "Run it again with --debug" in error and "Lovelace" not in error


def test_a_full_disk_that_nobody_foresaw_is_told_as_such(capsys, monkeypatch):
    def fail(_arguments):
        raise OSError(errno.ENOSPC, "No space left on device", "/somewhere")

    monkeypatch.setattr(list_command, "run", fail)
    assert cli.main(["list"]) == 1
    assert (
        capsys.readouterr().err
        == "ft list: no space is left on the disk of /somewhere. Free some space and run it again\n"
    )


def test_what_a_terminal_would_obey_is_shown_by_its_number(capsys, monkeypatch):
    def fail(_arguments):
        print("title \x1b]0;x\x07 \x9b2J \u202eevil \udcff")
        raise DataError("a column \x1b[31m\r is wrong")

    monkeypatch.setattr(list_command, "run", fail)
    assert cli.main(["list"]) == 1
    shown = capsys.readouterr()
    assert shown.out == "title \\u001b]0;x\\u0007 \\u009b2J \\u202eevil \\udcff\n"
    assert shown.err == "ft list: a column \\u001b[31m is wrong\n"


def test_results_of_a_use_case_that_never_ran_name_the_next_step(capsys):
    assert cli.main(["results", "letters"]) == 1
    assert capsys.readouterr().err == "ft results: letters was never run on this installation. Run: ft run letters\n"


def test_trace_of_an_unknown_record_is_one_line(capsys):
    assert cli.main(["trace", "record", "letters", "nobody"]) == 1
    assert "no version of raw_records of letters contains this record" in capsys.readouterr().err


def test_ui_starts_dagster_on_the_instance_and_settings_of_this_installation(monkeypatch, installation):
    started = {}
    monkeypatch.setattr(
        cli.ui.os, "execvpe", lambda file, words, variables: started.update(words=words, variables=variables)
    )
    cli.main(["ui", "--port", "3333"])
    words, variables = started["words"], started["variables"]
    assert words[words.index("--port") + 1] == "3333" and words[words.index("--host") + 1] == "127.0.0.1"
    assert "ft_platform.web.dagster_dev" in words
    assert "location_name: ft_platform" in Path(words[words.index("--workspace") + 1]).read_text()
    assert (variables["FT_HOME"], variables["DAGSTER_HOME"]) == (
        str(installation / "home"),
        str(installation / "home/dagster"),
    )
    assert variables["FT_DEFS"] == str(installation / "defs")


def test_links_in_messages_name_the_port_of_this_ui_unless_somebody_says_otherwise(monkeypatch, installation, capsys):
    started = {}
    monkeypatch.setattr(cli.ui.os, "execvpe", lambda _file, _words, variables: started.update(variables))
    cli.main(["ui", "--port", "3100"])
    assert started["FT_REPORTS_URL"] == "http://127.0.0.1:3100/portal" and "Links in" not in capsys.readouterr().out
    monkeypatch.setenv("FT_REPORTS_URL", "https://ml.example.org/portal")
    cli.main(["ui", "--port", "3100"])
    assert started["FT_REPORTS_URL"] == "https://ml.example.org/portal"
    assert "Links in messages begin with https://ml.example.org/portal" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["costs", "may"])
def test_commands_about_all_use_cases_take_one(command, installation, capsys):
    write_use_case(installation / "defs", "letters", minimal_attributes("letters.csv"))
    assert cli.main([command, "letters"]) == 0
    shown = capsys.readouterr().out
    assert "No program has run for letters yet" in shown or "in letters, only" in shown
    assert cli.main([command, "leters"]) == 1
    assert "did you mean letters?" in capsys.readouterr().err


def test_ui_without_the_web_server_says_how_to_add_it(monkeypatch, capsys):
    monkeypatch.setattr(cli.ui.importlib.util, "find_spec", lambda _: None)
    assert cli.main(["ui"]) == 1
    assert 'pip install "ft-platform[ui]"' in capsys.readouterr().err


@pytest.mark.integration
def test_init_creates_home_and_key_once(capsys, installation):
    assert cli.main(["init"]) == 0
    assert "created" in capsys.readouterr().out
    key = (installation / "home/vault/pseudonym.key").read_text()
    assert (installation / "home/vault/pseudonym.key").stat().st_mode & 0o077 == 0
    assert cli.main(["init"]) == 0
    shown = capsys.readouterr().out
    assert "already existed" in shown and key not in shown
    assert (installation / "home/vault/pseudonym.key").read_text() == key


@pytest.mark.parametrize(
    ("line", "expected"),
    [("ft expl", ["explain "]), ("ft explain le", ["letters "]), ("ft list --js", ["--json "])],
)
def test_the_shell_completes_commands_options_and_use_cases(line, expected, installation, tmp_path):
    pytest.importorskip("argcomplete", reason="the package argcomplete is not installed")
    answer = tmp_path / "answer"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    subprocess.run([sys.executable, "-m", "ft_platform.cli"], env={**os.environ, **asked}, check=True, timeout=120)
    assert answer.read_text().split("\n") == expected


def test_explain_tells_every_section_and_names_them_where_one_is_unknown(capsys, installation):
    assert cli.main(["explain", "letters", "--settings"]) == 0
    shown = capsys.readouterr().out
    assert "training: How it is fine-tuned." in shown and "gate: What a checkpoint must show" in shown
    assert "owners: Who is responsible for what." in shown and "  rank " in shown
    assert cli.main(["explain", "letters", "--settings", "--json"]) == 0
    sections = json.loads(capsys.readouterr().out)["sections"]
    assert {"source", "privacy", "training", "gate", "release"} <= set(sections)
    assert cli.main(["explain", "letters", "trainng"]) == 1
    assert "Name one of owners, task, source" in capsys.readouterr().err


def test_an_error_of_many_problems_is_five_lines_and_names_the_command_that_has_all(capsys, installation):
    text = scaffold_yaml("bad", every_field=True)
    for name in ("rank", "epochs", "batch_rows", "patience", "alpha", "max_length", "seed"):
        text = re.sub(rf"^    {name}: .*$", f"    {name}: -1", text, flags=re.MULTILINE)
    add_use_case(installation, "bad", text)
    assert cli.main(["run", "bad"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5 and lines[-1].startswith("ft run: and ") and lines[-1].endswith("ft check")
    assert cli.main(["check"]) == 1
    assert len(capsys.readouterr().err.splitlines()) >= 7
