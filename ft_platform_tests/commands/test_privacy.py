"""ft privacy eval and attack on the command line. Persons are fictitious."""

import json
import sys
from pathlib import Path

import pytest

from ft_platform.cli import main
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.release.evidence_case import EvidenceCase, figure, good_figures


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    texts = [("Write to mirela@example.com", (9, 27, "EMAIL_ADDRESS")), ("the qqq of it", (4, 7, "PERSON"))]
    rows = [
        {"full_text": t, "spans": [{"entity_type": k, "start_position": a, "end_position": b}]}
        for t, (a, b, k) in texts
    ]
    file = tmp_path / "gold.json"
    file.write_text(json.dumps(rows))
    return file


def test_json_has_the_promised_keys_the_worst_entity_first(gold: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["privacy", "eval", "--gold", str(gold), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result) == {"recall", "precision", "f2", "entities", "skipped"}
    assert result["skipped"] == 0
    assert list(result["entities"]) == ["PERSON", "EMAIL_ADDRESS"]
    assert set(result["entities"]["PERSON"]) == {"recall", "low", "high", "spans", "texts"}
    assert (result["recall"], result["precision"]) == (round(18 / 21, 4), 1.0)


def test_the_table_shows_no_text(gold: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["privacy", "eval", "--gold", str(gold)]) == 0
    out = capsys.readouterr().out
    assert out.index("PERSON") < out.index("EMAIL_ADDRESS")
    assert "mirela" not in out and "qqq" not in out


def test_other_ways_of_writing_are_scored_too(gold: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["privacy", "eval", "--gold", str(gold), "--perturbations", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert len(result["perturbations"]) == 30
    assert result["perturbations"]["zero-width blanks"] == {"recall": pytest.approx(0.86, abs=0.1), "precision": 1.0}


def test_the_settings_of_a_use_case_are_used(gold: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["privacy", "eval", "--gold", str(gold), "--use-case", "complaint_routing", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entities"]["EMAIL_ADDRESS"]["recall"] == 1.0


def test_a_broken_span_is_left_out_and_told(gold: Path, capsys: pytest.CaptureFixture) -> None:
    rows = json.loads(gold.read_text())
    rows[0]["spans"].append({"entity_type": "PERSON", "start_position": 9, "end_position": 2800})
    gold.write_text(json.dumps([*rows, {"text": "mirela"}]))
    assert main(["privacy", "eval", "--gold", str(gold), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["skipped"], result["recall"]) == (2, round(18 / 21, 4))
    assert main(["privacy", "eval", "--gold", str(gold)]) == 0
    out = capsys.readouterr().out
    assert "2 texts or spans are not as they must be" in out and "mirela" not in out
    assert "text 1 has 27 characters, but a span at 9-2800" in out and "text 3 must have full_text" in out


def test_others_are_scored_on_the_same_texts(gold: Path, capsys: pytest.CaptureFixture) -> None:
    rows = json.loads(gold.read_text())
    anna = {"entity_type": "PERSON", "start_position": 12, "end_position": 22}
    gold.write_text(json.dumps([*rows, {"full_text": "Yesterday, I Anna Smith paid in London.", "spans": [anna]}]))
    assert main(["privacy", "eval", "--gold", str(gold), "--compare", "spacy", "--json"]) == 0
    others = json.loads(capsys.readouterr().out)["others"]
    assert set(others) == {"spacy"} and others["spacy"]["entities"]["EMAIL_ADDRESS"]["recall"] == 0.0
    assert main(["privacy", "eval", "--gold", str(gold), "--compare", "spacy"]) == 0
    assert "spacy" in capsys.readouterr().out.splitlines()[2]


def test_another_that_nobody_knows_or_that_is_not_installed_is_told(
    gold: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["privacy", "eval", "--gold", str(gold), "--compare", "stanza"]) == 1
    assert "'stanza' is none of presidio, spacy, gliner, transformers" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    assert main(["privacy", "eval", "--gold", str(gold), "--compare", "presidio"]) == 1
    assert 'pip install "ft-platform[compare]"' in capsys.readouterr().err


def test_a_missing_file_and_use_case_are_one_line(gold: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["privacy", "eval", "--gold", str(gold.with_name("none.json"))]) == 1
    assert "no such file" in capsys.readouterr().err
    assert main(["privacy", "eval", "--gold", str(gold), "--use-case", "complaint_ruting"]) == 1
    assert "complaint_routing" in capsys.readouterr().err


@pytest.fixture
def attacked(environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A privacy report and a canary audit, written by hand, in the lake of an installation."""
    figures = good_figures()
    rates = figures["privacy_report"]["extraction_rate"]
    figures["privacy_report"] |= {
        "checkpoint": "ckpt-weights",
        "extraction_rate": {**rates, "near_verbatim": figure(0.02), "baseline": figure(0.01)},
    }
    figures["canary_audit"] |= {"control_bits": figure(1.4, 0.6), "max_bits": 13.3, "chance_bits": 1.44}
    case = EvidenceCase(environment.home, figures=figures).publish()
    write_use_case(environment.defs, "complaints", case.attributes_used)
    monkeypatch.setenv("FT_HOME", str(environment.home))
    monkeypatch.setenv("FT_DEFS", str(environment.defs))


def test_with_a_canary_audit_bits_are_numbers_and_their_intervals_stand_beside(
    attacked: None, capsys: pytest.CaptureFixture
) -> None:
    assert main(["privacy", "attack", "complaints", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["exposure_bits"] == {"1": 1.5, "10": 6.0}
    assert found["exposure_bits_interval"] == {"1": {"low": 1.0, "high": 2.0}, "10": {"low": 5.0, "high": 7.0}}
    seen = (found["exposure_status"], found["max_bits"], found["chance_bits"], found["problems"])
    assert seen == ("measured", 13.3, 1.44, [])
    assert set(found["control_bits"]) == {"value", "low", "high"}
    assert main(["privacy", "attack", "complaints"]) == 0
    shown = capsys.readouterr().out
    assert "exposure of 1 copy, bits" in shown and "exposure of 10 copies, bits" in shown
    assert "6.000 (5.000 to 7.000)   (of 13.3)" in shown and "1.400 (0.800 to 2.000)   (chance 1.44)" in shown


def test_there_is_nothing_to_draw_before_records_are_anonymized(
    environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda *_: environment)
    write_use_case(environment.defs, "complaints", minimal_attributes("x.csv"))
    assert main(["privacy", "sample", "complaints"]) == 1
    assert "complaints has no anonymized_records to draw from" in capsys.readouterr().err
    assert main(["privacy", "sample", "complaints", "--size", "0"]) == 1
    assert "--size must be in 1 to 10,000" in capsys.readouterr().err
