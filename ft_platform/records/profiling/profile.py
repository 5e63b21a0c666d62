"""The profile of a table of records, in one pass with bounded memory.

Counts, lengths in characters and words, missing values, labels, features and entities are of all rows; tokens,
languages and frequent terms are of a sample that is chosen by record_id, so that the same rows give the same profile in
any order.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.process import progress
from ft_platform.records.key_hashes import key_hashes
from ft_platform.records.profiling import languages
from ft_platform.records.profiling.frequent import FrequentValues
from ft_platform.records.profiling.lengths import Lengths
from ft_platform.records.profiling.terms import LEAST_RECORDS, terms_of
from ft_platform.records.rows import Rows

SAMPLE_ROWS = 20_000
"""Rows of the sample: a share of one half is within 0.7 percentage points, 95 times in 100. Terms take 0.1 ms a row,
languages are of `LANGUAGE_ROWS`."""
LANGUAGE_ROWS = 4_000
"""0.3 to 0.8 ms a row. A share of one half is within 1.6 percentage points, 95 times in 100."""

MOST_VALUES = 1_000
"""Different values of a label or feature that are counted one by one; above, the rarest may be counted too low."""
MOST_TERMS = 100_000
SHOWN_TERMS = 40
ROLES = ("user", "assistant")

Tokens = Callable[[list[str]], np.ndarray]
"""Texts -> tokens of each. Shape `(n,)`."""


@dataclass
class Profile:
    """What a table of records looks like.

    Attributes:
        rows: how many records.
        missing: column -> rows without a value (null or empty).
        lengths: what -> its distribution. `user_characters`, `user_words`, `assistant_characters`, `assistant_words`,
            `messages` of all rows; `user_tokens`, `assistant_tokens` of the sample, where a tokenizer was given.
        values: column -> value -> rows, of `label`, `split` and the features.
        sides: label -> side -> rows, of a table with splits.
        entities: entity -> findings that were replaced.
        sample_rows: rows behind tokens and terms.
        language_rows: rows behind languages; 0: not determined.
        languages: code -> rows.
        terms: term -> rows that hold it.
        terms_undercount: how much too low the count of a term may be.
    """

    rows: int = 0
    missing: dict[str, int] = field(default_factory=dict)
    lengths: dict[str, Lengths] = field(default_factory=dict)
    values: dict[str, dict[str, int]] = field(default_factory=dict)
    sides: dict[str, dict[str, int]] = field(default_factory=dict)
    entities: dict[str, int] = field(default_factory=dict)
    sample_rows: int = 0
    language_rows: int = 0
    languages: dict[str, int] = field(default_factory=dict)
    terms: dict[str, int] = field(default_factory=dict)
    terms_undercount: int = 0

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def from_dict(found: Mapping[str, Any]) -> Profile:
    """Inverse of `Profile.to_dict`, also after JSON has made the bins' bounds into texts."""
    lengths = {
        name: Lengths(**{**values, "histogram": {int(edge): count for edge, count in values["histogram"].items()}})
        for name, values in found["lengths"].items()
    }
    return Profile(**{**found, "lengths": lengths})


def profile(rows: Rows, stage: str, *, shows_values: bool, tokens: Tokens | None = None) -> Profile:
    """The profile of records.

    Args:
        rows: in any of the schemas of `ft_platform.records.columns`.
        stage: whose records they are, for the progress.
        shows_values: whether the records are anonymized. If not, only counts, lengths and languages are taken: no value
            of a column and no word of a text.
        tokens: counts tokens of texts.
    """
    counting = _Counting(rows, shows_values, tokens)
    for batch in rows.batches(counting.columns):
        counting.add(batch)
        progress.report(stage, counting.profile.rows, rows.num_rows, "rows profiled")
    return counting.finished()


class _Counting:
    """The pass over the rows."""

    def __init__(self, rows: Rows, shows_values: bool, tokens: Tokens | None) -> None:
        self.profile = Profile()
        # Provenance and hashes say nothing about the data, and their columns are the largest beside the texts.
        self.columns = [name for name in rows.schema.names if name in COLUMNS or name.startswith("feature_")]
        self._counted = [
            name
            for name in self.columns
            if shows_values and (name in ("label", "split") or name.startswith("feature_"))
        ]
        self._values = {name: FrequentValues(MOST_VALUES) for name in self._counted}
        self._sides = FrequentValues(MOST_VALUES)
        self._terms = FrequentValues(MOST_TERMS)
        self._shows_values = shows_values
        self._tokens = tokens
        self._sample_share = min(1.0, SAMPLE_ROWS / max(rows.num_rows, 1))
        self._language_share = min(1.0, LANGUAGE_ROWS / max(rows.num_rows, 1)) if languages.is_installed() else 0.0

    def add(self, batch: pa.RecordBatch) -> None:
        self.profile.rows += batch.num_rows
        for name in self.columns:
            self.profile.missing[name] = self.profile.missing.get(name, 0) + _missing(batch.column(name))
        for name, values in self._values.items():
            values.add(_value_counts(batch.column(name)))
        if self._shows_values and {"label", "split"} <= set(self.columns):
            self._sides.add(_pair_counts(batch.column("label"), batch.column("split")))
        if self._shows_values and "entities" in self.columns:
            self._add_entities(batch.column("entities"))
        self._add_lengths(batch.column("messages"))
        self._add_sample(batch)

    def finished(self) -> Profile:
        made = self.profile
        made.values = {name: values.most_common(MOST_VALUES) for name, values in self._values.items()}
        for pair, count in self._sides.most_common(MOST_VALUES).items():
            label, _, side = pair.rpartition(SEPARATOR)
            made.sides.setdefault(label, {})[side] = count
        made.terms = self._terms.most_common(SHOWN_TERMS, LEAST_RECORDS)
        made.terms_undercount = self._terms.undercount
        made.entities = dict(sorted(made.entities.items(), key=lambda item: (-item[1], item[0])))
        made.languages = dict(sorted(made.languages.items(), key=lambda item: (-item[1], item[0])))
        return made

    def _add_entities(self, column: pa.Array) -> None:
        # `keys` and `items` of a map know nothing of a slice; `offsets` does.
        own = slice(column.offsets[0].as_py(), column.offsets[-1].as_py())
        for kind, count in zip(column.keys[own].to_pylist(), column.items[own].to_pylist(), strict=True):
            self.profile.entities[kind] = self.profile.entities.get(kind, 0) + count

    def _add_lengths(self, messages: pa.Array) -> None:
        flat = messages.flatten()
        contents, rows = flat.field("content"), pc.list_parent_indices(messages).to_numpy()
        characters = pc.fill_null(pc.utf8_length(contents), 0).to_numpy(zero_copy_only=False)
        words = word_counts(contents)
        self._length("messages", np.bincount(rows, minlength=len(messages)))
        for role in ROLES:
            own = pc.fill_null(pc.equal(flat.field("role"), role), False).to_numpy(zero_copy_only=False)
            if own.any():
                self._length(
                    f"{role}_characters", np.bincount(rows[own], characters[own], len(messages)).astype(np.int64)
                )
                self._length(f"{role}_words", np.bincount(rows[own], words[own], len(messages)).astype(np.int64))

    def _length(self, name: str, values: np.ndarray) -> None:
        self.profile.lengths.setdefault(name, Lengths()).add(values)

    def _add_sample(self, batch: pa.RecordBatch) -> None:
        ranks = sample_ranks(batch.column("record_id"))
        chosen = np.flatnonzero(ranks < self._sample_share)
        if not len(chosen):
            return
        conversations = batch.column("messages").take(pa.array(chosen)).to_pylist()
        texts = {
            role: ["\n\n".join(m["content"] or "" for m in row or [] if m["role"] == role) for row in conversations]
            for role in ROLES
        }
        self.profile.sample_rows += len(chosen)
        for role, own in texts.items():
            if self._tokens and any(own):
                self._length(f"{role}_tokens", self._tokens(own))
        for text in texts["user"] if self._shows_values else []:
            self._terms.add(terms_of(text))
        with_language = [
            text for text, rank in zip(texts["user"], ranks[chosen], strict=True) if rank < self._language_share
        ]
        self.profile.language_rows += len(with_language)
        for language in languages.languages(with_language):
            self.profile.languages[language] = self.profile.languages.get(language, 0) + 1


COLUMNS = ("record_id", "subject_id", "messages", "label", "record_date", "split", "entities")
SEPARATOR = "\x00"
LETTERS = bytes(byte not in b" \t\n\v\f\r" for byte in range(256))
"""Whether each byte is no white space."""


def sample_ranks(record_ids: pa.Array) -> np.ndarray:
    """A number in [0, 1) for each record, spread evenly and always the same. Shape `(rows,)`."""
    return key_hashes(record_ids).high / 2.0**64


def word_counts(texts: pa.Array) -> np.ndarray:
    """Words of each text: stretches without space, tab or line break. Shape `(n,)`, dtype int64."""
    texts = texts if not texts.offset else pa.concat_arrays([texts])
    offsets_buffer, data_buffer = texts.buffers()[1:3]
    if not len(texts) or data_buffer is None:
        return np.zeros(len(texts), np.int64)
    offsets = np.frombuffer(offsets_buffer, np.int32, len(texts) + 1).astype(np.int64)
    data = data_buffer.to_pybytes()[: offsets[-1]]
    letters = np.frombuffer(data.translate(LETTERS), bool)
    starts = letters.copy()
    starts[1:] &= ~letters[:-1]
    first = offsets[:-1][offsets[:-1] < offsets[1:]]
    starts[first] = letters[first]
    return np.diff(np.searchsorted(np.flatnonzero(starts), offsets))


def _missing(column: pa.Array) -> int:
    """Rows that are null, empty texts or empty lists."""
    if pa.types.is_string(column.type):
        lengths = pc.binary_length(column)
    elif pa.types.is_map(column.type) or column.null_count == len(column):
        return column.null_count
    else:
        lengths = pc.list_value_length(column)
    return column.null_count + (pc.sum(pc.equal(lengths, 0)).as_py() or 0)


def _value_counts(column: pa.Array) -> dict[str, int]:
    return {found["values"]: found["counts"] for found in pc.value_counts(column).to_pylist() if found["values"]}


def _pair_counts(labels: pa.Array, sides: pa.Array) -> dict[str, int]:
    return _value_counts(pc.binary_join_element_wise(pc.fill_null(labels, ""), sides, SEPARATOR))
