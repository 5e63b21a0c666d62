"""German tax ids: examples of the Bundeszentralamt für Steuern. Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.de_tax_id import DeTaxIdRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("Steuer-ID 86095742719", "86095742719", "beside a cue"),
    ("86 095 742 719", "86 095 742 719", "in groups"),
    ("meine IdNr: 47036892816", "47036892816", "abbreviation"),
]
NOT_FOUND = [
    ("Steuer-ID 86095742718", "check digit wrong"),
    ("86095742719", "eleven digits without a cue"),
    ("Steuer-ID 12345678901", "no digit twice"),
    ("Steuer-ID 06095742719", "starts with 0"),
    ("Steuer-ID 8609574271", "ten digits"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(DeTaxIdRecognizer(), FOUND, NOT_FOUND)
