"""Telephone numbers (NANP; ITU-T E.164, E.123). Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.phone import PhoneRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    (
        "It is oh seven seven zero zero nine double zero one two three, thanks",
        "oh seven seven zero zero nine double zero one two three",
        "in words",
    ),
    ("Call five-five-five, zero one three two", "five-five-five, zero one three two", "seven digits in words"),
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
    ("0049 30 901820", "0049 30 901820", "international with 00"),
    ("0033 6 12 34 56 78", "0033 6 12 34 56 78", "a group of one digit behind the country code"),
    ("0034 612345678", "0034 612345678", "nine digits in one piece behind the country code"),
    ("06.12.34.56.78", "06.12.34.56.78", "French, dots"),
    ("06 - 12345678", "06 - 12345678", "Dutch, hyphen with blanks"),
    ("347/1234567", "347/1234567", "Italian mobile"),
    ("347 123 4567", "347 123 4567", "Italian mobile, an exchange that the US has not"),
    ("08-123 456 78", "08-123 456 78", "Swedish"),
    ("mi móvil es el 612 34 56 78", "612 34 56 78", "Spanish, beside a cue"),
    ("cellulare 3471234567", "3471234567", "Italian in one piece, beside a cue"),
    ("o meu telemóvel: 912 345 678", "912 345 678", "Portuguese, beside a cue"),
    ("tlf. 20 12 34 56", "20 12 34 56", "Danish, beside a cue"),
    ("numer telefonu 601 234 567", "601 234 567", "Polish, beside a cue"),
    ("Téléphone : 0612345678", "0612345678", "French in one piece, beside a cue"),
    ("773-555-0155 (cell)", "773-555-0155", "cue behind"),
]
NOT_FOUND = [
    ("one two three four five six seven eight nine", "counting"),
    ("one two three, and four of them", "few digits in words"),
    ("61 51 81 boxes", "six digits without a word"),
    ("order number 4155550132", "order number in one piece"),
    ("Order 415-555-0132 is late", "order number that looks like a phone number"),
    ("call me about invoice 415 555 0132", "the nearer word decides"),
    ("601 234 567 zł", "groups of an amount without a word"),
    ("20 12 34 56", "pairs without a word"),
    ("00 123 456 789", "no country code"),
    ("0049-12", "too short"),
    ("Bestellnummer 0049 30 901820", "an order in German"),
    ("appelez pour la facture 06 12 34 56 78 90", "the nearer word decides, in French"),
    ("350/2000 of 347/1234", "fractions"),
    ("ISO date 2020-03-15", "ISO date"),
    ("I called on 03/15/2020", "date beside a cue"),
    ("called on 15.03.2020 at noon", "German date beside a cue"),
    ("card 4111 1111 1111 1111", "card number"),
    ("078-05-1120", "social security number"),
    ("I called 5 times in 2019", "small numbers"),
    ("called about $4,155,550,132.00", "amount beside a cue"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(PhoneRecognizer(), FOUND, NOT_FOUND)
