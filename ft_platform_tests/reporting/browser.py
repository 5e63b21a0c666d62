"""A real browser for the reports: Chromium with its driver, and the package selenium. Tests skip, with the reason,
where one is missing."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
]
MOVE_OVER_EVERYTHING = """
for (const e of document.querySelectorAll('*')) for (const kind of ['mouseover', 'mousemove', 'focus', 'toggle', 'click'])
  if (kind !== 'click' || e.tagName === 'SUMMARY') e.dispatchEvent(new Event(kind, {bubbles: true}));
"""  # noqa: E501
WIDER_THAN_THE_WINDOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
PICTURES_NOT_SHOWN = "return [...document.images].filter(i => !(i.complete && i.naturalWidth > 0)).length"


@dataclass(frozen=True)
class Opened:
    """What happened while a page was open and every element had the events of a mouse.

    Attributes:
        requests: addresses that were asked for, beside the page and the pictures inside it.
        dialogs: texts of alerts; a script has run.
        complaints: errors of the browser's console.
        pictures_not_shown: how many.
        wider_by: pixels that the page is wider than a window of 1,280.
        pdf_bytes: size of the page printed to PDF.
        words: text that a reader sees.
    """

    requests: list[str]
    dialogs: list[str]
    complaints: list[str]
    pictures_not_shown: int
    wider_by: int
    pdf_bytes: int
    words: str


@contextmanager
def browser() -> Iterator[Any]:
    """A driver; ended afterwards."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="the package selenium is not installed")
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    binary, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("Chromium or its driver is not installed")
    options = Options()
    for flag in FLAGS:
        options.add_argument(flag)
    options.binary_location = binary
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    options.unhandled_prompt_behavior = "ignore"
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


def opened(chrome: Any, path: Path) -> Opened:
    """Opens a file, sends its elements events, and prints it."""
    from selenium.common.exceptions import UnexpectedAlertPresentException

    chrome.get_log("performance"), chrome.get_log("browser")
    dialogs: list[str] = []

    def run(script: str) -> Any:
        try:
            return chrome.execute_script(script)
        except UnexpectedAlertPresentException:  # on a loaded machine it opens late
            _read_dialogs(chrome, dialogs)
            return chrome.execute_script(script)

    chrome.get(path.as_uri())
    _read_dialogs(chrome, dialogs)
    if not dialogs:
        run(MOVE_OVER_EVERYTHING)
        time.sleep(0.1)
        _read_dialogs(chrome, dialogs)
    not_shown, wider_by = run(PICTURES_NOT_SHOWN), run(WIDER_THAN_THE_WINDOW)
    words = chrome.find_element("css selector", "body").text
    pdf = len(chrome.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"]) * 3 // 4
    messages = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    complaints = [entry["message"] for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"]
    requests = [url for url in asked if url != path.as_uri() and not url.startswith("data:image/png;")]
    return Opened(requests, dialogs, complaints, not_shown, wider_by, pdf, words)


def _read_dialogs(chrome: Any, dialogs: list[str]) -> None:
    from selenium.common.exceptions import NoAlertPresentException

    while True:
        try:
            alert = chrome.switch_to.alert
        except NoAlertPresentException:
            return
        dialogs.append(alert.text)
        alert.accept()
