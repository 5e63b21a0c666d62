"""Generalization hierarchies: how a value of a quasi-identifier becomes coarser level by level (Samarati & Sweeney
1998).

Level 0 is the value as it is, the last level is `*` for every value, missing ones included.
"""

import re
from collections.abc import Callable

from ft_platform.privacy.dates import read_date
from ft_platform.privacy.names import word_set

ANY = "*"

SPARSE_ZIP_REGIONS = word_set("036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893")
"""First three digits shared by at most 20,000 people: to be given as 000 (45 CFR 164.514(b)(2)(i)(B); list of HHS,
"Guidance Regarding Methods for De-identification of Protected Health Information", 2012, by the census of 2000)."""

OLDEST_BAND = 90
"""Ages from here on are one band (45 CFR 164.514(b)(2)(i)(C))."""

AGES = (5, 10, 20)
"""Years of the bands, level by level."""

AGE = re.compile(r"(\d{1,3})(?:\s*(?:-|–|to)\s*(\d{1,3}))?(\+)?")
NUMBER = re.compile(r"(-?)[$€£]?\s?(\d[\d,]*)(?:\.\d*)?")


def age_band(age: int, years: int) -> str:
    """E.g. `30-39` of 34 with ten years; `90+` from 90 on."""
    low = age // years * years
    return f"{OLDEST_BAND}+" if age >= OLDEST_BAND else f"{low}-{min(low + years, OLDEST_BAND) - 1}"


def zip_region(code: str) -> str:
    """E.g. `627**` of the US ZIP code 62704; `000**` where few people live."""
    region = code.strip()[:3]
    return f"{'000' if region in SPARSE_ZIP_REGIONS else region}**"


def levels(kind: str) -> int:
    """How often a value of this kind can be made coarser."""
    return len(_STEPS[kind]) + 1


def coarser(kind: str, level: int, value: str | None) -> str | None:
    """A value at a level.

    Args:
        kind: `age`, `number`, `date`, `postal_code` or `category`.
        level: 0 to `levels(kind)`.

    Returns:
        `*` at the last level; None for a missing value below it. What does not look like its kind is `*` from level 1
        on.
    """
    if level == 0:
        return value
    if level > len(_STEPS[kind]):
        return ANY
    return None if value is None else _STEPS[kind][level - 1](value)


def _age(years: int) -> Callable[[str], str]:
    """The narrowest band of at least so many years that an age, or a band such as `35-44`, lies in."""

    def band(value: str) -> str:
        match = AGE.fullmatch(value.strip())
        if not match:
            return ANY
        low = int(match.group(1))
        high = int(match.group(2)) if match.group(2) else OLDEST_BAND if match.group(3) else low
        return next(
            (
                age_band(low, width)
                for width in AGES
                if width >= years and age_band(low, width) == age_band(high, width)
            ),
            ANY,
        )

    return band


def _number(digits: int) -> Callable[[str], str]:
    """A range in which numbers share their sign, length and first digits: `52000-52999` of 52,300 with two digits.
    Decimals are cut."""

    def significant(value: str) -> str:
        match = NUMBER.fullmatch(value.strip())
        if not match:
            return ANY
        number = match.group(2).replace(",", "").lstrip("0") or "0"
        first = number[:digits]
        rest = len(number) - len(first)
        band = f"{first}{'0' * rest}-{first}{'9' * rest}" if rest else first
        return f"-({band})" if match.group(1) and number != "0" else band

    return significant


def _magnitude(value: str) -> str:
    """Numbers with as many digits: `10000-99999` of 52,300, `0-9` of 7."""
    match = NUMBER.fullmatch(value.strip())
    if not match:
        return ANY
    rest = len(match.group(2).replace(",", "").lstrip("0") or "0") - 1
    band = f"1{'0' * rest}-9{'9' * rest}" if rest else "0-9"
    return f"-({band})" if match.group(1) else band


def _date(form: Callable[[int, int], str]) -> Callable[[str], str]:
    def part(value: str) -> str:
        written = read_date(value) or read_date(value.strip()[:10])
        return form(written.day.year, written.day.month) if written else ANY

    return part


def _postal_code(characters: int) -> Callable[[str], str]:
    def beginning(value: str) -> str:
        code = value.strip().upper().replace(" ", "")
        if len(code) <= characters:
            return code
        if re.fullmatch(r"\d{5}(?:-?\d{4})?", code) and characters == 3:
            return zip_region(code)
        return code[:characters] + "**"

    return beginning


_STEPS: dict[str, tuple[Callable[[str], str], ...]] = {
    "age": tuple(_age(years) for years in AGES),
    "number": (_number(2), _number(1), _magnitude),
    "date": (
        _date(lambda year, month: f"{year:04d}-{month:02d}"),
        _date(lambda year, month: f"{year:04d}"),
        _date(lambda year, month: f"{year // 10 * 10:04d}s"),
    ),
    "postal_code": (_postal_code(3), _postal_code(1)),
    "category": (),
}
