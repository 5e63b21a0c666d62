"""Medical record numbers. Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.medical_record_number import MedicalRecordNumberRecognizer
from ft_platform_tests.privacy.examples import checks_of

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
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(MedicalRecordNumberRecognizer(), FOUND, NOT_FOUND)
