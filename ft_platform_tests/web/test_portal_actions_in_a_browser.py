"""The pages where people act, in a real browser: the path of a compliance officer by the keyboard, and no barrier."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dagster_webserver")
pytest.importorskip("model_signing", reason="the extra `signing` is not installed")
from ft_platform.release.signatures import signatures
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.signatures import Signatures
from ft_platform_tests.release.evidence_case import changed, gap, good_figures
from ft_platform_tests.reporting.axe import axe_script, barriers_of
from ft_platform_tests.reporting.browser import browser
from ft_platform_tests.web.office import ANA, MARIA, PHRASE, REASON, TOM, Browser, Office
from ft_platform_tests.web.test_sign_in_in_a_browser import fill, path, wait_for

pytestmark = pytest.mark.components(name="browser")
OPEN_ALL = "document.querySelectorAll('details').forEach(one => one.open = true)"
BROKEN = changed(good_figures(), "fairness_report", ("features", "region", "differences", "accuracy"), gap(0.3))


@pytest.fixture
def chrome() -> Iterator[Any]:
    axe_script()
    with browser() as found:
        yield found


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr("ft_platform.release.separation._changed_by", lambda *_: set())
    return Office(tmp_path)


def sign_in(chrome: Any, address: str, name: str, page: str = "needs") -> None:
    chrome.delete_all_cookies()
    chrome.get(f"{address}/{page}")
    fill(chrome, email=name, password=PHRASE)


def press(chrome: Any, words: str) -> None:
    """Presses the button with these words by the keyboard."""
    found = next(one for one in chrome.find_elements("css selector", "button") if one.text == words)
    found.send_keys("\n")


def barriers_here(chrome: Any) -> dict[str, list[str]]:
    return barriers_of(chrome, axe_script(), lambda: chrome.execute_script(OPEN_ALL))


def test_a_compliance_officer_signs_in_sees_what_waits_and_signs_it(office: Office, chrome: Any) -> None:
    with office.opened().serving() as address:
        sign_in(chrome, address, ANA)
        assert path(chrome) == "/needs" and "waits for the signature of this role" in chrome.page_source
        assert barriers_here(chrome) == {}
        chrome.find_element("link text", "Sign or reject").send_keys("\n")
        wait_for(chrome, "document.title == 'Sign or reject: complaints'")
        assert barriers_here(chrome) == {}
        press(chrome, "Sign as Compliance officer")
        wait_for(chrome, "document.body.innerText.includes('password')")
        assert path(chrome) == "/sign?of=complaints" and barriers_here(chrome) == {}
        chrome.refresh()  # sends nothing again
        assert [one.person for one, _ in signatures(office.lake, office.use_case)] == [ANA]
        chrome.find_element("link text", "What else needs somebody").send_keys("\n")
        wait_for(chrome, "document.body.innerText.includes('Nothing waits for you.')")
        complaints = [one["message"] for one in chrome.get_log("browser") if one["level"] == "SEVERE"]
        assert complaints == []


def test_no_page_where_people_act_has_a_barrier(office: Office, chrome: Any) -> None:
    office.figures, office.compliance = BROKEN, (ANA, "bea.holm@example.org")
    office.policy = Policy(name="careful", signatures=Signatures(confirm_waivers=True))
    with office.opened().serving() as address:
        waived = Browser(address, "bea.holm@example.org")
        reason = {"reason": "Few records of this region; watched every month.", "until": office.in_days(30)}
        assert waived.act("waive", "waive", **reason).status_code == 303
        sign_in(chrome, address, ANA)
        found = {"needs": barriers_here(chrome)}
        chrome.get(f"{address}/waive?of=complaints")
        chrome.find_element("id", "waive--reason").send_keys("A text that the form takes, and a day that it does not")
        chrome.execute_script("document.forms[0].noValidate = true")
        press(chrome, "Waive it")
        wait_for(chrome, "document.querySelector('[role=alert]') !== null")
        assert chrome.find_element("id", "waive--reason").get_attribute("value").startswith("A text")
        found["waive"] = barriers_here(chrome)
        assert {one.text for one in chrome.find_elements("css selector", "button")} >= {"Waive it"}
        assert "Confirm the waiver" in chrome.page_source
        assert found == {"needs": {}, "waive": {}}


def test_no_page_for_releases_has_a_barrier(office: Office, chrome: Any) -> None:
    with office.opened().serving() as address:
        ana, tom, maria = (Browser(address, name) for name in (ANA, TOM, MARIA))
        assert ana.act("sign", "approve").status_code == tom.act("sign", "approve").status_code == 303
        sign_in(chrome, address, MARIA)
        chrome.get(f"{address}/release?of=complaints")
        found = {"release": barriers_here(chrome)}
        press(chrome, "Release ckpt-weights")
        wait_for(chrome, "document.body.innerText.includes('on this decision, by')")
        found["released"] = barriers_here(chrome)
        office.again("second")
        office.decided()
        assert ana.act("sign", "approve").status_code == tom.act("sign", "approve").status_code == 303
        assert maria.act("release", "release").status_code == 303
        chrome.get(f"{address}/rollback?of=complaints")
        found["rollback"] = barriers_here(chrome)
        chrome.find_element("id", "rollback--reason").send_keys(REASON)
        press(chrome, "Go back")
        wait_for(chrome, "document.body.innerText.includes('number 3')")
        assert found == {"release": {}, "released": {}, "rollback": {}}
