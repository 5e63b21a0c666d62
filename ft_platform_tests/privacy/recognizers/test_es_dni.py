"""Spanish numbers: 12345678Z and X1234567L are the published examples. Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.es_dni import EsDniRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("DNI 12345678Z", "12345678Z", "citizen"),
    ("12345678-Z", "12345678-Z", "hyphen, no cue needed"),
    ("12.345.678-Z", "12.345.678-Z", "with dots"),
    ("X1234567L", "X1234567L", "foreigner"),
    ("dni 12345678z", "12345678z", "lower case beside a cue"),
]
NOT_FOUND = [
    ("12345678A", "wrong letter"),
    ("1234567Z", "seven digits"),
    ("12345678z", "lower case without a cue"),
    ("112345678Z", "nine digits"),
    ("X123456L", "NIE too short"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(EsDniRecognizer(), FOUND, NOT_FOUND)
