"""Cost and return of all use cases on one page. All figures are made up."""

import base64
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from ft_platform.commands.costs import by_use_case_and_month
from ft_platform.costs.ledger import Ledger
from ft_platform.lake.store import Lake
from ft_platform.monitoring.business.realized import MONTH_DAYS
from ft_platform.reporting.publishing.monitoring import publish_monitoring
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.portal_pages.board import Line, Totals, board_of, pictures_of, totals_of
from ft_platform.web.portal_pages.pages import Portal, board_page
from ft_platform.web.portal_pages.portfolio import Entry
from ft_platform_tests.business.test_realized import figures
from ft_platform_tests.monitoring.made_up import MadeUp, day, made_up
from ft_platform_tests.reporting.browser import browser
from ft_platform_tests.reporting.page_rules import problems_of
from ft_platform_tests.tables import use_case as a_use_case

TODAY = datetime.now(UTC).date()


@pytest.fixture
def made(tmp_path: Path) -> MadeUp:
    return made_up(tmp_path)


def forecast(made: MadeUp, **changes: Any) -> None:
    """A report that expects 2,000 answers a month to save 1,000."""
    found = {**figures(), "currency": "CHF", "savings_per_month": {"value": 1000.0, "low": 400.0, "high": 1600.0}}
    found |= {"payback_months": {"value": 6.5}, **changes}
    name = made.use_case.name
    with made.lake.scratch(name, "roi_report") as folder:
        folder.mkdir(parents=True)
        (folder / "roi.json").write_text(json.dumps(found))
        how: Any = {"parents": [made.evaluation], "settings_hash": "s", "input_hash": "i"}
        made.lake.publish(name, "roi_report", "roi-1", folder, **how)


def spend(lake: Lake, name: str, month: str, money: float) -> None:
    run = {"run": month, "use_case": name, "program": "train", "state": "finished", "month": month}
    Ledger(lake).close({**run, "started_at": f"{month}-01T00:00:00+00:00", "money": money, "currency": "CHF"})


def board(made: MadeUp) -> Line:
    (line,) = board_of(made.lake, {made.use_case.name: made.use_case}, TODAY)
    return line


def test_without_a_forecast_there_is_cost_and_nothing_else(made: MadeUp) -> None:
    spend(made.lake, made.use_case.name, "2026-01", 5.0)
    spend(made.lake, made.use_case.name, f"{TODAY:%Y-%m}", 2.5)
    line = board(made)
    assert (line.entry.cost, line.spent) == (2.5, {"CHF": 7.5})
    assert (line.forecast, line.realized, line.payback) == (None, None, None)
    forecast(made, savings_per_month=None)
    assert board(made).forecast is None


def test_what_is_realized_is_the_forecast_at_the_answers_it_gave(made: MadeUp) -> None:
    forecast(made)
    line = board(made)
    assert (line.forecast, line.low, line.high, line.payback) == (1000.0, 400.0, 1600.0, 6.5)
    assert line.realized is None and line.is_released
    made.judged(made.asked(1)[:40], on=1)
    publish_monitoring(made.lake, made.use_case, day(1))
    line = board(made)
    assert line.answers == pytest.approx(150 * MONTH_DAYS) and line.expected_answers == 2000
    assert line.realized == pytest.approx(1000 * 150 * MONTH_DAYS / 2000)
    assert line.wrong is not None and line.expected_wrong == pytest.approx(0.2)


def test_a_report_that_cannot_be_read_is_a_problem_of_one_line(made: MadeUp) -> None:
    made.asked(1)
    publish_monitoring(made.lake, made.use_case, day(1))
    forecast(made)
    report = made.lake.artifacts(made.use_case.name, "monitoring_report")[0]
    with open(f"{report.uri}/monitoring.json", "a") as file:
        file.write(" ")
    line = board(made)
    assert line.problem and "monitoring.json" in line.problem and line.forecast is None


def test_a_forecast_that_was_altered_is_not_one_that_was_never_made(made: MadeUp) -> None:
    forecast(made)
    with open(f"{made.lake.artifacts(made.use_case.name, 'roi_report')[0].uri}/roi.json", "a") as file:
        file.write(" ")
    line = board(made)
    assert line.problem and "roi.json of roi-1" in line.problem
    assert line.forecast is None and line.is_released and line.entry.stage != "unknown"


def lines(count: int, currencies: tuple[str, ...] = ("EUR", "USD")) -> list[Line]:
    """Use cases with long names, every second one released."""
    found = []
    for number in range(count):
        released = f"release-{number}" if number % 2 else None
        entry = Entry(
            f"department_with_a_long_name_{number:02d}",
            "Sorts letters.",
            "team:letters",
            "served" if released else "decided",
            decision="release accepted" if released else "release refused",
            release=released,
            released_on="2026-11-20" if released else None,
            metric="macro_precision",
            value=0.8,
            live=0.82,
            cost=12345.0,
            currency="EUR",
        )
        figures: dict[str, Any] = {
            "forecast": 2000.0 * number,
            "low": 1000.0 * number,
            "high": 3000.0 * number,
            "payback": 12.5,
        }
        figures |= {"answers": 812.0, "expected_answers": 1000.0, "wrong": 0.09, "expected_wrong": 0.08}
        currency = currencies[number % len(currencies)]
        realized = 1500.0 * number if released else None
        spent = {"EUR": 123456.0, "USD": 3.0} if number == 0 else {"EUR": 123456.0}
        found.append(Line(entry, "high", spent, currency, realized=realized, **figures))
    return found


def test_currencies_are_never_added_up_and_only_what_is_released_counts() -> None:
    found = lines(4)
    assert totals_of(found) == Totals(
        [("EUR", 4 * 12345.0)],
        [("EUR", 4 * 123456.0), ("USD", 3.0)],
        [("USD", 8000.0)],
        [("USD", 6000.0)],
    )
    page = board_page(found, date(2026, 11, 29))
    assert "8,000 USD" in page and "493,824 EUR, 3.00 USD" in page and problems_of(page) == []


def test_there_is_a_picture_for_each_currency_the_largest_first(drawn: list[Any]) -> None:
    (_, euros), (_, dollars) = pictures_of(lines(5))
    assert euros.startswith("Expected savings a month in EUR: department_with_a_long_name_04 8,000;")
    assert dollars.startswith("Expected savings a month in USD: department_with_a_long_name_03 6,000;")
    assert pictures_of([replace(one, currency=None, forecast=None) for one in lines(2)]) == []


def test_the_server_has_the_page(lake: Lake) -> None:
    use_case = a_use_case().model_copy(update={"name": "letters"})
    page = Portal(lake, lambda: {"letters": use_case}).page("/board")
    assert page and b"Cost and return" in page.content and b'href="letters/"' in page.content
    empty = Portal(lake).page("/board")
    assert empty and b"There are no use cases yet." in empty.content


@pytest.mark.pictures
@pytest.mark.components(name="browser")
def test_fifteen_use_cases_are_one_page_of_paper(tmp_path: Path) -> None:
    def sheets(count: int) -> int:
        file = tmp_path / "board.html"
        file.write_text(board_page(lines(count), date(2026, 11, 29)))
        chrome.get(file.as_uri())
        printed = chrome.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
        return len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(printed["data"])))

    with browser() as chrome:
        assert (sheets(1), sheets(15)) == (1, 1)
        assert sheets(60) > 1, "pages are counted"


def candidate(made: MadeUp, forecast: float) -> None:
    """A newer checkpoint that nobody released, which is expected to save more."""
    splits = made.lake.latest(made.use_case.name, "splits")
    newer = made.published("adapter_checkpoint", "ckpt-candidate", [splits], {"weights.json": {"other": True}})
    evaluation = made.published("evaluation_report", "eval-candidate", [newer, splits], {"metrics.json": {}})
    saving = {"value": forecast, "low": forecast, "high": forecast}
    found = {**figures(), "currency": "CHF", "savings_per_month": saving, "payback_months": {"value": 1.0}}
    made.published("roi_report", "roi-candidate", [evaluation], {"roi.json": found})


def test_money_is_that_of_the_released_model_and_not_of_a_newer_candidate(made: MadeUp) -> None:
    forecast(made)
    candidate(made, 90_000.0)
    line = board(made)
    assert line.entry.release == "release-0" and (line.forecast, line.payback) == (1000.0, 6.5)
    assert line.entry.saved == 1000.0 and totals_of([line]).forecast == [("CHF", 1000.0)]


def test_what_has_no_price_is_not_known_and_never_0(made: MadeUp) -> None:
    spend(made.lake, made.use_case.name, f"{TODAY:%Y-%m}", 0.0)
    line = board(made)
    assert (line.entry.cost, dict(line.spent)) == (None, {"CHF": None})
    assert totals_of([line]).cost == totals_of([line]).spent == []
    assert "0 CHF" not in board_page([line], TODAY)
    environment = Environment(home=made.environment.home, defs=made.environment.defs)
    taken = {"seconds": 1.0, "cpu_seconds": 1.0, "gpu_seconds": 0.0, "tokens": 1, "kwh": None}
    (row,) = by_use_case_and_month([{**row, **taken} for row in Ledger(made.lake).rows()], environment)
    assert row["money"] is None
    spend(made.lake, made.use_case.name, "2026-01", 5.0)
    assert board(made).spent == {"CHF": 5.0}
