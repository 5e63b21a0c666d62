"""Entities are found by folder and named in errors."""

import pytest

from ft_platform.errors import ConfigError
from ft_platform.privacy import entities
from ft_platform.privacy.entities import all_recognizers, check_entities, chosen_entities
from ft_platform.use_case.settings.privacy import Privacy, entity_names

EXPECTED = {
    *(
        "ADDRESS",
        "API_KEY",
        "BANK_ACCOUNT",
        "CREDIT_CARD",
        "DATE_OF_BIRTH",
        "DE_TAX_ID",
        "DRIVING_LICENCE",
        "EMAIL",
        "ES_DNI",
        "FR_NIR",
        "IBAN",
    ),
    *(
        "IN_AADHAAR",
        "IP_ADDRESS",
        "LICENCE_PLATE",
        "LOCATION",
        "MAC_ADDRESS",
        "MEDICAL_RECORD_NUMBER",
        "PASSPORT",
        "PASSWORD",
        "PERSON",
        "PHONE",
    ),
    *(
        "DE_ID_CARD",
        "DE_SOCIAL_INSURANCE",
        "DK_CPR",
        "IT_FISCAL_CODE",
        "NL_BSN",
        "NO_NATIONAL_ID",
        "PL_NIP",
        "PL_PESEL",
    ),
    *("PT_NIF", "SE_PERSONAL_NUMBER"),
    *("COORDINATES", "CRYPTO_WALLET", "VEHICLE_NUMBER"),
    *("UK_NINO", "URL", "URL_CREDENTIALS", "USER_NAME", "US_SSN"),
}
OPTIONAL = {"AGE", "DATE", "NUMBER", "ORGANIZATION", "UNKNOWN_NAME"}


def privacy(**settings: object) -> Privacy:
    return Privacy.model_validate(settings)


def test_every_recognizer_of_the_folder_is_found() -> None:
    assert set(all_recognizers()) == EXPECTED | OPTIONAL


def test_empty_entities_mean_all_but_those_that_identify_nobody_alone() -> None:
    assert set(chosen_entities(privacy())) == EXPECTED
    assert set(entity_names()) == EXPECTED | OPTIONAL
    assert chosen_entities(privacy(entities=["ORGANIZATION", "EMAIL"])) == ["EMAIL", "ORGANIZATION"]


def test_strict_looks_for_unknown_names_and_numbers_whatever_entities_are_named() -> None:
    assert set(chosen_entities(privacy(strictness="strict"))) == EXPECTED | {"NUMBER", "UNKNOWN_NAME"}
    assert chosen_entities(privacy(strictness="strict", entities=["EMAIL"])) == ["EMAIL", "NUMBER", "UNKNOWN_NAME"]


def test_all_wrong_names_are_reported_at_once_with_the_closest_right_one() -> None:
    with pytest.raises(ConfigError) as caught:
        check_entities(["EMAIL", "e_mail", "US_SSM", "NONSENSE"])
    assert len(caught.value.problems) == 3
    assert "did you mean EMAIL?" in caught.value.problems[0]
    assert "did you mean US_SSN?" in caught.value.problems[1]
    assert "did you mean" not in caught.value.problems[2]
    assert "MEDICAL_RECORD_NUMBER" in str(caught.value.next_step)


@pytest.mark.parametrize("settings", [{"entities": ["EMIAL"]}, {"operators": {"EMIAL": "keep"}}])
def test_a_wrong_name_in_entities_or_operators_is_refused(settings: dict) -> None:
    with pytest.raises(ConfigError, match="did you mean EMAIL"):
        chosen_entities(privacy(**settings))


def test_a_recognizer_whose_file_has_another_name_than_its_entity_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entities, "entity_names", lambda: ["EMAIL", "IBAN"])
    monkeypatch.setattr("ft_platform.privacy.recognizers.iban.IbanRecognizer.entity", "BANK_CODE")
    all_recognizers.cache_clear()
    try:
        with pytest.raises(ConfigError, match=r"recognizers\.iban must find the entity IBAN.*got BANK_CODE"):
            all_recognizers()
    finally:
        all_recognizers.cache_clear()
