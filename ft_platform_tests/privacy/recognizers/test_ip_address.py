"""Internet addresses from the documentation ranges (RFC 5737, RFC 3849). Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.ip_address import IpAddressRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("from 84 . 17 . 45 . 99 again", "84 . 17 . 45 . 99", "blanks around the dots"),
    ("from 84[.]17[.]45[.]99 again", "84[.]17[.]45[.]99", "dots in brackets"),
    ("from 84.17.\n45.99 again", "84.17.\n45.99", "over two lines"),
    ("from 203.0.113.7.", "203.0.113.7", "version 4"),
    ("http://198.51.100.23:8080/x", "198.51.100.23", "in a URL"),
    ("2001:db8::8a2e:370:7334", "2001:db8::8a2e:370:7334", "version 6"),
    ("[2001:0db8:0000:0000:0000:ff00:0042:8329]", "2001:0db8:0000:0000:0000:ff00:0042:8329", "version 6 in full"),
]
NOT_FOUND = [
    ("1.\n2.\n3.\n4.", "a numbered list"),
    ("$1 . 2 , 3 . 4", "other signs"),
    ("version 1.2.3.4", "version number"),
    ("256.1.1.1", "octet above 255"),
    ("1.2.3.4.5", "five parts"),
    ("127.0.0.1", "loopback"),
    ("at 12:30:45", "time"),
    ("std::vector", "C++"),
    ("a::b", "too short to be told from code"),
    ("section 1.2.3", "three parts"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(IpAddressRecognizer(), FOUND, NOT_FOUND)
