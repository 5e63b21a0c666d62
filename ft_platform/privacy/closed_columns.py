"""What closes each column that leaves the restricted zone: it is parsed, a value of a list, made by us, scanned, or
replaced in its text.

Covered: every column of `anonymized_records` and `splits`; a column without a rule here fails the stage. A value that
cannot be read as what its column holds becomes empty and is counted. Not covered: what a scan does not find in labels
and features without `privacy.allowed_values` (persons whose name no list knows, places, descriptions); numbers and
dates that mean something to somebody who knows the person.
"""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import DataError
from ft_platform.privacy.dates import read_date
from ft_platform.privacy.hierarchies import AGE, ANY, NUMBER
from ft_platform.records.columns import SIDES, plain_array
from ft_platform.records.rows import Rows
from ft_platform.records.schemas import feature_columns
from ft_platform.use_case.named import NamedUseCase

ROLES = frozenset(("system", "user", "assistant", "tools", "tool_call", "tool", "rejected"))
YEARS = range(1500, 2200)
"""Of dates; a number of four digits beside them is no year."""

KNOWN_VALUES = 100_000
"""Different values of a column that are remembered."""

TIME = (
    r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?: ?[AaPp][Mm])?(?:"
    r" ?(?:Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?))?"
)
ISO = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
TIMED = re.compile(rf"(\S+)(?:T| +){TIME}")
POSTAL_CODE = re.compile(r"(?=.*[0-9])[A-Za-z0-9][A-Za-z0-9 *-]{1,9}")
COARSE_DATE = re.compile(r"\*|[0-9]{3}0s")
COARSE = re.compile(r"\*|-?\(?[0-9]+(?:-[0-9]+|\+)?\)?|[0-9]{3}0s|[A-Z0-9]{1,3}(?:\*\*)?")
"""What `privacy.hierarchies` makes of an age, number, date or postal code."""


def is_date(value: str) -> bool:
    """Whether a text is a day, a month or a year, or a time of a day, and nothing else."""
    timed = TIMED.fullmatch(value.strip())
    text = timed.group(1) if timed else value.strip()
    if iso := ISO.fullmatch(text):
        year, month, day = (int(part) if part else 1 for part in iso.groups())
        return _is_day(year, month, day) and (not timed or iso.group(3) is not None)
    written = read_date(text)
    return written is not None and written.day.year in YEARS


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        return date(year, month, day).year in YEARS
    except ValueError:
        return False


def is_number(value: str) -> bool:
    """A number, also an amount (`$1,200`)."""
    try:
        return bool(NUMBER.fullmatch(value.strip())) or abs(float(value)) < float("inf")
    except ValueError:
        return False


KINDS: dict[str, Callable[[str], bool]] = {
    "age": lambda value: bool(AGE.fullmatch(value.strip())) or is_number(value),
    "number": is_number,
    "date": is_date,
    "postal_code": lambda value: bool(POSTAL_CODE.fullmatch(value.strip())),
}
"""Kinds of quasi-identifiers that are parsed -> whether a text is one. `category` is not: it is a list or scanned."""


@dataclass(frozen=True)
class Rule:
    """What closes a column.

    Attributes:
        by: in words.
        form: expression (RE2) that every value matches.
        allows: whether a value may leave; asked once for each.
    """

    by: str
    form: str | None = None
    allows: Callable[[str], bool] | None = None


SCANNED = "scanned: a direct identifier or the name of a person stops the stage"
RULES: dict[str, Rule] = {
    "record_id": Rule("made by us: a hash, never the source's own id", r"^[0-9a-z]{1,64}$"),
    "subject_id": Rule("a keyed pseudonym", r"^subject_[a-z2-7]{16}$"),
    "messages": Rule("personal data in the texts is replaced; roles are a list"),
    "label": Rule(SCANNED),
    "record_date": Rule("a date", allows=lambda value: is_date(value) or bool(COARSE_DATE.fullmatch(value))),
    "entities": Rule("counts by kind of personal data"),
    "sha256_after": Rule("a hash of the replaced texts", r"^[0-9a-f]{64}$"),
    "text_characters": Rule("a number"),
    "group_id": Rule("a hash of record ids", r"^[0-9a-f]{16}$"),
    "split": Rule("a list", allows=lambda value: value in SIDES),
}
"""Column of the shared zone -> what closes it. Features have theirs by what the YAML says of them (`rule_of`)."""


def rule_of(use_case: NamedUseCase, column: str) -> Rule:
    """What closes a column of this use case.

    Raises:
        DataError: nothing does.
    """
    privacy, name = use_case.settings.privacy, column.removeprefix("feature_")
    if column in feature_columns(use_case):
        kind, allowed = privacy.quasi_identifiers.get(name), privacy.allowed_values.get(name)
        if treatment := privacy.columns.get(name):
            if treatment == "pseudonym":
                return Rule("a keyed pseudonym", rf"^{name}_[a-z2-7]{{16}}$")
            return Rule("emptied", allows=lambda value: False)
        if kind in KINDS or allowed is not None:
            return Rule(f"{kind or 'a list'}", allows=partial(_may_leave, kind, frozenset(allowed or ())))
        return Rule(SCANNED)
    if column == "label" and (allowed := privacy.allowed_values.get("label")) is not None:
        return Rule("a list", allows=partial(_may_leave, None, frozenset(allowed)))
    if column == "record_date" and privacy.quasi_identifiers.get(column, "date") != "date":
        return Rule(RULES[column].by, allows=lambda value: is_date(value) or bool(COARSE.fullmatch(value)))
    if column not in RULES:
        raise DataError(
            f"{use_case.name}: nothing closes column {column} of the shared zone",
            "Add a rule to ft_platform/privacy/closed_columns.py",
        )
    return RULES[column]


def _may_leave(kind: str | None, allowed: frozenset[str], value: str) -> bool:
    """As it is, or made coarser."""
    return value in allowed or (KINDS[kind](value) or bool(COARSE.fullmatch(value)) if kind in KINDS else value == ANY)


def require_closed(use_case: NamedUseCase, batch: pa.RecordBatch) -> None:
    """Returns if every column of a batch that leaves the restricted zone holds what its rule allows: a last look,
    whatever was done before.

    Raises:
        DataError: a column has no rule, or holds something else. Its values are not quoted.
    """
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        wrong = _wrong(rule_of(use_case, name), name, column)
        if wrong:
            raise DataError(
                f"{use_case.name}: {wrong} values of column {name} may not leave the restricted zone (closed by:"
                f" {rule_of(use_case, name).by})",
                "This is a fault of the stage before: an own component that changes this column, or the platform",
            )


def _wrong(rule: Rule, name: str, column: pa.Array) -> int:
    if name == "messages":
        return len(set(plain_array(column).flatten().field("role").unique().to_pylist()) - ROLES)
    if rule.form:
        return len(column) - column.null_count - (pc.sum(pc.match_substring_regex(column, rule.form)).as_py() or 0)
    if rule.allows:
        return sum(not rule.allows(value) for value in column.unique().to_pylist() if value is not None)
    return 0


def closers(use_case: NamedUseCase) -> dict[str, Callable[[str], bool]]:
    """Column -> whether a value of it can be read; others become empty."""
    privacy = use_case.settings.privacy
    found: dict[str, Callable[[str], bool]] = {"record_date": is_date}
    for column in ("label", *feature_columns(use_case)):
        name = column.removeprefix("feature_")
        kind, allowed = (
            (privacy.quasi_identifiers.get(name) if column != "label" else None),
            privacy.allowed_values.get(name),
        )
        if (column == "label" or name not in privacy.columns) and (kind in KINDS or allowed is not None):
            found[column] = partial(_can_be_read, kind, frozenset(allowed or ()))
    return found


def _can_be_read(kind: str | None, allowed: frozenset[str], value: str) -> bool:
    return value in allowed or (kind in KINDS and KINDS[kind](value))


class ClosedRows:
    """Rows in which values that cannot be read as what their column holds are empty (`rows.Rows`).

    Attributes:
        emptied: column -> how many, of columns with any.
    """

    def __init__(self, use_case: NamedUseCase, rows: Rows) -> None:
        self.schema, self.num_rows = rows.schema, rows.num_rows
        self._rows, self._closers = rows, closers(use_case)
        self._known: dict[str, dict[str, str | None]] = {column: {} for column in self._closers}
        self.emptied = self._count()

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        for batch in self._rows.batches(columns):
            names = batch.schema.names
            arrays = [
                self._closed(name, column) if name in self._closers else column
                for name, column in zip(names, batch.columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=batch.schema)

    def _count(self) -> dict[str, int]:
        emptied: Counter[str] = Counter()
        for batch in self._rows.batches(list(self._closers)):
            for name in self._closers:
                emptied[name] += self._closed(name, batch.column(name)).null_count - batch.column(name).null_count
        return dict(sorted((+emptied).items()))

    def _closed(self, name: str, column: pa.Array) -> pa.Array:
        encoded = pc.dictionary_encode(column)
        known = self._known[name]
        if len(known) > KNOWN_VALUES:
            known.clear()
        values = encoded.dictionary.to_pylist()
        for value in values:
            if value not in known:
                known[value] = value if self._closers[name](value) else None
        return pa.array([known[value] for value in values], pa.string()).take(encoded.indices)
