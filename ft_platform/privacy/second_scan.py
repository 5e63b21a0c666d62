"""Detectors of direct identifiers that share no code and no word list with the recognizers, so that one mistake is not
made twice.

They look for fewer things and ask for more: each finding in an anonymized text should be one that somebody has to look
at. Texts are read in a form of their own (`read_plainly`): compatibility forms as plain letters, without invisible
signs, with what base64 and hexadecimal digits hide between two marks."""

import base64
import binascii
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

OURS = re.compile(r"<[A-Z_]+(?:_[a-z2-7]{6,16})?>")
"""What anonymization writes in place of a finding."""

ODD = r"[^\x00-\x7f]|[A-Za-z0-9+/_-]{16}|[A-Za-z0-9+/_-]{6}=|(?:[0-9A-Fa-f]{2} ){8}|\\x[0-9A-Fa-f]{2}|%[0-9A-Fa-f]{2}%"
"""What is in every text that `read_plainly` changes (RE2)."""
HIDDEN_FROM, HIDDEN_TO = "\x02", "\x03"
"""Around a text that was encoded or reversed: two capitals in it are a name."""
BASE64_SHAPE = re.compile(
    r"(?<![A-Za-z0-9+/_=.-])(?:[A-Za-z0-9+/]{16,}+|[A-Za-z0-9_-]{16,}+"
    r"|[A-Za-z0-9+/_-]{6,}(?==))={0,2}(?![\w+/=]|\.\w)"
)
HEX_SHAPE = re.compile(r"(?<!\w)[0-9A-Fa-f]{2}(?: ?[0-9A-Fa-f]{2}){7,}+(?!\w)|(?:(?:\\x|%)[0-9A-Fa-f]{2}){4,}+")
REVERSED = re.compile("\u202e([^\u202c\n]+)")

DIGITS_AND_SEPARATORS = re.compile(r"(?<![\d.,$])\d(?:[ -]?\d)+(?![\d]|[.,]\d)")
IN_FOURS = re.compile(r"(?<![\d.,$])\d{4}(?:[ ]?[.\n -][ ]?\d{4}){3}(?![\d]|[.,]\d)")
OVER_LINES = re.compile(
    r"(?<![\w])[A-Z]{2}\d{2}(?:[ ]?[.\n][ ]?[A-Z0-9]{4}"
    r"|[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[.\n]?[ ]?[A-Z0-9]{1,3})?(?!\w)"
)
SPACED_OUT = re.compile(r"(?<![\w.])\d{1,3}(?: \. \d{1,3}){3}(?![\w.])")
SAID = r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)"
SAID_DIGITS = re.compile(
    rf"(?<!\w)(?!one two three four){SAID}(?:[ ,-]{{1,2}}(?:double "
    rf"|triple )?{SAID}){{7,}}(?!\w)",
    re.IGNORECASE,
)
SSN_SHAPE = re.compile(r"(?<![\d-])(\d{3})-(\d{2})-(\d{4})(?![\d-])")
SSN_NAMED = re.compile(
    r"(?:ssn|social security)\W{0,3}(?:number|no|is|#|:|\W){0,4}(\d{3})[ .-]?(\d{2})[ .-]?(\d{4})(?!\d)", re.IGNORECASE
)
IBAN_SHAPE = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}")
PHONE_SHAPE = re.compile(
    r"(?<![\d$])\([2-9]\d\d\) ?\d{3}-\d{4}(?!\d)|(?<!\w)\+[1-9]\d{0,2}[ -]?\d(?:[ -]?\d){7,11}(?!\d)"
)
PHONE_NAMED = re.compile(
    r"(?<!\w)(?:phone|telephone|tel|cell|mobile|fax)(?:\.| number| no\.?)?(?: is| at)?[ :#]{1,3}(\(?\d[\d"
    r" ().-]{5,16}\d)(?![\d%]|[.,/]\d)",
    re.IGNORECASE,
)
MENTIONED = re.compile(
    r"(?<![\w.])(?:RT|via|cc|follow|dm|tag) @(\w[\w.]{2,30})"
    r"|(?<![\w@./=\n-])@(?=\w*[0-9_])(?!\d+[a-z]{0,3}(?!\w))(\w{4,30})(?![\w(/{=:\"'])"
)
PROFILED = re.compile(
    r"(?<!\w)(?:(?:t|wa|paypal|telegram)\.me/|linkedin\.com/in/|(?:instagram|facebook|tiktok"
    r"|twitter)\.com/@?)([\w.+-]{4,40})"
)
AT_HOME = re.compile(
    r"(?:(?<!\w)/home/|[A-Za-z]:\\{1,2}Users\\{1,2})(?!(?i:user|ubuntu|public|default|runner|me"
    r"|name|you|app|admin)(?!\w))([A-Za-z][\w.-]{2,30})"
)
NO_HANDLES = ("cached_property", "lru_cache", "font_face")
WALLET = re.compile(r"(?<!\w)(?:0x[0-9a-fA-F]{40}|bc1[02-9ac-hj-np-z]{25,60}|[13][1-9A-HJ-NP-Za-km-z]{25,34})(?!\w)")
BITCOIN_DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
VIN_SHAPE = re.compile(r"(?<![\w-])(?=\w*\d)(?=\w*[A-Z])[A-HJ-NPR-Z0-9]{17}(?![\w-])")
PAIR = re.compile(
    r"(?<![\w.,$-])-?(\d{1,2})\.\d{5,9},[ ]?-?(\d{1,3})\.\d{5,9}(?![\w.,])"
    r"|(?<![\w:/])///[a-z]{3,}\.[a-z]{3,}\.[a-z]{3,}(?![\w.])"
)
BORN = re.compile(
    r"(?<!\w)(?:born|birth|dob)(?: on| is|:)*[ ](?:the )?((?:\d{1,2}[./-]\d{1,2}|[A-Z][a-z]{2,8} \d{1,2},?"
    r"|\d{1,2}(?:st|nd|rd|th)?(?: of)? [A-Z][a-z]{2,8})[ ./-]?(?:19|20)\d\d)(?!\d)",
)
DOTTED = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
COLONS = re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}(?![\w:])")
NINO_NAMED = re.compile(
    r"(?:national insurance|nino)\W{0,3}(?:number|no|is|:|\W){0,4}([A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D])(?!\w)",
    re.IGNORECASE,
)
CODICE = re.compile(r"(?<![A-Za-z0-9])[A-Z]{6}\d\d[A-EHLMPRST][0-7]\d[A-Z]\d{3}[A-Z](?![A-Za-z0-9])")
CODICE_ODD = "BAKPLCQDREVOSFTGUHMINJWZYX"
ELEVEN = re.compile(r"(?<![\d.,$/-])\d{6} ?\d{5}(?![\d/-]|[.,]\d)")
PESEL_NAMED = re.compile(r"pesel\W{0,3}(?:to|is|nr|:|\W){0,4}(\d{11})(?!\d)", re.IGNORECASE)
PENSION = re.compile(r"(?<!\w)(?!0[01])\d\d ?[0-3]\d[01]\d{3} ?[A-Z] ?\d{3}(?!\w)")
SECRET = re.compile(r"(?<!\w)(?:AKIA[A-Z0-9]{16}|ghp_\w{36}|sk_(?:live|test)_\w{16,}|xox[bp]-[\w-]{10,})")
FIRM = re.compile(r"(?<!\w)([A-Z][a-z]{3,}) & (?:Sons|Daughters|Brothers)(?!\w)")
TWO_CAPITALS = re.compile(r"(?<!\w)([A-Z][a-z]+[ ][A-Z][a-z]+)(?!\w)")
TITLED = re.compile(r"(?<!\w)(?:Mr|Mrs|Ms)\.? ([A-Z][a-z]{2,}(?: [A-Z][a-z]{2,})?)(?!\w)")
NAMED = re.compile(r"(?<!\w)(?:[Mm]y|[Hh]is|[Hh]er) (?:full )?name is ([A-Z][a-z]{2,} [A-Z][a-z]{2,})(?!\w)")
HOUSE = re.compile(
    r"(?<![\w$.,])(\d{1,5} (?:[NSEW]\.? )?(?:[A-Z][a-z]+"
    r" ){1,2}(?:Street|Avenue|Road|Drive|Lane|Boulevard|Blvd|Ave|Rd))(?!\w)"
)


def read_plainly(text: str) -> str:
    """The text as it looks, with encoded parts decoded."""
    text = REVERSED.sub(lambda m: f"{HIDDEN_FROM}{m.group(1)[::-1]}{HIDDEN_TO} {m.group(1)}", text)
    text = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return HEX_SHAPE.sub(_from_hex, BASE64_SHAPE.sub(_from_base64, text))


def _from_base64(match: re.Match[str]) -> str:
    letters = match.group().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _as_text(base64.b64decode(letters + "=" * (-len(letters) % 4)), match.group())
    except binascii.Error:
        return match.group()


def _from_hex(match: re.Match[str]) -> str:
    digits = re.sub(r"\\x|[% ]", "", match.group())
    letters = any(c.isalpha() for c in digits) or len(digits) > 20
    return _as_text(bytes.fromhex(digits), match.group()) if letters and len(digits) % 2 == 0 else match.group()


def _as_text(content: bytes, written: str) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return written
    return f"{HIDDEN_FROM} {text} {HIDDEN_TO}" if text.replace("\n", " ").isprintable() else written


def emails(text: str) -> Iterator[str]:
    if "@" in text:
        yield from (word for part in text.split() if "@" in part and _is_email(word := part.strip("<>()[]{},;:.!?\"'")))


def _is_email(word: str) -> bool:
    local, _, host = word.rpartition("@")
    ending = host.rsplit(".", 1)[-1]
    is_password = "://" in local and ":" in local.split("://", 1)[1]
    return bool(local) and "@" not in local and not is_password and "." in host and ending.isalpha() and len(ending) > 1


def ssns(text: str) -> Iterator[str]:
    for numbers in {
        m.span(1): m.groups() for pattern in (SSN_SHAPE, SSN_NAMED) for m in pattern.finditer(text)
    }.values():
        area, group, serial = numbers
        if area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000":
            yield "-".join(numbers)


def cards(text: str) -> Iterator[str]:
    found = {m.start(): m.group() for pattern in (DIGITS_AND_SEPARATORS, IN_FOURS) for m in pattern.finditer(text)}
    yield from (run for value in found.values() if _is_card(run := re.sub(r"\D", "", value)))


def _is_card(run: str) -> bool:
    known = (len(run) == 16 and (run[0] == "4" or "51" <= run[:2] <= "55" or run[:4] == "6011" or run[:2] == "65")) or (
        len(run) == 15 and run[:2] in ("34", "37")
    )
    doubled = "".join(str(2 * int(digit)) if place % 2 else digit for place, digit in enumerate(run[::-1]))
    return known and len(set(run)) > 1 and sum(map(int, doubled)) % 10 == 0


def ibans(text: str) -> Iterator[str]:
    places = set()
    for m in IBAN_SHAPE.finditer(text):
        if any(_mod_97(m.group()[:end]) for end in _group_ends(m.group())):
            places.add(m.start())
            yield m.group()
    for m in OVER_LINES.finditer(text):
        compact = re.sub(r"[ .\n]", "", m.group())
        if m.start() not in places and 2 * sum(map(str.isdigit, compact)) >= len(compact) and _mod_97(compact):
            yield m.group()


def _group_ends(value: str) -> list[int]:
    """Where a number may end: at its end or in front of one of its blanks, so that a following word does not hide
    it."""
    return [i for i in (*(i for i, c in enumerate(value) if c == " "), len(value)) if i >= 15]


def _mod_97(value: str) -> bool:
    compact = value.replace(" ", "")
    rest = 0
    for char in compact[4:] + compact[:4]:
        rest = (rest * (100 if char.isalpha() else 10) + int(char, 36)) % 97
    return rest == 1 and len(compact) >= 15


def fiscal_codes(text: str) -> Iterator[str]:
    for match in CODICE.finditer(text):
        letters = [chr(65 + int(c)) if c.isdigit() else c for c in match.group()]
        total = sum(CODICE_ODD.index(c) for c in letters[:15:2]) + sum(ord(c) - 65 for c in letters[1:15:2])
        if ord(letters[15]) - 65 == total % 26:
            yield match.group()


def norwegian_ids(text: str) -> Iterator[str]:
    for match in ELEVEN.finditer(text):
        digits = [int(c) for c in match.group() if c != " "]
        if (
            digits[0] < 8
            and _day_and_month(digits[0] % 4 * 10 + digits[1], digits[2] * 10 + digits[3])
            and _products(digits, "3761894521") % 11 == 0
            and _products(digits, "54327654321") % 11 == 0
        ):
            yield match.group()


def pesels(text: str) -> Iterator[str]:
    for match in PESEL_NAMED.finditer(text):
        digits = [int(c) for c in match.group(1)]
        month, day = (digits[2] * 10 + digits[3]) % 20, digits[4] * 10 + digits[5]
        if _day_and_month(day, month) and _products(digits, "13791379131") % 10 == 0:
            yield match.group(1)


def pension_numbers(text: str) -> Iterator[str]:
    for match in PENSION.finditer(text):
        compact = match.group().replace(" ", "")
        digits = [int(c) for c in f"{compact[:8]}{ord(compact[8]) - 64:02d}{compact[9:]}"]
        total = sum(int(c) for d, weight in zip(digits, "212571212121", strict=False) for c in str(d * int(weight)))
        if _day_and_month(int(compact[2:4]), int(compact[4:6])) and total % 10 == digits[-1]:
            yield match.group()


def _day_and_month(day: int, month: int) -> bool:
    return 1 <= day <= 31 and 1 <= month <= 12


def _products(digits: list[int], weights: str) -> int:
    return sum(digit * int(weight) for digit, weight in zip(digits, weights, strict=False))


def phones(text: str) -> Iterator[str]:
    found = {m.start(): m.group() for m in PHONE_SHAPE.finditer(text)}
    found |= {
        m.start(1): m.group(1) for m in PHONE_NAMED.finditer(text) if 7 <= sum(c.isdigit() for c in m.group(1)) <= 15
    }
    yield from found.values()
    yield from (m.group() for m in SAID_DIGITS.finditer(text))


def urls_with_password(text: str) -> Iterator[str]:
    for part in text.split("://")[1:]:
        host = part.split("/", 1)[0].split()[:1]
        if host and "@" in host[0] and ":" in host[0].rsplit("@", 1)[0]:
            yield host[0]


def ip_addresses(text: str) -> Iterator[str]:
    """Public ones, behind a word that names them: a version has the same form."""
    for match in DOTTED.finditer(text):
        octets = [int(part) for part in match.group().split(".")]
        if (
            max(octets) < 256
            and octets[0] not in (0, 10, 127)
            and re.search(r"(?i)\b(?:ip|from|address|host|login)\b\W{0,3}(?:\w+\W){0,2}$", text[: match.start()][-40:])
        ):
            yield match.group()
    yield from (m.group() for m in SPACED_OUT.finditer(text) if max(map(int, m.group().split(" . "))) < 256)


def user_names(text: str) -> Iterator[str]:
    for match in MENTIONED.finditer(text):
        name = match.group(1) or match.group(2)
        if name not in NO_HANDLES:
            yield name
    yield from (m.group(1) for pattern in (PROFILED, AT_HOME) for m in pattern.finditer(text))


def wallets(text: str) -> Iterator[str]:
    yield from (m.group() for m in WALLET.finditer(text) if m.group()[0] in "0b" or _is_bitcoin(m.group()))


def _is_bitcoin(address: str) -> bool:
    number = sum(BITCOIN_DIGITS.index(char) * 58**place for place, char in enumerate(reversed(address)))
    content = number.to_bytes(26, "big")
    return content[0] == 0 and hashlib.sha256(hashlib.sha256(content[1:22]).digest()).digest()[:4] == content[22:]


def vehicle_numbers(text: str) -> Iterator[str]:
    """With the check digit of North America, or behind `VIN`."""
    for match in VIN_SHAPE.finditer(text):
        number = match.group()
        values = [int(c) if c.isdigit() else (ord(c) - 65) % 9 + 1 + (c > "R") for c in number]
        total = sum(v * w for v, w in zip(values, (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2), strict=True))
        if number[8] == "0123456789X"[total % 11] or re.search(
            r"VIN\W{1,3}(?:\w+\W){0,2}$", text[: match.start()][-20:]
        ):
            yield number


def coordinates(text: str) -> Iterator[str]:
    for match in PAIR.finditer(text):
        if match.group(1) is None or (1 <= int(match.group(1)) < 90 and int(match.group(2)) < 180):
            yield match.group()


def _matches(pattern: re.Pattern[str]) -> Callable[[str], Iterator[str]]:
    def find(text: str) -> Iterator[str]:
        yield from (m.group(pattern.groups) for m in pattern.finditer(text))

    return find


def persons(text: str) -> Iterator[str]:
    yield from (m.group(1) for pattern in (TITLED, NAMED, FIRM) for m in pattern.finditer(text))
    for part in text.split(HIDDEN_FROM)[1:]:
        yield from (m.group(1) for m in TWO_CAPITALS.finditer(part.partition(HIDDEN_TO)[0]))


def _is_fictitious_phone(value: str) -> bool:
    """555-0100 to 555-0199 (NANPA); 07700 900000 to 900999 (Ofcom)."""
    digits = re.sub(r"\D", "", value)
    return digits[-7:-2] == "55501" or digits[-10:-3] == "7700900"


def _is_invented_account(value: str) -> bool:
    return re.fullmatch(r"[a-z]+\.[a-z]+[0-9]{2}", value) is not None


def _is_documentation_ip(value: str) -> bool:
    """RFC 5737."""
    return value.rsplit(".", 1)[0] in ("192.0.2", "198.51.100", "203.0.113")


@dataclass(frozen=True)
class Detector:
    """Finds one kind of identifier.

    Attributes:
        find: text -> the values in it.
        hint: expression for RE2 that is in every text in which `find` finds something, so that arrow looks through
            whole columns first.
        is_invented: whether a value is one that the operator `surrogate` writes and nobody can have. None: it cannot be
            told, so with that operator the detector is not asked.
    """

    find: Callable[[str], Iterator[str]]
    hint: str
    is_invented: Callable[[str], bool] | None


def _never(value: str) -> bool:
    """Surrogates of this kind break a rule that every issued value keeps: none is found."""
    return False


DETECTORS = {
    "EMAIL": Detector(emails, "@", lambda value: value.lower().endswith(".example")),
    "US_SSN": Detector(ssns, r"\p{Nd}{3}-\p{Nd}{2}-\p{Nd}{4}|(?i:ssn|social security)", _never),
    "CREDIT_CARD": Detector(cards, r"\p{Nd}(?:[ -]?\p{Nd}){14}|\p{Nd}{4} ?[.\n -] ?\p{Nd}{4}", _never),
    "IBAN": Detector(
        ibans, r"[A-Z]{2}\p{Nd}{2}(?: ?[A-Z0-9]){11}|[A-Z]{2}\p{Nd}{2} ?[.\n]? ?[A-Z0-9\p{Nd}]{4}", _never
    ),
    "USER_NAME": Detector(user_names, r"@\w|@\pL|@\p{Nd}|\.(?:me|com)/|/home/|\\Users", _is_invented_account),
    "CRYPTO_WALLET": Detector(wallets, "0x[0-9a-fA-F]{40}|bc1|[13][1-9A-HJ-NP-Za-km-z]{25}", _never),
    "VEHICLE_NUMBER": Detector(vehicle_numbers, "[A-HJ-NPR-Z0-9]{17}", _never),
    "COORDINATES": Detector(coordinates, r"\.\p{Nd}{5}|///", _never),
    "DATE_OF_BIRTH": Detector(_matches(BORN), "born|birth|dob", None),
    "PHONE": Detector(
        phones,
        r"\([2-9]\p{Nd}{2}\) ?\p{Nd}{3}-\p{Nd}{4}|\+[1-9]|(?i:(?:phone|tel|cell|mobile|fax)(?:\.| number| no\.?)?(?:"
        r" is| at)?[ :#]{1,3}\(?\p{Nd})"
        r"|(?i:(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)[ ,-]{1,2}(?:zero|oh|one|two|three|four|five|six"
        r"|seven|eight|nine|double|triple))",
        _is_fictitious_phone,
    ),
    "URL_CREDENTIALS": Detector(urls_with_password, "://", _never),
    "IP_ADDRESS": Detector(ip_addresses, r"(?:\p{Nd}{1,3}\.){3}\p{Nd}|\p{Nd} \. \p{Nd}", _is_documentation_ip),
    "MAC_ADDRESS": Detector(
        _matches(COLONS), r"(?:[0-9a-fA-F]{2}:){5}", lambda value: value.lower().startswith("00:00:5e:00:53")
    ),
    "UK_NINO": Detector(
        _matches(NINO_NAMED), r"(?i:national insurance|nino)", lambda value: value.upper().startswith("ZZ")
    ),
    "IT_FISCAL_CODE": Detector(fiscal_codes, r"[A-Z]{6}\p{Nd}{2}[A-Z]", _never),
    "NO_NATIONAL_ID": Detector(norwegian_ids, r"\p{Nd}{6} ?\p{Nd}{5}", _never),
    "PL_PESEL": Detector(pesels, r"(?i:pesel)", _never),
    "DE_SOCIAL_INSURANCE": Detector(pension_numbers, r"\p{Nd}{2} ?\p{Nd}{6} ?[A-Z] ?\p{Nd}{3}", _never),
    "API_KEY": Detector(_matches(SECRET), "AKIA|ghp_|sk_(?:live|test)_|xox[bp]-", _never),
    "PERSON": Detector(persons, r"(?:Mr|Mrs|Ms)\.? [A-Z]|name is [A-Z]|[a-z] & [SDB]|\x02", None),
    "ADDRESS": Detector(
        _matches(HOUSE),
        r"\p{Nd} (?:[NSEW]\.? )?(?:[A-Z][a-z]+ ){1,2}(?:Street|Avenue|Road|Drive|Lane|Boulevard|Blvd|Ave|Rd)",
        None,
    ),
}
"""Entity -> its detector."""
