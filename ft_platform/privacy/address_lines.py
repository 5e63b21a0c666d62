"""From the sure part of an address (a street, a unit, a post box) to the whole of it: what stands in front, city,
region, postal code and country behind."""

import re

from ft_platform.privacy.names import is_given_name, looks_like_name, word_set
from ft_platform.privacy.places import EVERYDAY_CITIES, countries, is_place
from ft_platform.privacy.streets import CAP, NOT_NAMES, PARTICLE, POSTCODE, UNIT

IN_FRONT = 90
"""Characters in front of a unit that are searched for its street."""
MOST_PARTS = 6
"""Parts behind a street: unit, unit, city, region, postal code, country."""

TOKEN = re.compile(r"[^\s,;|]+|[\n;|]|,")
NUMBER_TOKEN = re.compile(r"\d{1,6}[A-Za-z]?(?:[-/]\d{1,4}[A-Za-z]?)?\.?")
WORD_TOKEN = re.compile(r"[^\W\d_](?:[\w'’.-]*[\w.])?|\d{1,2}(?:st|nd|rd|th|\.)")
PARTICLE_TOKEN = re.compile(
    rf"{PARTICLE}|z|ze|na|nad|u|v|e|y|i|of|and|am|im|an|der|den|van|von|op|ten|ter", re.IGNORECASE
)

NUMBER_IN_FRONT = re.compile(r"(?<![\w.,$€£#/:-])\d{1,6}[A-Za-z]?,?[ ]+$")
"""`48334 36 rue de Pologne`: a number of the building and one of the house."""

GAP = r"(?:\.?[ \t]*,?[ \t]*\n{1,2}[ \t]*,?[ \t]*|[ \t]*,[ \t]*|[ \t]+)"
GAPS = re.compile(GAP)
IN_BRACKETS = re.compile(r"[ \t]*\([^()\n]{1,30}\)")
UNITS = re.compile(rf"{GAP}{UNIT}")
CODE = re.compile(rf"{GAP}(?:[A-Z]{{1,2}}-)?{POSTCODE}")
CODE_IN_FRONT = re.compile(rf"[ \t]*,?[ \t]*\n?[ \t]*(?:[A-Z]{{1,2}}-)?{POSTCODE}(?=[ ]+{CAP})")
"""A postal code right behind the street, with the city behind it: `Hauptstr. 5, 10115 Berlin`."""
# Two or three capitals, or what a table leaves where there is none: `nan`; a number only between a comma and a postal
# code.
REGION = re.compile(
    rf"{GAP}(?:[A-Z]{{2,3}}|nan|NaN|(?i:[a-z]{{2,3}})(?=[ \t\n]{{1,3}}\d{{5}}(?!\d)))(?![\w'’])"
    r"|[ \t]*\n?[ \t]*,[ \t]*\d{1,3}(?=[ \t]*\n[ \t]*\d{3,6})"
)
CITY_WORD = r"[^\W\d_a-zß-öø-ÿ](?:[^\W\d_]|['’.-](?=[^\W\d_])){0,40}\.?(?![\w])"
JOINING = rf"(?:{PARTICLE}|of|and|u|v|am|im|an|der|upon|nad|pod|sur|sous|ob|bei|under)"
CITY = re.compile(rf"{GAP}({CITY_WORD}(?:[ \t]+(?:{JOINING}[ \t]+)?{CITY_WORD}){{0,4}})(?:[ \t]*\([^()\n]{{1,30}}\))?")


def whole_address(text: str, start: int, end: int, has_unit: bool) -> tuple[int, int]:
    """The place of the address around `text[start:end]`.

    Args:
        has_unit: `text[start:end]` is, or ends with, a unit (`Apt. 4`) or a post box: then its street stands in front
            of it, and a city may follow without a comma.
    """
    if has_unit:
        start = _street_in_front(text, start)
    number = NUMBER_IN_FRONT.search(text, max(0, start - 10), start)
    return number.start() if number else start, parts_behind(text, end, has_unit)


def _street_in_front(text: str, start: int) -> int:
    """Where the street in front of a unit starts: numbers and capitalized words up to an everyday word, at most one
    line up; `start` if there is no number."""
    window_start = max(0, start - IN_FRONT)
    window = text[window_start:start]
    one_case = window.islower()
    best, lines, words = start, 0, 0
    for match in reversed(list(TOKEN.finditer(window))):
        token, place = match.group(), window_start + match.start()
        if token == ",":
            continue
        if token in "\n;|":
            lines += token == "\n"
            if token != "\n" or lines > 1 or best < start:
                break
        elif NUMBER_TOKEN.fullmatch(token):
            best = place
        elif _in_street(token, one_case) and words < 7:
            words += 1
            if (
                token[0].isupper()
                and not NOT_NAMES.search(token.lower())
                and window_start + match.start() > window_start
            ):
                # Kept only if a number stands in the street: `Kesk 53 Suite 343`, not `Maria Suite 5`.
                best = place if any(c.isdigit() for c in text[place:start]) else best
        else:
            break
    return best


def _in_street(token: str, one_case: bool) -> bool:
    if not WORD_TOKEN.fullmatch(token):
        return False
    if PARTICLE_TOKEN.fullmatch(token) or len(token.rstrip(".")) == 1:
        return True
    if NOT_NAMES.search(token.lower()):
        return False
    return (
        token[0].isupper()
        or token[0].isdigit()
        or (one_case and looks_like_name(token.capitalize(), places=True))
        or token.endswith(".")
    )


def parts_behind(text: str, end: int, has_unit: bool) -> int:
    """Where the unit, city, region, postal code and country behind a street end; `end` if none follow."""
    seen: set[str] = {"unit"} if has_unit else set()
    for _ in range(MOST_PARTS):
        for kind, find in (
            ("unit", _unit),
            ("code", _code),
            ("country", _country),
            ("region", _region),
            ("city", _city),
        ):
            after = find(text, end, seen) if kind not in seen or kind in ("unit", "city") else 0
            if after:
                end = after
                seen.add(kind)
                break
        else:
            break
        if "country" in seen and "code" in seen:
            break
    return end


def _unit(text: str, end: int, seen: set[str]) -> int:
    match = UNITS.match(text, end) if "city" not in seen else None
    return match.end() if match else 0


def _code(text: str, end: int, seen: set[str]) -> int:
    match = CODE.match(text, end) if seen else CODE_IN_FRONT.match(text[end : end + 60])
    if not match:
        return 0
    return match.end() if match.string is text else end + match.end()


def _region(text: str, end: int, seen: set[str]) -> int:
    match = REGION.match(text, end) if seen & {"city", "code"} else None
    return match.end() if match else 0


def _country(text: str, end: int, seen: set[str]) -> int:
    match = GAPS.match(text, end)
    if not match:
        return 0
    longest = countries(text, match.end())
    if not longest:
        return 0
    greek = IN_BRACKETS.match(text, longest)
    return greek.end() if greek else longest


def _city(text: str, end: int, seen: set[str]) -> int:
    if "city" in seen and not seen & {"unit", "code"}:
        return 0
    match = CITY.match(text, end)
    if not match:
        return 0
    words = match.group(1).split()
    gap = match.group()[: match.start(1) - match.start()]
    stop = next((i for i, w in enumerate(words) if _ends_city(w)), len(words))
    if stop == 0 or re.match(r"[ \t]*:", text[match.end() :][:4]):
        return 0
    name_end = match.end() if stop == len(words) else match.start(1) + _offset(match.group(1), stop)
    known = is_place(" ".join(words[:stop])) or bool(seen & {"code", "unit"})
    followed = _follows_city(text, name_end)
    if "," not in gap and "\n" not in gap and not seen & {"code", "unit"} and not followed:
        return 0
    if "\n" in gap and not followed and (is_given_name(words[0]) or not known):
        return 0
    unknown = any(looks_like_name(w, places=True) for w in words[:stop])
    ends_line = (
        bool(re.match(r"[ \t]*(?:[.\n]|$)", text[name_end : name_end + 3]))
        and "," in gap
        and not is_given_name(words[0])
    )
    return name_end if followed or (unknown and (known or ends_line)) or is_place(" ".join(words[:stop])) else 0


def _follows_city(text: str, end: int) -> bool:
    """Whether a postal code, a region or a country stands behind: then what is in front of it is a city."""
    gap = GAPS.match(text, end)
    return bool(CODE.match(text, end) or REGION.match(text, end) or (gap and countries(text, gap.end())))


def _ends_city(word: str) -> bool:
    lowered = word.lower()
    return (bool(NOT_NAMES.fullmatch(lowered.strip("."))) or lowered in STOPS) and lowered not in EVERYDAY_CITIES


def _offset(words: str, count: int) -> int:
    """Characters of the first `count` words, without the blanks behind them."""
    matches = list(re.finditer(r"\S+", words))
    return matches[count - 1].end()


STOPS = word_set("""
the please thank thanks regards sincerely phone tel mobile fax desk cell office email e-mail mail dear hi hello i we you
he she they it my your our his her their this that there if when what where who how why yes no not and or but so because
from re attn date account
""")
