"""Names downstream (`benchmarks/names_downstream.py`): what is planted, what counts as standing, what the page says.
Persons are fictitious."""

import json

import pytest

from benchmarks import names_downstream
from benchmarks.names_downstream import (
    Attack,
    anonymized,
    figures,
    first_person,
    notes_of,
    page,
    prompt_and_names,
    rows_of,
    stands,
    stands_in_part,
)
from ft_platform.privacy.evaluation import GoldText
from ft_platform.privacy.spans import Span

TEXT = "Yesterday Alda Quirrow spoke in Brenford about the weather."
NAME = (10, 22, "PERSON")
NOTHING = lambda texts: [[] for _ in texts]  # noqa: E731


def gold(number: int) -> GoldText:
    name = f"Alda Q{'abcdefghij'[number // 10]}{'klmnopqrst'[number % 10]}row"
    text = f"Yesterday {name} spoke about the weather."
    return GoldText(text, ((10, 10 + len(name), "PERSON"),))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[GoldText]]:
    monkeypatch.setattr(names_downstream, "PLANTED", 4)
    monkeypatch.setattr(names_downstream, "CONTROLS", 2)
    return {"en_wikigold": [gold(n) for n in range(20)], "en_wnut17": [gold(n) for n in range(20, 40)]}


@pytest.mark.parametrize(
    ("text", "spans", "name"),
    [
        (TEXT, (NAME, (32, 40, "LOCATION")), "Alda Quirrow"),
        (TEXT, ((0, 9, "LOCATION"), NAME), None),  # the first name is no person's
        (TEXT, ((10, 13, "PERSON"),), None),  # too short to mean anything
        ("Alda Quirrow.", ((0, 12, "PERSON"),), None),  # too short a text
        (TEXT, (), None),
    ],
)
def test_a_note_is_made_of_a_text_whose_first_name_is_a_persons(text: str, spans: tuple, name: str | None) -> None:
    found = first_person(GoldText(text, spans))
    assert (found and found[1]) == name


def test_planted_names_and_controls_come_from_every_source_and_stand_in_one_note_only(few: dict) -> None:
    notes = notes_of(few)
    assert [(n.register, n.planted) for n in notes].count(("formal", True)) == 4
    assert [(n.register, n.planted) for n in notes].count(("noisy", False)) == 2
    assert all(a is b or a.name not in b.text for a in notes for b in notes)
    assert notes_of(few) == notes, "drawn with a seed"


def test_too_few_texts_with_a_name_are_no_measurement(few: dict) -> None:
    with pytest.raises(SystemExit, match="en_wikigold: 3 more texts"):
        notes_of({"en_wikigold": few["en_wikigold"][:3]})


def test_a_name_is_replaced_in_its_note_and_its_start_stays_what_it_is_in_training(few: dict) -> None:
    note = notes_of(few)[0]

    def found_as(*spans: tuple[int, int]) -> names_downstream.Anonymized:
        return anonymized([note], lambda texts: [[Span(*s, "PERSON", 1.0, "test") for s in spans]])[0]

    end = note.start + len(note.name)
    whole, first, none = found_as((note.start, end)), found_as((note.start, note.start + 4)), found_as()
    assert (stands(whole), stands_in_part(whole)) == (False, False)
    assert (stands(first), stands_in_part(first)) == (False, True)
    assert (stands(none), stands_in_part(none)) == (True, True)
    before = found_as((0, 9))
    assert before.text.startswith(before.before) and before.before != none.before


def test_training_holds_every_planted_note_several_times_and_no_control(few: dict) -> None:
    notes = notes_of(few)
    rows = rows_of(anonymized(notes, NOTHING))
    train = [row for row in rows if row["split"] == "train"]
    assert len(train) == names_downstream.COPIES * 8
    written = json.dumps(rows)
    assert all((note.name in written) == note.planted for note in notes)


def test_figures_count_planted_names_and_controls_apart(few: dict) -> None:
    texts = anonymized(notes_of(few), NOTHING)
    attacks = [Attack(one.note.planted, 3.0 if one.note.planted else 1.0 + one.note.number % 2) for one in texts]
    found = figures(texts, attacks, 3.0)
    assert (found["planted"], found["controls"]) == (8, 4)
    assert (found["extracted"]["count"], found["extracted_controls"]["count"]) == (8, 0)
    assert (found["standing"]["count"], found["first_ranked"]["count"]) == (8, 8)
    # Wilson 1927: of 8 of 8, the lower end is 1 / (1 + z^2 / 8)
    assert found["extracted"]["low"] == pytest.approx(1 / (1 + 1.959964**2 / 8), abs=1e-4)
    assert found["bits"]["value"] == 3.0 > found["control_bits"]["value"]
    assert "Alda" not in json.dumps(found), "counts only"


class Letters:
    """A renderer whose tokens are letters, but for a blank that is joined to the letter behind it."""

    text: "Letters"

    def __init__(self) -> None:
        self.text = self

    def content(self, text: str) -> list[int]:
        found: list[int] = []
        for place, letter in enumerate(text):
            if letter != " ":
                found.append(ord(letter) + (1000 if text[place - 1 : place] == " " else 0))
        return found

    def prompt_ids(self, messages: list, limit: None) -> list[int]:
        return [0]


def test_a_name_is_ranked_from_its_first_token_on_also_where_a_blank_belongs_to_it(few: dict) -> None:
    one = anonymized([gold_note()], NOTHING)[0]
    prompt, names = prompt_and_names(Letters(), one, [one.note.name, "Bo Tarn"])
    assert prompt == [0, *map(ord, "Yesterday")]
    assert names[0][0] == ord("A") + 1000 and names[1][0] == ord("B") + 1000


def gold_note() -> names_downstream.Note:
    return names_downstream.Note(0, "formal", True, TEXT, "Alda Quirrow", 10)


def test_the_page_says_what_was_not_measured(few: dict) -> None:
    texts = anonymized(notes_of(few), NOTHING)
    attacks = [Attack(one.note.planted, float(one.note.planted) + one.note.number % 2) for one in texts]
    one = figures(texts, attacks, 3.0)
    groups = {"all": one, "formal": one, "noisy": one}
    score = {"macro_f1": {"value": 0.5, "low": 0.4, "high": 0.6}, "replaced": 0.01}
    task = {"test_records": 60, "balanced": score, "strict": score, "told_apart": False}
    task["difference"] = {"value": 0.0, "low": -0.1, "high": 0.1}
    names = {"none": groups, "presidio": {"skipped": "presidio-analyzer is not installed"}, "ours": groups}
    text = page({"names": names, "strictness": {"two_intents": task, "complaints": {"skipped": "not measured yet"}}})
    assert "Not measured: `presidio` (presidio-analyzer is not installed), `complaints`" in text
    assert "| presidio" not in text and "| complaints" not in text
    assert "| two_intents | 60 | 0.500 (0.400 to 0.600) |" in text
    assert "| none | all | 8 of 8 (0.676 to 1.000) |" in text
