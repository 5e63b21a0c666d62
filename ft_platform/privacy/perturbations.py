"""Annotated texts written in other ways: what anonymization has to survive. Each keeps the annotations in their places.

Used by `ft privacy eval --perturbations` and the tests; nothing here runs on real records.
"""

import json
import random
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from html import escape

from ft_platform.privacy.evaluation import GoldText

Edit = Callable[[str, int, bool, random.Random], str]
"""(text, place, inside an annotation, dice) -> what stands in place of `text[place]`."""


def edited(gold: GoldText, edit: Edit, prefix: str = "", suffix: str = "") -> GoldText:
    """The text with each character replaced as `edit` says, between a prefix and a suffix. Equal texts give equal
    results."""
    dice = random.Random(gold.text)
    inside = [False] * len(gold.text)
    for start, end, _ in gold.spans:
        inside[start:end] = [True] * (end - start)
    parts = [edit(gold.text, place, inside[place], dice) for place in range(len(gold.text))]
    places = [len(prefix)]
    for part in parts:
        places.append(places[-1] + len(part))
    spans = tuple((places[a], places[b], kind) for a, b, kind in gold.spans if places[a] < places[b])
    return replace(gold, text=prefix + "".join(parts) + suffix, spans=spans)


def _each(change: Callable[[str], str], only_inside: bool = False) -> Edit:
    def edit(text: str, place: int, inside: bool, dice: random.Random) -> str:
        return change(text[place]) if inside or not only_inside else text[place]

    return edit


def _same_length(change: Callable[[str], str]) -> Edit:
    """Case changes that keep one character one character (`ß`, `İ` stay)."""
    return _each(lambda c: new if len(new := change(c)) == 1 else c)


def _title(text: str, place: int, inside: bool, dice: random.Random) -> str:
    starts = place == 0 or not text[place - 1].isalpha()
    new = text[place].upper() if starts else text[place].lower()
    return new if len(new) == 1 else text[place]


def _between(joint: str, chance: float = 1.0) -> Edit:
    """Puts `joint` behind letters and digits of annotations that another one follows."""

    def edit(text: str, place: int, inside: bool, dice: random.Random) -> str:
        follows = text[place + 1 : place + 2].isalnum()
        return text[place] + (joint if inside and follows and text[place].isalnum() and dice.random() < chance else "")

    return edit


def _swapped(table: dict[str, str], chance: float = 1.0) -> Edit:
    def edit(text: str, place: int, inside: bool, dice: random.Random) -> str:
        char = text[place]
        return table[char] if inside and char in table and dice.random() < chance else char

    return edit


def _spaced(text: str, place: int, inside: bool, dice: random.Random) -> str:
    """`Anna Reed` -> `A n n a  R e e d`, in annotations."""
    char, following = text[place], text[place + 1 : place + 2]
    if not inside:
        return char
    return "  " if char == " " else char + (" " if following and not following.isspace() else "")


def _wrapped(text: str, place: int, inside: bool, dice: random.Random) -> str:
    """Breaks lines at the first blank behind every 60 characters."""
    return "\n" if text[place] == " " and place // 60 > text.rfind(" ", 0, place) // 60 and place >= 60 else text[place]


def _letters_as_digits(text: str, place: int, inside: bool, dice: random.Random) -> str:
    """Scanned letters inside words: `o`, `l` and `e` become digits."""
    table = {"o": "0", "l": "1", "e": "3"}
    within = text[place - 1 : place].isalpha() and text[place + 1 : place + 2].isalpha()
    return table[text[place]] if inside and within and text[place] in table and dice.random() < 0.15 else text[place]


def _wide(char: str) -> str:
    return chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char


def _without_accents(char: str) -> str:
    plain = unicodedata.normalize("NFD", char)[0]
    return plain if plain.isascii() else char


def _marked(mark: str) -> Callable[[GoldText], GoldText]:
    """Puts a mark around every annotation."""

    def change(gold: GoldText) -> GoldText:
        starts, ends = {a for a, _, _ in gold.spans}, {b for _, b, _ in gold.spans}
        wrapped = edited(
            gold, lambda t, p, i, d: (mark if p in starts else "") + t[p] + (mark if p + 1 in ends else "")
        )
        return replace(wrapped, spans=tuple((a + len(mark), b - len(mark), k) for a, b, k in wrapped.spans))

    return change


LATIN_TO_CYRILLIC = dict(zip("aceopxyiAEKMHOPCTX", "асеорхуіАЕКМНОРСТХ", strict=True))
LATIN_TO_GREEK = dict(zip("oviAEIKMNOPTXZ", "ονιΑΕΙΚΜΝΟΡΤΧΖ", strict=True))
DIGITS_TO_LETTERS = {"0": "O", "1": "l", "5": "S", "8": "B"}
QUOTES_AND_DASHES = {"-": "\u2013", "'": "\u2019", '"': "\u201d"}


def _edit(edit: Edit, prefix: str = "", suffix: str = "") -> Callable[[GoldText], GoldText]:
    return lambda gold: edited(gold, edit, prefix, suffix)


def _lines(prefix: str) -> Callable[[GoldText], GoldText]:
    """Puts something in front of every line."""
    return _edit(lambda t, p, i, d: t[p] + (prefix if t[p] == "\n" else ""), prefix)


PERTURBATIONS: dict[str, Callable[[GoldText], GoldText]] = {
    "lower case": _edit(_same_length(str.lower)),
    "upper case": _edit(_same_length(str.upper)),
    "title case": _edit(_title),
    "double blanks": _edit(_each(lambda c: "  " if c == " " else c)),
    "tabs": _edit(_each(lambda c: "\t" if c == " " else c)),
    "no-break blanks": _edit(_each(lambda c: "\u00a0" if c == " " else c)),
    "thin blanks": _edit(_each(lambda c: "\u2009" if c == " " else c)),
    "lines of 60 characters": _edit(_wrapped),
    "spaced letters": _edit(_spaced),
    "blanks around lines": _edit(lambda t, p, i, d: "  \n  " if t[p] == "\n" else t[p], "   ", "   "),
    "zero-width blanks": _edit(_between("\u200b")),
    "zero-width joiners": _edit(_between("\u200d", 0.3)),
    "soft hyphens": _edit(_between("\u00ad", 0.3)),
    "direction marks": _marked("\u200e"),
    "Cyrillic look-alikes": _edit(_swapped(LATIN_TO_CYRILLIC, 0.5)),
    "Greek look-alikes": _edit(_swapped(LATIN_TO_GREEK, 0.5)),
    "full width": _edit(_each(_wide, only_inside=True)),
    "decomposed accents": _edit(_each(lambda c: unicodedata.normalize("NFD", c))),
    "without accents": _edit(_each(_without_accents)),
    "typographic dashes and quotes": _edit(_swapped(QUOTES_AND_DASHES)),
    "scanned digits": _edit(_swapped(DIGITS_TO_LETTERS, 0.25)),
    "scanned letters": _edit(_letters_as_digits),
    "table row": _edit(_each(lambda c: " / " if c == "\n" else c), "| 17 | open | ", " | 2024 |"),
    "CSV field": _edit(_each(lambda c: '""' if c == '"' else c), '17,open,"', '",2024'),
    "bullet list": _lines("- "),
    "numbered list": _lines("1. "),
    "quoted reply": _lines("> "),
    "JSON inside the text": _edit(_each(lambda c: json.dumps(c)[1:-1]), '{"id": 17, "note": "', '", "state": "open"}'),
    "HTML": _edit(_each(lambda c: "<br>" if c == "\n" else escape(c).replace("@", "&#64;")), "<p>", "</p>"),
    "bold marks": _marked("**"),
}
"""Name -> the change. Every one keeps what a person would read."""


def perturbed(gold: Sequence[GoldText], name: str) -> list[GoldText]:
    """All texts under one perturbation.

    Raises:
        KeyError: no perturbation has the name.
    """
    return [PERTURBATIONS[name](one) for one in gold]
