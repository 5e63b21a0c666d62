"""Reads files of measurements: what was measured before the model was introduced and since, as numbers by metric and
period.

Covered: values with a day, and times of opening and closing. Not covered: clock changes between two times without a
zone, and what else changed at the time the model was introduced; a difference between periods is not proof of its
cause.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import numpy as np

from ft_platform.errors import DataError, SourceError
from ft_platform.sources.budget import Budget
from ft_platform.sources.discovery import find_parts, hashes
from ft_platform.sources.file_format import row_list
from ft_platform.sources.parts import Order, Part
from ft_platform.use_case.settings.allowed_sources import require_allowed
from ft_platform.use_case.settings.business import Business, Measurements
from ft_platform.use_case.settings.ceilings import capped
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.source import Limits, RecordMapping, Source

PERIODS = ("before", "after")
METRICS = ("customer_satisfaction", "employee_productivity", "minutes_per_case", "accuracy")
WAITING = "waiting_minutes"
"""Minutes from opening to closing, where they are not working time."""
SHARES = ("accuracy",)
NEXT_STEP = "Correct the file, or the columns in business.measurements"


@dataclass
class Measured:
    """Numbers of one file.

    Attributes:
        setting: which entry of the use case names it.
        sha256: of its bytes.
        values: (metric, period) -> numbers, shape `(rows,)`.
        first, last: days of (metric, period).
        open_cases: period -> cases that were not closed yet, and are in no figure.
    """

    setting: str
    sha256: str
    rows: int = 0
    values: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    first: dict[tuple[str, str], date] = field(default_factory=dict)
    last: dict[tuple[str, str], date] = field(default_factory=dict)
    open_cases: dict[str, int] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """How a figure names this file."""
        return f"sha256:{self.sha256}"


def measurement_parts(business: Business, environment: Environment) -> list[tuple[Part, str]]:
    """Each file with its sha256, in the order of the settings.

    Raises:
        SourceError: it is missing, more than one, not on the list of allowed sources, or cannot be read.
        TransientError: the object store does not answer.
    """
    found = []
    for number, one in enumerate(business.measurements):
        with _named(number):
            require_allowed(one.uri, f"{_setting(number)}.uri")
            parts = find_parts(_source(one, environment), environment).parts
            if len(parts) != 1:
                raise SourceError(
                    f"{_setting(number)}.uri matches {len(parts)} files, expected one",
                    "Name one file, and give each other file its own entry",
                )
            found.append((parts[0], next(iter(hashes(parts).values()))))
    return found


def read_measurements(business: Business, environment: Environment, folder: Path) -> list[Measured]:
    """All files of a use case.

    Args:
        folder: private folder for copies and for what is unpacked.

    Raises:
        SourceError: a file cannot be read.
        DataError: rows without a finite number, a day or a known metric; a case twice; closed before it was opened; the
            periods overlap; or one metric in two files. Messages name rows, never what is in them.
    """
    found = []
    for number, (one, (part, sha256)) in enumerate(
        zip(business.measurements, measurement_parts(business, environment), strict=True)
    ):
        with _named(number):
            found.append(_read(_setting(number), one, _source(one, environment), business, part, sha256, folder))
    seen: dict[str, str] = {}
    for measured in found:
        for metric in sorted({metric for metric, _ in measured.values}):
            if metric in seen:
                raise DataError(
                    f"{metric} is measured in {seen[metric]} and in {measured.setting}", "Put the rows into one file"
                )
            seen[metric] = measured.setting
    return found


def _setting(number: int) -> str:
    return f"business.measurements[{number}]"


@contextmanager
def _named(number: int) -> Iterator[None]:
    """The readers speak of `source`; here another setting names the file."""
    try:
        yield
    except SourceError as error:
        wrong = [
            text.replace("source.", f"{_setting(number)}.").replace("record.", f"{_setting(number)}.")
            for text in (error.message, error.next_step)
        ]
        raise SourceError(wrong[0], wrong[1].replace("`record`", f"`{_setting(number)}`")) from None


def _source(one: Measurements, environment: Environment) -> Source:
    return Source(uri=one.uri, format=one.format, limits=capped(Limits(), environment.policy))


def _columns(one: Measurements) -> dict[str, str]:
    """What a row has -> column of the file."""
    named = (
        {"opened_at": one.opened_at, "closed_at": one.closed_at}
        if one.opened_at
        else {"date": one.date, "metric": one.metric, "value": one.value}
    )
    return {name: column for name, column in {**named, "period": one.period, "case": one.case}.items() if column}


def _read(
    setting: str, one: Measurements, source: Source, business: Business, part: Part, sha256: str, folder: Path
) -> Measured:
    columns = _columns(one)
    mapping = RecordMapping(text=list(dict.fromkeys(columns.values())))
    table = _Table(setting, one, business)
    for piece in part.pieces(sha256, Order(source, mapping, folder, Budget(source.limits))):
        for batch in piece.batches:
            values = [batch.column(column).to_pylist() for column in columns.values()]
            for row in zip(*values, strict=True):
                table.add(dict(zip(columns, row, strict=True)))
    return table.measured(sha256)


class _Table:
    """The rows of one file, collected and judged."""

    def __init__(self, setting: str, one: Measurements, business: Business) -> None:
        self.setting, self.one = setting, one
        self.introduced_on = date.fromisoformat(business.introduced_on) if business.introduced_on else None
        self.rows = 0
        self.problems: dict[str, list[int]] = {}
        self.values: dict[tuple[str, str], list[float]] = {}
        self.days: dict[tuple[str, str], list[date]] = {}
        self.open_cases: dict[str, int] = {}
        self.cases: set[tuple[str, str]] = set()

    def add(self, row: dict[str, str | None]) -> None:
        self.rows += 1
        timed = self.one.opened_at is not None
        start = self._moment(row["opened_at" if timed else "date"])
        period = self._period(row, start)
        metric = ("minutes_per_case" if self.one.working_time else WAITING) if timed else self._metric(row["metric"])
        value = self._minutes(row["closed_at"], start, period) if timed else self._number(row["value"], metric)
        if self.one.case:
            self._once((row["case"] or "").strip(), metric)
        if value is not None and start is not None and period and metric:
            self.values.setdefault((metric, period), []).append(value)
            self.days.setdefault((metric, period), []).append(start.date())

    def _wrong(self, problem: str) -> None:
        self.problems.setdefault(problem, []).append(self.rows)

    def _moment(self, text: str | None) -> datetime | None:
        try:
            return (
                datetime.strptime((text or "").strip(), self.one.time_format)
                if self.one.time_format
                else datetime.fromisoformat((text or "").strip())
            )
        except ValueError:
            self._wrong(f"no day or time in the form {self.one.time_format or 'of ISO 8601'}")
            return None

    def _period(self, row: dict[str, str | None], moment: datetime | None) -> str | None:
        if self.one.period:
            period = (row["period"] or "").strip().casefold()
            if period not in PERIODS:
                self._wrong("a period that is neither `before` nor `after`")
                return None
            return period
        if moment is None or self.introduced_on is None:
            return None
        return "after" if moment.date() >= self.introduced_on else "before"

    def _metric(self, text: str | None) -> str | None:
        metric = (text or "").strip().casefold().replace(" ", "_")
        if metric not in METRICS:
            self._wrong(f"a metric other than {', '.join(METRICS)}")
            return None
        return metric

    def _number(self, text: str | None, metric: str | None) -> float | None:
        try:
            value = float((text or "").strip())
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self._wrong("a value that is not a finite number")
            return None
        if (metric in SHARES and not 0 <= value <= 1) or (metric == "minutes_per_case" and value < 0):
            self._wrong(f"{metric} outside its range")
            return None
        return value

    def _minutes(self, text: str | None, opened: datetime | None, period: str | None) -> float | None:
        if not (text or "").strip():
            if period:
                self.open_cases[period] = self.open_cases.get(period, 0) + 1
            return None
        closed = self._moment(text)
        if opened is None or closed is None:
            return None
        if (opened.tzinfo is None) != (closed.tzinfo is None):
            self._wrong("a time zone in only one of opening and closing")
            return None
        if closed < opened:
            self._wrong("a case that was closed before it was opened")
            return None
        return (closed - opened).total_seconds() / 60

    def _once(self, case: str, metric: str | None) -> None:
        if not case:
            self._wrong("no case id")
        elif metric and (case, metric) in self.cases:
            self._wrong("a case that appears twice")
        elif metric:
            self.cases.add((case, metric))

    def measured(self, sha256: str) -> Measured:
        if self.problems:
            told = "; ".join(f"{row_list(rows)} with {problem}" for problem, rows in self.problems.items())
            raise DataError(f"{self.setting}: {told}", NEXT_STEP)
        if not self.values:
            raise DataError(f"{self.setting} has no measurements: {self.rows} rows, no closed case", NEXT_STEP)
        for metric in sorted({metric for metric, _ in self.days}):
            self._require_order(metric, *(self.days.get((metric, period), []) for period in PERIODS))
        return Measured(
            self.setting,
            sha256,
            self.rows,
            {key: np.array(values) for key, values in self.values.items()},
            {key: min(days) for key, days in self.days.items()},
            {key: max(days) for key, days in self.days.items()},
            self.open_cases,
        )

    def _require_order(self, metric: str, before: Sequence[date], after: Sequence[date]) -> None:
        if before and after and max(before) >= min(after):
            raise DataError(
                f"{self.setting}: the periods of {metric} overlap: `before` ends on {max(before)}, `after` begins on"
                f" {min(after)}",
                "Correct the period column, or remove it and set business.introduced_on",
            )
