"""Answers that experts correct: by the CSV file, with a scan for personal data, and what is kept of them."""

import csv
from pathlib import Path
from unittest.mock import Mock

import pytest

from ft_platform.errors import AnswersRefused, DataError
from ft_platform.evaluation.annotation.answers import read_judgements
from ft_platform.evaluation.annotation.overlay import fingerprint
from ft_platform.evaluation.annotation.repairs import ANSWERS, add_judgements, all_states, repairs
from ft_platform.evaluation.annotation.task import read_task
from ft_platform.evaluation.annotation.tasks import make_task
from ft_platform.people.person import named
from ft_platform_tests.evaluation.tiny_case import installed

pytestmark = pytest.mark.integration
ANA = named("ana.ruiz@example.org")


def test_an_answer_is_corrected_by_two_and_personal_data_in_it_is_refused(tmp_path: Path) -> None:
    _, lake, use_case, _ = installed(tmp_path / "home", "generation")
    made = make_task(lake, use_case, tmp_path, ANA, rows=5)
    assert made["field"] == "answer" and made["rows"] == 5
    with open(made["files"][0], encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["answer"].startswith("Sorry about your") for row in rows)

    def rated(rater: str, answer: str) -> tuple[str, Path]:
        path = tmp_path / f"{rater}.csv"
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows([{**rows[0], "answer": answer}, *rows[1:]])
        return rater, path

    def imported(*files: tuple[str, Path]) -> dict:
        found = read_judgements(files, lambda name: read_task(lake, use_case, name))
        return add_judgements(lake, use_case, found, ANA)

    with pytest.raises(AnswersRefused, match="1 answers hold personal data") as refused:
        imported(rated("ana", "Write to eva.lang@example.org."))
    assert rows[0]["record_id"] in str(refused.value) and "eva.lang" not in str(refused.value)
    assert all_states(lake, use_case)[0]["judged"] == {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ft_platform.evaluation.annotation.repairs.note", Mock(side_effect=DataError("no log")))
        with pytest.raises(DataError, match="no log"):
            imported(rated("ana", "'=Call us."))
    assert not Path(lake.root, "shared", "complaints", "tables", ANSWERS).exists(), "nothing that is not noted"
    told = imported(rated("ana", "'=Call us."), rated("bo", "=Call  us."))
    assert (told["accepted"], told["confirmed"], told["disputed"]) == (0, 4, [rows[0]["record_id"]]), "two blanks"
    told = imported(rated("bo", "=Call us."))
    assert told["accepted"] == 1 and told["agreement"]["observed"] == 1.0
    (repair,) = repairs(lake, use_case)
    assert (repair.record_id, repair.answer) == (rows[0]["record_id"], "=Call us.")
    statements = [path.read_text() for path in Path(lake.root).rglob("repairs/*/statement.json")]
    assert len(statements) == 2 and not any("Call" in text for text in statements), "texts stand in the table alone"
    assert lake.root and Path(lake.root, "shared", "complaints", "tables", ANSWERS).exists()
    assert fingerprint([repair]) != fingerprint([])
