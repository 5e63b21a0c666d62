"""Scores of recognizers on annotated texts. Persons and numbers are fictitious."""

import json
from pathlib import Path

import pytest

from ft_platform.errors import DataError
from ft_platform.privacy.evaluation import GoldText, half_of, read_gold, score, wilson
from ft_platform.privacy.scan import Scanner
from ft_platform.privacy.spans import Span
from ft_platform.use_case.settings.privacy import Privacy

TEXT = "Anna Reed, 415-555-0132, Acme"
GOLD = GoldText(TEXT, ((0, 9, "PERSON"), (11, 23, "PHONE_NUMBER"), (25, 29, "ORGANIZATION")))


def span(start: int, end: int, entity: str = "PERSON") -> Span:
    return Span(start, end, entity, 1.0, "test")


def test_recall_and_precision_count_characters() -> None:
    # Of 9 + 12 annotated characters 4 + 12 are found; of 4 + 12 + 4 found characters 16 are right. F2 = 5 p r / (4 p +
    # r).
    scores = score([GOLD], [[span(0, 4), span(11, 23, "CREDIT_CARD"), span(25, 29)]])
    assert scores.recall == pytest.approx(16 / 21, abs=1e-4)
    assert scores.precision == pytest.approx(16 / 20, abs=1e-4)
    assert scores.f2 == pytest.approx(5 * 0.8 * (16 / 21) / (4 * 0.8 + 16 / 21), abs=1e-3)
    assert scores.entities["PERSON"]["recall"] == pytest.approx(4 / 9, abs=1e-4)
    found = scores.entities["PHONE_NUMBER"]
    assert found == {"recall": 1.0, "low": pytest.approx(0.2065, abs=1e-3), "high": 1.0, "spans": 1, "texts": 1}


def test_the_worst_entity_comes_first() -> None:
    assert list(score([GOLD], [[span(11, 23)]]).entities) == ["PERSON", "PHONE_NUMBER"]


def test_an_organization_counts_only_where_it_is_looked_for() -> None:
    found = [[span(0, 9), span(11, 23), span(25, 29, "ORGANIZATION")]]
    assert score([GOLD], found).precision == pytest.approx(21 / 25, abs=1e-4)
    assert score([GOLD], found).not_counted == {"ORGANIZATION": 1}
    assert score([GOLD], found, ["ORGANIZATION"]).precision == 1.0


def test_a_date_of_birth_in_place_of_an_annotated_date_is_no_mistake() -> None:
    gold = GoldText("Anna 1980-02-03", ((0, 4, "PERSON"), (5, 15, "DATE_TIME")))
    assert score([gold], [[span(0, 4), span(5, 15, "DATE_OF_BIRTH")]]).precision == 1.0
    assert score([gold], [[span(0, 4), span(5, 15, "PHONE")]]).precision == pytest.approx(4 / 14, abs=1e-4)


def test_nothing_found_is_recall_zero_and_no_precision() -> None:
    scores = score([GOLD], [[]])
    assert (scores.recall, scores.precision, scores.f2) == (0.0, None, 0.0)


def test_texts_without_an_annotation_that_counts_are_an_error() -> None:
    with pytest.raises(DataError, match="no annotation counts"):
        score([GoldText("Acme", ((0, 4, "ORGANIZATION"),))], [[]])


def test_a_text_counts_as_often_as_the_texts_that_it_stands_for() -> None:
    found, missed = (
        GoldText(f"{name} called", ((0, 4, "PERSON"),), weight=weight)
        for name, weight in (("Anna", 1.0), ("Otto", 3.0))
    )
    scores = score([found, missed], [[span(0, 4)], []])
    assert scores.recall == 0.25 and scores.entities["PERSON"]["recall"] == 0.25
    # (4 + 12)^2 / (4^2 + 12^2) = 1.6 observations instead of 2: the interval is wider.
    low, high = wilson(0.25, 1.6)
    expected = (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert (scores.entities["PERSON"]["low"], scores.entities["PERSON"]["high"]) == expected


def test_a_span_may_say_its_words_in_place_of_its_positions(tmp_path) -> None:
    file = tmp_path / "gold.jsonl"
    value = {"entity_type": "PERSON", "entity_value": "Ann"}
    rows = [
        {"full_text": "Ann and Annette, says Ann.", "spans": [value]},
        {"full_text": "Nobody.", "spans": []},
        {"full_text": "Not yet.", "spans": None},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [one.spans for one in read_gold(file)] == [((0, 3, "PERSON"), (22, 25, "PERSON")), ()]
    for spans in (
        [{**value, "entity_value": "Otto"}],
        [{**value, "entity_value": ""}],
        [{"entity_type": "PERSON"}],
        "PERSON",
    ):
        file.write_text(json.dumps([{"full_text": "Ann", "spans": spans}]))
        with pytest.raises(DataError, match="text 1 must have full_text"):
            read_gold(file)
    file.write_text(json.dumps([{"full_text": "Ann", "spans": None}]))
    with pytest.raises(DataError, match="none of its 1 texts is annotated yet"):
        read_gold(file)


def test_the_interval_is_that_of_wilson() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263 and 0 of 20.
    assert wilson(81 / 263, 263) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))
    assert wilson(0.0, 20) == (0.0, pytest.approx(0.1611, abs=5e-5))


def test_many_characters_in_one_text_count_as_one_observation() -> None:
    long = GoldText("A" * 1000, ((0, 1000, "PERSON"),))
    assert score([long], [[span(0, 1000)]]).entities["PERSON"]["low"] == pytest.approx(wilson(1.0, 1)[0], abs=1e-4)


def row(text: str, *spans: tuple[int, int, str], **more: object) -> dict:
    return {
        "full_text": text,
        "spans": [{"start_position": a, "end_position": b, "entity_type": k} for a, b, k in spans],
        **more,
    }


@pytest.mark.parametrize("as_lines", [True, False])
def test_a_json_list_and_json_lines_are_the_same(tmp_path: Path, as_lines: bool) -> None:
    rows = [row("Anna called", (0, 4, "PERSON"), masked="{{name}} called"), row("Nobody called", template_id=3)]
    file = tmp_path / "gold.json"
    file.write_text("\n".join(map(json.dumps, rows)) if as_lines else json.dumps(rows, indent=1))
    expected = [GoldText("Anna called", ((0, 4, "PERSON"),), "{{name}} called"), GoldText("Nobody called", (), "3")]
    assert read_gold(file) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "no annotated text"),
        ("{not json", "neither a JSON list nor JSON lines"),
        (json.dumps([{"text": "Mirela"}]), "text 1 must have full_text"),
        (
            json.dumps([row("Mirela", (0, 6, "PERSON")), row("Mirela", (3, 60, "PERSON"))]),
            "text 2 has 6 characters, but a span at 3-60",
        ),
        (json.dumps([row("Mirela", (4, 4, "PERSON"))]), "a span at 4-4"),
    ],
)
def test_a_wrong_file_is_an_error_that_never_quotes_a_text(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "gold.json"
    file.write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        read_gold(file)
    assert "Mirela" not in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_gold(tmp_path / "none.json")


def test_halves_share_no_template_and_lose_no_text() -> None:
    gold = [GoldText(f"text {i}", (), f"template {i % 40}") for i in range(200)]
    one, other = half_of(gold, "development"), half_of(gold, "held_out")
    assert len(one) + len(other) == 200 and one and other
    assert not {g.group for g in one} & {g.group for g in other}


def test_an_empty_half_is_an_error() -> None:
    gold = [GoldText("x", (), "same template")] * 5
    empty = "development" if half_of_is_held_out(gold) else "held_out"
    with pytest.raises(DataError, match="has no text"):
        half_of(gold, empty)


def half_of_is_held_out(gold: list[GoldText]) -> bool:
    try:
        return bool(half_of(gold, "held_out"))
    except DataError:
        return False


DIRECT = (
    "PHONE_NUMBER",
    "CREDIT_CARD",
    "EMAIL_ADDRESS",
    "IBAN_CODE",
    "IP_ADDRESS",
    "US_SSN",
    "US_DRIVER_LICENSE",
    "DOMAIN_NAME",
)
"""Annotated types of `presidio_synth` that are told by their form."""


@pytest.mark.integration
@pytest.mark.real_data
def test_the_goals_hold_on_annotated_texts(shared_data: Path) -> None:
    gold = read_gold(shared_data / "presidio_synth" / "synth_dataset_v2.json")
    found = Scanner(Privacy()).find([g.text for g in gold])
    scores = score(gold, found)
    assert scores.recall and scores.recall >= 0.95 and scores.precision and scores.precision >= 0.85
    assert {kind: n["recall"] for kind, n in scores.entities.items() if kind in DIRECT and n["recall"] < 0.99} == {}
    held_out = half_of(gold, "held_out")
    assert (score(held_out, Scanner(Privacy()).find([g.text for g in held_out])).recall or 0) >= 0.95
