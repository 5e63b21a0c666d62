"""All use cases of an installation in one table: how far each is, what was decided, what is served and how well, what
it costs and returns, and whom to ask."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any

from ft_platform.costs.ledger import Ledger
from ft_platform.costs.spent import spent
from ft_platform.errors import FtError
from ft_platform.lake.store import Lake
from ft_platform.monitoring.day_reports import day_reports
from ft_platform.reporting.published import headline, intact_json
from ft_platform.reporting.use_case_state import about_release, state_of
from ft_platform.use_case.named import NamedUseCase


@dataclass(frozen=True)
class Entry:
    """One use case. What is not known is None.

    Attributes:
        owner: accountable for it.
        stage: what it is now (`use_case_state.STATES`); `state`: in a sentence.
        decision: the newest, in words.
        release, released_on: what people may be served by; `checkpoint`: its.
        metric, value: of the newest evaluation.
        live, live_low, live_high, live_day: accuracy of the newest monitored day, by feedback where there was enough,
            or else estimated.
        alarms: of that day.
        cost, currency: of the programs of this month; no cost: none has a price, or none ran.
        saved: a month, as `roi_report` expects, in its own currency.
        needs: how many things wait for a person.
    """

    use_case: str
    description: str
    owner: str
    stage: str
    state: str = ""
    decision: str | None = None
    release: str | None = None
    released_on: str | None = None
    checkpoint: str | None = None
    metric: str | None = None
    value: float | None = None
    live: float | None = None
    live_low: float | None = None
    live_high: float | None = None
    live_day: str | None = None
    alarms: int | None = None
    cost: float | None = None
    currency: str | None = None
    saved: float | None = None
    saved_currency: str | None = None
    needs: int | None = None
    problem: str | None = None


def as_csv(entries: Iterable[Entry]) -> str:
    """For a spreadsheet: a line each. Texts that a spreadsheet would compute are quoted."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([one.name for one in fields(Entry)])
    for entry in entries:
        writer.writerow([_safe(value) for value in asdict(entry).values()])
    return file.getvalue()


def _safe(value: object) -> object:
    """OWASP, CSV injection: no cell that begins a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def portfolio_of(
    lake: Lake, use_cases: Mapping[str, NamedUseCase], needs: Mapping[str, int], today: date
) -> list[Entry]:
    """What the lake says of each use case, by name. One that cannot be read has a problem in place of figures.

    Args:
        needs: name -> how many things wait there; one that is left out has None.
    """
    month, entries = f"{today:%Y-%m}", []
    rows = Ledger(lake).rows(month)
    for name, use_case in sorted(use_cases.items()):
        about: dict[str, Any] = {
            "use_case": name,
            "description": use_case.settings.description,
            "owner": use_case.settings.owners.accountable,
            "needs": needs.get(name),
        }
        costs = spent(row for row in rows if row["use_case"] == name)
        if len(costs) == 1:
            ((currency, money),) = costs.items()
            about |= {"cost": money and round(money, 2), "currency": currency}
        elif costs:
            about["problem"] = f"Costs of this month are in {' and '.join(sorted(costs))}: ft costs"
        try:
            about |= _found(lake, use_case, today)
            about |= _figures(lake, name, about.get("checkpoint"))
        except FtError as error:
            about = {"stage": "unknown", **about, "problem": error.message}
        entries.append(Entry(**about))
    return entries


def _found(lake: Lake, use_case: NamedUseCase, today: date) -> dict[str, Any]:
    name, state = use_case.name, state_of(lake, use_case.name, use_case, today)
    found: dict[str, Any] = {"stage": state.name, "state": state.words}
    if state.standing:
        found["decision"] = state.standing.words
    if released := state.release:
        found |= {"release": released.id, "released_on": lake.manifest(released.version).written_at[:10]}
        found["checkpoint"] = released.checkpoint
    for _, day in day_reports(lake, name, newest=1):
        live = day.measured_accuracy if day.measured_accuracy.value is not None else day.estimated_accuracy
        found |= {"live": live.value, "live_low": live.low, "live_high": live.high, "live_day": day.day}
        found["alarms"] = len(day.alarms)
    return found


def _figures(lake: Lake, name: str, checkpoint: str | None) -> dict[str, Any]:
    """What files of reports say. One that is damaged is a problem of the use case; how far it is, is known all the
    same."""
    found = headline(lake, about_release(lake, name, checkpoint, "evaluation_report"))
    returns = intact_json(lake, about_release(lake, name, checkpoint, "roi_report"), "roi.json")
    if returns and returns["savings_per_month"]:
        found |= {"saved": returns["savings_per_month"]["value"], "saved_currency": returns["currency"]}
    return found
