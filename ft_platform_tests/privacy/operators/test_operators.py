"""What replaces a finding. Persons, dates and numbers are fictitious."""

import re
from datetime import date

import pytest
from pydantic import ValidationError

from ft_platform.lake.keys.key_ring import UseCaseKeys
from ft_platform.privacy.dates import read_date
from ft_platform.privacy.operators import Operator, Operators, operator_names
from ft_platform.privacy.operators.date_shift import DateShift
from ft_platform.use_case.settings.privacy import OperatorName, Privacy

KEYS = UseCaseKeys(bytes(range(32)), "complaints")
OTHERS = UseCaseKeys(bytes(range(32)), "support")


def operator(entity: str, name: str, keys: UseCaseKeys = KEYS, **settings: object) -> Operator:
    return Operators(Privacy.model_validate({"operators": {entity: name}, **settings}), keys).of(entity)


def test_every_file_is_an_operator_that_the_yaml_may_name() -> None:
    assert operator_names() == sorted(OperatorName.__args__)


def test_entities_without_an_operator_get_the_default() -> None:
    operators = Operators(Privacy.model_validate({"default_operator": "redact", "operators": {"EMAIL": "mask"}}), KEYS)
    assert operators.of("PERSON").replace("PERSON", "Mirela", "r1") == "<PERSON>"
    assert "*" in operators.of("EMAIL").replace("EMAIL", "mirela@example.com", "r1")


def test_keep_redact_and_pseudonym() -> None:
    assert operator("PERSON", "keep").replace("PERSON", "Mirela", "r1") == "Mirela"
    assert operator("PERSON", "redact").replace("PERSON", "Mirela", "r1") == "<PERSON>"
    token = operator("PERSON", "pseudonym", pseudonym_characters=12).replace("PERSON", "Mirela", "r1")
    assert re.fullmatch(r"<PERSON_[a-z2-7]{12}>", token)


@pytest.mark.parametrize(
    ("original", "keep_last", "masked"),
    [
        ("4111 1111 1111 1111", 4, "**** **** **** 1111"),
        ("4111 1111 1111 1111", 0, "**** **** **** ****"),
        ("219-09-9999", 4, "***-**-*999"),  # nine digits: at most a third stays
        ("Ann", 4, "**n"),
        ("Al", 4, "**"),
        ("", 4, ""),
    ],
)
def test_a_mask_keeps_the_form_and_at_most_a_third(original: str, keep_last: int, masked: str) -> None:
    assert operator("PERSON", "mask", mask_keep_last=keep_last).replace("PERSON", original, "r1") == masked


@pytest.mark.parametrize(
    ("entity", "original", "coarse"),
    [
        ("AGE", "34 years old", "30-39"),
        ("AGE", "aged 97", "90+"),
        ("AGE", "old", "<AGE>"),
        ("DATE_OF_BIRTH", "March 4, 1980", "1980"),
        ("DATE_OF_BIRTH", "some day", "<DATE_OF_BIRTH>"),
        ("ADDRESS", "742 Evergreen Terrace, Springfield, IL 62704", "IL 627**"),
        ("ADDRESS", "1 Main St, Teton, WY 83414-1234", "WY 834**"),
        ("ADDRESS", "9 Sparse Rd, Somewhere, NV 89301", "NV 000**"),  # so is 893
        ("ADDRESS", "1 Polar Way, Nowhere, WY 82101", "WY 000**"),  # 821 is on the list of HHS
        ("ADDRESS", "10 Downing Street", "<ADDRESS>"),
        ("IP_ADDRESS", "198.51.100.23", "198.51.100.0/24"),
        ("IP_ADDRESS", "2001:db8:1:2::7", "2001:db8:1::/48"),
        ("IP_ADDRESS", "999.1.1.1", "<IP_ADDRESS>"),
    ],
)
def test_generalize_makes_a_value_coarser_or_redacts_it(entity: str, original: str, coarse: str) -> None:
    assert operator(entity, "generalize").replace(entity, original, "r1") == coarse


def test_the_settings_of_generalize_are_read() -> None:
    assert operator("AGE", "generalize", age_band_years=5).replace("AGE", "34", "r1") == "30-34"
    found = operator("DATE_OF_BIRTH", "generalize", generalize_dates_to="month").replace(
        "DATE_OF_BIRTH", "March 4, 1980", "r1"
    )
    assert found == "March 1980"


@pytest.mark.parametrize(
    ("entity", "name"), [("PERSON", "date_shift"), ("PERSON", "generalize"), ("PHONE", "date_shift")]
)
def test_an_operator_that_does_not_fit_the_entity_is_refused(entity: str, name: str) -> None:
    with pytest.raises(ValidationError, match=f"`{name}` does not work for {entity}"):
        Privacy.model_validate({"operators": {entity: name}})


def test_all_dates_of_a_person_move_alike_and_what_lies_between_stays() -> None:
    shift = operator("DATE_OF_BIRTH", "date_shift")
    first, second = (
        read_date(shift.replace("DATE_OF_BIRTH", text, "anna")) for text in ("2020-03-01", "March 31, 2020")
    )
    assert first and second and (second.day - first.day).days == 30
    assert first.day != date(2020, 3, 1)


def test_persons_keys_and_use_cases_move_by_different_days_within_the_bound() -> None:
    shift, other = (
        DateShift(Privacy.model_validate({"date_shift_days": 30}), KEYS),
        DateShift(Privacy.model_validate({"date_shift_days": 30}), OTHERS),
    )
    days = [shift.days(f"person {n}") for n in range(2000)]
    assert set(days) == {*range(-30, 0), *range(1, 31)}
    assert days == [shift.days(f"person {n}") for n in range(2000)] != [other.days(f"person {n}") for n in range(2000)]


def test_a_date_that_is_not_read_or_has_no_place_to_go_is_redacted() -> None:
    shift = operator("DATE_OF_BIRTH", "date_shift", date_shift_days=3650)
    assert shift.replace("DATE_OF_BIRTH", "the other day", "anna") == "<DATE_OF_BIRTH>"
    moved = {shift.replace("DATE_OF_BIRTH", "9999-12-31", f"person {n}") for n in range(20)}
    assert "<DATE_OF_BIRTH>" in moved and "9999-12-31" not in moved


def test_the_form_of_a_date_stays() -> None:
    shift = operator("DATE_OF_BIRTH", "date_shift")
    for text, form in [
        ("03/01/2020", r"\d\d/\d\d/\d{4}"),
        ("1. März 2020", r"\d{1,2}\. [A-Z][a-zä]+ \d{4}"),
        ("2020-03-01", r"\d{4}-\d\d-\d\d"),
    ]:
        assert re.fullmatch(form, shift.replace("DATE_OF_BIRTH", text, "anna"))


def test_only_what_stands_for_one_original_is_reversible() -> None:
    assert {n for n in operator_names() if operator("DATE_OF_BIRTH", n).reversible} == {"pseudonym", "surrogate"}
