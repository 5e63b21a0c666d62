"""No text makes the scan slow: twice as long takes about twice the time, whatever is repeated. Cpu-seconds, so that other programs do not count."""

import time

import pytest

from ft_platform.privacy.scan import Scanner
from ft_platform.use_case import Privacy

UNITS = [
    *[
        "a",
        "A",
        "1",
        ".",
        "@",
        "\n",
        "A ",
        "Aa ",
        "1 ",
        "1-",
        "1:",
        "a.",
        "a@",
        "a-",
        "Aa-",
        "A1 ",
        "O0 ",
        "Aa, ",
        "Aa\n",
        "\n\n",
        "( ",
        "'s ",
        "é",
        "аa",
        "ab:",
    ],
    *[
        "- ",
        "> ",
        "??? ",
        "xX ",
        "XX/XX ",
        "http://",
        "user=a ",
        "for a from 192.0.2.1 ",
        "Saint ",
        "Mr. ",
        '"lastName": "',
        "12 Aa St ",
        "name on card a ",
        "corner of ",
    ],
]
CHARACTERS = 20_000


@pytest.fixture(scope="module")
def scanner() -> Scanner:
    found = Scanner(Privacy(ner="none"))
    found.find(["Anna Reed", "anna reed"])  # the word lists
    return found


def seconds(scanner: Scanner, text: str) -> float:
    started = time.process_time()
    scanner.find([text])
    return time.process_time() - started


@pytest.mark.parametrize("unit", UNITS)
def test_twice_as_long_takes_about_twice_the_time(unit: str, scanner: Scanner) -> None:
    text = unit * (CHARACTERS // len(unit))
    assert seconds(scanner, text + text) <= 3 * seconds(scanner, text) + 0.3
