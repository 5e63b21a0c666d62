"""Texts as sets of hashed word 3-grams, with numpy on the bytes of whole columns: no Python object per text or word."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

WORDS_PER_SHINGLE = 3
BYTES_AT_ONCE = 1 << 20
ROWS_AT_ONCE = 8192
NOT_IN_A_WORD = r"[^\pL\pM\pN_]+"
WITHOUT_SPACES = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])"
BASE = 0x9E3779B97F4A7C15
"""Odd, so it has an inverse modulo 2**64."""


def mix(x: np.ndarray) -> np.ndarray:
    """Finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). Shape and dtype (uint64) stay."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


BYTE_HASHES = mix(np.arange(256, dtype=np.uint64))


def _word_bytes() -> np.ndarray:
    """Each byte in lower case, or 0 if it is not part of a word. Bytes from 0x80 on are: `_normalized` took care of
    them."""
    table = np.zeros(256, np.uint8)
    kept = [*b"abcdefghijklmnopqrstuvwxyz0123456789_", *range(0x80, 0x100)]
    table[kept] = kept
    table[[*b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"]] = [*b"abcdefghijklmnopqrstuvwxyz"]
    return table


WORD_BYTES = _word_bytes()


def in_slices(texts: pa.Array) -> Iterator[pa.Array]:
    """The texts as large strings without nulls, at most `ROWS_AT_ONCE` and about `BYTES_AT_ONCE` at a time, so that
    temporary arrays stay in cache."""
    texts = pc.fill_null(texts.cast(pa.large_string()), "")
    ends = _offsets(texts)[1:]
    start, start_byte = 0, _offsets(texts)[0] if len(texts) else 0
    while start < len(texts):
        fitting = int(np.searchsorted(ends, start_byte + BYTES_AT_ONCE, side="right"))
        stop = min(max(start + 1, fitting), start + ROWS_AT_ONCE, len(texts))
        yield texts.slice(start, stop - start)
        start, start_byte = stop, ends[stop - 1]


def shingles(texts: pa.Array, size: int = WORDS_PER_SHINGLE) -> tuple[np.ndarray, np.ndarray]:
    """Row and 64-bit hash of every word n-gram; a text of fewer words is one shingle. Equal on every machine and run.

    Args:
        texts: one slice of `in_slices`.
        size: words of a shingle.

    Returns:
        rows, ascending, and hashes (uint64), both of shape `(shingles,)`; repeated n-grams of a row stand repeatedly.
    """
    words, length = _words(texts)
    end = np.cumsum(length)
    row = np.repeat(np.arange(len(texts)), length)
    position = np.arange(len(words))
    mixed = mix(words)
    for ahead in range(1, size):
        following = np.zeros(len(words), np.uint64)
        following[: max(0, len(words) - ahead)] = words[ahead:]
        following[position + ahead >= end[row]] = 0
        mixed = mix(mixed + following)
    starts = position < np.maximum(end - length + 1, end - size + 1)[row]
    return row[starts], mixed[starts]


def word_counts(texts: pa.Array) -> np.ndarray:
    """Words of each text of one slice of `in_slices`; at least 1. Shape `(texts,)`."""
    return _words(texts)[1]


def _words(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Hash of each word, and the number of words of each text. A text without a word counts as one, made of its
    marks."""
    data, offsets = _bytes(_normalized(texts))
    letters = WORD_BYTES[data]
    starts, ends = _runs(letters != 0, offsets)
    hashes = _hashes(letters, starts, ends)
    length = np.diff(np.searchsorted(starts, offsets))
    wordless = length == 0
    if not wordless.any():
        return hashes, length
    length[wordless] = 1
    is_marks = np.zeros(length.sum(), bool)
    is_marks[(np.cumsum(length) - 1)[wordless]] = True
    merged = np.empty(len(is_marks), np.uint64)
    merged[~is_marks] = hashes
    marks, mark_offsets = _bytes(
        pc.replace_substring_regex(pc.utf8_lower(texts.filter(pa.array(wordless))), r"\s+", "")
    )
    merged[is_marks] = _hashes(marks, mark_offsets[:-1], mark_offsets[1:])
    return merged, length


def _normalized(texts: pa.Array) -> pa.Array:
    """Texts with other than ASCII characters in lower case, with blanks between words, and around each sign of a script
    without spaces."""
    other = pc.invert(pc.string_is_ascii(texts))
    if not pc.any(other).as_py():
        return texts
    lower = pc.replace_substring_regex(pc.utf8_lower(texts.filter(other)), WITHOUT_SPACES, r"\1 ")
    return pc.replace_with_mask(texts, other, pc.replace_substring_regex(lower, NOT_IN_A_WORD, " "))


def _runs(inside: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends of the runs of True that do not cross from one text into the next."""
    filled = offsets[:-1] < offsets[1:]
    starts, ends = inside.copy(), inside.copy()
    starts[1:] &= ~inside[:-1]
    ends[:-1] &= ~inside[1:]
    borders, last = offsets[:-1][filled], offsets[1:][filled] - 1
    starts[borders], ends[last] = inside[borders], inside[last]
    return np.flatnonzero(starts), np.flatnonzero(ends) + 1


def _hashes(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Hash of each span of bytes: the polynomial `sum(BYTE_HASHES[byte] * BASE**place)` modulo 2**64, from differences
    of one running sum."""
    powers, inverse = _powers(len(data))
    total = np.zeros(len(data) + 1, np.uint64)
    np.cumsum(BYTE_HASHES[data] * powers, out=total[1:])
    return (total[ends] - total[starts]) * inverse[starts]


def _powers(size: int) -> tuple[np.ndarray, np.ndarray]:
    """`BASE**i` and `BASE**-i` modulo 2**64 for i in [0, size]. Those for usual sizes are kept."""
    capacity = 2 * BYTES_AT_ONCE
    made = _some_powers(capacity) if size <= capacity else _some_powers.__wrapped__(size)
    return made[0][:size], made[1][: size + 1]


@lru_cache(maxsize=1)
def _some_powers(size: int) -> tuple[np.ndarray, np.ndarray]:
    bases = np.full((2, size + 1), [[BASE], [pow(BASE, -1, 2**64)]], np.uint64)
    bases[:, 0] = 1
    return tuple(np.multiply.accumulate(bases, axis=1))


def _offsets(texts: pa.Array) -> np.ndarray:
    if not len(texts):
        return np.zeros(1, np.int64)
    return np.frombuffer(texts.buffers()[1], np.int64, len(texts) + 1, texts.offset * 8)


def _bytes(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """UTF-8 bytes of all texts, and where each begins, with the end: shape `(texts + 1,)`."""
    offsets = _offsets(texts)
    buffer = texts.buffers()[2]
    if buffer is not None and buffer.size:
        data = np.frombuffer(buffer, np.uint8)[offsets[0] : offsets[-1]]
    else:
        data = np.empty(0, np.uint8)
    return data, offsets - offsets[0]
