"""Makes quasi-identifiers coarser until every combination is shared by k persons, and leaves out the rows of those that
are not.

Covered: full-domain generalization as in Datafly (Sweeney 2002, "Achieving k-anonymity privacy protection using
generalization and suppression"): the column with the most different values goes one level up until at most the allowed
share of rows is in a combination of fewer than k persons; these rows are removed. Persons are counted, not rows: one
person with ten records does not hide anybody. Not covered: texts (the recognizers), the order of columns that loses
least (the search is greedy), an attacker who knows the label (the report tells l-diversity), rows that later stages
remove.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import DataError
from ft_platform.privacy.hierarchies import coarser, levels
from ft_platform.privacy.reasons import columns_beside_text
from ft_platform.records.rows import Rows
from ft_platform.use_case.named import NamedUseCase

NOT_K_ANONYMOUS = "not_k_anonymous"

MOST_VALUES = 1_000_000
"""Different values of one column. A column with more is no quasi-identifier but an identifier."""

LABEL = "label"
NO_QUASI_IDENTIFIERS = frozenset(
    ("record_id", "subject_id", "messages", LABEL, "entities", "sha256_after", "text_characters")
)
"""Columns of `anonymized_schema` that every record has and nobody names as quasi-identifiers."""


def quasi_identifiers(use_case: NamedUseCase) -> dict[str, str]:
    """Record column -> kind of its hierarchy, of the quasi-identifiers that a use case names."""
    named = use_case.settings.privacy.quasi_identifiers
    return {name if name == "record_date" else f"feature_{name}": kind for name, kind in named.items()}


def measure(use_case: NamedUseCase, rows: Rows) -> dict[str, Any]:
    """What a second look at anonymized records says: it counts the values that are there and knows nothing of the plan
    they were made by.

    Args:
        rows: in `anonymized_schema`.

    Returns:
        `{"passed", "says", "required_k", "k", "l_diversity", "classes", "rows", "rows_below_k", "unique_rows",
        "unique_percent", "rows_without_person", "quasi_identifiers", "not_looked_at"}`: `k` is the fewest persons,
        `l_diversity` the fewest labels of a combination; `says` is the sentence for every report. Without
        quasi-identifiers nothing is measured (`k` is None), and it passes only where there are no columns that could
        be some (`no_columns`), or the file gives the reason.

    Raises:
        DataError: there are no rows.
    """
    kinds, privacy = quasi_identifiers(use_case), use_case.settings.privacy
    if not rows.num_rows:
        raise DataError(f"{use_case.name}: there are no anonymized records to check", "Check the stages before it")
    if not kinds:
        return _without_columns(use_case, rows)
    groups = read_groups(rows, tuple(kinds))
    classes = _Classes(groups, kinds, dict.fromkeys(kinds, 0))
    everything = np.ones(len(classes.rows), bool)
    unique = _unique_rows(classes)
    k, nameless = int(classes.persons.min()), int(np.count_nonzero(groups.person == 0))
    others = not_looked_at(use_case)
    persons = f"; {nameless:,} records name no person, and each counts as one" if nameless else ""
    return {
        "passed": k >= privacy.k,
        "says": (
            f"In {rows.num_rows:,} records, every combination of {_columns(kinds)} is shared by at least {k:,} persons"
            f" (required: {privacy.k:,}){persons}."
            + (f" Columns not looked at: {', '.join(others)}." if others else "")
        ),
        "required_k": privacy.k,
        "k": k,
        "l_diversity": classes.least_labels(everything) if groups.labelled else None,
        "classes": len(classes.rows),
        "rows": rows.num_rows,
        "rows_below_k": int(classes.rows[classes.persons < privacy.k].sum()),
        "unique_rows": unique,
        "unique_percent": round(100.0 * unique / rows.num_rows, 4),
        "rows_without_person": nameless,
        "quasi_identifiers": list(kinds),
        "not_looked_at": others,
    }


def not_looked_at(use_case: NamedUseCase) -> list[str]:
    """Columns about a record that are neither quasi-identifiers nor dropped or pseudonymized."""
    privacy, record = use_case.settings.privacy, use_case.settings.record
    columns = [*record.features, *(["record_date"] if record.date else [])]
    return [name for name in columns if name not in privacy.quasi_identifiers and name not in privacy.columns]


def unmeasured(use_case: NamedUseCase, rows: int, written: Sequence[str] = ()) -> dict[str, Any]:
    """The verdict where no quasi-identifiers are named, and there are columns that could be some. It names the columns
    that nobody looked at: a reason may be older than they are.

    Args:
        written: other columns with values.
    """
    reason = use_case.settings.privacy.without_quasi_identifiers
    columns = list(dict.fromkeys([*not_looked_at(use_case), *columns_beside_text(use_case.settings), *written]))
    owner = use_case.settings.owners.of("compliance")
    given = f"the reason in the file, for which {owner} is responsible: {(reason or '').strip().rstrip('.')}"
    why = given if reason else "no quasi-identifiers are named, and the file gives no reason"
    says = (
        f"k-anonymity was not measured on {rows:,} records: {why}. Columns not looked at:"
        f" {', '.join(columns) or 'there are none'}."
    )
    nothing = {"required_k": None, "k": None, "classes": None, "rows": rows, "quasi_identifiers": []}
    return {"passed": bool(reason), "says": says, **nothing, "reason": reason, "not_looked_at": columns}


def _without_columns(use_case: NamedUseCase, rows: Rows) -> dict[str, Any]:
    """The verdict where no quasi-identifiers are named: derived from the records if they have one text and a label
    alone, and else resting on the reason in the file."""
    written = _with_values(rows, [name for name in rows.schema.names if name not in NO_QUASI_IDENTIFIERS])
    found = unmeasured(use_case, rows.num_rows, [name.removeprefix("feature_") for name in written])
    if found["not_looked_at"]:
        return found
    k, most = use_case.settings.privacy.k, use_case.settings.privacy.max_not_k_anonymous_percent
    groups = read_groups(rows, (LABEL,))
    classes = _Classes(groups, {LABEL: "category"}, {LABEL: 0})
    percent = 100.0 * classes.rows[classes.persons < k].sum() / rows.num_rows
    labels = f"{percent:.3g} % of them have a label that fewer than {k:,} persons share (at most {most:g} %)"
    if groups.labelled and percent > most:
        return {**found, "says": f"{found['says']} The label may identify a person: {labels}."}
    says = (
        f"These {rows.num_rows:,} records have no column beside their text{' and label' * groups.labelled}, so no"
        f" columns together identify a person{f'; {labels}' * groups.labelled}. What the texts themselves say about a"
        " person is not covered: recognizers replace what they find there."
    )
    return {**found, "passed": True, "no_columns": True, "reason": None, "says": says}


def _with_values(rows: Rows, columns: list[str]) -> list[str]:
    """Columns that are not empty everywhere."""
    found: dict[str, None] = {}
    for batch in rows.batches(columns) if columns else ():
        found |= dict.fromkeys(name for name in columns if batch.column(name).null_count < batch.num_rows)
    return list(found)


def _columns(kinds: dict[str, str]) -> str:
    return ", ".join(name.removeprefix("feature_") for name in kinds)


class Codes:
    """Numbers for the values of one column, in the order of their appearance."""

    def __init__(self, column: str) -> None:
        self._column = column
        self._known: dict[str | None, int] = {}

    @property
    def values(self) -> list[str | None]:
        return list(self._known)

    def of(self, array: pa.Array) -> np.ndarray:
        """Codes of a string column. Shape `(rows,)`, dtype int32."""
        encoded = pc.dictionary_encode(array, null_encoding="encode")
        values = [self._code(value) for value in encoded.dictionary.to_pylist()]
        if values:
            return np.array(values, np.int32)[encoded.indices.to_numpy(zero_copy_only=False)]
        return np.empty(0, np.int32)

    def _code(self, value: str | None) -> int:
        code = self._known.setdefault(value, len(self._known))
        if code >= MOST_VALUES:
            raise DataError(
                f"column {self._column} has more than {MOST_VALUES} different values: it is an identifier, not a"
                " quasi-identifier",
                "Name it under `privacy.columns` (`drop` or `pseudonym`) instead of `privacy.quasi_identifiers`",
            )
        return code


@dataclass(frozen=True)
class Groups:
    """What is known of each row: 12 bytes, and 4 for each quasi-identifier.

    Attributes:
        values: column -> its different values.
        codes: column -> position of each row's value in `values`. Shape `(rows,)`, dtype int32.
        label: a number for the label of each row. Shape `(rows,)`, dtype int32.
        person: hash of the subject of each row, 0 where it names none. Shape `(rows,)`, dtype uint64.
        labelled: whether any row has a label.
    """

    values: dict[str, list[str | None]]
    codes: dict[str, np.ndarray]
    label: np.ndarray
    person: np.ndarray
    labelled: bool


@dataclass(frozen=True)
class Plan:
    """What k-anonymity takes: a level per column and the combinations that are left out.

    Attributes:
        kinds: column -> kind of its hierarchy.
        levels: column -> level.
        removed: codes of the combinations left out, shape `(combinations, columns)`; codes are positions in `coarse`.
        coarse: column -> its values at that level, in the order of the codes.
        counts: numbers for the manifest.
    """

    kinds: dict[str, str]
    levels: dict[str, int]
    coarse: dict[str, list[str | None]]
    removed: np.ndarray
    counts: dict[str, Any]


def plan(rows: Rows, kinds: dict[str, str], k: int, max_removed_percent: float) -> Plan:
    """Reads the quasi-identifiers once and decides how coarse they must become. Held in memory: some numbers for each
    row.

    Args:
        rows: with the columns in `kinds`, `label`, `subject_id` and `record_id`.
        kinds: column -> kind of its hierarchy (`privacy.hierarchies`).
        k: fewest persons of a combination.
        max_removed_percent: percent of rows, in [0, 100], that may rather be removed than a column be made coarser.

    Raises:
        DataError: a column has too many different values.
    """
    groups = read_groups(rows, tuple(kinds))
    level = dict.fromkeys(kinds, 0)
    classes = _Classes(groups, kinds, level)
    unique_before = _unique_rows(classes)
    while (small := classes.persons < k).any():
        column = _next(classes, kinds, level)
        if column is None or 100.0 * classes.rows[small].sum() <= max_removed_percent * classes.rows.sum():
            break
        level[column] += 1
        classes = _Classes(groups, kinds, level)
    return Plan(
        kinds=kinds,
        levels=level,
        coarse=classes.coarse,
        removed=classes.codes[small],
        counts={
            "required_k": k,
            "k": int(classes.persons[~small].min()) if (~small).any() else None,
            "l_diversity": classes.least_labels(~small) if groups.labelled else None,
            "classes": int((~small).sum()),
            "unique_rows_before": unique_before,
            "unique_rows_after": int(classes.rows[~small][classes.persons[~small] == 1].sum()),
            "rows_removed": int(classes.rows[small].sum()),
            "levels": {column: f"{number} of {levels(kinds[column])}" for column, number in level.items()},
        },
    )


def read_groups(rows: Rows, columns: tuple[str, ...]) -> Groups:
    """One pass over the quasi-identifiers, label and subject."""
    codes = {column: Codes(column) for column in columns}
    labels = Codes(LABEL)
    found = {column: np.empty(rows.num_rows, np.int32) for column in columns}
    label, person = np.empty(rows.num_rows, np.int32), np.empty(rows.num_rows, np.uint64)
    start = 0
    for batch in rows.batches(list(dict.fromkeys([*columns, LABEL, "subject_id"]))):
        part = slice(start, start + batch.num_rows)
        start += batch.num_rows
        for column in columns:
            found[column][part] = codes[column].of(batch.column(column))
        label[part] = labels.of(batch.column(LABEL))
        person[part] = _persons(batch.column("subject_id"))
    return Groups(
        {column: codes[column].values for column in columns},
        found,
        label,
        person,
        any(value is not None for value in labels.values),
    )


def _persons(subjects: pa.Array) -> np.ndarray:
    """64-bit hashes of the subjects, 0 where a row names none. Two of ten million persons share one with a probability
    of 3e-6."""
    if subjects.null_count == len(subjects):
        return np.zeros(len(subjects), np.uint64)
    hashes = pd.util.hash_array(np.array(subjects.to_pylist(), dtype=object), categorize=True)
    hashes = np.maximum(hashes, 1)
    hashes[subjects.is_null().to_numpy(zero_copy_only=False)] = 0
    return hashes


class _Classes:
    """Equivalence classes at some levels: rows that cannot be told apart by their quasi-identifiers.

    Attributes:
        coarse: column -> values at its level, by code.
        codes: of each class, shape `(classes, columns)`.
        rows, persons: of each class, shape `(classes,)`.
    """

    def __init__(self, groups: Groups, kinds: dict[str, str], level: dict[str, int]) -> None:
        self.coarse: dict[str, list[str | None]] = {}
        columns = []
        for column, codes in groups.codes.items():
            values = [coarser(kinds[column], level[column], value) for value in groups.values[column]]
            distinct = {value: code for code, value in enumerate(dict.fromkeys(values))}
            self.coarse[column] = list(distinct)
            columns.append(np.array([distinct[value] for value in values], np.int32)[codes])
        self._key, self.codes = class_keys(columns)
        self._groups = groups
        size = len(self.codes)
        self.rows = np.bincount(self._key, minlength=size)
        nameless = groups.person == 0
        self.persons = np.bincount(self._key[nameless], minlength=size) + _distinct(self._key, groups.person, size)

    def least_labels(self, chosen: np.ndarray) -> int | None:
        """Fewest different labels of a chosen class: distinct l-diversity (Machanavajjhala et al. 2007)."""
        counts = _distinct(self._key, self._groups.label.astype(np.uint64) + 1, len(self.codes))
        return int(counts[chosen].min()) if chosen.any() else None


def _distinct(key: np.ndarray, value: np.ndarray, size: int) -> np.ndarray:
    """Different values other than 0 of each key. Shape `(size,)`."""
    keys, values = key[value != 0], value[value != 0]
    order = np.lexsort((values, keys))
    keys, values = keys[order], values[order]
    first = np.ones(len(keys), bool)
    first[1:] = (keys[1:] != keys[:-1]) | (values[1:] != values[:-1])
    return np.bincount(keys[first], minlength=size)


def class_keys(columns: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A number for each different combination of codes, and the combinations by number.

    Args:
        columns: codes of each column, shape `(rows,)`, dtype int32.

    Returns:
        The number of each row, shape `(rows,)`, and the codes of each number, shape `(combinations, columns)`.
    """
    key = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        _, key = np.unique(key * (int(column.max(initial=0)) + 1) + column, return_inverse=True)
    _, first = np.unique(key, return_index=True)
    return key, np.column_stack([column[first] for column in columns])


def _next(classes: _Classes, kinds: dict[str, str], level: dict[str, int]) -> str | None:
    """The column with the most different values that can become coarser, or None."""
    open_columns = [column for column in kinds if level[column] < levels(kinds[column])]
    return max(open_columns, key=lambda column: len(classes.coarse[column]), default=None)


def _unique_rows(classes: _Classes) -> int:
    return int(classes.rows[classes.persons == 1].sum())


class KAnonymousRows:
    """Rows with coarser quasi-identifiers, without those that are not k-anonymous (`rows.Rows`).

    Args:
        rows: those that the plan was made from.

    Attributes:
        num_rows: rows that stay.
    """

    def __init__(self, rows: Rows, plan: Plan) -> None:
        self.schema = rows.schema
        self.num_rows = rows.num_rows - plan.counts["rows_removed"]
        self._rows = rows
        self._plan = plan
        self._codes = {
            column: {value: code for code, value in enumerate(values)} for column, values in plan.coarse.items()
        }
        self._removed = {tuple(row) for row in plan.removed.tolist()}
        self._known: dict[str, dict[str | None, str | None]] = {column: {} for column in plan.kinds}

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        chosen = list(columns) if columns is not None else self.schema.names
        for batch in self._rows.batches(list(dict.fromkeys([*chosen, *self._plan.kinds]))):
            coarse, stays = self._made_coarser(batch)
            kept = coarse.filter(pa.array(stays)).select(chosen)
            if kept.num_rows:
                yield kept

    def removed(self) -> Iterator[list[str]]:
        """Ids of the rows that do not stay, batch by batch."""
        for batch in self._rows.batches(["record_id", *self._plan.kinds]):
            _, stays = self._made_coarser(batch)
            if not stays.all():
                yield batch.column("record_id").filter(pa.array(~stays)).to_pylist()

    def _made_coarser(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, np.ndarray]:
        """The batch with coarser values, and which of its rows stay. Shape `(rows,)`, dtype bool."""
        columns, codes = dict(zip(batch.schema.names, batch.columns, strict=True)), []
        for column, kind in self._plan.kinds.items():
            encoded = pc.dictionary_encode(columns[column], null_encoding="encode")
            values = [self._coarse(column, kind, value) for value in encoded.dictionary.to_pylist()]
            indices = encoded.indices.to_numpy(zero_copy_only=False)
            columns[column] = pa.array(values, pa.string()).take(pa.array(indices))
            codes.append(np.array([self._codes[column][value] for value in values], np.int32)[indices])
        key, rows = class_keys(codes)
        stays = np.array([tuple(row) not in self._removed for row in rows.tolist()], bool)
        return pa.RecordBatch.from_arrays(list(columns.values()), schema=batch.schema), stays[key]

    def _coarse(self, column: str, kind: str, value: str | None) -> str | None:
        known = self._known[column]
        if value not in known:
            known[value] = coarser(kind, self._plan.levels[column], value)
        return known[value]
