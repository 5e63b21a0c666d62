"""What a column of a source looks like, in figures: type, share empty, different values, lengths. No value leaves this
file."""

import json
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Kind = Literal["empty", "number", "yes or no", "date", "list", "object", "code", "text"]
"""`code`: at most two words at the median, as ids and categories have; `text`: more."""
NUMBER = r"^[-+]?(\d+([.,]\d+)*|\.\d+)([eE][-+]?\d+)?$"
DATE = r"^(\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})([ T]\d{1,2}:\d{2}.*)?$"
YES_OR_NO = frozenset({"yes", "no", "true", "false", "y", "n", "ja", "nein"})
MOST = 0.98
"""Share of the values that must have a form; the others are what people type into any column."""
SHAPED = 200
"""Values whose JSON is parsed for the keys in it."""
KEYS = frozenset({"role", "content", "from", "value", "speaker", "utterance", "type", "function", "name", "parameters"})
"""Keys of chat formats; no other key of a value is kept, since keys may be data."""


@dataclass(frozen=True)
class Column:
    """A column in figures.

    Attributes:
        filled: rows with a value; blank counts as none.
        different: different values among them.
        lengths: characters of a value at the 5th, 50th and 95th percentile.
        words: of a value at the median.
        year_first: of dates, whether they can be read: days and months are told apart.
        keys: `KEYS` in the lists and mappings of its values.
        rarest: rows of the value that the fewest rows have.
    """

    name: str
    kind: Kind
    rows: int
    filled: int
    different: int
    lengths: tuple[int, int, int] = (0, 0, 0)
    words: float = 0.0
    year_first: bool = False
    keys: frozenset[str] = frozenset()
    rarest: int = 0

    @property
    def empty(self) -> float:
        """Share of rows in [0, 1] without a value."""
        return 1 - self.filled / self.rows if self.rows else 0.0

    @property
    def is_unique(self) -> bool:
        return self.filled == self.rows and self.different == self.rows

    def has_few_values(self, most: int = 200) -> bool:
        """Whether it sorts rows into groups: at most `most` values, ten rows each on average."""
        return 2 <= self.different <= min(most, self.filled // 10)


def columns_of(rows: pa.Table) -> list[Column]:
    """Every column of a table of strings, in its order."""
    return [column_of(name, rows.column(name)) for name in rows.schema.names]


def column_of(name: str, values: pa.ChunkedArray | pa.Array) -> Column:
    """The figures of a column of strings."""
    texts = pc.utf8_trim_whitespace(pc.drop_null(values))
    texts = texts.filter(pc.not_equal(texts, ""))
    if not len(texts):
        return Column(name, "empty", len(values), 0, 0)
    counts = pc.value_counts(texts)
    different, repeats = counts.field("values"), counts.field("counts").to_numpy()
    lengths = np.quantile(pc.utf8_length(texts).to_numpy(), [0.05, 0.5, 0.95]).astype(int).tolist()
    words = float(np.median(_words(texts)))
    kind, keys = _kind(different, words)
    return Column(
        name,
        kind,
        len(values),
        len(texts),
        len(different),
        (lengths[0], lengths[1], lengths[2]),
        words,
        kind == "date" and _share(different, r"^\d{4}") >= MOST,
        keys,
        int(repeats.min()),
    )


def _kind(different: pa.Array, words: float) -> tuple[Kind, frozenset[str]]:
    if len(different) <= 2 and set(pc.utf8_lower(different).to_pylist()) <= YES_OR_NO:
        return "yes or no", frozenset()
    if _share(different, NUMBER) >= MOST:
        return "number", frozenset()
    if _share(different, DATE) >= MOST:
        return "date", frozenset()
    nested: tuple[tuple[str, Kind], ...] = (("[", "list"), ("{", "object"))
    for sign, kind in nested:
        if pc.all(pc.starts_with(different, sign)).as_py() and (keys := _keys(different)) is not None:
            return kind, keys
    return ("code" if words <= 2 else "text"), frozenset()


def _words(texts: pa.ChunkedArray | pa.Array) -> np.ndarray:
    return pc.count_substring_regex(texts, r"\S+").to_numpy()


def _share(values: pa.Array, pattern: str) -> float:
    return (pc.sum(pc.match_substring_regex(values, pattern)).as_py() or 0) / len(values)


def _keys(values: pa.Array) -> frozenset[str] | None:
    """`KEYS` in the first values; None where one is no JSON."""
    found: set[str] = set()
    try:
        for text in values.slice(0, SHAPED).to_pylist():
            value = json.loads(text or "")
            items = value if isinstance(value, list) else [value]
            found |= {key for item in items if isinstance(item, dict) for key in item}
    except (json.JSONDecodeError, RecursionError):
        return None
    return frozenset(found & KEYS)
