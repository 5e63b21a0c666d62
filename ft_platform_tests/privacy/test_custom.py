"""Entities that a use case defines itself. Values are fictitious."""

import pytest
from pydantic import ValidationError

from ft_platform.errors import ConfigError
from ft_platform.privacy.custom import CustomRecognizer
from ft_platform.privacy.entities import chosen_entities
from ft_platform.privacy.scan import Scanner
from ft_platform.use_case.settings.privacy import Privacy


def found(text: str, **custom: object) -> list[str]:
    privacy = Privacy.model_validate({"ner": "none", "entities": ["IBAN"], "custom": {"OWN": custom}})
    return [text[s.start : s.end] for s in Scanner(privacy).find([text])[0]]


@pytest.mark.parametrize(
    ("text", "custom", "expected", "why"),
    [
        ("badge EMP-004711 lost", {"pattern": "EMP-[0-9]{6}"}, ["EMP-004711"], "pattern"),
        ("badge emp-004711 lost", {"pattern": "EMP-[0-9]{6}"}, [], "other case"),
        ("badge emp-004711 lost", {"pattern": "EMP-[0-9]{6}", "ignore_case": True}, ["emp-004711"], "any case"),
        (
            "Project Blue  Falcon, falcon and Falcons",
            {"words": ["Blue Falcon", "Falcon"]},
            ["Blue  Falcon"],
            "the longest phrase, whole words, any blanks",
        ),
        ("project BLUE FALCON", {"words": ["Blue Falcon"], "ignore_case": True}, ["BLUE FALCON"], "list in any case"),
        ("ask R&D-7 today", {"words": ["R&D-7"]}, ["R&D-7"], "signs inside a word of the list"),
        ("Falcon EMP-004711", {"words": ["Falcon"], "pattern": "EMP-[0-9]{6}"}, ["Falcon", "EMP-004711"], "both"),
    ],
)
def test_what_is_defined_is_found(text: str, custom: dict, expected: list[str], why: str) -> None:
    assert found(text, **custom) == expected


def test_it_is_looked_for_beside_the_named_entities_and_operators_may_name_it() -> None:
    privacy = Privacy.model_validate(
        {"entities": ["EMAIL"], "custom": {"OWN": {"words": ["Falcon"]}}, "operators": {"OWN": "redact"}}
    )
    assert chosen_entities(privacy) == ["EMAIL", "OWN"]
    kept = Privacy.model_validate(
        {"ner": "none", "custom": {"OWN": {"words": ["Falcon"]}}, "operators": {"OWN": "keep"}}
    )
    assert "OWN" not in Scanner(kept).entities


def test_the_name_of_a_shipped_entity_is_refused() -> None:
    with pytest.raises(ConfigError, match="PHONE is an entity of the platform already"):
        chosen_entities(Privacy.model_validate({"custom": {"PHONE": {"pattern": "[0-9]{4}"}}}))


@pytest.mark.parametrize(
    ("custom", "message"),
    [
        ({}, "needs a `pattern` or `words`"),
        ({"pattern": "(EMP"}, "is not a regular expression"),
        ({"pattern": "[0-9]*"}, "matches the empty text"),
        ({"words": ["--"]}, "without a letter or digit"),
    ],
)
def test_a_definition_that_cannot_work_is_refused(custom: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Privacy.model_validate({"custom": {"OWN": custom}})


def test_the_time_does_not_grow_with_the_list() -> None:
    many = CustomRecognizer("OWN", None, [f"word{i}" for i in range(20_000)], ignore_case=False)
    assert [s.start for s in many.find("a word19999 b word20001 " * 200)] == [i * 24 + 2 for i in range(200)]
