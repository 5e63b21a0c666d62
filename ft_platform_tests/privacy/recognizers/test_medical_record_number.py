"""Medical record numbers. Persons and numbers are fictitious."""

import pytest

from ft_platform.privacy.recognizers.medical_record_number import MedicalRecordNumberRecognizer
from ft_platform_tests.privacy.examples import found

FOUND = [
    ("MRN: 00481234", "00481234", "abbreviation"),
    ("medical record number A1234567", "A1234567", "letter in front"),
    ("patient id 99-12345", "99-12345", "patient"),
    ("NHS number 943 476 5919", "943 476 5919", "British, in groups"),
]
NOT_FOUND = [
    ("the patient waited 45 minutes", "words"),
    ("medical record number XXXX", "masked"),
    ("patient since 2019-03-15", "date"),
    ("chart of 2019", "year"),
    ("patient portal", "word"),
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
    ("Invoice of $1,234.56 dated 2020-03-15, due 03/31/2020.", "amounts and dates"),
]


@pytest.mark.parametrize(("text", "expected", "why"), FOUND, ids=[why for _, _, why in FOUND])
def test_it_is_found(text: str, expected: str, why: str) -> None:
    assert found(MedicalRecordNumberRecognizer(), text) == [expected]


@pytest.mark.parametrize(("text", "why"), NOT_FOUND, ids=[why for _, why in NOT_FOUND])
def test_ordinary_text_is_left_alone(text: str, why: str) -> None:
    assert found(MedicalRecordNumberRecognizer(), text) == []
