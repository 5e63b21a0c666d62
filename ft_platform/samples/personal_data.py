"""Fictitious personal data of every kind the platform looks for, inside a sentence in which people give it away.

Valid in form, nobody's in fact: telephone numbers from the range for fiction (555-0100 to 555-0199, NANPA), IP addresses for
documentation (RFC 5737), example domains (RFC 2606), locally administered MAC addresses, social security numbers with area
773 to 899, which were never issued before 2011 (Social Security Administration, "SSN Randomization"), card numbers on the
prefixes of published test cards.
"""

import random
import string
from collections.abc import Callable

from ft_platform.samples.phrases import MONTHS

FIRST = (
    "Denise Marcus Aisha Tomasz Rosalind Kwame Ingrid Darnell Yesenia Patrick Noriko Gwendolyn Hector Priya Leland Fatima Bernard Odette Malik Svetlana Curtis Anneliese "
    "Tyrone Marisol Gareth Latoya Emeka Harriet Vikram Lucinda Rashad Beatrix Cornelius Mei-Ling Roberta Desmond Ximena Alistair Shanice Wendell Ludmila Terrence Imogen"
).split()
LAST = (
    "Kowalczyk Whitfield Okonkwo Hargrove Villanueva Lindqvist Abernathy Castellano Nakamura Pettigrew Oyelaran Brandvold Sandoval McAllister Dubrovsky Ferreira Kaminski "
    "Halloran Mwangi Eastwick Delacroix Thorvaldsen Quintanilla Rutherford Shimizu Blankenship Adeyemi Gunderson Marchetti Pemberton Srinivasan Underhill Zielinski Crabtree "
    "Montague Haverford Bustamante Ellingsworth Tran Weatherby"
).split()
STREETS = "Maple Ridge,Alder Creek,Quarry Hill,Old Mill,Willow Bend,Stonegate,Juniper,Fox Hollow,Harvest Moon,Cedar Point,Larkspur,Birchwood".split(",")
STREET_KINDS = ("Drive", "Street", "Avenue", "Lane", "Road", "Court", "Blvd")
CITIES = (
    ("Dayton", "OH", "454"),
    ("Tucson", "AZ", "857"),
    ("Macon", "GA", "312"),
    ("Duluth", "MN", "558"),
    ("Eugene", "OR", "974"),
    ("Lubbock", "TX", "794"),
    ("Utica", "NY", "135"),
    ("Boise", "ID", "837"),
    ("Mobile", "AL", "366"),
    ("Fresno", "CA", "937"),
)
AREA_CODES = (212, 312, 404, 503, 602, 713, 816, 919)
DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"

Value = tuple[str, str]


def name(rng: random.Random) -> str:
    return f"{rng.choice(FIRST)} {rng.choice(LAST)}"


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(count))


def _email(rng: random.Random) -> str:
    first, last = rng.choice(FIRST).lower().replace("-", ""), rng.choice(LAST).lower()
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
    city, state, prefix = rng.choice(CITIES)
    unit = f", Apt {rng.randint(1, 40)}" if rng.random() < 0.4 else ""
    return f"{rng.randint(11, 9899)} {rng.choice(STREETS)} {rng.choice(STREET_KINDS)}{unit}, {city}, {state} {prefix}{_digits(rng, 2)}"


def _birth_date(rng: random.Random) -> str:
    year, month, day = rng.randint(1938, 2001), rng.randint(1, 12), rng.randint(1, 28)
    return rng.choice([f"{MONTHS[month - 1]} {day}, {year}", f"{month:02d}/{day:02d}/{year}", f"{year}-{month:02d}-{day:02d}"])


def _ip_address(rng: random.Random) -> str:
    return f"{rng.choice(('192.0.2', '198.51.100', '203.0.113'))}.{rng.randint(2, 250)}"


def _mac_address(rng: random.Random) -> str:
    return ":".join(["02", *[f"{rng.randrange(256):02x}" for _ in range(5)]])


def _token(rng: random.Random, length: int) -> str:
    return "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(length - 2)) + f"{rng.randint(10, 99)}"


def _url(rng: random.Random) -> str:
    return rng.choice([f"https://portal.example.com/reset?token={_token(rng, 20)}", f"https://{rng.choice(LAST).lower()}:{_token(rng, 9)}@files.example.org/statements"])


def _password(rng: random.Random) -> str:
    return f"{rng.choice(STREETS).replace(' ', '')}{rng.choice('!#%')}{rng.randint(10, 99)}"


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
    return f"{rng.choice(('AB', 'CE', 'JK', 'PR', 'WL'))} {_digits(rng, 2)} {_digits(rng, 2)} {_digits(rng, 2)} {rng.choice('ABCD')}"


def _dni(rng: random.Random) -> str:
    number = rng.randint(10_000_000, 99_999_999)
    return f"{number}{DNI_LETTERS[number % 23]}"


KINDS: dict[str, tuple[int, Callable[[random.Random], str], tuple[str, ...]]] = {
    "PERSON": (30, name, (
        "My name is {}.", "I spoke with {}, who was rude.", "The manager, {}, told me to wait.", "I asked {} to help me with the forms.", "Signed, {}.", "{} can confirm all of this.",
    )),
    "EMAIL": (12, _email, ("My email is {}.", "Please write to {}.", "They have my address {} on file.")),
    "PHONE": (14, _phone, ("You can call me at {}.", "My cell is {}.", "They keep calling {}.")),
    "ADDRESS": (10, _address, ("I live at {}.", "Please mail everything to {}.", "They sent it to {}, where I no longer live.")),
    "US_SSN": (6, _ssn, ("My social security number is {}.", "They asked for my SSN, which is {}.")),
    "CREDIT_CARD": (6, _card, ("The card number is {}.", "It was charged to {}.")),
    "DATE_OF_BIRTH": (6, _birth_date, ("I was born on {}.", "My date of birth is {}.")),
    "BANK_ACCOUNT": (5, lambda rng: _digits(rng, 10), ("My account number is {}.", "It went to account number {}.")),
    "IBAN": (4, _iban, ("The money went to {}.", "They wanted it sent to IBAN {}.")),
    "IP_ADDRESS": (4, _ip_address, ("The login came from {}.", "Their log shows {}, which is not me.")),
    "URL_CREDENTIALS": (3, _url, ("They sent me the link {}",)),
    "PASSWORD": (3, _password, ("My password was {} and I had to change it.", "They even asked me to set the password to {} over the phone.")),
    "USER_NAME": (3, _user_name, ("My user name is {}.", "I log in with the username {}.")),
    "MEDICAL_RECORD_NUMBER": (3, lambda rng: _digits(rng, 8), ("The hospital file is MRN {}.", "It is medical record number {}.")),
    "MAC_ADDRESS": (2, _mac_address, ("The device they list is {}.",)),
    "API_KEY": (2, lambda rng: f"sk_test_{_token(rng, 24)}", ("The app showed me a key, {}.",)),
    "DE_TAX_ID": (2, _tax_id, ("I am from Germany, my tax ID is {}.",)),
    "UK_NINO": (2, _nino, ("My British national insurance number is {}.",)),
    "ES_DNI": (2, _dni, ("I am a Spanish citizen, my DNI is {}.",)),
}  # fmt: skip
"""Entity -> weight, generator, sentences."""


def sentence_with(rng: random.Random, entity: str) -> tuple[str, Value]:
    """A sentence that gives away one value, and `(entity, value)`."""
    _, generate, templates = KINDS[entity]
    value = generate(rng)
    if entity == "PERSON" and rng.random() < 0.08:
        value = value.lower()
    return rng.choice(templates).format(value), (entity, value)


def any_entity(rng: random.Random) -> str:
    return rng.choices(list(KINDS), weights=[weight for weight, _, _ in KINDS.values()])[0]


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
