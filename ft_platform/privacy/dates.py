"""Dates as people write them: read, moved to another day in the same form, or made coarser."""

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from ft_platform.privacy.context import alternatives

ENGLISH = tuple(calendar.month_name)[1:]
ENGLISH_SHORT = tuple(calendar.month_abbr)[1:]
GERMAN = alternatives("Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember")
MONTH_LISTS = (ENGLISH, ENGLISH_SHORT, GERMAN)
MONTHS = {name.lower(): number for names in MONTH_LISTS for number, name in enumerate(names, start=1)} | {"sept": 9}

NAME = "(?P<name>" + "|".join(sorted(MONTHS, key=len, reverse=True)) + r")\.?"
ORDINAL = r"(?P<day>\d{1,2})(?P<ordinal>st|nd|rd|th)?\.?"
WRITTEN = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<year>\d{4})(?P<sign>[/.-])(?P<month>\d{1,2})(?P=sign)(?P<day>\d{1,2})",
        r"(?P<one>\d{1,2})(?P<sign>[/.-])(?P<two>\d{1,2})(?P=sign)(?P<year>\d{4}|\d{2})",
        rf"{NAME}\s+{ORDINAL},?\s+(?P<year>\d{{4}})",
        rf"{ORDINAL}\s+(?:of\s+)?{NAME},?\s+(?P<year>\d{{4}})",
        r"(?P<month>0[1-9]|1[0-2])(?P<day>[0-3]\d)(?P<year>(?:19|20)\d{2})",
    )
)
PIVOT = 30
"""Two digits of a year below this are of this century, others of the last: these are mostly dates of birth."""


@dataclass(frozen=True)
class WrittenDate:
    """A date and where its parts stand in the text.

    Attributes:
        day: the date.
        text: as it was written.
        places: `day`, `month` or `name`, `year`, `ordinal` -> place in `text`.
    """

    day: date
    text: str
    places: Mapping[str, tuple[int, int]]

    def at(self, day: date) -> str:
        """Another day in the same form."""
        new = {"day": f"{day.day}", "month": f"{day.month}", "year": f"{day.year:04d}"}
        result = self.text
        for part, (start, end) in sorted(self.places.items(), key=lambda item: -item[1][0]):
            old = self.text[start:end]
            if part == "name":
                value = _month_like(old, day.month)
            elif part == "ordinal":
                value = _ordinal(day.day)
            else:
                value = new[part][-2:] if part == "year" and len(old) == 2 else new[part].zfill(len(old))
            result = result[:start] + value + result[end:]
        return result

    def coarser(self, to: str) -> str:
        """Its year, or its month: `March 1980` where the month has a name, else `1980-03`.

        Args:
            to: `month` or `year`.
        """
        if to == "year":
            return f"{self.day.year:04d}"
        if "name" in self.places:
            start, end = self.places["name"]
            return f"{self.text[start:end]} {self.day.year:04d}"
        return f"{self.day:%Y-%m}"


def read_date(text: str) -> WrittenDate | None:
    """The date that a text is, or None. `3/4/1980` is read as in the United States (4 March), `3.4.1980` as in Europe
    (3 April)."""
    for pattern in WRITTEN:
        match = pattern.fullmatch(text.strip())
        if match and (found := _date(text, match)):
            return found
    return None


def _date(text: str, match: re.Match[str]) -> WrittenDate | None:
    offset = len(text) - len(text.lstrip())
    places = {
        part: (match.start(part) + offset, match.end(part) + offset)
        for part, value in match.groupdict().items()
        if value and part != "sign"
    }
    for order in _orders(match) if "one" in places else [{}]:
        parts = {order.get(part, part): place for part, place in places.items()}
        number = {part: text[start:end] for part, (start, end) in parts.items()}
        year = int(number["year"])
        if len(number["year"]) == 2:
            year += 2000 if year < PIVOT else 1900
        try:
            day = date(
                year, MONTHS[number["name"].lower()] if "name" in number else int(number["month"]), int(number["day"])
            )
        except ValueError:
            continue
        return WrittenDate(day, text, parts)
    return None


def _orders(match: re.Match[str]) -> list[dict[str, str]]:
    orders = [{"one": "month", "two": "day"}, {"one": "day", "two": "month"}]
    return orders[::-1] if match["sign"] == "." else orders


def _month_like(old: str, month: int) -> str:
    """The name of another month in the language, length and case of this one."""
    names = next((names for names in MONTH_LISTS if old.title() in names), ENGLISH_SHORT)
    name = names[month - 1]
    return name.upper() if old.isupper() else name.lower() if old.islower() else name


def _ordinal(day: int) -> str:
    return "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
