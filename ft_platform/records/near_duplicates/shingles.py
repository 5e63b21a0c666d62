"""Texts as sets of hashed word 3-grams, with numpy on the bytes of whole columns: no Python object per text or word."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

import hashlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

WORDS_PER_SHINGLE = 3
BYTES_AT_ONCE = 1 << 20
ROWS_AT_ONCE = 8192
NOT_IN_A_WORD = r"[^\pL\pM\pN_]+"
WITHOUT_SPACES = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])"
BASE = np.uint64(0x9E3779B97F4A7C15)
"""Odd. The hash of an n-gram is the number in this base, modulo 2**64, whose digits are the hashes of its words."""
LENGTH = np.uint64(0xC2B2AE3D27D4EB4F)
"""Odd. Tells marks of two bytes of value 0 from those of one."""
STEP = 8
"""Bytes of a word that are read at once."""
LONG_WORD = 64
"""Bytes above which a word is hashed by itself."""
KEPT = np.array([(1 << 8 * size) - 1 for size in range(STEP + 1)], np.uint64)
"""The first so many bytes of a little-endian number of 64 bits."""


def mix(x: np.ndarray) -> np.ndarray:
    """Finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). Shape and dtype (uint64) stay."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    shifted = x >> np.uint64(30)
    x ^= shifted
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= np.right_shift(x, np.uint64(27), out=shifted)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= np.right_shift(x, np.uint64(31), out=shifted)
    return x


def _word_bytes() -> bytes:
    """Each byte in lower case, or 0 if it is not part of a word. Bytes from 0x80 on are: `_normalized` took care of
    them."""
    table = bytearray(256)
    for byte in (*b"abcdefghijklmnopqrstuvwxyz0123456789_", *range(0x80, 0x100)):
        table[byte] = byte
    for byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        table[byte] = byte + 32
    return bytes(table)


WORD_BYTES = _word_bytes()


def in_slices(texts: pa.Array) -> Iterator[pa.Array]:
    """The texts as large strings without nulls, at most `ROWS_AT_ONCE` and about `BYTES_AT_ONCE` at a time, so that
    temporary arrays stay in cache."""
    texts = texts.cast(pa.large_string())
    texts = pc.fill_null(texts, "") if texts.null_count else texts
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
    short = np.flatnonzero(length < size)
    first, shorter = (end - length)[short], length[short]
    hashes, whole, starts = words.copy(), words[first], np.ones(len(words), bool)
    for ahead in range(1, size):
        # What goes beyond the end of a text is no n-gram: it starts at none of `starts`.
        following = words[ahead:]
        hashes[: len(following)] *= BASE
        hashes[: len(following)] += following
        starts[(end - ahead)[length > ahead]] = False
        more = shorter > ahead
        whole[more] = whole[more] * BASE + words[first[more] + ahead]
    hashes[first] = whole
    return np.repeat(np.arange(len(texts)), np.maximum(length - size + 1, 1)), hashes[starts]


def word_counts(texts: pa.Array) -> np.ndarray:
    """Words of each text of one slice of `in_slices`; at least 1. Shape `(texts,)`."""
    return _words(texts)[1]


def _words(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Hash of each word, and the number of words of each text. A text without a word counts as one, made of its
    marks."""
    data, offsets = _bytes(_normalized(texts))
    letters = _padded(data.translate(WORD_BYTES))
    inside = letters != 0
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    starts = edges[::2]
    hashes = _hashes(letters, starts, edges[1::2])
    length = np.diff(np.searchsorted(starts, offsets))
    wordless = length == 0
    if not wordless.any():
        return hashes, length
    length[wordless] = 1
    is_marks = np.zeros(length.sum(), bool)
    is_marks[(np.cumsum(length) - 1)[wordless]] = True
    merged = np.empty(len(is_marks), np.uint64)
    merged[~is_marks] = hashes
    marks, offsets = _bytes(pc.replace_substring_regex(pc.utf8_lower(texts.filter(pa.array(wordless))), r"\s+", ""))
    merged[is_marks] = _hashes(_padded(marks), offsets[:-1], offsets[1:] - 1)
    return merged, length


def _normalized(texts: pa.Array) -> pa.Array:
    """Texts with other than ASCII characters in lower case, with blanks between words, and around each sign of a script
    without spaces."""
    other = pc.invert(pc.string_is_ascii(texts))
    if not pc.any(other).as_py():
        return texts
    lower = pc.replace_substring_regex(pc.utf8_lower(texts.filter(other)), WITHOUT_SPACES, r"\1 ")
    return pc.replace_with_mask(texts, other, pc.replace_substring_regex(lower, NOT_IN_A_WORD, " "))


def _hashes(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Hash of each span of bytes. `data` is `_padded`."""
    numbers = np.ndarray((len(data) - STEP + 1,), "<u8", data, strides=(1,))
    size = ends - starts
    hashes = mix((numbers[starts] & KEPT[np.minimum(size, STEP)]) + size.astype(np.uint64) * LENGTH)
    longer = np.flatnonzero(size > STEP)
    for place in range(STEP, LONG_WORD, STEP):
        if not len(longer):
            return hashes
        part = numbers[starts[longer] + place] & KEPT[np.minimum(size[longer] - place, STEP)]
        hashes[longer] = mix(hashes[longer] + part)
        longer = longer[size[longer] > place + STEP]
    for word in longer.tolist():
        digest = hashlib.blake2b(data[starts[word] : ends[word]].tobytes(), digest_size=STEP).digest()
        hashes[word] = int.from_bytes(digest, "little")
    return hashes


def _offsets(texts: pa.Array) -> np.ndarray:
    if not len(texts):
        return np.zeros(1, np.int64)
    return np.frombuffer(texts.buffers()[1], np.int64, len(texts) + 1, texts.offset * 8)


def _bytes(texts: pa.Array) -> tuple[bytes, np.ndarray]:
    """UTF-8 bytes of all texts with blanks between, and where each begins in `_padded`, with where one more would:
    shape `(texts + 1,)`."""
    # From buffers: `pa.array` and `pa.scalar` import pandas, a quarter of a second.
    blank = pa.LargeStringArray.from_buffers(1, _int64(0, 1), pa.py_buffer(b" "))[0]
    kind = pa.large_list(pa.large_string())
    one = pa.LargeListArray.from_buffers(kind, 1, [None, _int64(0, len(texts))], children=[texts])
    joined = pc.binary_join(one, blank)
    offsets = _offsets(texts)
    return joined[0].as_buffer().to_pybytes(), offsets - offsets[0] + np.arange(1, len(offsets) + 1)


def _int64(*numbers: int) -> pa.Buffer:
    return pa.py_buffer(np.array(numbers, np.int64))


def _padded(data: bytes) -> np.ndarray:
    """The bytes with one 0 in front and `STEP` behind."""
    return np.frombuffer(b"".join([b"\0", data, bytes(STEP)]), np.uint8)
