"""`ft errors` names the records that a system got wrong, and shows texts only to people at a terminal who may see
them."""

import json
from typing import Any

import pyarrow as pa
import pytest

from ft_platform import cli
from ft_platform.evaluation.files import read_predictions
from ft_platform.evaluation.mistakes import mistakes
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.evaluation.tiny_case import CANARY, TinyCase, tiny_case


def case_of(kind: str = "classification") -> NamedUseCase:
    attributes = minimal_attributes("unused.csv")
    if kind == "generation":
        attributes["task"] = {"kind": "generation", "instruction": "Help."}
        attributes["record"] |= {"answer": "answer"}
    return NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))


def predictions(rows: list[tuple[str, str, str, float | None]]) -> pa.Table:
    return pa.table(
        dict(
            zip(
                ("record_id", "label", "predicted", "confidence"),
                (list(column) for column in zip(*rows, strict=True)),
                strict=True,
            )
        )
    )


def test_the_pair_that_is_mixed_up_most_often_stands_first_and_in_it_the_surest_mistake() -> None:
    rows = [
        ("r1", "card", "loan", 0.6),
        ("r2", "card", "loan", 0.9),
        ("r3", "loan", "card", 0.99),
        ("r4", "card", "card", 1.0),
        ("r5", "card", "loan", 0.6),
    ]
    found = mistakes(case_of(), predictions(rows), 9)
    seen = [(one["label"], one["predicted"], one["count"]) for one in found]
    assert seen == [("card", "loan", 3), ("loan", "card", 1)]
    assert [record["record_id"] for record in found[0]["records"]] == ["r2", "r1", "r5"]
    assert mistakes(case_of(), predictions(rows), 2)[0] == {**found[0], "records": found[0]["records"][:2]}
    assert mistakes(case_of(), predictions(rows[3:4]), 9) == []


def test_a_system_without_probabilities_has_mistakes_in_the_order_of_their_ids() -> None:
    found = mistakes(case_of(), predictions([("r2", "card", "loan", None), ("r1", "card", "loan", None)]), 9)
    assert found[0]["records"] == [{"record_id": "r1", "score": None}, {"record_id": "r2", "score": None}]


def test_answers_farthest_from_their_reference_stand_first() -> None:
    table = pa.table({"record_id": ["r1", "r2", "r3"], "rouge_l": [0.5, 1.0, 0.1]})
    records = [{"record_id": "r3", "score": 0.1}, {"record_id": "r1", "score": 0.5}]
    expected = [{"label": None, "predicted": None, "count": 2, "records": records}]
    assert mistakes(case_of("generation"), table, 9) == expected


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> TinyCase:
    return tiny_case(tmp_path_factory.mktemp("home"), "classification")


@pytest.fixture
def case(made: TinyCase, monkeypatch: pytest.MonkeyPatch) -> TinyCase:
    monkeypatch.setenv("FT_HOME", str(made.environment.home))
    monkeypatch.setenv("FT_DEFS", str(made.environment.defs))
    for name in ("FT_LAKE_ROOT", "FT_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    return made


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["errors", "complaints", *words]) == 0
    return capsys.readouterr().out


def wrong(case: TinyCase, system: str = "fine_tuned") -> list[dict[str, Any]]:
    return [
        row
        for row in read_predictions(case.lake, case.report).to_pylist()
        if row["system"] == system and not row["correct"]
    ]


def test_json_has_every_wrong_record_and_no_text(case: TinyCase, capsys: pytest.CaptureFixture[str]) -> None:
    printed = shown(capsys, "--json", "--text", "--show", "1000", "--system", "majority")
    found = json.loads(printed)
    ids = {record["record_id"] for group in found["mistakes"] for record in group["records"]}
    assert ids == {row["record_id"] for row in wrong(case, "majority")} and ids
    assert CANARY not in printed and found["evaluation"] == case.report.id


def test_a_label_chooses_its_mistakes(case: TinyCase, capsys: pytest.CaptureFixture[str]) -> None:
    some = wrong(case)[0]
    found = json.loads(shown(capsys, "--json", "--label", some["label"], "--predicted", some["predicted"]))
    assert [(one["label"], one["predicted"]) for one in found["mistakes"]] == [(some["label"], some["predicted"])]


def test_texts_are_for_a_terminal(case: TinyCase, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["errors", "complaints", "--text"]) == 1
    assert "standard output is not a terminal" in capsys.readouterr().err
    assert CANARY not in shown(capsys)
    text = shown(capsys, "--text", "--force", "--show", "1000")
    assert text.count(CANARY) == len(wrong(case)) and "user: Case " in text
    assert all(row["record_id"] in text for row in wrong(case))


def test_texts_are_for_people_who_may_read_the_restricted_zone(
    case: TinyCase, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ft_platform.lake.store import Lake

    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Lake, "read_table", refused)
    assert cli.main(["errors", "complaints", "--text", "--force"]) == 1
    assert "you may not read the restricted zone of complaints" in capsys.readouterr().err
    shown(capsys)


def test_a_system_that_is_not_there_is_named_with_those_that_are(
    case: TinyCase, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["errors", "complaints", "--system", "champion"]) == 1
    told = capsys.readouterr().err
    assert "has no system 'champion'" in told and "Name one of majority, nearest_neighbour, tfidf_logreg" in told


def test_the_report_counts_what_is_mixed_up_and_names_no_record(case: TinyCase) -> None:
    """It goes to trackers and into evidence packs."""
    page = case.lake.read_file(case.report, "report.html").decode()
    section = page.partition(">Errors</h2>")[2].partition(">Records</h2>")[0]
    rows = read_predictions(case.lake, case.report).to_pylist()
    assert f"{len(wrong(case))} of {len({row['record_id'] for row in rows})} test records" in section
    assert "<td>card</td><td>loan</td>" in section
    assert not [row["record_id"] for row in rows if row["record_id"] in page] and CANARY not in page
