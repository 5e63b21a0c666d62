"""Words of a text as the network reads them: hashed spellings and what the lists say of a word."""

import re
import zlib
from functools import lru_cache

import numpy as np

from ft_platform.privacy.names import common_words, given_names, surnames
from ft_platform.privacy.places import known_places, words_of_places

EAST_ASIAN = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
TOKEN = re.compile(rf"[^\W\d_{EAST_ASIAN}]+|[{EAST_ASIAN}]+|\d+|[^\w\s]|_|\n")
WORDS, PREFIXES, SUFFIXES, SHAPES = 60_000, 20_000, 20_000, 2_000
"""Rows of the tables; row 0 stands for a word that is not told (dropped while learning)."""
HASHES = 6
"""Numbers of a word: two of its spelling in lower case, of its first three letters, its last three, its last five, its
shape."""
LISTS = slice(3, 8)
"""The flags that come from word lists."""
FLAGS = 13


def tokens(text: str) -> list[tuple[int, int, str]]:
    """Letters of one kind in a row, digits in a row, single signs and ends of lines: `(start, end, token)`."""
    return [(m.start(), m.end(), m.group()) for m in TOKEN.finditer(text)]


def _row(key: str, rows: int) -> int:
    return zlib.crc32(key.encode(errors="surrogatepass")) % (rows - 1) + 1


@lru_cache(200_000)
def hashes(word: str) -> tuple[int, ...]:
    """`HASHES` rows: of the tables of words (twice), prefixes, suffixes (twice) and shapes."""
    low = word.lower()
    return (
        _row(low, WORDS),
        _row(f"2{low}", WORDS),
        _row(low[:3], PREFIXES),
        _row(low[-3:], SUFFIXES),
        _row(f"5{low[-5:]}", SUFFIXES),
        _row(_shape(word), SHAPES),
    )


@lru_cache(200_000)
def flags(word: str) -> tuple[bool, ...]:
    """`FLAGS` things that are true or not of a word."""
    low = word.lower()
    return (
        word[:1].isupper(),
        word.isupper() and len(word) > 1,
        word.islower(),
        low in common_words(),
        low in given_names(),
        low in surnames(),
        low in known_places(),
        low in words_of_places(),
        len(word) == 1,
        word.isdigit(),
        not word[:1].isalnum(),
        not word.isascii(),
        word == "\n",
    )


def _shape(word: str) -> str:
    """`McDonald` -> `XxXxx`: at most two of a kind in a row."""
    kinds = "".join("X" if c.isupper() else "x" if c.islower() else "d" if c.isdigit() else c for c in word[:24])
    return re.sub(r"(.)\1{2,}", r"\1\1", kinds)[:8]


def rows_of(words: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Hashes (words, `HASHES`) int32 and flags (words, `FLAGS`) float32."""
    return (
        np.array([hashes(w) for w in words], np.int32).reshape(-1, HASHES),
        np.array([flags(w) for w in words], np.float32).reshape(-1, FLAGS),
    )
