"""Telephone numbers (NANP; ITU-T E.164, E.123). Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.phone import PhoneRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("61 51 81 office", "61 51 81", "six digits in front of `office`"),
    ("Call me at (415) 555-0132.", "(415) 555-0132", "US with parentheses"),
    ("(555) 123-4567", "(555) 123-4567", "an exchange that does not exist"),
    ("415-555-0132", "415-555-0132", "US without a cue"),
    ("reach me on 4155550132", "4155550132", "ten digits beside a cue"),
    ("+49 30 901820", "+49 30 901820", "international"),
    ("+1-984-555-0190 x123", "+1-984-555-0190 x123", "with extension"),
    ("my mobile is 07700 900123", "07700 900123", "British mobile"),
    ("Tel. 030/901820-0", "030/901820-0", "German, beside a cue"),
    ("Fax: 467 3395", "467 3395", "seven digits beside a cue"),
    ("Phone:\n60-56-85-91", "60-56-85-91", "pairs that could be a date but are not"),
    ("773-555-0155 (cell)", "773-555-0155", "cue behind"),
]
NOT_FOUND = [
    ("61 51 81 boxes", "six digits without a word"),
    ("order number 4155550132", "order number in one piece"),
    ("Order 415-555-0132 is late", "order number that looks like a phone number"),
    ("call me about invoice 415 555 0132", "the nearer word decides"),
    ("ISO date 2020-03-15", "ISO date"),
    ("I called on 03/15/2020", "date beside a cue"),
    ("called on 15.03.2020 at noon", "German date beside a cue"),
    ("card 4111 1111 1111 1111", "card number"),
    ("078-05-1120", "social security number"),
    ("I called 5 times in 2019", "small numbers"),
    ("called about $4,155,550,132.00", "amount beside a cue"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(PhoneRecognizer(), FOUND, NOT_FOUND)
