"""ft privacy eval on the command line. Persons are fictitious."""

import json
from pathlib import Path

import pytest

from ft_platform.cli import main


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    texts = [("Write to mirela@example.com", (9, 27, "EMAIL_ADDRESS")), ("the qqq of it", (4, 7, "PERSON"))]
    rows = [{"full_text": t, "spans": [{"entity_type": k, "start_position": a, "end_position": b}]} for t, (a, b, k) in texts]
    file = tmp_path / "gold.json"
    file.write_text(json.dumps(rows))
    return file


def test_json_has_the_promised_keys_the_worst_entity_first(gold: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["privacy", "eval", "--gold", str(gold), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result) == {"recall", "precision", "f2", "entities"}
    assert list(result["entities"]) == ["PERSON", "EMAIL_ADDRESS"]
    assert set(result["entities"]["PERSON"]) == {"recall", "low", "high", "spans"}
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


def test_a_missing_file_and_use_case_are_one_line(gold: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["privacy", "eval", "--gold", str(gold.with_name("none.json"))]) == 1
    assert "there is no such file" in capsys.readouterr().err
    assert main(["privacy", "eval", "--gold", str(gold), "--use-case", "complaint_ruting"]) == 1
    assert "complaint_routing" in capsys.readouterr().err
