"""Tells the text encoding of a file, or refuses: a wrong guess would mangle every accented letter and nobody would notice.

Certain: byte order marks, UTF-8, UTF-16 without a mark. A legacy code page is taken only where it stands out: Windows-1252
for Western text, else the clear winner of charset-normalizer. Everything else is an error that lists the candidates.
"""

import codecs
import logging
import re
from collections.abc import Iterator
from pathlib import Path

from ft_platform.errors import SourceError

CHUNK = 1 << 20
SAMPLE_BYTES = 1 << 18
MARKS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
UTF8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
MISPLACED = re.compile(
    r"(?<=[^\W\d_])[^\w\x00-\x7f’‘–—…“”«»·´\xa0\xad\u3000-\u303f\uff00-\uff65]+(?=[^\W\d_])|[¢¤¥¦¨©¬®¯±²³¶¸¹¼½¾](?=[^\W\d_])|(?<=[a-z])[À-ÖØ-ÞŠŽŸŒ](?=[a-z])"
)
"""A symbol or a capital in the middle of a word, or a symbol before one: the signs of a wrong code page."""
NOT_WESTERN = frozenset("þðýšžÞÐÝŠŽ¤")
"""Characters at whose places in Windows-1252 Turkish and Central European code pages have common letters, and ISO 8859-15 the euro sign."""
MAX_ACCENTED_SHARE = 0.3
"""Of all letters. French prose has 4 %, our accented test sentences up to 14 %; Greek or Russian read as Windows-1252 has 100 %."""
LEGACY = frozenset(
    (
        *("cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "iso8859_2", "iso8859_5", "iso8859_7", "iso8859_8", "iso8859_9"),
        *("koi8_r", "koi8_u", "cp932", "shift_jis", "euc_jp", "euc_jis_2004", "gb18030", "gbk", "big5", "cp949", "euc_kr"),
    )
)
"""Code pages that files come in often enough to be taken without asking, where they stand out."""
CANDIDATES = 4

logging.getLogger("charset_normalizer").setLevel(logging.WARNING)


def detect_encoding(path: Path, name: str, setting: str) -> str:
    """The encoding of a text file: `setting`, or for `auto` the detected one. All bytes have been decoded with it once.

    Raises:
        SourceError: bytes that the encoding cannot have (with their offset), no text at all, or no certain encoding.
    """
    with open(path, "rb") as file:
        head = file.read(CHUNK)
    if setting != "auto":
        _check(path, name, setting, "Correct source.encoding, or set it to auto")
        return "utf-8-sig" if head.startswith(codecs.BOM_UTF8) and codecs.lookup(setting).name == "utf-8" else setting
    mark = next((encoding for start, encoding in MARKS if head.startswith(start)), None) or _wide_without_mark(head)
    if mark:
        _check(path, name, mark, "Repair the file or set source.encoding")
        return mark
    offset = first_undecodable(path, "utf-8")
    return "utf-8" if offset is None else _legacy_encoding(path, name, offset)


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
        raise SourceError(f"{name}: source.encoding {encoding!r} is not an encoding, or not the one of this file", "Name one such as utf-8 or cp1252") from None
    if offset is not None:
        raise SourceError(f"{name}: the byte at offset {offset} cannot be decoded as {encoding}", next_step)


def _wide_without_mark(head: bytes) -> str | None:
    """UTF-16 without a byte order mark: every other byte of mostly Latin text is 0."""
    zeros_even, zeros_odd, pairs = head[::2].count(0), head[1::2].count(0), max(1, len(head) // 2)
    if zeros_odd > 0.4 * pairs and zeros_even < 0.05 * pairs:
        return "utf-16-le"
    if zeros_even > 0.4 * pairs and zeros_odd < 0.05 * pairs:
        return "utf-16-be"
    return None


def _legacy_encoding(path: Path, name: str, offset: int) -> str:
    where = f"{name}: the byte at offset {offset} cannot be decoded as utf-8"
    sequences = stray = 0
    for chunk in _chunks(path):
        found = UTF8_SEQUENCE.findall(chunk)
        sequences += len(found)
        stray += len(BEYOND_ASCII.findall(chunk)) - sum(map(len, found))
    if sequences and sequences >= stray:
        raise SourceError(
            f"{where}, but {sequences} other characters can: damaged, or two encodings in one file", "Repair the file, or export it again as UTF-8"
        )
    sample = _lines_beyond_ascii(path)
    if _is_western(sample) and first_undecodable(path, "cp1252") is None:
        return "cp1252"
    winner, candidates = _clear_winner(sample)
    if winner and first_undecodable(path, winner) is None:
        return winner
    found = f"candidates are {', '.join(candidates)}" if candidates else "it does not look like text"
    raise SourceError(f"{where} and no other encoding is certain: {found}", "Set source.encoding, or export the file again as UTF-8")


def _is_western(sample: bytes) -> bool:
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return False
    letters = [c for c in text if c.isalpha()]
    accented = [c for c in letters if c > "\x7f"]
    controls = sum(c < " " and c not in "\t\n\r" for c in text)
    return (
        not NOT_WESTERN.intersection(text)
        and len(accented) <= MAX_ACCENTED_SHARE * max(3, len(letters))
        and len(MISPLACED.findall(text)) <= 0.01 * len(BEYOND_ASCII.findall(sample))
        and controls <= 0.01 * len(text)
    )


def _clear_winner(sample: bytes) -> tuple[str | None, list[str]]:
    """The encoding that fits a known language better than every other reading of the bytes, and the candidates."""
    from charset_normalizer import from_bytes

    matches = [m for m in from_bytes(sample) if not MISPLACED.search(str(m))]
    names = [m.encoding for m in matches][:CANDIDATES]
    if not matches or matches[0].coherence == 0 or matches[0].encoding not in LEGACY:
        return None, names
    best = matches[0]
    rivals = [m for m in matches[1:] if str(m) != str(best) and (m.chaos, -m.coherence) <= (best.chaos, -best.coherence)]
    return (None if rivals else best.encoding), names


def _lines_beyond_ascii(path: Path) -> bytes:
    """Lines that tell something about the encoding, at most `SAMPLE_BYTES`."""
    lines, size = [], 0
    with open(path, "rb") as file:
        while size < SAMPLE_BYTES and (line := file.readline(SAMPLE_BYTES)):
            if BEYOND_ASCII.search(line):
                lines.append(line)
                size += len(line)
    return b"".join(lines)


def _chunks(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
