"""When permissions of a version end, as `governance.forecast` has worked it out: counts by day, and no record."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from ft_platform.lake.manifests import Manifests
from ft_platform.lake.versions import TableVersion

FORECAST = "permission_forecast"
"""The verdict that keeps it."""
DAYS_AHEAD = 366
WINDOWS = (30, 90)
"""Days ahead that pages and reminders speak of."""


@dataclass(frozen=True)
class Forecast:
    """When permissions end.

    Attributes:
        on_day: when it was worked out.
        rows: of the version.
        ends: last day of use -> records, within `DAYS_AHEAD`.
        release: the champion then; None: there was none.
        learned: the same of the records that the champion learned from; None: nobody knows which these are.
    """

    on_day: date
    rows: int
    ends: Mapping[date, int]
    release: str | None
    learned: Mapping[date, int] | None

    def within(self, today: date, days: int) -> int:
        """Records whose last day has passed since `on_day`, or comes within so many days."""
        return _until(self.ends, today + timedelta(days=days))

    def learned_within(self, today: date, days: int, champion: str | None) -> int | None:
        """Those of them that the champion learned from; None: not known, or another one was released since."""
        if champion != self.release or self.learned is None:
            return None
        return _until(self.learned, today + timedelta(days=days))

    def to_dict(self) -> dict[str, Any]:
        ends, learned = _texts(self.ends), None if self.learned is None else _texts(self.learned)
        return {
            "on_day": self.on_day.isoformat(),
            "rows": self.rows,
            "ends": ends,
            "release": self.release,
            "learned": learned,
        }


def forecast_of(lake: Manifests, version: TableVersion) -> Forecast | None:
    """The forecast of a version of `permitted_records`, as it was worked out last; None: it was not.

    Raises:
        CorruptVersion: it was altered or deleted.
    """
    verdict = lake.verdict(version, FORECAST)
    if verdict is None:
        return None
    said = verdict.numbers
    learned = None if said["learned"] is None else _days(said["learned"])
    return Forecast(date.fromisoformat(said["on_day"]), said["rows"], _days(said["ends"]), said["release"], learned)


def _until(counts: Mapping[date, int], last: date) -> int:
    return sum(count for day, count in counts.items() if day <= last)


def _texts(counts: Mapping[date, int]) -> dict[str, int]:
    return {day.isoformat(): count for day, count in counts.items()}


def _days(counts: Mapping[str, int]) -> dict[date, int]:
    return {date.fromisoformat(day): count for day, count in counts.items()}
