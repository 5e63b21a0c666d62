"""The page of quotas and the queue: what it shows, and to whom."""

import time
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ft_platform.costs.fair_queue import Entry
from ft_platform.costs.ledger import Ledger, month_of
from ft_platform.costs.queue_folder import QueueFolder
from ft_platform.lake.store import Lake
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.portal_pages.pages import Portal
from ft_platform.web.portal_pages.quotas_page import Roles, quotas_page
from ft_platform_tests.costs.test_quotas import of_team, row, with_quotas
from ft_platform_tests.reporting.page_rules import problems_of

CASES = {name: of_team(team, name) for name, team in (("letters", "legal"), ("offers", "sales"))}
GRANTED = {"team": "legal", "month": month_of(), "gpu_hours": 2, "reason": "incident <12>"}


@pytest.fixture
def installation(environment: Environment, lake: Lake) -> Environment:
    """Legal has used 9 of 10 GPU-hours, and one training made room; both teams are in the queue."""
    now, ledger = datetime.now(UTC), Ledger(lake)
    about: dict[str, Any] = {"month": month_of(), "started_at": now - timedelta(minutes=5)}
    ledger.close(row("legal", 8.5, use_case="letters", **about))
    room = {"run": "r2", "error": "MadeRoom", "state": "stopped"}
    ledger.close(row("legal", 0.5, use_case="letters", **room, **about))
    folder = QueueFolder(lake)
    plain = Entry("a", "gpu@x", "run", "letters", "legal", "train", "local", 0, time.time() - 60, stint=1)
    folder.write(replace(plain, made_room_at=time.time(), made_room_for="for a program of high priority"))
    folder.write(replace(plain, id="b", use_case="offers", team="sales", priority=2, since=time.time(), stint=0))
    folder.write(replace(plain, id="c", use_case="offers", team="sales", program="evaluate", started=time.time()))
    return with_quotas(environment, teams={"legal": {"gpu_hours": 8}, "sales": {"money": 5}}, raised=[GRANTED])


def shown(lake: Lake, environment: Environment, roles: Roles = None) -> str:
    text = quotas_page(lake, environment, CASES, roles, datetime.now(UTC))
    assert problems_of(text) == []
    return text


def as_owner_of(*names: str) -> Roles:
    def roles(use_case: str) -> Collection[str]:
        return {"data_science"} if use_case in names else set()

    return roles


def test_figures_bars_places_and_who_made_room_are_shown(lake, installation):
    text = shown(lake, installation)
    assert 'aria-label="90 % used or reserved"' in text and "granted: 2.00 GPU-hours (incident &lt;12&gt;)" in text
    assert "made room for a program of high priority, goes on from its saved state; 1 before it: 1 of a higher" in text
    assert text.index("runs</td>") < text.index("next for a place") < text.index("1 before it")
    assert "Made room in the last days" in text and "30.0" in text


def test_an_owner_sees_the_own_team_and_how_long_the_queue_is(lake, installation):
    text = shown(lake, installation, as_owner_of("letters"))
    assert "legal" in text and "sales" not in text and "offers" not in text
    assert "1 other team is shown to their owners" in text and text.count("another team") == 2
    other = shown(lake, installation, as_owner_of("offers"))
    assert "legal" not in other and "letters" not in other and "incident" not in other and "Made room" not in other


def test_a_role_in_the_whole_installation_sees_all_and_no_role_sees_no_team(lake, installation):
    everything = shown(lake, installation, lambda _: {"administrator"})
    assert "legal" in everything and "sales" in everything and "another team" not in everything
    nothing = shown(lake, installation, as_owner_of())
    assert not any(word in nothing for word in ("legal", "sales", "letters", "offers"))


def test_the_server_has_the_page_as_the_settings_are_now(lake, installation):
    portal = Portal(lake, lambda: CASES, environment=lambda: installation)
    page = portal.page("/quotas")
    assert page and b"Quotas and queue" in page.content
    empty = Portal(
        lake, dict, environment=lambda: installation.model_copy(update={"quotas": type(installation.quotas)()})
    )
    page = empty.page("/quotas", as_owner_of())
    assert page and b"No team that you may see" in page.content
    assert Portal(lake, lambda: CASES).page("/quotas") is None
