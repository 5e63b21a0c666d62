"""Swedish personal identity numbers: 811228-9874, 640823-3234 and the coordination number 701063-2391 are examples of
Skatteverket. Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.se_personal_number import SePersonalNumberRecognizer
from ft_platform_tests.privacy.examples import checks_of, found, found_with_another_end

FOUND = [
    ("Mitt personnummer är 811228-9874", "811228-9874", "beside its name"),
    ("640823-3234", "640823-3234", "hyphen, without a word"),
    ("personnr 8112289874", "8112289874", "one piece beside a word"),
    ("19811228-9874", "19811228-9874", "with century"),
    ("198112289874", "198112289874", "twelve digits"),
    ("120211+9986", "120211+9986", "a plus sign: older than 100"),
    ("701063-2391", "701063-2391", "coordination number: day plus 60"),
]
NOT_FOUND = [
    ("order 8112289874", "one piece without a word"),
    ("personnummer 811232-9878", "day 32, with the right check digit"),
    ("org.nr 556703-7485", "an organization: month 67"),
    ("personnummer 811228-98741", "longer number"),
    ("18811228-9874", "no such century"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(SePersonalNumberRecognizer(), FOUND, NOT_FOUND)


def test_every_other_check_digit_is_refused() -> None:
    assert found(SePersonalNumberRecognizer(), "personnummer 811228-9874") == ["811228-9874"]
    others = found_with_another_end(
        SePersonalNumberRecognizer(), "personnummer 811228-9874", "811228-9874", "0123456789"
    )
    assert others == []
