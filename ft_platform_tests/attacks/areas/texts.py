"""Personal data written so that it is overlooked: accounts, encoded and cut texts, numbers over lines, words for
digits; in texts, and in values of columns. The second scan gets the same texts as if the first had missed all. Persons
are fictitious."""

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from ft_platform.errors import DataError
from ft_platform.privacy import column_identifiers, normalize, residual, second_scan
from ft_platform.privacy.column_identifiers import require_no_identifiers
from ft_platform.privacy.entities import all_recognizers
from ft_platform.privacy.recognizers import iban
from ft_platform.privacy.scan import Scanner
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import anonymized_schema, cleaned_schema
from ft_platform.use_case.settings.privacy import Privacy
from ft_platform_tests.attacks.area import Area, Attack
from ft_platform_tests.tables import table, use_case

Cases = Iterator[tuple[str, Attack]]
Form = Callable[[Random], tuple[str, str]]
"""A text, and what must not be left of it."""
GIVEN = ("Jarek", "Tamsin", "Rosalind", "Wilhelmina", "Dagmar", "Ignatius", "Seraphina", "Emeka", "Oluwaseun", "Nikhil")
FAMILY = (
    "Cranshaw",
    "Hargreaven",
    "Thistlethwaite",
    "Quillfeather",
    "Marlborne",
    "Brockelhurst",
    "Lindqvarn",
    "Ostrowski",
)
IBANS = ("DE89370400440532013000", "NL91ABNA0417164300", "FR1420041010050500013M02606", "BE68539007547034")
"""Examples of the SWIFT registry."""
CARDS = ("4111111111111111", "5555555555554444", "6011111111111117")
"""Numbers for tests that the networks publish."""
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def person(rng: Random) -> tuple[str, str]:
    return rng.choice(GIVEN), rng.choice(FAMILY)


def account(rng: Random) -> str:
    given, family = (one.lower() for one in person(rng))
    return rng.choice([f"{given}_{family}", f"{given[0]}{family}{rng.randint(1, 99)}", f"{family}_{given[0]}"])


def around(before: str, after: str, make: Callable[[Random], str] = account) -> Form:
    def form(rng: Random) -> tuple[str, str]:
        secret = make(rng)
        return f"{before}{secret}{after}", secret

    return form


def name(rng: Random) -> str:
    return " ".join(person(rng))


def in_groups(number: str, separator: str) -> str:
    return separator.join(number[place : place + 4] for place in range(0, len(number), 4))


def on_two_lines(rng: Random, number: str) -> str:
    groups = in_groups(number, " ").split(" ")
    cut = rng.randint(1, len(groups) - 1)
    return " ".join(groups[:cut]) + "\n" + " ".join(groups[cut:])


def spoken(rng: Random) -> str:
    return " ".join(["oh", *(rng.choice(DIGITS) for _ in range(10))])


def mixed(rng: Random) -> str:
    return "".join(char.upper() if place % 2 else char.lower() for place, char in enumerate(name(rng)))


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FORMS: dict[str, Form] = {
    "retweet": around("RT @", " : so true"),
    "handle": around("did you see it, @", "?"),
    "via": around("seen via @", " today"),
    "telegram": around("write to t.me/", " please"),
    "paypal": around("send it to paypal.me/", " please"),
    "linkedin": around("I am linkedin.com/in/", " there"),
    "home": around("the file is /home/", "/notes.txt"),
    "home of Windows": around("saved to C:\\Users\\", "\\Desktop"),
    "base64 of a name": around("the header was ", " there", lambda rng: encoded(f"I am {name(rng)}, hello")),
    "base64 of an address": around("the header was ", " there", lambda rng: encoded(f"{account(rng)}@corp.example")),
    "hexadecimal": around("we saw ", " in it", lambda rng: f"I am {name(rng)}, hello".encode().hex()),
    "right to left": around("signed \u202e", "\u202c yesterday", lambda rng: name(rng)[::-1]),
    "IBAN on two lines": around("pay ", " now", lambda rng: on_two_lines(rng, rng.choice(IBANS))),
    "IBAN with dots": around("pay ", " now", lambda rng: in_groups(rng.choice(IBANS), ".")),
    "card on two lines": around("it was ", " then", lambda rng: on_two_lines(rng, rng.choice(CARDS))),
    "card with dots": around("it was ", " then", lambda rng: in_groups(rng.choice(CARDS), ".")),
    "address with blanks": around(
        "it came from ", " again", lambda rng: " . ".join(str(rng.randint(11, 99)) for _ in range(4))
    ),
    "spoken number": around("it is ", " thanks", spoken),
    "wallet": around("it went to ", " then", lambda rng: f"0x{rng.getrandbits(160):040x}"),
    "coordinates": around("I live at ", " there", lambda rng: f"{rng.uniform(2, 80):.5f}, {rng.uniform(2, 170):.5f}"),
    "vehicle": around("the car ", " was towed", lambda rng: "1M8GDM9AXKP042788"),
    "firm": around("we bought it from ", " & Sons last week", lambda rng: rng.choice(FAMILY)),
}
"""Both scans find these."""
FIRST_ONLY: dict[str, Form] = {
    "Reddit": around("look at u/", " please"),
    "Discord": around("add me, ", "#4821"),
    "shell": around("", "@laptop:~$ make", lambda rng: rng.choice(GIVEN).lower()),
    "mixed case": around("I spoke with ", " today", mixed),
    "cut name": around("I spoke with Tamsin ", " today", lambda rng: rng.choice(FAMILY)[:5] + "-\nburne"),
}


def cases(rng: Random, folder: Path, size: int) -> Cases:
    yield from forms_in_texts(rng, size)
    yield from forms_that_the_first_scan_missed(rng, size)
    yield from persons_in_columns(rng, size)


def forms_in_texts(rng: Random, size: int) -> Cases:
    """Each form, alone in a text."""
    scanner = Scanner(Privacy())
    for form, make in {**FORMS, **FIRST_ONLY}.items():
        for number in range(size):
            text, secret = make(rng)

            def attack(text: str = text, secret: str = secret) -> str | None:
                start = text.index(secret)
                covered = {place for span in scanner.find([text])[0] for place in range(span.start, span.end)}
                left = [place for place in range(start, start + len(secret)) if text[place].isalnum()]
                return None if covered.issuperset(left) else "something of it is left in the text"

            yield f"text {number} {form}", attack


def forms_that_the_first_scan_missed(rng: Random, size: int) -> Cases:
    """Texts as they are, for the second scan."""
    case = use_case()
    for form, make in FORMS.items():
        for number in range(size):
            text, _ = make(rng)

            def attack(text: str = text) -> str | None:
                rows = TableRows(table(anonymized_schema(case), ["Nothing here.", text]))
                return "no_residual_pii passed" if residual.residual(case, rows)["passed"] else None

            yield f"second scan {number} {form}", attack


def persons_in_columns(rng: Random, size: int) -> Cases:
    """Values of a feature that point to a person."""
    case = use_case()
    for number in range(size):
        given, family = person(rng)
        for value in (
            f"{given[0]}. {family}",
            f"asked by {given} {family}",
            f"agent: {family}",
            f"@{account(rng)}",
            f"0171-{rng.randint(1000000, 9999999)}",
            f"{rng.randint(1940, 2005)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
            f"employee {rng.randint(10000, 99999)}",
        ):

            def attack(value: str = value) -> str | None:
                rows = table(cleaned_schema(case), ["x"] * 3, feature_region=["north", value, value])
                try:
                    require_no_identifiers(case, TableRows(rows))
                except DataError as error:
                    return "the message repeats the value" if value in str(error) else None
                return "the value passes into the shared zone"

            yield f"value {number} {value}", attack


def off(*changes: tuple[Any, str, Any]) -> Callable[[], AbstractContextManager[Any]]:
    def switched_off() -> AbstractContextManager[Any]:
        stack = ExitStack()
        for place, name, value in changes:
            stack.enter_context(patch.object(place, name, value))
        return stack

    return switched_off


def blind(*entities: str) -> Callable[[], AbstractContextManager[Any]]:
    """Without the recognizers of these entities."""
    return off(*((type(all_recognizers()[entity]), "find", lambda self, text: []) for entity in entities))


def as_written(match: re.Match[str]) -> str:
    return match.group()


AREA = Area(
    "texts",
    cases,
    defences={
        "accounts_are_found": blind("USER_NAME"),
        "wallets_are_found": blind("CRYPTO_WALLET"),
        "vehicles_are_found": blind("VEHICLE_NUMBER"),
        "coordinates_are_found": blind("COORDINATES"),
        "base64_is_read": off((normalize, "_from_base64", as_written)),
        "hexadecimal_is_read": off((normalize, "_from_hex", as_written)),
        "cut_words_are_joined": off((normalize, "CUT_IN_TWO", re.compile("(?!)"))),
        "numbers_over_lines_are_joined": off((iban, "SEPARATOR", re.compile("[ -]"))),
        "second_scan_decodes": off((residual, "read_plainly", lambda text: text)),
        "second_scan_knows_accounts": off(
            (second_scan, "MENTIONED", re.compile("(?!)")), (second_scan, "PROFILED", re.compile("(?!)"))
        ),
        "second_scan_joins_numbers": off((second_scan, "IN_FOURS", re.compile("(?!)"))),
        "persons_in_values_are_seen_by_the_network": off((column_identifiers, "persons_among", lambda values: set())),
        "whole_values_are_looked_at": off((column_identifiers, "WHOLE_SCORE", 2.0)),
    },
)
