"""Two raters judge answers in a real browser until the review may end, and the manager publishes it; no barrier."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dagster_webserver")
from ft_platform_tests.reporting.browser import PICTURES_NOT_SHOWN, WIDER_THAN_THE_WINDOW
from ft_platform_tests.web.review_office import MARIA, TOM, UMA, ReviewOffice
from ft_platform_tests.web.test_portal_actions_in_a_browser import barriers_here, chrome, press, sign_in  # noqa: F401
from ft_platform_tests.web.test_sign_in_in_a_browser import wait_for

pytestmark = pytest.mark.components(name="browser")
ENDED = "document.body.innerText.includes('has come to its end')"
HEADING = "return document.activeElement.tagName === 'H1'"
GOOD = "return document.querySelectorAll('.answers .text')[0].innerText.startsWith('good') ? 'a' : 'b'"


def shows(chrome: Any, number: int) -> None:  # noqa: F811
    wait_for(chrome, f"document.querySelector('h1').innerText === 'Answer pair {number}' || {ENDED}")


def judge(chrome: Any, number: int, comment: str = "") -> None:  # noqa: F811
    """Judges the pair that is shown with the keyboard alone."""
    side = chrome.execute_script(GOOD)
    for answer in ("a", "b"):
        score = "5" if answer == side else "2"
        chrome.find_element("css selector", f"[name=score_0_{answer}][value='{score}']").send_keys(" ")
    chrome.find_element("id", "comment").send_keys(comment)
    press(chrome, f"{side.upper()} is better")
    shows(chrome, number + 1)


def test_two_raters_judge_until_the_review_may_end(tmp_path: Path, chrome: Any) -> None:  # noqa: F811
    office = ReviewOffice(tmp_path, rows=100).with_users()
    with office.serving() as address:
        sign_in(chrome, address, MARIA, "reviews?of=complaints")
        assert barriers_here(chrome) == {}
        chrome.find_element("id", "start-criteria").send_keys("correct: wrong | right")
        press(chrome, "Start the review")
        wait_for(chrome, "document.body.innerText.includes('Nobody has begun.')")
        for name, pairs in ((TOM, 4), (UMA, 20)):
            sign_in(chrome, address, name, "review?of=complaints")
            assert barriers_here(chrome) == {}
            press(chrome, "Begin")
            shows(chrome, 1)
            assert barriers_here(chrome) == {} and chrome.execute_script(HEADING)
            if name == TOM:
                # Enter in a field chooses nothing, and the browser asks for the scores.
                chrome.find_element("css selector", "[name=score_0_a][value='5']").send_keys(" ", "\n")
                press(chrome, "Equal")
                assert chrome.execute_script("return document.querySelector('h1').innerText") == "Answer pair 1"
            for number in range(1, pairs + 1):
                judge(chrome, number, "Clear and <b>correct</b>" if number == 1 else "")
                if chrome.execute_script(f"return {ENDED}"):
                    break
            if name == TOM:
                press(chrome, "Back: correct my last choice")
                wait_for(chrome, "document.querySelector('h1').innerText === 'Correct answer pair 4'")
                assert barriers_here(chrome) == {}
                side = chrome.execute_script(GOOD)
                press(chrome, f"{side.upper()} is better ✓")
                shows(chrome, 5)
        assert chrome.execute_script(f"return {ENDED}")
        sign_in(chrome, address, MARIA, "reviews?of=complaints")
        assert barriers_here(chrome) == {}
        assert "whole interval reaches" in chrome.page_source and "Clear and &lt;b&gt;correct" in chrome.page_source
        press(chrome, "Publish the review")
        wait_for(chrome, "document.body.innerText.includes('The last review is published')")
        chrome.find_element("link text", "report").send_keys("\n")
        wait_for(chrome, "document.title.startsWith('Human review of complaints')")
        assert "It could end at any record" in chrome.page_source
        assert chrome.execute_script(PICTURES_NOT_SHOWN) == 0
        complaints = [one["message"] for one in chrome.get_log("browser") if one["level"] == "SEVERE"]
        assert complaints == []


def test_the_pages_fit_a_phone(tmp_path: Path, chrome: Any) -> None:  # noqa: F811
    long = "Averylongwordwithoutanyblankinit" * 8
    office = ReviewOffice(tmp_path, ours=lambda place: f"good {place} {long}").with_users()
    with office.serving() as address:
        chrome.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": 375, "height": 800, "deviceScaleFactor": 2, "mobile": True}
        )
        sign_in(chrome, address, MARIA, "reviews?of=complaints")
        chrome.find_element("id", "start-criteria").send_keys("correct: wrong | right\npolite: rude | kind")
        assert chrome.execute_script(WIDER_THAN_THE_WINDOW) == 0
        press(chrome, "Start the review")
        wait_for(chrome, "document.body.innerText.includes('Nobody has begun.')")
        assert chrome.execute_script(WIDER_THAN_THE_WINDOW) == 0
        sign_in(chrome, address, TOM, "review?of=complaints")
        press(chrome, "Begin")
        shows(chrome, 1)
        assert chrome.execute_script(WIDER_THAN_THE_WINDOW) == 0 and barriers_here(chrome) == {}
        small = "return [...document.querySelectorAll('.choices button, .scale label')]"
        heights = chrome.execute_script(f"{small}.map(one => one.getBoundingClientRect().height)")
        assert len(heights) == 24 and min(heights) >= 24, "WCAG 2.2, 2.5.8: targets of at least 24 by 24 pixels"
