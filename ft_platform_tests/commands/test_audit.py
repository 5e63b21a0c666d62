"""ft audit: JSON with the promised keys, colours or marks, one HTML file, and an exit code that a pipeline can read."""

import json
from pathlib import Path
from typing import Any

import pytest

from ft_platform import cli
from ft_platform.lake.store import Lake
from ft_platform.stages import TRAINING_AUDIT, check_settings_hash
from ft_platform.training.audit_view import visible
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.tiny_models import save_tiny_model, split_rows, usable_splits

ESCAPE = "\x1b[31mred\x1b[0m \u202eright to left"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def installed(environment: Environment, lake: Lake, model: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes splits from rows, and settings of the audit; returns the lake and the version."""
    for name, value in environment.to_variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)

    def install(rows: list[dict[str, Any]], **audit: float) -> Any:
        base_model = {"uri": str(model), "dtype": "float32"}
        attributes = {**minimal_attributes("unused.csv"), "base_model": base_model, "audit": audit}
        case = load_use_case(write_use_case(environment.defs, "complaints", attributes).parent)
        return lake, usable_splits(lake, case, rows), case

    return install


def rows() -> list[dict[str, Any]]:
    made = split_rows(24)
    made[0]["messages"][0]["content"] += f" {ESCAPE} <b>bold</b>"
    made[1]["messages"][0]["content"] += " and a few words more than the others"
    return made


def test_json_has_the_promised_keys_and_no_text(installed, capsys) -> None:
    lake, splits, _ = installed(rows())
    assert cli.main(["audit", "complaints", "--json"]) == 0
    out = capsys.readouterr().out
    found = json.loads(out)
    assert found["rows"] == 24 and 0 < found["supervised_share"] < 1 and set(found["faults"].values()) == {0}
    assert "handled badly" not in out
    assert lake.verdicts(splits)[TRAINING_AUDIT].numbers["audit"] == found["audit"]


def test_a_fault_that_stops_training_ends_with_1_and_says_what_helps(installed, capsys) -> None:
    planted = rows()
    planted[4]["label"] = None
    lake, splits, _ = installed(planted)
    assert cli.main(["audit", "complaints"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "refused: answer_missing: 1 record (r0004)" in out and "Check record.answer, record.label" in out
    assert "Training is refused." in out
    assert not lake.verdicts(splits)[TRAINING_AUDIT].passed
    assert cli.main(["audit", "complaints", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["faults"]["answer_missing"] == 1


def test_a_warning_ends_with_0(installed, capsys) -> None:
    planted = rows()
    planted[4]["label"] = None
    installed(planted, max_left_out_share=0.1)
    assert cli.main(["audit", "complaints"]) == 0
    out = capsys.readouterr().out
    assert "warning: answer_missing" in out and "Nothing prevents training." in out


def test_without_colours_supervised_and_padding_tokens_are_marked(installed, capsys, monkeypatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    installed(rows())
    assert cli.main(["audit", "complaints", "--show", "3"]) == 0
    out = capsys.readouterr().out
    assert out.count("[+loan<|im_end|>+]") + out.count("[+card<|im_end|>+]") == 3
    assert "[.<|im_end|> x " in out and "\x1b[3" not in out.replace("\x1b[31m", "?")
    assert "record r0000 (train): 5 supervised" in out


def test_with_colours_supervised_tokens_are_green_and_no_text_acts_on_the_terminal(
    installed, capsys, monkeypatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    installed(rows())
    assert cli.main(["audit", "complaints", "--show", "3"]) == 0
    out = capsys.readouterr().out
    assert "\x1b[1;32mloan<|im_end|>\x1b[0m" in out
    assert "\x1b[31m" not in out and "␛[31mred" in out and "\u202e" not in out


def test_one_html_file_shows_the_same_escaped_and_with_its_classes(installed, tmp_path, capsys) -> None:
    installed(rows())
    page = tmp_path / "audit.html"
    assert cli.main(["audit", "complaints", "--html", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.count('class="supervised" title="supervised: 5 tokens">') == 3
    assert 'class="padding" title="padding:' in text
    assert "&lt;b&gt;bold&lt;/b&gt;" in text and "<b>bold" not in text and "://" not in text and "<script" not in text
    assert "[+" not in capsys.readouterr().out


def test_texts_are_not_shown_unless_the_check_for_personal_data_passed(installed, capsys) -> None:
    lake, _, case = installed(rows())
    version = lake.latest("complaints", "anonymized_records")
    lake.add_verdict(
        version, "no_residual_pii", False, check_settings_hash(case, "anonymized_records", "no_residual_pii")
    )
    assert cli.main(["audit", "complaints", "--show", "1"]) == 1
    printed = capsys.readouterr()
    assert "no_residual_pii" in printed.err and "handled badly" not in printed.out
    assert cli.main(["audit", "complaints", "--json"]) == 0


def test_without_splits_the_next_step_is_named(environment, installed, capsys) -> None:
    write_use_case(environment.defs, "complaints", minimal_attributes("unused.csv"))
    assert cli.main(["audit", "complaints"]) == 1
    assert "ft run complaints" in capsys.readouterr().err


def test_no_number_of_records_is_wrong_usage(capsys) -> None:
    with pytest.raises(SystemExit):
        cli.main(["audit", "complaints", "--show", "0"])


def test_signs_stand_for_characters_that_act() -> None:
    assert visible("a\x07b\x00\n\tc\x9b\u2066") == "a␇b␀\n\tc\\u009b\\u2066"
