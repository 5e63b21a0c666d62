"""IBANs: examples of the SWIFT registry (ISO 13616). Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.iban import IbanRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("pay DE89 3704 0044\n0532 0130 00 now", "DE89 3704 0044\n0532 0130 00", "over two lines"),
    ("pay DE89.3704.0044.0532.0130.00 now", "DE89.3704.0044.0532.0130.00", "with dots"),
    ("DE89370400440532013000", "DE89370400440532013000", "Germany"),
    ("IBAN: DE89 3704 0044 0532 0130 00, thanks", "DE89 3704 0044 0532 0130 00", "in groups"),
    ("gb29nwbk60161331926819", "gb29nwbk60161331926819", "lower case"),
    ("NO9386011117947", "NO9386011117947", "shortest"),
    ("MT84MALT011000012345MTLCAST001S", "MT84MALT011000012345MTLCAST001S", "longest of the euro area"),
    ("FR14 2004 1010 0505 0001 3M02 606", "FR14 2004 1010 0505 0001 3M02 606", "letters inside"),
    ("to GB29 NWBK 6016 1331 9268 19 please", "GB29 NWBK 6016 1331 9268 19", "followed by a word"),
]
NOT_FOUND = [
    ("DE89370400440532013001", "check digits wrong"),
    ("DE8937040044053201300", "one short"),
    ("ZZ89370400440532013000", "no such country"),
    ("XDE89370400440532013000", "inside a longer word"),
    ("DE89 with nothing", "start only"),
    ("Order AB12 3456 7890", "order number"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(IbanRecognizer(), FOUND, NOT_FOUND)
