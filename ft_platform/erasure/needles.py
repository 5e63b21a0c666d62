"""Looks for many words at once in bytes, as they stand in files: plain, as JSON, or as part of an address.

Covered: ids and pseudonyms as whole words; texts in any case, whatever blanks are between their words. Not covered:
UTF-16, base64, a word that is divided between two pages of a database, and what is encrypted. An id of fewer than
`SHORTEST` bytes is in any file by chance, so it counts only as a whole cell or as a string in quotation marks."""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from html import escape
from urllib.parse import quote

import numpy as np

SHORTEST = 6
FEW = 16
"""Up to so many words each is looked for by itself, which is faster."""
STEP = 1 << 22
BITS = 20
MULTIPLIER = np.uint32(2654435761)
"""Knuth, The Art of Computer Programming, volume 3, section 6.4: multiplicative hashing."""
WORD = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")
IS_WORD = np.isin(np.arange(256), list(WORD))
ESCAPED = re.compile(rb"(?:%[0-9A-Fa-f]{2}|\\[bfnrt]|\\u[0-9A-Fa-f]{4})$")
"""A sign that ends in a letter or digit, in addresses and in JSON."""
CELL = b"\0"
"""Between the cells of a column, and around them."""
INSTEAD = b"erased"


class Needles:
    """What must not be found any more.

    Args:
        words: ids and pseudonyms.
        texts: names and other texts.
        stand_ins: other words, which are replaced by one that is told apart from others: ids of records.
    """

    def __init__(
        self, words: Collection[str], texts: Collection[str] = (), stand_ins: Mapping[str, str] | None = None
    ) -> None:
        self._by_length: dict[int, set[bytes]] = defaultdict(set)
        self._stand_ins = {form: new.encode() for word, new in (stand_ins or {}).items() for form in _forms(word)}
        for form in {form for word in words for form in _forms(word)} | set(self._stand_ins):
            self._by_length[len(form)].add(form)
        self._texts = [re.compile(_loosely(text)) for text in texts if text.split()]
        self._table = np.zeros(1 << BITS, bool)
        for found in self._by_length.values():
            ends = np.frombuffer(b"".join(one[-4:] for one in found), "<u4")
            self._table[_hashed(ends)] = True
        self.longest = max([*self._by_length, *(12 * len(text) for text in texts), 1])

    def count(self, data: bytes) -> int:
        """Bytes of all that was found."""
        return sum(end - start for start, end in self.places(data))

    def places(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Beginning and end of each."""
        for start, end in self._words(data):
            after = data[end : end + 1]
            if not (_goes_on(data, start) and data[start] in WORD) and not (after and after[0] in WORD):
                yield start, end
        for text in self._texts:
            yield from (found.span() for found in text.finditer(data))

    def without(self, data: bytes) -> bytes:
        """The bytes with something else in place of each."""
        parts, last = [], 0
        for start, end in sorted(self.places(data)):
            if start >= last:
                parts += [data[last:start], self._stand_ins.get(data[start:end]) or _instead(data[start:end])]
                last = end
        return b"".join([*parts, data[last:]])

    def without_in_cell(self, cell: bytes) -> bytes:
        """The same of one cell of a table, which may be a short id by itself."""
        return self.without(CELL + cell + CELL)[len(CELL) : -len(CELL)]

    def _words(self, data: bytes) -> Iterator[tuple[int, int]]:
        if sum(map(len, self._by_length.values())) <= FEW:
            for found in self._by_length.values():
                for word in found:
                    place = data.find(word)
                    while place >= 0:
                        yield place, place + len(word)
                        place = data.find(word, place + 1)
            return
        array = np.frombuffer(data, np.uint8)
        for first in range(0, len(array) - 3, STEP):
            part = array[first : first + STEP + 3].astype(np.uint32)
            ends = part[:-3] | part[1:-2] << 8 | part[2:-1] << 16 | part[3:] << 24
            after = np.append(array[first + 4 : first + STEP + 4], np.uint8(0))[: len(ends)]
            for place in np.flatnonzero(self._table[_hashed(ends)] & ~IS_WORD[after]).tolist():
                end = first + place + 4
                for length, words in self._by_length.items():
                    if end >= length and data[end - length : end] in words:
                        yield end - length, end


def _instead(found: bytes) -> bytes:
    """With the marks around a short id that were found with it."""
    for mark in (b'\\"', b'"', CELL):
        if len(found) > 2 * len(mark) and found.startswith(mark) and found.endswith(mark):
            return mark + INSTEAD + mark
    return INSTEAD


def _goes_on(data: bytes, start: int) -> bool:
    """Whether what stands before belongs to the same word."""
    return bool(start) and data[start - 1] in WORD and not ESCAPED.search(data[max(start - 6, 0) : start])


def _hashed(ends: np.ndarray) -> np.ndarray:
    return (ends * MULTIPLIER) >> np.uint32(32 - BITS)


def _forms(word: str) -> set[bytes]:
    """A word as it may stand in files."""
    escaped = json.dumps(word)[1:-1]
    if len(word.encode()) < SHORTEST:
        whole = {f'"{word}"', f'"{escaped}"', f'\\"{escaped}\\"'}
        return {form.encode() for form in whole} | {CELL + word.encode() + CELL}
    forms = {word, escaped, json.dumps(escaped)[1:-1], quote(word), quote(word, safe=""), escape(word)}
    return {form.encode() for form in forms}


def _loosely(text: str) -> bytes:
    """A pattern for a text in any case, with any blanks, plain or as JSON."""
    return rb"(?:\s|\\[nrt])+".join(b"".join(map(_either, word)) for word in text.split())


def _either(character: str) -> bytes:
    cases = {character, character.lower(), character.upper(), character.title()}
    forms = {form.encode() for case in cases for form in (case, json.dumps(case)[1:-1], escape(case))}
    if len(forms) == 1:
        return re.escape(forms.pop())
    return b"(?:" + b"|".join(map(re.escape, sorted(forms, key=len, reverse=True))) + b")"
