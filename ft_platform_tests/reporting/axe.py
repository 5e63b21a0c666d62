"""Barriers for people in a page, as axe-core finds them (https://github.com/dequelabs/axe-core). Tests skip, with the
reason, where the package that brings it is missing."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WIDTHS = {"wide": 1280, "phone": 390}
SCHEMES = ("light", "dark")
RUN = """
const done = arguments[0];
axe.run().then(found => done(found.violations.map(one => `${one.id}: ${one.nodes[0].html.slice(0, 120)}`)));
"""
WIDER = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"


def axe_script() -> str:
    """axe.min.js; the package's own code, which wants playwright, is not imported."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or not found.submodule_search_locations:
        pytest.skip("the package axe-playwright-python is not installed")
    return (Path(found.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")


def barriers(chrome: Any, address: str, script: str) -> dict[str, list[str]]:
    """What is wrong with a page at each width and in each colour scheme; only what has a fault is in it."""
    return barriers_of(chrome, script, lambda: chrome.get(address))


def barriers_of(chrome: Any, script: str, before: Callable[[], object] = lambda: None) -> dict[str, list[str]]:
    """The same of the page that is open.

    Args:
        before: called before each look at it.
    """
    found: dict[str, list[str]] = {}
    for name, width in WIDTHS.items():
        for scheme in SCHEMES:
            show_as(chrome, width, scheme)
            before()
            wider = chrome.execute_script(WIDER)
            chrome.execute_script(script)
            problems = [
                *chrome.execute_async_script(RUN),
                *([f"{wider} pixels wider than the window"] if wider else []),
            ]
            if problems:
                found[f"{name}, {scheme}"] = problems
    return found


def show_as(chrome: Any, width: int, scheme: str) -> None:
    """Gives the window a width and a colour scheme."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
