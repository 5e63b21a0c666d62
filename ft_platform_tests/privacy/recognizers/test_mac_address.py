"""Hardware addresses (IEEE 802). Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.mac_address import MacAddressRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("00:1A:2B:3C:4D:5E", "00:1A:2B:3C:4D:5E", "colons"),
    ("eth0 00-1a-2b-3c-4d-5e up", "00-1a-2b-3c-4d-5e", "hyphens"),
    ("001a.2b3c.4d5e", "001a.2b3c.4d5e", "three groups"),
]
NOT_FOUND = [
    ("00:1A:2B:3C:4D", "five pairs"),
    ("00:1A-2B:3C-4D:5E", "mixed separators"),
    ("00:1G:2B:3C:4D:5E", "no hex digit"),
    ("ff:ff:ff:ff:ff:ff", "broadcast"),
    ("1234.5678.9012", "decimal groups"),
    ("12:30:45", "time"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(MacAddressRecognizer(), FOUND, NOT_FOUND)
