"""Places as numbers and codes: public squares."""

from ft_platform.privacy.recognizers.coordinates import CoordinatesRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("I live at 52.52000, 13.40495 there", "52.52000, 13.40495", "five decimals"),
    ("GPS 52.520 13.405", "52.520 13.405", "three decimals behind a word"),
    ("it is -33.86882,151.20930.", "-33.86882,151.20930", "south"),
    ("52.5200 N, 13.4050 E", "52.5200 N, 13.4050 E", "with directions"),
    ("meet me at 52°31'12.0\"N 13°24'18.0\"E", "52°31'12.0\"N 13°24'18.0\"E", "degrees, minutes and seconds"),
    ('{"lat": 52.520, "lon": 13.405}', 'lat": 52.520, "lon": 13.405', "JSON"),
    ("the door is at 9F4MGC22+22", "9F4MGC22+22", "plus code"),
    ("find me at ///filled.count.soap", "///filled.count.soap", "what3words"),
    ("https://what3words.com/filled.count.soap", "what3words.com/filled.count.soap", "link of what3words"),
]
NOT_FOUND = [
    ("the shares are 0.12345, 0.54321", "shares"),
    ("4.0312, 5.1234 and 6.4321", "statistics"),
    ("it rose from 12.50, 13.40 to 14", "prices"),
    ("between 95.12345, 13.40495", "no latitude"),
    ("20°C to 30°C", "temperatures"),
    ("file:///etc/passwd", "path"),
    ("http:///a.b.c", "malformed address"),
    ("version 52.52000.1, 13.40495", "version"),
    ("ABCD+12", "short"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(CoordinatesRecognizer(), FOUND, NOT_FOUND)
