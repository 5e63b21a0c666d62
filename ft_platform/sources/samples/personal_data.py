"""Fictitious personal data of every kind the platform looks for, inside a sentence in which people give it away.

Valid in form, nobody's in fact: telephone numbers from the range for fiction (555-0100 to 555-0199, NANPA), IP
addresses for documentation (RFC 5737), example domains (RFC 2606), locally administered MAC addresses, social security
numbers with area 773 to 899, which were never issued before 2011 (Social Security Administration, "SSN Randomization"),
card numbers on the prefixes of published test cards. Numbers of passports, driving licences and plates are random and
may be somebody's."""

import random
import string
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ft_platform.sources.samples.phrases import MONTHS

STREET_KINDS = ("Drive", "Street", "Avenue", "Lane", "Road", "Court", "Blvd")
AREA_CODES = (212, 312, 404, 503, 602, 713, 816, 919)
DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"

Value = tuple[str, str]
"""Entity and the exact text that gives it away."""


@cache
def material() -> dict[str, Any]:
    return yaml.safe_load((Path(__file__).parent / "personal_data.yaml").read_text(encoding="utf-8"))


def _word(rng: random.Random, words: str) -> str:
    return rng.choice(material()[words])


def name(rng: random.Random) -> str:
    return f"{_word(rng, 'first')} {_word(rng, 'last')}"


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(count))


def _email(rng: random.Random) -> str:
    first, last = _word(rng, "first").lower().replace("-", ""), _word(rng, "last").lower()
    local = rng.choice([f"{first}.{last}", f"{first[0]}{last}{rng.randint(50, 99)}", f"{last}_{first}"])
    return f"{local}@{rng.choice(('example.com', 'example.org', 'mail.example.net'))}"


def _phone(rng: random.Random) -> str:
    area, line = rng.choice(AREA_CODES), rng.randint(100, 199)
    return rng.choice([f"({area}) 555-0{line}", f"{area}-555-0{line}", f"+1 {area} 555 0{line}", f"{area}.555.0{line}"])


def _ssn(rng: random.Random) -> str:
    return f"{rng.randint(773, 899)}-{rng.randint(1, 99):02d}-{rng.randint(1, 9999):04d}"


def _card(rng: random.Random) -> str:
    """Luhn check digit: ISO/IEC 7812-1, annex B."""
    body = rng.choice(("400000", "411111", "520082", "555555")) + _digits(rng, 9)
    total = sum(int(d) if i % 2 else sum(divmod(int(d) * 2, 10)) for i, d in enumerate(body))
    number = body + str(-total % 10)
    return number if rng.random() < 0.3 else " ".join(number[i : i + 4] for i in range(0, 16, 4))


def _iban(rng: random.Random) -> str:
    """Check digits: ISO 13616, ISO 7064 MOD 97-10."""
    country, length = rng.choice((("DE", 18), ("AT", 16), ("FR", 23), ("ES", 20)))
    body = _digits(rng, length)
    check = 98 - int(body + "".join(str(int(c, 36)) for c in country) + "00") % 97
    number = f"{country}{check:02d}{body}"
    return number if rng.random() < 0.4 else " ".join(number[i : i + 4] for i in range(0, len(number), 4))


def _address(rng: random.Random) -> str:
    city, state, prefix = rng.choice(material()["cities"])
    unit = f", Apt {rng.randint(1, 40)}" if rng.random() < 0.4 else ""
    return (
        f"{rng.randint(11, 9899)} {_word(rng, 'streets')} {rng.choice(STREET_KINDS)}{unit}, {city}, {state}"
        f" {prefix}{_digits(rng, 2)}"
    )


def _birth_date(rng: random.Random) -> str:
    year, month, day = rng.randint(1938, 2001), rng.randint(1, 12), rng.randint(1, 28)
    return rng.choice(
        [f"{MONTHS[month - 1]} {day}, {year}", f"{month:02d}/{day:02d}/{year}", f"{year}-{month:02d}-{day:02d}"]
    )


def _ip_address(rng: random.Random) -> str:
    return f"{rng.choice(('192.0.2', '198.51.100', '203.0.113'))}.{rng.randint(2, 250)}"


def _mac_address(rng: random.Random) -> str:
    return ":".join(["02", *[f"{rng.randrange(256):02x}" for _ in range(5)]])


def _token(rng: random.Random, length: int) -> str:
    return (
        "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(length - 2)) + f"{rng.randint(10, 99)}"
    )


def _url(rng: random.Random) -> str:
    return rng.choice(
        [
            f"https://portal.example.com/reset?token={_token(rng, 20)}",
            f"https://{_word(rng, 'last').lower()}:{_token(rng, 9)}@files.example.org/statements",
        ]
    )


def _password(rng: random.Random) -> str:
    return f"{_word(rng, 'streets').replace(' ', '')}{rng.choice('!#%')}{rng.randint(10, 99)}"


def _user_name(rng: random.Random) -> str:
    return f"{rng.choice(('bluejay', 'oldtimer', 'gardener', 'roadking', 'sunny', 'quilter'))}_{rng.randint(100, 9999)}"


def _tax_id(rng: random.Random) -> str:
    """One digit twice, the others once; check digit: ISO 7064 MOD 11,10 (section 139b Abgabenordnung)."""
    digits = rng.sample(string.digits, 9)
    digits.insert(rng.randint(1, 9), digits[0] if digits[0] != "0" else digits[1])
    if digits[0] == "0":
        digits.reverse()
    product = 10
    for digit in digits:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    number = "".join(digits) + str((11 - product) % 10)
    return f"{number[:2]} {number[2:5]} {number[5:8]} {number[8:]}"


def _nino(rng: random.Random) -> str:
    return (
        f"{rng.choice(('AB', 'CE', 'JK', 'PR', 'WL'))} {_digits(rng, 2)} {_digits(rng, 2)} {_digits(rng, 2)}"
        f" {rng.choice('ABCD')}"
    )


def _dni(rng: random.Random) -> str:
    number = rng.randint(10_000_000, 99_999_999)
    return f"{number}{DNI_LETTERS[number % 23]}"


def _nir(rng: random.Random) -> str:
    """Key: 97 minus the number modulo 97 (Insee)."""
    number = (
        f"{rng.randint(1, 2)}{rng.randint(38, 99)}{rng.randint(1, 12):02d}"
        f"{rng.randint(10, 95)}{rng.randint(1, 990):03d}{rng.randint(1, 999):03d}"
    )
    whole = f"{number}{97 - int(number) % 97:02d}"
    return (
        " ".join((whole[0], whole[1:3], whole[3:5], whole[5:7], whole[7:10], whole[10:13], whole[13:]))
        if rng.random() < 0.6
        else whole
    )


def _aadhaar(rng: random.Random) -> str:
    """Check digit: Verhoeff 1969, by its rule in the dihedral group of the pentagon."""
    body = [rng.randint(2, 9), *(rng.randrange(10) for _ in range(10))]
    check = 0
    for place, digit in enumerate(reversed(body), start=1):
        check = _in_dihedral_group(check, _permuted(digit, place))
    inverse = next(d for d in range(10) if _in_dihedral_group(check, d) == 0)
    number = "".join(map(str, [*body, inverse]))
    return " ".join(number[i : i + 4] for i in range(0, 12, 4))


def _in_dihedral_group(a: int, b: int) -> int:
    """Product in D5: 0 to 4 are rotations, 5 to 9 reflections."""
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b) % 5
    return 5 + (a - b) % 5 if b < 5 else (a - b) % 5


def _permuted(digit: int, times: int) -> int:
    for _ in range(times % 8):
        digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
    return digit


def _licence_plate(rng: random.Random) -> str:
    letters = "".join(rng.choice("ABCDEFGHJKLMNPRSTVWXYZ") for _ in range(3))
    return rng.choice([f"{letters} {_digits(rng, 4)}", f"{rng.choice('2345678')}{letters}{_digits(rng, 3)}"])


def _born(rng: random.Random) -> tuple[int, int, int]:
    return rng.randint(1940, 1999), rng.randint(1, 12), rng.randint(1, 28)


def _with_check_digits(body: str, rules: list[tuple[tuple[int, ...], int]]) -> str:
    """`body` and one digit for each rule (weights, modulus): the weighted sum, that digit counted once, is a multiple
    of the modulus. Empty if a digit would be ten."""
    for weights, modulus in rules:
        check = -sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True)) % modulus
        if check > 9:
            return ""
        body += str(check)
    return body


def _until_valid(rng: random.Random, make: Callable[[random.Random], str]) -> str:
    return next(value for _ in iter(int, 1) if (value := make(rng)))


def _fiscal_code(rng: random.Random) -> str:
    """Check letter: decreto ministeriale of 23 December 1976; odd places count by a table, even ones as they are."""
    year, month, day = _born(rng)
    letters = "".join(rng.choice("BCDFGLMNPRSTVZ") for _ in range(6))
    code = f"{letters}{year % 100:02d}{'ABCDEHLMPRST'[month - 1]}{day + rng.choice((0, 40)):02d}"
    code += f"{rng.choice('ABCDEFGHILM')}{rng.randint(100, 999)}"
    odd = "BAKPLCQDREVOSFTGUHMINJWZYX"
    total = sum((odd if i % 2 == 0 else string.ascii_uppercase).index(_as_letter(c)) for i, c in enumerate(code))
    return code + string.ascii_uppercase[total % 26]


def _as_letter(char: str) -> str:
    return string.ascii_uppercase[int(char)] if char.isdigit() else char


def _bsn(rng: random.Random) -> str:
    return _until_valid(rng, lambda r: _with_check_digits(_digits(r, 8), [((-9, -8, -7, -6, -5, -4, -3, -2), 11)]))


def _nif(rng: random.Random) -> str:
    body = rng.choice("123") + _digits(rng, 7)
    return _until_valid(rng, lambda r: _with_check_digits(body[:4] + _digits(r, 4), [((9, 8, 7, 6, 5, 4, 3, 2), 11)]))


def _cpr(rng: random.Random) -> str:
    year, month, day = _born(rng)
    return f"{day:02d}{month:02d}{year % 100:02d}-{rng.randint(0, 3)}{_digits(rng, 3)}"


def _norwegian(rng: random.Random) -> str:
    year, month, day = _born(rng)
    date = f"{day + rng.choice((0, 0, 40)):02d}{month:02d}{year % 100:02d}"
    rules = [((3, 7, 6, 1, 8, 9, 4, 5, 2), 11), ((5, 4, 3, 2, 7, 6, 5, 4, 3, 2), 11)]
    return _until_valid(rng, lambda r: _with_check_digits(f"{date}{r.randint(0, 499):03d}", rules))


def _swedish(rng: random.Random) -> str:
    """Check digit: Luhn."""
    year, month, day = _born(rng)
    body = f"{year % 100:02d}{month:02d}{day + rng.choice((0, 0, 60)):02d}{_digits(rng, 3)}"
    total = sum(int(d) if i % 2 else sum(divmod(int(d) * 2, 10)) for i, d in enumerate(body))
    return f"{rng.choice(('', str(year // 100)))}{body[:6]}-{body[6:]}{-total % 10}"


def _pesel(rng: random.Random) -> str:
    year, month, day = _born(rng)
    body = f"{year % 100:02d}{month:02d}{day:02d}{_digits(rng, 4)}"
    return _with_check_digits(body, [((1, 3, 7, 9, 1, 3, 7, 9, 1, 3), 10)])


def _nip(rng: random.Random) -> str:
    weights = (-6, -5, -7, -2, -3, -4, -5, -6, -7)
    number = _until_valid(rng, lambda r: _with_check_digits(f"{r.randint(101, 998)}{_digits(r, 6)}", [(weights, 11)]))
    return f"{number[:3]}-{number[3:6]}-{number[6:8]}-{number[8:]}" if rng.random() < 0.5 else number


def _social_insurance(rng: random.Random) -> str:
    """Check digit: VKVV, section 2; the letter counts as its place in the alphabet."""
    year, month, day = _born(rng)
    place = rng.randint(1, 26)
    start = f"{rng.choice((12, 15, 25, 53, 65))}{day:02d}{month:02d}{year % 100:02d}"
    serial = _digits(rng, 2)
    weights = (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)
    products = (int(d) * w for d, w in zip(f"{start}{place:02d}{serial}", weights, strict=True))
    check = sum(sum(divmod(product, 10)) for product in products) % 10
    return f"{start[:2]} {start[2:]} {string.ascii_uppercase[place - 1]} {serial}{check}"


def _id_card(rng: random.Random) -> str:
    """Check digit: ICAO Doc 9303-3, letters as 10 to 35."""
    serial = rng.choice("LMNPRTVWXYZ") + "".join(rng.choice("0123456789CFGHJKLMNPRTVWXYZ") for _ in range(6))
    serial += _digits(rng, 2)
    check = sum(int(c, 36) * (7, 3, 1)[i % 3] for i, c in enumerate(serial)) % 10
    return f"{serial}{check}" if rng.random() < 0.5 else serial


def _coordinates(rng: random.Random) -> str:
    return f"{rng.uniform(-60, 60):.5f}, {rng.uniform(-170, 170):.5f}"


def _vehicle_number(rng: random.Random) -> str:
    """Check digit: 49 CFR 565.15(c)."""
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ"
    values = dict(zip(letters, "12345678123457923456789", strict=True))
    number = "".join(rng.choice(letters) for _ in range(8)) + "0" + rng.choice(letters) + _digits(rng, 7)
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    total = sum(int(values.get(char, char)) * weight for char, weight in zip(number, weights, strict=True))
    return f"{number[:8]}{'0123456789X'[total % 11]}{number[9:]}"


def _account(rng: random.Random) -> str:
    first, last = _word(rng, "first").lower().replace("-", ""), _word(rng, "last").lower()
    return rng.choice([f"{first}_{last}", f"{first[0]}{last}", f"{last}{rng.randint(10, 99)}"])


GENERATORS: dict[str, Callable[[random.Random], str]] = {
    "PERSON": name,
    "EMAIL": _email,
    "PHONE": _phone,
    "ADDRESS": _address,
    "US_SSN": _ssn,
    "CREDIT_CARD": _card,
    "DATE_OF_BIRTH": _birth_date,
    "BANK_ACCOUNT": lambda rng: _digits(rng, 10),
    "IBAN": _iban,
    "IP_ADDRESS": _ip_address,
    "URL_CREDENTIALS": _url,
    "PASSWORD": _password,
    "USER_NAME": _user_name,
    "MEDICAL_RECORD_NUMBER": lambda rng: _digits(rng, 8),
    "MAC_ADDRESS": _mac_address,
    "API_KEY": lambda rng: f"sk_test_{_token(rng, 24)}",
    "DE_TAX_ID": _tax_id,
    "UK_NINO": _nino,
    "ES_DNI": _dni,
    "FR_NIR": _nir,
    "IN_AADHAAR": _aadhaar,
    "PASSPORT": lambda rng: f"{rng.choice('ABCEXY')}{_digits(rng, 8)}",
    "DRIVING_LICENCE": lambda rng: f"{rng.choice('BDFHKS')}{rng.randint(1000000, 9999999)}",
    "LICENCE_PLATE": _licence_plate,
    "LOCATION": lambda rng: rng.choice(material()["cities"])[0],
    "URL": lambda rng: f"https://www.example.org/people/{_word(rng, 'last').lower()}",
    "IT_FISCAL_CODE": _fiscal_code,
    "NL_BSN": _bsn,
    "PT_NIF": _nif,
    "DK_CPR": _cpr,
    "NO_NATIONAL_ID": _norwegian,
    "SE_PERSONAL_NUMBER": _swedish,
    "PL_PESEL": _pesel,
    "PL_NIP": _nip,
    "DE_SOCIAL_INSURANCE": _social_insurance,
    "DE_ID_CARD": _id_card,
    "COORDINATES": _coordinates,
    "CRYPTO_WALLET": lambda rng: f"0x{rng.getrandbits(160):040x}",
    "VEHICLE_NUMBER": _vehicle_number,
}
HANDLES: dict[str, Callable[[random.Random], str]] = {
    "My user name is {}.": _user_name,
    "Ask {} about it, she was there.": lambda rng: f"@{_account(rng)}",
    "You can write to {} in the evening.": lambda rng: f"t.me/{_account(rng)}",
    "My discord is {} if you need it.": lambda rng: f"{_account(rng)}#{rng.randint(1000, 9999)}",
}
"""Sentence -> maker of the name of an account, for annotated texts only."""


def sentence_with(rng: random.Random, entity: str) -> tuple[str, Value]:
    """A sentence that gives away one value, and `(entity, value)`."""
    value = GENERATORS[entity](rng)
    if entity == "PERSON" and rng.random() < 0.08:
        value = value.lower()
    return rng.choice(material()["sentences"][entity]["texts"]).format(value), (entity, value)


def any_entity(rng: random.Random) -> str:
    return rng.choices(list(GENERATORS), weights=[material()["sentences"][entity]["weight"] for entity in GENERATORS])[
        0
    ]


def insert_personal_data(rng: random.Random, text: str, entities: list[str]) -> tuple[str, list[Value]]:
    """The text with one more sentence per entity, each between two sentences, and what was inserted."""
    values = []
    for entity in entities:
        sentence, value = sentence_with(rng, entity)
        breaks = [i for i, char in enumerate(text) if char == " " and text[i - 1] in ".!?"] + [len(text)]
        place = rng.choice(breaks)
        text = f"{text[:place]} {sentence}{text[place:]}".strip()
        values.append(value)
    return text, values
