"""Experts correct records in a real browser, by the keyboard: two raters, the arbiter, words that were missed; no
barrier at any width. Persons are fictitious."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dagster_webserver")
pytest.importorskip("model_signing", reason="the extra `signing` is not installed")
from ft_platform.evaluation.annotation.repairs import repairs
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.reporting.axe import axe_script, show_as
from ft_platform_tests.reporting.browser import browser
from ft_platform_tests.web.annotating import ANA, BO, CY, MISSED, Annotating
from ft_platform_tests.web.test_portal_actions_in_a_browser import barriers_here, press, sign_in
from ft_platform_tests.web.test_sign_in_in_a_browser import wait_for

pytestmark = [pytest.mark.components(name="browser"), pytest.mark.integration]
PICTURES = os.environ.get("FT_TEST_PICTURES")
"""Folder for pictures of the pages, to be looked at."""


@pytest.fixture
def chrome() -> Iterator[Any]:
    axe_script()
    with browser() as found:
        yield found


def picture(chrome: Any, name: str) -> None:
    if PICTURES:
        for width, size in {"wide": 1280, "phone": 390}.items():
            show_as(chrome, size, "light")
            height = chrome.execute_script("return document.documentElement.scrollHeight")
            clip = {"x": 0, "y": 0, "width": size, "height": min(height, 2400), "scale": 1}
            shot = chrome.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
            import base64

            Path(PICTURES, f"{name}_{width}.png").write_bytes(base64.b64decode(shot["data"]))


def says(chrome: Any, words: str) -> None:
    wait_for(chrome, f"document.body.innerText.includes({words!r})")


def test_two_raters_and_an_arbiter_settle_records_and_missed_words_are_marked(
    environment: Environment, quick_stages: None, chrome: Any
) -> None:
    site = Annotating(environment)
    first = site.prepare()
    site.started(rows=90)
    task = site.sheet(ANA).task
    named_here = site.record_with(first, MISSED)
    at = site.sheet(ANA).order.index(named_here) + 1
    with site.serving() as address:

        def here(name: str, number: int) -> None:
            sign_in(chrome, address, name)
            chrome.get(f"{address}/annotate?of=tests&task={task.id}&at={number}")
            says(chrome, f"Record {number} of 90")

        here(ANA, at)
        assert barriers_here(chrome) == {}
        picture(chrome, "record")
        press(chrome, "mortgage")
        says(chrome, f"Record {at + 1} of 90")
        chrome.find_element("link text", "Back").send_keys("\n")
        says(chrome, "You said: mortgage")
        chrome.find_element("xpath", "//summary[text()='Words were missed']").click()
        chrome.find_element("id", "words").send_keys(MISSED)
        chrome.find_element("id", "entity").send_keys("person")
        press(chrome, "Hide these words")
        says(chrome, "You marked missed words as PERSON")
        assert barriers_here(chrome) == {}
        picture(chrome, "marked")
        here(BO, at)
        press(chrome, "credit card")
        says(chrome, f"Record {at + 1} of 90")
        here(CY, at)
        says(chrome, "Two people disagree about this one, and you decide.")
        assert barriers_here(chrome) == {}
        picture(chrome, "arbiter")
        press(chrome, "credit card" if task.before[named_here] == "mortgage" else "mortgage")
        says(chrome, f"Record {at + 1} of 90" if at < 90 else "Record 1 of 90")
        assert len(repairs(site.lake, site.case)) == 1
        complaints = [one["message"] for one in chrome.get_log("browser") if one["level"] == "SEVERE"]
        assert complaints == [] and "zorvan" not in chrome.current_url
