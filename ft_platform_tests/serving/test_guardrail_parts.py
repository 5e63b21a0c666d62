"""Guardrails one by one: what they let go when an answer comes in parts, and which requests are unlike the records.
Persons are fictitious."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ft_platform.privacy.scan import Scanner
from ft_platform.serving.guardrails.abstaining import is_unlike_the_records
from ft_platform.serving.guardrails.answer_scan import AHEAD, AnswerScan, Finder, Known
from ft_platform.serving.guardrails.parts import Parts
from ft_platform.serving.guardrails.personal_data import PersonalData
from ft_platform.serving.guardrails.restoring import Restoring
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.cleaning import Cleaning
from ft_platform.use_case.settings.privacy import Privacy
from ft_platform_tests.conftest import minimal_attributes

ORIGINALS = {"<PERSON_aaaaaaaa>": "Erika", "Nora Okafor": "Ana Sol", "Nora": "Ann", "555-0142": "555-9999"}


def parts_of(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


def through(one: Parts, text: str, size: int) -> list[str]:
    return [*(one.push(part) for part in parts_of(text, size)), one.rest()]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 500])
@pytest.mark.parametrize(
    ("written", "restored"),
    [
        ("Dear <PERSON_aaaaaaaa>!", "Dear Erika!"),
        ("<PERSON_aaaaaaaa><PERSON_aaaaaaaa>", "ErikaErika"),
        ("Nora Okafor and Nora", "Ana Sol and Ann"),
        ("Nora Ok", "Ann Ok"),
        ("Noranda, 1555-0142, 555-01423", "Noranda, 1555-0142, 555-01423"),  # other words
        ("call 555-0142.", "call 555-9999."),
        ("<PERSON_aaaaaaa", "<PERSON_aaaaaaa"),
        ("<PERSON_aaaaaaab>", "<PERSON_aaaaaaab>"),
    ],
)
def test_a_replacement_is_restored_however_it_is_split(written: str, restored: str, size: int) -> None:
    assert "".join(through(Restoring(ORIGINALS), written, size)) == restored


def test_what_is_restored_in_json_is_escaped() -> None:
    address = '12 "Maple"\nStreet'
    found = through(Restoring({"<ADDRESS_aaaaaaaa>": address}, is_json=True), '{"to": "<ADDRESS_aaaaaaaa>"}', 4)
    assert json.loads("".join(found)) == {"to": address}


@pytest.fixture(scope="module")
def scanner() -> Scanner:
    return Scanner(Privacy())


SENTENCE = "We are sorry for the delay and will look at it again as soon as we can. "
PEM = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0B\n" * 20 + "-----END PRIVATE KEY-----"
SECRET = {
    "phone": "+49 30 901820 55",
    "mail": "matthias.brinkhoff@example.org",
    "iban": "DE02 1203 0000 0000 2020 51",
    "private key": PEM,
}


@pytest.mark.parametrize("size", [1, 5, 60])
@pytest.mark.parametrize("secret", SECRET.values(), ids=SECRET)
@pytest.mark.parametrize("choice", ["replace", "withhold"])
def test_a_finding_is_never_shown_in_halves(scanner: Scanner, secret: str, choice: Any, size: int) -> None:
    text = SENTENCE * 4 + f"Write to {secret} please. " + SENTENCE * 4
    one = AnswerScan(Finder(scanner), [], choice)
    shown = "".join(through(one, text, size))
    pieces = secret.split()
    assert not any(piece in shown for piece in pieces if len(piece) > 4)
    if choice == "replace":
        assert shown.startswith(SENTENCE * 4 + "Write to <") and shown.endswith("please. " + SENTENCE * 4)
    else:
        assert one.withheld and (SENTENCE * 4 + "Write to ").startswith(shown)


def test_a_stream_is_shown_while_it_comes(scanner: Scanner) -> None:
    one = AnswerScan(Finder(scanner), [], "replace")
    shown = [len("".join(one.push(part))) for part in parts_of(SENTENCE * 20, 5)]
    waiting = [5 * (n + 1) - sum(shown[: n + 1]) for n in range(len(shown))]
    assert max(waiting) < 4 * AHEAD and sum(map(bool, shown)) > 10 and not one.changed


def test_a_sentence_is_shown_when_the_next_one_begins(scanner: Scanner) -> None:
    """An answer of three sentences and 24 words came as one part at its end."""
    sentences = ["Your parcel is on its way. ", "It should be with you on Friday! ", "Please write again if it is not."]
    one = AnswerScan(Finder(scanner), [], "replace")
    shown = []
    for number, sentence in enumerate(sentences):
        shown += [part for letter in sentence if (part := one.push(letter))]
        assert shown == sentences[:number], "as soon as the next one has begun, and not before its end"
    assert [*shown, one.rest()] == sentences and not one.changed


@pytest.mark.parametrize(
    "text",
    [
        "He was born in Ulm on the 12. March 1981, as we know.",
        "Please write to Prof. Dr. M. Brinkhoff, who knows about it all.",
        "It was sent to Hauptstr. 5, 12345 Berlin, on the same day as yours.",
        "The number is 212. 555. 0142 and nobody answers there. We tried.",
    ],
)
def test_no_sentence_ends_within_a_date_a_name_or_an_address(scanner: Scanner, text: str) -> None:
    whole, stream = AnswerScan(Finder(scanner), [], "replace"), AnswerScan(Finder(scanner), [], "replace")
    assert "".join(through(stream, text, 1)) == whole.push(text) + whole.rest()


def test_a_text_without_breaks_is_not_searched_again_for_every_part(scanner: Scanner) -> None:
    asked: list[int] = []
    find: Callable[[str], Any] = lambda text: asked.append(len(text)) or []  # noqa: E731
    one = AnswerScan(find, [], "replace")
    assert "".join(through(one, "x" * 20_000, 1)) == "x" * 20_000
    assert sum(asked) < 5 * 20_000


def test_secrets_are_found_though_the_use_case_does_not_look_for_them() -> None:
    find = Finder(Scanner(Privacy(entities=["EMAIL"])))
    assert [span.entity for span in find("my key is sk-abcdefghijklmnop1234567890, call 212 555 0142")] == ["API_KEY"]


@pytest.mark.parametrize(
    ("entity", "value", "is_known"),
    [
        ("PERSON", "Erika Mustermann", True),
        ("PERSON", "ERIKA", True),
        ("PERSON", "Erika Schmidt", False),
        ("PHONE", "(415) 555 0142", True),
        ("PHONE", "415 555 0143", False),
        ("EMAIL", "Erika@example.org", True),
        ("EMAIL", "mustermann@example.org", False),  # of words that the request has, but not together
    ],
)
def test_what_the_request_says_is_known(entity: str, value: str, is_known: bool) -> None:
    known = Known(["Mustermann, Erika: erika@example.org, 415-555-0142"])
    assert known.includes(entity, value) is is_known


def test_requests_get_other_pseudonyms_than_training_and_the_same_each_time(scanner: Scanner) -> None:
    def texts(release: str) -> list[str]:
        made = PersonalData(Privacy(), scanner, "complaints", release)
        return made.replaced(["I am Erika Mustermann.", "Mustermann is my name."]).texts

    assert texts("release-1") == texts("release-1") != texts("release-2")
    assert all("Mustermann" not in text for text in texts("release-1"))


@pytest.mark.parametrize("operator", ["pseudonym", "surrogate", "redact", "mask"])
def test_what_is_replaced_is_restored_to_the_letter(scanner: Scanner, operator: Any) -> None:
    text = "I am Erika Mustermann, born on 12 March 1981, erika@example.org, +1 415 555 0142."
    found = PersonalData(Privacy(default_operator=operator), scanner, "complaints", "r").replaced([text])
    assert "Mustermann" not in found.texts[0] and len(found.entities) >= 3
    assert "".join(through(Restoring(found.originals), found.texts[0], 3)) == text


def test_a_coarser_value_is_not_restored(scanner: Scanner) -> None:
    privacy = Privacy(operators={"DATE_OF_BIRTH": "generalize"})
    found = PersonalData(privacy, scanner, "complaints", "r").replaced(["I was born on 12 March 1981."])
    assert found.texts == ["I was born on 1981."] and not found.originals


@pytest.mark.parametrize("asked", [{"abstain_below": 0.7}, {"abstain_for_accuracy": 0.8}])
def test_a_threshold_needs_probabilities(asked: dict[str, Any]) -> None:
    attributes = minimal_attributes("file:///none.csv") | {"serving": {"guardrails": asked}}
    found = UseCase.model_validate(attributes).serving.guardrails.model_dump()
    assert asked.items() <= found.items()
    with pytest.raises(ValueError, match="need the probability of a label"):
        UseCase.model_validate(attributes | {"evaluation": {"label_answers": "generated"}})


@pytest.mark.parametrize(
    ("text", "languages", "is_unlike"),
    [
        ("?", [], True),
        (" \u200b... ", [], True),
        ("\U0001f600", [], True),
        ("x" * 30_000, [], True),
        ("Xx x", [], True),
        ("4711", [], False),
        ("5", [], False),
        ("好", [], False),
        ("lost my card", [], False),
        ("The parcel came two weeks late and the lid was broken.", ["en"], False),
        ("lost my card", ["en"], False),
        ("Das Paket kam zwei Wochen zu spät, und der Deckel war kaputt.", ["en"], True),
        ("Das Paket kam zwei Wochen zu spät, und der Deckel war kaputt.", ["en", "de"], False),
        ("Das Paket kam zwei Wochen zu spät, und der Deckel war kaputt.", [], False),  # every language is allowed
    ],
)
def test_a_text_without_words_or_in_another_language_is_unlike_the_records(
    text: str, languages: list[str], is_unlike: bool
) -> None:
    assert is_unlike_the_records([text], Cleaning(allowed_languages=languages)) is is_unlike
