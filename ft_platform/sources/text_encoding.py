"""Tells the text encoding of a file and how sure that is, or refuses: a wrong guess would mangle every accented letter
and nobody would notice.

Certain: byte order marks, UTF-8, UTF-16 without a mark, ISO-2022 (7 bits with escapes). A legacy code page is taken
where its reading makes words of one language and no other reading does (`code_pages`), with a certainty: the share of
what is beyond ASCII that only this reading explains. Below `LEAST_CERTAINTY` the file is refused with the candidates,
and `source.encoding` says which one it is.

Covered: the languages of `languages`, Japanese, Chinese and Korean. Not covered: bytes that are valid UTF-8 and mean
something else, in files with a few characters beyond ASCII; texts that were garbled before they were written.
"""

import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ft_platform.errors import SourceError
from ft_platform.sources.code_pages import (
    LEAST_WORDS,
    TYPICAL_UTF_8,
    certainty,
    lines_of_another,
    readings,
    utf_8_inside,
)

CHUNK = 1 << 20
SAMPLE_BYTES = 1 << 16
LINE_BYTES = 1 << 14
"""Of a longer line only so many bytes are looked at."""
FIRST_LINES = 100
LEAST_CERTAINTY = 0.85
MARKS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
UTF8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
ISO_2022 = re.compile(rb"\x1b\$|\x1b\([BIJ]|\x0e")
"""Escapes that change the character set, and "shift out"."""
ISO_2022_JP = ("iso2022_jp", "iso2022_jp_2", "iso2022_jp_3", "iso2022_jp_ext")
HIDDEN_LETTERS = {"utf-7": re.compile(rb"\+[A-Za-z0-9+/]{3,}-?"), "hz": re.compile(rb"~\{[^~]+~\}")}
"""Encodings that look like ASCII, and what they write other letters with."""
USUAL = re.compile(
    "[\u00a0-\u017f\u01a0\u01a1\u01af\u01b0\u0218-\u021b\u0370-\u045f\u0490\u0491\u05d0-\u05ea\u0600-\u06ff\u0900-\u0e7f\u1e00-\u1eff\u2000-\u206f\u20a0-\u20bf\u2116\u2122\u2190-\u22ff\u2500-\u27bf"
    "\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff00-\uff60\U0001f300-\U0001faff]"
)
"""Characters that texts have: letters and signs in use today. What is beyond them comes of reading bytes in another
encoding."""
CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
CONTROL_SHARE = 0.02
"""Texts have none, or the escapes of terminals."""
FEW = 4
CANDIDATES = 4


@dataclass(frozen=True)
class FoundEncoding:
    """The encoding of a text file. All bytes have been decoded with it once.

    Attributes:
        name: as Python calls it.
        how: `set` in the use case, `marked` by the file, or `detected`.
        certainty: in [0, 1]; 1 where it is set, marked, or cannot be another.
        beyond_ascii: characters beyond ASCII in a file in UTF-8; bytes beyond ASCII that were looked at of another. Not
            counted of set and marked ones.
    """

    name: str
    how: Literal["set", "marked", "detected"] = "detected"
    certainty: float = 1.0
    beyond_ascii: int = 0


def detect_encoding(path: Path, name: str, setting: str) -> FoundEncoding:
    """The encoding of a text file: `setting`, or for `auto` the detected one.

    Raises:
        SourceError: bytes that the encoding cannot have (with their offset), no text at all, or no certain encoding.
    """
    with open(path, "rb") as file:
        head = file.read(CHUNK)
    if setting != "auto":
        _check(path, name, setting, "Correct source.encoding, or set it to auto")
        return FoundEncoding(
            "utf-8-sig" if head.startswith(codecs.BOM_UTF8) and codecs.lookup(setting).name == "utf-8" else setting,
            "set",
        )
    mark = next((encoding for start, encoding in MARKS if head.startswith(start)), None) or _wide_without_mark(
        head, name
    )
    if mark:
        _check(path, name, mark, "Repair the file or set source.encoding")
        return FoundEncoding(mark, "marked")
    offset = first_undecodable(path, "utf-8")
    sequences = sum(len(UTF8_SEQUENCE.findall(chunk)) for chunk in _chunks(path))
    if offset is None and not sequences:
        return _seven_bits(path, name)
    if hidden := sum(
        b"\x1b$" in line or bool(_read(line, "hz")) for line in _lines_with(path, re.compile(rb"\x1b\$|~\{[^~]+~\}"))
    ):
        raise SourceError(
            f"{name} has bytes beyond ASCII, and {hidden} lines in ISO-2022 or HZ: two encodings in one file",
            "Export it again as UTF-8",
        )
    return _utf_8(path, name, sequences) if offset is None else _legacy_encoding(path, name, offset)


def first_undecodable(path: Path, encoding: str) -> int | None:
    """Offset of the first byte that is not in the encoding, or None."""
    decoder = codecs.getincrementaldecoder(encoding)()
    fed = 0
    for chunk in _chunks(path):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as error:
            return fed - pending + error.start
        fed += len(chunk)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return fed - len(decoder.getstate()[0]) + error.start
    return None


def _check(path: Path, name: str, encoding: str, next_step: str) -> None:
    try:
        offset = first_undecodable(path, encoding)
    except (LookupError, UnicodeError):
        raise SourceError(
            f"{name}: source.encoding {encoding!r} is not an encoding, or not the one of this file",
            "Name one such as utf-8 or cp1252",
        ) from None
    if offset is not None:
        raise SourceError(f"{name}: the byte at offset {offset} cannot be decoded as {encoding}", next_step)


def _wide_without_mark(head: bytes, name: str) -> str | None:
    """UTF-16 without a byte order mark: every other byte of mostly Latin text is 0; of Cyrillic, Arabic and Thai text a
    control character.

    Raises:
        SourceError: there are control characters, and the bytes are no UTF-16 either.
    """
    zeros_even, zeros_odd, pairs = head[::2].count(0), head[1::2].count(0), max(1, len(head) // 2)
    if zeros_odd > 0.4 * pairs and zeros_even < 0.05 * pairs:
        return "utf-16-le"
    if zeros_even > 0.4 * pairs and zeros_odd < 0.05 * pairs:
        return "utf-16-be"
    controls = len(CONTROLS.findall(head))
    if controls <= CONTROL_SHARE * len(head):
        return None
    for encoding in ("utf-16-le", "utf-16-be"):
        text = head[: len(head) // 2 * 2].decode(encoding, "replace")
        letters = [one for one in text if one.isalpha() and one > "\x7f"]
        if (
            letters
            and max(letters) < "\u1000"
            and all(one < "\x7f" or USUAL.match(one) for one in text)
            and len({_script(one) for one in letters}) == 1
        ):
            return encoding
    if (zeros_even and zeros_odd) or controls > zeros_even + zeros_odd:
        raise _uncertain(
            f"{name} has {controls} control characters in its first {len(head):,} bytes", ["utf-16-le", "utf-16-be"]
        )
    return None


def _seven_bits(path: Path, name: str) -> FoundEncoding:
    """The encoding of a file without a byte beyond ASCII, which may still hold other letters."""
    sample = b"\n".join(_lines_with(path, ISO_2022))
    if sample:
        shifted = b"\x0e" in sample
        fitting = next(
            (encoding for encoding in (("iso2022_kr",) if shifted else ISO_2022_JP) if _decodes(path, encoding)), None
        )
        if fitting:
            return FoundEncoding(fitting)
        if shifted or b"\x1b$" in sample:
            raise _uncertain(
                f"{name} has escapes that change the character set", ["iso2022_jp", "iso2022_kr", "iso2022_jp_2004"]
            )
    for encoding, pattern in HIDDEN_LETTERS.items():
        if found := b" ".join(one for line in _lines_with(path, pattern) for one in pattern.findall(line)):
            letters = [one for one in _read(found, encoding) if one > "\x7f"]
            if letters and all(map(USUAL.match, letters)) and _decodes(path, encoding):
                raise _uncertain(f"{name} may contain letters that look like ASCII", [encoding, "ascii"])
    return FoundEncoding("utf-8")


def _read(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _utf_8(path: Path, name: str, sequences: int) -> FoundEncoding:
    """UTF-8, which other encodings hardly ever look like by chance: a two-byte sequence does once in ten times."""
    if sequences < FEW:
        text = b"\n".join(_lines_with(path, BEYOND_ASCII)).decode("utf-8", "ignore")
        if not all(
            USUAL.match(one) and _stands_among_its_own(text, place) for place, one in enumerate(text) if one > "\x7f"
        ):
            others = [one.encoding for one in readings(_sample(path))]
            raise _uncertain(f"{name} has {sequences} characters beyond ASCII, too few to tell", ["utf-8", *others])
    return FoundEncoding("utf-8", beyond_ascii=sequences)


def _stands_among_its_own(text: str, place: int) -> bool:
    """Whether a letter of another script than Latin is beside one of its own, and beside no other."""
    around = [text[other] for other in (place - 1, place + 1) if 0 <= other < len(text) and text[other].isalpha()]
    script = _script(text[place])
    return script in ("", "LATIN") or (bool(around) and {_script(one) for one in around} == {script})


def _script(letter: str) -> str:
    """`GREEK`, `CYRILLIC`, ...; `EAST` for all scripts of East Asia, empty for signs."""
    if "\u2e80" <= letter < "\ufb00":
        return "EAST"
    return unicodedata.name(letter, "?").split(" ", 1)[0] if letter.isalpha() else ""


def _legacy_encoding(path: Path, name: str, offset: int) -> FoundEncoding:
    where = f"{name}: the byte at offset {offset} cannot be decoded as utf-8"
    sequences = stray = 0
    for chunk in _chunks(path):
        found = UTF8_SEQUENCE.findall(chunk)
        sequences += len(found)
        stray += len(BEYOND_ASCII.findall(chunk)) - sum(map(len, found))
    if sequences and sequences >= stray:
        raise SourceError(
            f"{where}, but {sequences} other characters can: damaged, or two encodings in one file",
            "Repair the file, or export it again as UTF-8",
        )
    if mixed := sum(map(_is_utf_8, _lines_with(path, BEYOND_ASCII))):
        raise SourceError(
            f"{where}, but {mixed} lines can: two encodings in one file",
            "Export it again as UTF-8, or set source.encoding if it has one only",
        )
    sample = _sample(path)
    found = readings(sample)
    best = next((one for one in found if _decodes(path, one.encoding)), None)
    sure = certainty(found, best) if best else 0.0
    if best and sure >= LEAST_CERTAINTY:
        if mixed := lines_of_another(found, best) + (utf_8_inside(sample, best) if best.by_line else 0):
            raise SourceError(
                f"{where}, and {mixed} places look like a different encoding from {best.encoding}: two in one file",
                "Export it again as UTF-8",
            )
        return FoundEncoding(
            best.encoding, certainty=round(sure, 3), beyond_ascii=len(BEYOND_ASCII.findall(b"".join(sample)))
        )
    raise _uncertain(
        f"{where} and no other encoding is certain",
        [one.encoding for one in found if one.score > 0.5 and one.words >= LEAST_WORDS],
    )


def _uncertain(problem: str, candidates: list[str]) -> SourceError:
    if candidates:
        listed = f"candidates are {', '.join(dict.fromkeys(candidates[:CANDIDATES]))}"
    else:
        listed = "it has too few words in a language that is known here"
    return SourceError(f"{problem}: {listed}", "Set source.encoding, or export the file again as UTF-8")


def _is_utf_8(line: bytes) -> bool:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return any(map(USUAL.match, text))


def _decodes(path: Path, encoding: str) -> bool:
    try:
        return first_undecodable(path, encoding) is None
    except (LookupError, UnicodeError):
        return False


def _sample(path: Path) -> list[bytes]:
    """Lines with bytes beyond ASCII from all parts of the file, about `SAMPLE_BYTES`; the first line with each such
    byte, and the first ones with what may be UTF-8."""
    first: dict[bytes, bytes] = {}
    chosen: list[bytes] = []
    maybe_utf_8: list[bytes] = []
    size, step = 0, 1
    for number, line in enumerate(_lines_with(path, BEYOND_ASCII)):
        if len(maybe_utf_8) < FIRST_LINES and TYPICAL_UTF_8.search(line):
            maybe_utf_8.append(line)
        for value in set(BEYOND_ASCII.findall(line)) - first.keys():
            first[value] = line
        if number % step == 0:
            chosen.append(line)
            size += len(line)
        if size > SAMPLE_BYTES:  # from now on every second line
            chosen, step = chosen[::2], step * 2
            size = sum(map(len, chosen))
    return list(dict.fromkeys([*chosen, *first.values(), *maybe_utf_8]))


def _lines_with(path: Path, pattern: re.Pattern[bytes]) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while line := file.readline(LINE_BYTES):
            if pattern.search(line):
                yield line.rstrip(b"\r\n")


def _chunks(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
