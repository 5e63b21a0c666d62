"""Addresses (USPS Publication 28). Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.address import AddressRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    (
        "Rua Augusta 1508\n01304-001 São Paulo",
        "Rua Augusta 1508\n01304-001 São Paulo",
        "Brazil, postal code with a hyphen",
    ),
    (
        "mail it to 5264 Cedar Point Lane, Apt 16, Duluth, MN 55820",
        "5264 Cedar Point Lane, Apt 16, Duluth, MN 55820",
        "a street kind inside the name",
    ),
    ("I live at 12 Main Street.", "12 Main Street.", "number, name, suffix"),
    (
        "742 Evergreen Terrace, Springfield, IL 62701",
        "742 Evergreen Terrace, Springfield, IL 62701",
        "with city, state and ZIP",
    ),
    (
        "1600 N. Oak Ave Apt 4B, Dayton, OH 45402-1234",
        "1600 N. Oak Ave Apt 4B, Dayton, OH 45402-1234",
        "direction, unit, ZIP+4",
    ),
    ("221B Baker Street, London NW1 6XE", "221B Baker Street, London NW1 6XE", "British"),
    ("Musterstraße 12a, 10115 Berlin", "Musterstraße 12a, 10115 Berlin", "German"),
    ("Brucker Bundesstrasse 31", "Brucker Bundesstrasse 31", "two words"),
    ("wohnt in der Lindenallee 5", "Lindenallee 5", "German, lower case around"),
    ("Rua do Arenque 1634", "Rua do Arenque 1634", "Portuguese"),
    ("56 rue La Boétie", "56 rue La Boétie", "French"),
    ("Puruntie 82", "Puruntie 82", "Finnish"),
    ("Rákóczi út 13", "Rákóczi út 13", "Hungarian"),
    ("P.O. Box 1234, Reno, NV 89501", "P.O. Box 1234, Reno, NV 89501", "post box"),
    ("PSC 3294, Box 9168\nAPO AA 61487", "PSC 3294, Box 9168\nAPO AA 61487", "military"),
    ("my new address is Pagari 18", "Pagari 18", "only the words in front say so"),
    ("12 park place, apt 3, dover, de", "12 park place, apt 3", "lower case with a unit"),
]
NOT_FOUND = [
    ("as required by 15 United States Code 1666", "law"),
    ("12 CFR Part 1022, App. B.", "regulation"),
    ("they wanted it sent to IBAN AT50 6457 1190 3882 1825", "account behind `sent to`"),
    ("I waited 30 days in court", "days"),
    ("15 U.S. Code 1681", "law"),
    ("in 2018 Federal Court ruled", "year and a weak suffix"),
    ("5 minutes down the street", "distance"),
    ("2 times the way it was", "words"),
    ("during 2019", "ends like a street"),
    ("Investigate 30 items", "ends like a street, capitalized"),
    ("I called 3 different Bank Road offices", "words between"),
    ("Section 605 of the Fair Credit Reporting Act", "section"),
    ("XXXX XXXX XXXX OH XXXX", "masked address"),
    ("I found 1 movie called Dr. Strange", "abbreviation that is no street"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(AddressRecognizer(), FOUND, NOT_FOUND)
