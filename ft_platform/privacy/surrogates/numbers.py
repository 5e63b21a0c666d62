"""Numbers that look like an identity or account number and can be nobody's: each breaks a rule that every issued one
keeps."""

from collections.abc import Callable
from datetime import date, timedelta

from ft_platform.privacy.dates import read_date
from ft_platform.privacy.draw import Draw
from ft_platform.privacy.surrogates.contacts import with_digits

LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
BIRTH_DAYS = 5 * 365
"""A date of birth moves by up to five years: the age stays plausible for the text."""


def us_ssn(draw: Draw, original: str) -> str | None:
    """Area 900 to 999 is no social security number (SSA, "SSN Randomization"), group 01 to 09 no taxpayer number (IRM
    3.13.5, ITIN ranges)."""
    if sum(c.isdigit() for c in original) != 9:
        return None
    return with_digits(original, f"9{draw.digits(2)}0{1 + draw.below(9)}{1000 + draw.below(9000)}")


def credit_card(draw: Draw, original: str) -> str | None:
    """The first digit stays, the check digit is wrong (ISO/IEC 7812-1, Luhn)."""
    digits = [int(c) for c in original if c.isdigit()]
    if len(digits) < 12:
        return None
    new = [digits[0], *(draw.below(10) for _ in digits[2:])]
    doubled = sum((2 * d - 9 if d > 4 else 2 * d) if place % 2 == 0 else d for place, d in enumerate(reversed(new)))
    wrong = (-doubled + 1 + draw.below(9)) % 10
    return with_digits(original, "".join(map(str, [*new, wrong])))


def iban(draw: Draw, original: str) -> str | None:
    """The country stays, the check digits are 00 or 01: valid ones are 02 to 98 (ISO 13616-1, ISO/IEC 7064 MOD 97-10).

    00 leaves the same remainder as 97, and 01 as 98, so a check of the remainder alone would take one of them for right
    in 97: then it is the other."""
    compact = "".join(c for c in original if c.isalnum()).upper()
    if len(compact) < 15 or not compact[:2].isalpha():
        return None
    rest = "".join(draw.digits(1) if c.isdigit() else draw.of(LETTERS) for c in compact[4:])
    remainder = int("".join(str(int(c, 36)) for c in f"{rest}{compact[:2]}00")) % 97
    return _in_place_of(original, f"{compact[:2]}{'01' if remainder == 1 else '00'}{rest}")


def uk_nino(draw: Draw, original: str) -> str | None:
    """Prefix ZZ is never given out (HMRC, NIM39110)."""
    return _in_place_of(original, f"ZZ{draw.digits(6)}{draw.of('ABCD')}") if _alphanumerics(original) == 9 else None


def es_dni(draw: Draw, original: str) -> str | None:
    """The letter is not the one that the number asks for (Real Decreto 1553/2005: number modulo 23)."""
    if _alphanumerics(original) != 9 or not original.strip()[0].isdigit():
        return None
    number = draw.below(100_000_000)
    wrong = DNI_LETTERS[(number + 1 + draw.below(22)) % 23]
    return _in_place_of(original, f"{number:08d}{wrong}")


def de_tax_id(draw: Draw, original: str) -> str | None:
    """The first digit is 0, which is never given out (BZSt, tax identification number; § 139b AO)."""
    return with_digits(original, f"0{draw.digits(10)}") if sum(c.isdigit() for c in original) == 11 else None


def in_aadhaar(draw: Draw, original: str) -> str | None:
    """The first digit is 0, which is never given out (UIDAI: an Aadhaar number does not start with 0 or 1)."""
    return with_digits(original, f"0{draw.digits(11)}") if sum(c.isdigit() for c in original) == 12 else None


def nl_bsn(draw: Draw, original: str) -> str | None:
    """The last digit is not the one that the others ask for (RvIG, BSN: elfproef)."""
    if sum(c.isdigit() for c in original) != 9:
        return None
    digits = f"{1 + draw.below(9)}{draw.digits(7)}"
    right = sum(int(digit) * (9 - place) for place, digit in enumerate(digits)) % 11
    return with_digits(original, digits + draw.of([digit for digit in "0123456789" if int(digit) != right]))


def _never_given(place: int, values: tuple[str, ...] | str, lengths: list[int]) -> Callable[[Draw, str], str | None]:
    """Random digits and letters, with one of `values`, which no issued number has there, at `place`."""

    def made(draw: Draw, original: str) -> str | None:
        if _alphanumerics(original) not in lengths:
            return None
        new = "".join(draw.digits(1) if c.isdigit() else draw.of(LETTERS) for c in original if c.isalnum())
        value, start = draw.of(values), place % len(new)
        return _in_place_of(original, new[:start] + value + new[start + len(value) :])

    return made


MONTHS = tuple(map(str, range(13, 20)))
"""No month of any of the numbers that hold a date; what is added to months (PESEL, Norwegian numbers for tests) is 20
or more."""

NEVER_GIVEN = {
    "DK_CPR": _never_given(-8, MONTHS, [10]),
    "NO_NATIONAL_ID": _never_given(-9, MONTHS, [11]),
    "SE_PERSONAL_NUMBER": _never_given(-8, MONTHS, [10, 12]),
    "PL_PESEL": _never_given(-9, MONTHS, [11]),
    "IT_FISCAL_CODE": _never_given(-8, "FGIJKNOQUVWXYZ", [16]),
    "PT_NIF": _never_given(0, "0", [9]),
    "PL_NIP": _never_given(0, "0", [10]),
    "DE_SOCIAL_INSURANCE": _never_given(0, ("00", "01"), [12]),
    "DE_ID_CARD": _never_given(0, "BDQS", [9, 10, 11]),
}
"""Entity -> maker of a value that no authority gives out: a month, an area or a first character that does not exist
(sources: the recognizers' files)."""


def date_of_birth(draw: Draw, original: str) -> str | None:
    written = read_date(original)
    if written is None:
        return None
    days = draw.below(2 * BIRTH_DAYS) - BIRTH_DAYS
    return written.at(max(written.day + timedelta(days=days if days < 0 else days + 1), date(1900, 1, 1)))


def _alphanumerics(text: str) -> int:
    return sum(c.isalnum() for c in text)


def _in_place_of(like: str, new: str) -> str:
    """Letters and digits one by one, in the case of the original."""
    characters = iter(new.lower() if like.islower() else new)
    return "".join(next(characters) if c.isalnum() else c for c in like)
