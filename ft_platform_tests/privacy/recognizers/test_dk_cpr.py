"""Danish civil registration numbers. 070761-4285 is the example of the Danish encyclopedia's article. Persons and
numbers are fictitious."""

from ft_platform.privacy.recognizers.dk_cpr import DkCprRecognizer
from ft_platform_tests.privacy.examples import checks_of, found, found_with_another_end

FOUND = [
    ("Mit CPR-nummer er 070761-4285", "070761-4285", "beside its name"),
    ("070761-4285", "070761-4285", "with the check digit of before 2007, without a word"),
    ("cpr 0707614286", "0707614286", "without that check digit, as given out since 2007"),
    ("CPR: 010203 4567", "010203 4567", "blank; the seventh digit 4 says 2003"),
    ("CPR 290200-4000", "290200-4000", "29 February 2000"),
]
NOT_FOUND = [
    ("0707614285", "one piece without a word"),
    ("CPR 320761-4285", "day 32"),
    ("CPR 071361-4285", "month 13"),
    ("CPR 290201-4000", "29 February 2001"),
    ("CPR 290200-0000", "1900 had no 29 February"),
    ("CPR 010160-5000", "born in 1860"),
    ("CPR 070761-42851", "longer number"),
    ("order 070761-4285-1", "part of a longer number"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(DkCprRecognizer(), FOUND, NOT_FOUND)


def test_every_other_check_digit_is_refused() -> None:
    assert found(DkCprRecognizer(), "070761-4285") == ["070761-4285"]
    others = found_with_another_end(DkCprRecognizer(), "070761-4285", "070761-4285", "0123456789")
    assert others == []
