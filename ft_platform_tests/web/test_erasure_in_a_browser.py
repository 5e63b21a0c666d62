"""An erasure in a real browser, from a clerk's form to the officer's certificate; no barrier, and nothing of the person
stays in the browser's profile. Persons are fictitious."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dagster_webserver")
from ft_platform.people.noted import Noted
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.acting import acting
from ft_platform.web.report_server import report_server
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.erasure.conftest import PERSON, bytes_below
from ft_platform_tests.web.test_erasure_pages import CLERK, OFFICER, opened_house
from ft_platform_tests.web.test_portal_actions_in_a_browser import barriers_here, chrome, press, sign_in  # noqa: F401
from ft_platform_tests.web.test_sign_in_in_a_browser import WAIT_SECONDS, path, wait_for

pytestmark = pytest.mark.components(name="browser")
SHORT = PERSON.split()[0]


@pytest.fixture
def address(installation: Environment, quick_stages: None) -> Iterator[str]:  # noqa: F811
    """Of a report server whose approved erasures are carried out as in production: in a process of its own."""
    opened_house(installation)
    told: list[Noted] = []
    with report_server(installation, "127.0.0.1", 0, noting=told.append, acting=acting(installation)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def shot(chrome: Any, folder: Path, name: str) -> None:  # noqa: F811
    """A picture of the whole page, for whoever wants to see it (`--basetemp`)."""
    chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chrome.set_window_size(1280, 900)
    taken = chrome.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    (folder / f"{name}.png").write_bytes(base64.b64decode(taken["data"]))


def test_a_clerk_asks_and_an_officer_approves_and_nothing_of_the_person_stays_in_the_browser(
    installation: Environment,  # noqa: F811
    address: str,
    chrome: Any,  # noqa: F811
    tmp_path: Path,
) -> None:
    sign_in(chrome, address, CLERK)
    chrome.get(f"{address}/erase?of=complaints")
    shot(chrome, tmp_path, "1_form")
    found = {"form": barriers_here(chrome)}
    chrome.find_element("id", "plan-ids").send_keys(PERSON)
    chrome.find_element("id", "plan-reason").send_keys("Letter of 3 November")
    press(chrome, "Show what would be erased")
    wait_for(chrome, "document.body.innerText.includes('quarantined for good')")
    shot(chrome, tmp_path, "2_plan")
    found["plan"] = barriers_here(chrome)
    assert path(chrome) == "/erase?of=complaints" and SHORT not in chrome.title
    press(chrome, "Send the request")
    wait_for(chrome, "document.body.innerText.includes('waits for a second person')")
    assert SHORT not in chrome.page_source
    sign_in(chrome, address, OFFICER)
    chrome.find_element("link text", "Erase a person").send_keys("\n")
    wait_for(chrome, "document.title === 'Erase a person: complaints'")
    shot(chrome, tmp_path, "3_officer")
    found["officer"] = barriers_here(chrome)
    look = next(one for one in chrome.find_elements("css selector", "button") if one.text.startswith("See whom"))
    look.send_keys("\n")
    wait_for(chrome, f"document.body.innerText.includes('{SHORT}')")
    shot(chrome, tmp_path, "4_look")
    found["look"] = barriers_here(chrome)
    press(chrome, "Approve and erase")
    wait_for(
        chrome, "document.body.innerText.includes('Carry out') || document.body.innerText.includes('Certificates')"
    )
    shot(chrome, tmp_path, "5_under_way")
    deadline = time.monotonic() + WAIT_SECONDS
    while "0 bytes found afterwards" not in chrome.page_source and time.monotonic() < deadline:
        time.sleep(1)
        chrome.get(f"{address}/erase?of=complaints")
    assert "0 bytes found afterwards" in chrome.page_source, chrome.find_element("css selector", "main").text
    chrome.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    shot(chrome, tmp_path, "6_certificate")
    found["certificate"] = barriers_here(chrome)
    chrome.get(f"{address}/disclose?of=complaints")
    shot(chrome, tmp_path, "7_disclose")
    found["disclose"] = barriers_here(chrome)
    assert {name: barriers for name, barriers in found.items() if barriers} == {}
    assert bytes_below(installation.home, PERSON) == 0
    chrome.back()
    profile = Path(chrome.capabilities["chrome"]["userDataDir"])
    kept = [one for one in profile.rglob("*") if one.is_file() and SHORT.encode() in one.read_bytes()]
    assert kept == [] and any(profile.rglob("History")), "neither history nor cache nor a session that can be restored"
