"""A person taps what was missed in a real browser, at any width and without barriers; no script runs. Persons are
fictitious."""

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("dagster_webserver")
pytest.importorskip("model_signing", reason="the extra `signing` is not installed")
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.reporting.axe import axe_script
from ft_platform_tests.reporting.browser import browser
from ft_platform_tests.web.annotating import ANA
from ft_platform_tests.web.test_annotate_in_a_browser import picture, says
from ft_platform_tests.web.test_portal_actions_in_a_browser import barriers_here, press, sign_in
from ft_platform_tests.web.test_recall import Marking
from ft_platform_tests.web.test_sign_in_in_a_browser import wait_for

pytestmark = [pytest.mark.components(name="browser"), pytest.mark.integration]


@pytest.fixture
def chrome() -> Iterator[Any]:
    axe_script()
    with browser() as found:
        yield found


def value_of(chrome: Any) -> str:
    """The record that is shown; empty: none is."""
    return str(chrome.execute_script("return document.querySelector('input[name=record]')?.value ?? ''"))


def following(chrome: Any) -> None:
    """Presses Next, and waits until another record is there, or none."""
    before = value_of(chrome)
    press(chrome, "Next")
    wait_for(chrome, f"document.querySelector('input[name=record]')?.value !== {before!r}")


def test_words_and_findings_are_tapped_and_the_next_record_comes(
    environment: Environment, quick_stages: None, chrome: Any
) -> None:
    site = Marking(environment)
    site.prepare()
    with site.serving() as address:
        sign_in(chrome, address, ANA)
        chrome.get(f"{address}/recall?of=tests")
        says(chrome, "You see some of your records")
        assert barriers_here(chrome) == {}
        picture(chrome, "recall_begin")
        press(chrome, "Begin")
        says(chrome, "Tap what is personal data")
        while "mirela" not in chrome.page_source:
            following(chrome)
        record = value_of(chrome)
        for number, label in enumerate(chrome.find_elements("css selector", "label.missed")[:2]):
            label.click()
            assert label.find_element("css selector", "input").is_selected(), number
        addresses = [one for one in chrome.find_elements("css selector", "label.found") if "@" in one.text]
        addresses[0].click()  # some complaints name a person, too
        assert barriers_here(chrome) == {}
        picture(chrome, "recall_record")
        following(chrome)
        assert site.sample.answers[record].missed == {"PERSON": 1}
        assert site.sample.answers[record].wrong == {"EMAIL": 1}
        picture(chrome, "recall_next")
        while "It is proven." not in chrome.page_source:
            following(chrome)
        assert barriers_here(chrome) == {}
        picture(chrome, "recall_end")
        complaints = [one["message"] for one in chrome.get_log("browser") if one["level"] == "SEVERE"]
        assert complaints == []
        assert "mirela" not in chrome.current_url
