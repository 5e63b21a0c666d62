"""Texts as the recognizers read them: without hidden characters, look-alikes, escapes and wide spacing, each character
with its place in the original.

Covered: zero-width and soft characters, compatibility forms (full width, ligatures, mathematical letters), decomposed
accents, digits of other scripts, Cyrillic and Greek look-alikes inside Latin words, typographic dashes, quotes and
blanks, spaced letters, hard-wrapped lines, marks of quotes, lists, tables and bold print, HTML entities and plain tags,
JSON and URL escapes, digits and letters that scanning confuses, words that a hyphen and the end of a line cut in two,
words in mixed case (`rOsA`), text written right to left by an override, base64 and hexadecimal digits behind which
there is printable text (once, not one inside the other).
Not covered: misspelled names, compressed or encrypted text, ciphers, other encodings of a whole text.
"""

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

from ft_platform.privacy.spans import Span

HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]"
)
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u02d7\ufe58\ufe63\uff0d"
SINGLE_QUOTES, DOUBLE_QUOTES = "\u2018\u2019\u201a\u201b\u2032\u02bc\u02b9\u00b4", "\u201c\u201d\u201e\u201f\u2033"
PLAIN = {
    **{ord(c): "-" for c in DASHES},
    **{ord(c): "'" for c in SINGLE_QUOTES},
    **{ord(c): '"' for c in DOUBLE_QUOTES},
    0x2206: "\u0394",
    0x2044: "/",
    0x2215: "/",
}
LOOK_ALIKES = dict(
    zip(
        "аеорсухіјѕһԁԛԝӏАВЕКМНОРСТХУІЈЅԌοανικρυτχΑΒΕΖΗΙΚΜΝΟΡΤΥΧıɡɑ",
        "aeopcyxijshdqwlABEKMHOPCTXYIJSGoavikputxABEZHIKMNOPTYXiga",
        strict=True,
    )
)
"""Unicode Technical Standard 39, confusables.txt: letters of other scripts drawn like Latin ones. They count inside
words with Latin letters or digits."""
LOOK_ALIKE = re.compile("[" + "".join(LOOK_ALIKES) + "]")
LATIN = re.compile(r"[A-Za-z0-9]")
WORD = re.compile(r"[^\s<>()\[\]{}\"',;]+")

ENTITY = re.compile(r"&(?:#\d{2,6}|#x[0-9A-Fa-f]{2,6}|[A-Za-z]{2,8}\d?);")
BACKSLASH = re.compile(
    r"\\(?:u[0-9A-Fa-f]{4}|[nrt\"'/])"
    r"|(?i:(?<![a-z])[a-z]:\\{1,2}(?:users|documents and settings)\\{1,2})[^\\\s\"]*"
)
"""Or a home folder of Windows, whose `\\r` is the first letter of a name."""
ESCAPED = {"n": "\n", "r": "\n", "t": "\t"}
OVERRIDE = re.compile("\u202e([^\u202c\u202d\n]+)[\u202c\u202d]?")
"""What a right-to-left override shows from the last character to the first."""
BASE64 = re.compile(r"(?<![\w+/=.-])(?:[A-Za-z0-9+/_-]{12,}+={0,2}|[A-Za-z0-9+/_-]{6,}+={1,2})(?![\w+/=-]|\.\w)")
HEX = re.compile(
    r"(?<!\w)(?:0x)?(?:[0-9A-Fa-f]{2}){6,}+(?!\w)"
    r"|(?<![\w:-])[0-9A-Fa-f]{2}([ :-])(?:[0-9A-Fa-f]{2}\1){6,}[0-9A-Fa-f]{2}(?!\w|[:-]\w)"
    r"|(?:\\x[0-9A-Fa-f]{2}){3,}+|(?:%[0-9A-Fa-f]{2}){3,}+"
)
ENCODED = re.compile(r"[A-Z0-9+=](?:(?<=[A-Za-z0-9+/_-]{6}.)|(?<=[A-Za-z0-9+/_-].)(?=[A-Za-z0-9+/_-]{6}))")
IN_HEX = re.compile(
    r"[0-9](?=[0-9A-Fa-f]{9}|[0-9A-Fa-f][ :-][0-9A-Fa-f]{2}[ :-][0-9A-Fa-f]{2}[ :-])|\\x|%[0-9A-Fa-f]{2}%"
)
"""What every encoded text holds: asked first. Base64 has a capital or a digit behind its first character, two
hexadecimal digits of text begin with a digit."""
NO_WORD = re.compile(r"[A-Z0-9+=]")
FEWEST_HEX_DIGITS = 20
"""Without a letter among them: shorter ones are numbers."""
PERCENT = re.compile(r"%(?:20|2[1-9A-Fa-f]|3[A-Fa-f]|40|5[BbDd])")
SPACED = re.compile(r"(?<!\S)(?:\S [ ]?){4,}\S(?!\S)")
TAB = re.compile(r"\t")
WIDE = re.compile(r"(?<=\S)[ \t]{2,}(?=\S)")
WRAPPED = re.compile(r"(?<=[^\n]{45}[^\s.!?:;])[ \t]*\n(?=[^\s\n>*•|-])")
CUT_IN_TWO = re.compile(
    r"(?<=[^\W\d_]{2})-[ \t]*\n[ \t]*(?=[^\W\d_A-ZÀ-ÖØ-Þ])"
    r"|(?<=[^\W\d_]-)[ \t]*\n[ \t]*(?=[A-ZÀ-ÖØ-Þ])"
)
MIXED = re.compile(r"(?<![\w@/.#+=-])[^\W\d_]{4,30}(?![\w@/=])")
IN_MIXED = re.compile(r"[A-ZÀ-ÖØ-Þ](?<=[a-zß-ÿ].)[A-ZÀ-ÖØ-Þ]*[a-zß-ÿ]+[A-ZÀ-ÖØ-Þ]")
"""Small letters, capitals, small letters and capitals again."""
LINE_MARK = re.compile(
    r"(?:(?<=\n)|^)[ \t]*(?:>[> \t]*|(?:[-*•]|\?{3})[ \t]+|\d{1,2}[.)][ \t]+(?![^\W\d_]+[ ](?:19|20)\d\d))(?=[^\s>])"
)
"""What a quoted reply or a list puts in front of a line; `12. Oktober 1980` is none. `???` is a bullet of three bytes
that were read as ASCII."""
BOLD = re.compile(r"(?<!\*)\*\*(?!\*)")
TAG = re.compile(r"</?(?:p|br|div|li|ul|ol|tr|td|th|table|h[1-6]|b|i|u|em|strong|span)[ ]?/?>", re.IGNORECASE)
"""Tags without attributes: one with attributes may hold an address."""
INLINE = ("b>", "i>", "u>", "m>", "g>", "n>")
CELL_BORDER = re.compile(r"(?<=[ \t])[/|](?=[ \t])|^\|(?= )|(?<= )\|$")
OCR_TOKEN = r"(?=[OoIlSBZ]{0,6}\d)[\dOoIlSBZ]+"
NUMBER_OCR = re.compile(rf"(?<![\w.])\+?\(?{OCR_TOKEN}(?:[ .()/-]{{1,2}}{OCR_TOKEN})+(?!\w)")
DIGITS_OCR = re.compile(r"(?<![A-Za-z])(?=[\dOoIlSBZ-]*\d[\dOoIlSBZ-]*\d)[\dOoIlSBZ]+(?:-[\dOoIlSBZ]+)*(?![A-Za-z])")
AS_DIGIT = str.maketrans("OoIlSBZ", "0011582")
LETTER_AT_DIGIT = re.compile(r"\d(?:-?[OoIlSBZ]|(?<=[OoIlSBZ].)|(?<=[OoIlSBZ]-.))")
"""What every number with such a letter holds: asked first, at a tenth of the time."""
WORD_OCR = re.compile(r"(?<![\w@./-])[^\W\d_]+(?:[0135][^\W\d_]+)+(?![\w@])")
AS_LETTER = str.maketrans("0135", "oles")
DIGIT_IN_WORD = re.compile(r"[0135](?<=[^\W\d_].)(?=[^\W\d_])")
"""What every such word holds."""


@dataclass(frozen=True, slots=True)
class Normalized:
    """A text and where each of its characters stands in the original: `original[starts[i]:ends[i]]`. No places: it is
    the original.

    Attributes:
        as_digits: the text with letters in numbers read as the digits that they look like (`O` as 0), of the same
            length; empty where nothing changes. A letter may be meant, so both are read.
    """

    text: str
    as_digits: str = ""
    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()

    def in_original(self, spans: list[Span]) -> list[Span]:
        """Findings in the normalized text as findings in the original, in order, without overlaps."""
        if not self.starts:
            return spans
        moved = [replace(s, start=self.starts[s.start], end=self.ends[s.end - 1]) for s in spans]
        # Two spans that meet inside one original character (a ligature): the first one keeps it.
        return moved[:1] + [
            replace(s, start=max(s.start, before.end))
            for before, s in pairwise(moved)
            if max(s.start, before.end) < s.end
        ]


class _Rewriting:
    """A text under change, with the interval of the original behind each character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = list(range(len(text)))
        self.ends = list(range(1, len(text) + 1))
        self.changed = False

    def substitute(self, pattern: re.Pattern[str], replacement: Callable[[re.Match[str]], str]) -> None:
        """Replaces each match. A replacement of the same length keeps the places of its characters; any other stands
        for the whole match."""
        parts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        done = 0
        for match in pattern.finditer(self.text):
            new = replacement(match)
            a, b = match.span()
            if new == match.group():
                continue
            parts += [self.text[done:a], new]
            starts += self.starts[done:a]
            ends += self.ends[done:a]
            if len(new) == b - a:
                starts += self.starts[a:b]
                ends += self.ends[a:b]
            else:
                starts += [self.starts[a]] * len(new)
                ends += [self.ends[b - 1]] * len(new)
            done = b
        if done:
            self.text = "".join([*parts, self.text[done:]])
            self.starts = starts + self.starts[done:]
            self.ends = ends + self.ends[done:]
            self.changed = True

    def drop(self, keep: list[bool]) -> None:
        """Leaves out characters."""
        self.text = "".join(c for c, k in zip(self.text, keep, strict=True) if k)
        self.starts = [s for s, k in zip(self.starts, keep, strict=True) if k]
        self.ends = [e for e, k in zip(self.ends, keep, strict=True) if k]
        self.changed = True


def normalize(text: str) -> Normalized:
    """The text as recognizers read it. Plain ASCII without escapes and wide gaps comes back as it is, at the cost of a
    few searches."""
    work = _Rewriting(text)
    if ENCODED.search(text):
        work.substitute(BASE64, _from_base64)
    if IN_HEX.search(work.text):
        work.substitute(HEX, _from_hex)
    if not text.isascii():
        _characters(work)
    if "&" in text:
        work.substitute(ENTITY, lambda m: html.unescape(m.group()).replace("\xa0", " "))
    if "**" in text:
        work.substitute(BOLD, lambda m: "")
    if "<" in work.text:
        work.substitute(TAG, lambda m: "" if m.group().lower().endswith(INLINE) else "\n")
    if "\\" in text:
        work.substitute(BACKSLASH, _unescaped)
    if "%" in text:
        work.substitute(PERCENT, lambda m: chr(int(m.group()[1:], 16)))
    _spacing(work)
    if IN_MIXED.search(work.text):
        work.substitute(MIXED, _in_one_case)
    if DIGIT_IN_WORD.search(work.text):
        work.substitute(WORD_OCR, lambda m: m.group().translate(AS_LETTER))
    as_digits = _as_digits(work.text) if LETTER_AT_DIGIT.search(work.text) else ""
    if work.changed:
        return Normalized(work.text, as_digits, tuple(work.starts), tuple(work.ends))
    return Normalized(text, as_digits)


def _as_digits(text: str) -> str:
    """The text with scanned numbers read as numbers; empty if there are none."""
    new = text
    for pattern in (NUMBER_OCR, DIGITS_OCR):
        new = pattern.sub(lambda m: m.group().translate(AS_DIGIT) if _mostly_digits(m.group()) else m.group(), new)
    return "" if new == text else new


def _from_base64(match: re.Match[str]) -> str:
    """What is encoded, where that is text; a plain word is none of it."""
    written = match.group()
    letters = written.rstrip("=")
    if written.isupper() or not NO_WORD.search(written, 1):
        return written
    try:
        content = base64.b64decode(
            letters + "=" * (-len(letters) % 4), altchars=b"-_" if {*"-_"} & {*letters} else None
        )
    except (binascii.Error, ValueError):
        return written
    return _printable(content) or written


def _from_hex(match: re.Match[str]) -> str:
    written = match.group()
    digits = re.sub(r"0x|\\x|[^0-9A-Fa-f]", "", written)
    if len(digits) % 2 or (digits.isdigit() and len(digits) < FEWEST_HEX_DIGITS and written[0] not in "\\%"):
        return written
    return _printable(bytes.fromhex(digits)) or written


def _in_one_case(match: re.Match[str]) -> str:
    """A word with as many changes of case as `jArEk` with a capital in front; `PostgreSQL` and `NamedList` stay."""
    word = match.group()
    changes = sum(a.isupper() != b.isupper() for a, b in pairwise(word))
    return word.capitalize() if IN_MIXED.search(word) and 2 * changes >= len(word) - 1 else word


def _printable(content: bytes) -> str:
    """Bytes as text; empty if they are none."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return ""
    return text if all(char.isprintable() or char in "\r\n\t" for char in text) else ""


def _characters(work: _Rewriting) -> None:
    if "\u202e" in work.text:  # both ways: it may have been put in front of a text that is written as it is read
        work.substitute(OVERRIDE, lambda m: f"{m.group(1)[::-1]}\n{m.group(1)}")
    if HIDDEN.search(work.text):
        work.drop([not HIDDEN.match(c) for c in work.text])
    if not unicodedata.is_normalized("NFC", work.text):
        work.substitute(re.compile(r"\w[\u0300-\u036f]+"), lambda m: unicodedata.normalize("NFC", m.group()))
    work.substitute(re.compile(r"[^\x00-\x7f]"), _plain_character)
    if LOOK_ALIKE.search(work.text):
        work.substitute(
            WORD,
            lambda m: (
                LOOK_ALIKE.sub(lambda c: LOOK_ALIKES[c.group()], m.group()) if LATIN.search(m.group()) else m.group()
            ),
        )


def _plain_character(match: re.Match[str]) -> str:
    char = match.group()
    if char.isalpha() and unicodedata.normalize("NFKC", char) == char:
        return char
    if char.isspace():
        return "\n" if char in "\x85\u2028\u2029" else " "
    decimal = unicodedata.decimal(char, None)
    if decimal is not None:
        return str(decimal)
    plain = PLAIN.get(ord(char)) or unicodedata.normalize("NFKC", char)
    return plain if 0 < len(plain) <= 4 else char


def _unescaped(match: re.Match[str]) -> str:
    if match.group()[0] != "\\":
        return match.group()
    kind = match.group()[1]
    return chr(int(match.group()[2:], 16)) if kind == "u" else ESCAPED.get(kind, kind)


def _spacing(work: _Rewriting) -> None:
    """Joins spaced letters, then makes wide gaps one blank (two or less) or a tab (a column), and unwraps long
    lines."""
    if " " in work.text and SPACED.search(work.text):
        keep = [True] * len(work.text)
        for match in SPACED.finditer(work.text):
            for place in range(match.start() + 1, match.end() - 1):
                # A single blank between single characters; a double one parts two words and stays.
                if work.text[place] == " " and work.text[place + 1] != " " and work.text[place - 1] != " ":
                    keep[place] = False
        work.drop(keep)
    if " / " in work.text or "|" in work.text:
        work.substitute(CELL_BORDER, lambda m: "\n")
    if work.text.count("\t") > work.text.count(" "):  # they part words, not columns
        work.substitute(TAB, lambda m: " ")
    if "  " in work.text or "\t" in work.text:
        work.substitute(WIDE, lambda m: " " if len(m.group()) < 3 and "\t" not in m.group() else "\t")
    if "\n" in work.text:
        if "-" in work.text:
            work.substitute(CUT_IN_TWO, lambda m: "")
        work.substitute(LINE_MARK, lambda m: "")
        work.substitute(WRAPPED, lambda m: " ")


def _mostly_digits(token: str) -> bool:
    letters = sum(c.isalpha() for c in token)
    digits = sum(c.isdigit() for c in token)
    return 0 < letters <= digits and digits + letters >= 4
