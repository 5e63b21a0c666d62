"""What all use cases cost and return, for people who decide about money.

Figures are those of the table of all use cases and of `ft roi`. Covered: cost of programs, the forecast of
`roi_report`, and what the forecast comes to at the number of answers that were really given. Not covered: money itself
that was saved, which nobody measures; the cost of servers. Currencies are never added up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from ft_platform.costs.ledger import Ledger
from ft_platform.costs.spent import spent
from ft_platform.errors import FtError
from ft_platform.lake.store import Lake
from ft_platform.monitoring.business.realized import evaluation_of, realized
from ft_platform.reporting.figure import COLOURS, around, drawing, short
from ft_platform.reporting.formats import amount
from ft_platform.reporting.published import intact_json
from ft_platform.reporting.use_case_state import about_release
from ft_platform.use_case.named import NamedUseCase
from ft_platform.web.portal_pages.portfolio import Entry, portfolio_of

MOST_DRAWN = 15
"""Use cases in a picture: those with the largest forecasts."""


@dataclass(frozen=True)
class Line:
    """One use case. What is not known is None.

    Attributes:
        entry: as in the table of all use cases.
        risk: class of risk that a person has judged.
        spent: currency -> cost of all program runs; None: none has a price.
        currency: of the forecast.
        forecast, low, high: expected savings a month.
        payback: months until the investment is paid back.
        realized: `forecast` at the answers it gave.
        answers, expected_answers: a month.
        wrong, expected_wrong: share of wrong answers, of those that people judged, and of the evaluation.
        problem: why the figures are not known.
    """

    entry: Entry
    risk: str | None
    spent: Mapping[str, float | None]
    currency: str | None = None
    forecast: float | None = None
    low: float | None = None
    high: float | None = None
    payback: float | None = None
    realized: float | None = None
    answers: float | None = None
    expected_answers: float | None = None
    wrong: float | None = None
    expected_wrong: float | None = None
    problem: str | None = None

    @property
    def is_released(self) -> bool:
        return self.entry.release is not None


def board_of(lake: Lake, use_cases: Mapping[str, NamedUseCase], today: date) -> list[Line]:
    """Every use case, by name."""
    rows, lines = Ledger(lake).rows(), []
    for entry in portfolio_of(lake, use_cases, {}, today):
        name = entry.use_case
        costs = spent(row for row in rows if row["use_case"] == name)
        about = {"entry": entry, "risk": use_cases[name].settings.release.risk_class, "spent": costs}
        try:
            lines.append(Line(**about, **_returns(lake, name, entry.checkpoint), problem=entry.problem))
        except FtError as error:
            lines.append(Line(**about, problem=entry.problem or error.message))
    return lines


def _returns(lake: Lake, name: str, checkpoint: str | None) -> dict[str, Any]:
    report = about_release(lake, name, checkpoint, "roi_report")
    found = intact_json(lake, report, "roi.json")
    if report is None or not found or not found["savings_per_month"]:
        return {}
    saving = found["savings_per_month"]
    told = {"currency": found["currency"], "forecast": saving["value"], "low": saving["low"], "high": saving["high"]}
    told["payback"] = found["payback_months"]["value"]
    since = realized(lake, evaluation_of(lake, report), found)
    if since is None:
        return told
    answers, wrong = since["compared"]["volume_per_month"], since["compared"]["overrides"]
    told |= {"answers": answers["realized"], "expected_answers": answers["forecast"]}
    told |= {"wrong": wrong["realized"], "expected_wrong": wrong["forecast"]}
    if answers["forecast"]:  # savings are in proportion to the cases (`monitoring.business.returns`)
        told["realized"] = saving["value"] * answers["realized"] / answers["forecast"]
    return told


@dataclass(frozen=True)
class Totals:
    """Money of each currency, by its code.

    Attributes:
        cost: of this month. spent: of all months. forecast: of what is released. realized: of what is served.
    """

    cost: list[tuple[str, float]]
    spent: list[tuple[str, float]]
    forecast: list[tuple[str, float]]
    realized: list[tuple[str, float]]


def totals_of(lines: Sequence[Line]) -> Totals:
    return Totals(
        cost=sums((one.entry.currency, one.entry.cost) for one in lines),
        spent=sums(part for one in lines for part in one.spent.items()),
        forecast=sums((one.currency, one.forecast) for one in lines if one.is_released),
        realized=sums((one.currency, one.realized) for one in lines if one.is_released),
    )


def sums(found: Iterable[tuple[str | None, float | None]]) -> list[tuple[str, float]]:
    """Money of each currency."""
    added: dict[str, float] = {}
    for currency, money in found:
        if currency is not None and money is not None:
            added[currency] = added.get(currency, 0.0) + money
    return sorted(added.items())


def pictures_of(lines: Sequence[Line]) -> list[tuple[bytes, str]]:
    """For each currency the forecasts with their intervals, and the same in words. What is not released is hollow."""
    found = []
    for currency in sorted({one.currency for one in lines if one.currency}):
        known = [one for one in lines if one.currency == currency and one.forecast is not None]
        drawn = sorted(known, key=lambda one: -(one.forecast or 0.0))[:MOST_DRAWN]
        rows = tuple(
            (one.entry.use_case, one.forecast, one.low, one.high, one.realized, one.is_released) for one in drawn
        )
        told = [f"{one.entry.use_case} {amount(one.forecast)}" for one in drawn]
        found.append((_drawn(currency, rows), f"Expected savings a month in {currency}: {'; '.join(told)}."))
    return found


@lru_cache(maxsize=64)
def _drawn(currency: str, rows: tuple[tuple[Any, ...], ...]) -> bytes:
    """Drawn once for the same figures."""
    with drawing(6.4, 0.9 + 0.24 * len(rows)) as (_, axes, buffer):
        for place, (_, value, low, high, real, released) in enumerate(rows):
            fill = COLOURS[0] if released else "white"
            ends = around({"value": value, "low": low, "high": high})
            axes.errorbar(value, place, xerr=ends, fmt="o", color=COLOURS[0], markerfacecolor=fill, capsize=3)
            if real is not None:
                axes.plot(real, place, "D", color=COLOURS[5], markersize=5)
        axes.axvline(0, linestyle=":", color="grey")
        axes.set_yticks(range(len(rows)), [short(row[0].replace("_", " ")) for row in rows], fontsize=8)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.xaxis.set_major_formatter(lambda value, _: amount(value))
        axes.set_xlabel(f"savings a month, {currency} (filled: released; diamond: realized)")
        axes.grid(axis="x", alpha=0.3)
    return buffer.getvalue()
