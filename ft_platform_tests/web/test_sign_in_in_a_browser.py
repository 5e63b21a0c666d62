"""The pages of the sign-in in Chromium, before Dagster's real web server: what people do there, and barriers."""

import os
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dagster_webserver")
import httpx2
from websockets.sync.client import connect

from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.identity.second_factor import code_at, decoded
from ft_platform.people.identity.users import Users
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.reporting.axe import axe_script, barriers, barriers_of
from ft_platform_tests.reporting.browser import browser
from ft_platform_tests.web.certificates import certificate
from ft_platform_tests.web.server import OURS, home_with, webserver

pytestmark = pytest.mark.components(name="browser")

ANA, PHRASE = "ana@example.org", "correct horse battery staple"
WAIT_SECONDS = 60


class Ui:
    """Attributes:
    users: those who may sign in.
    """

    def __init__(self, address: str, users: Users) -> None:
        self.address, self.users = address, users


def settings(folder: Path) -> dict[str, str]:
    """Variables of an installation where Ana is administrator."""
    file = folder / "ft_environment.yaml"
    file.write_text(f"people: {{roles: {{administrator: [{ANA}]}}}}\n")
    return {"FT_ENVIRONMENT": str(file)}


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    folder = tmp_path_factory.mktemp("ui")
    with webserver(OURS, home_with(folder), **settings(folder)) as port:
        yield Ui(f"http://127.0.0.1:{port}", Users(folder / "people"))


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with browser() as found:
        yield found


def fill(chrome: Any, **fields: str) -> None:
    """Fills in the form of the page and sends it by the keyboard."""
    for name, text in fields.items():
        chrome.find_element("id", name).send_keys(text)
    before = chrome.find_element("tag name", "html")
    chrome.find_element("id", next(reversed(fields))).send_keys("\n")
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            before.is_enabled()
        except Exception:  # the page is gone: whatever the driver calls it
            return
        time.sleep(0.05)
    raise AssertionError("the form was not sent")


def path(chrome: Any) -> str:
    return chrome.execute_script("return location.pathname + location.search")


def wait_for(chrome: Any, script: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not chrome.execute_script(f"return {script}"):
        assert time.monotonic() < deadline, chrome.execute_script("return document.body.innerText")
        time.sleep(0.1)


def test_a_person_signs_in_works_and_signs_out(ui: Ui, chrome: Any) -> None:
    script = axe_script()
    first = ui.users.add(ANA)
    time.sleep(1.1)
    chrome.get(f"{ui.address}/runs?q=a")
    assert path(chrome) == "/auth/sign-in?next=%2Fruns%3Fq%3Da"
    assert barriers(chrome, f"{ui.address}/auth/sign-in", script) == {}
    chrome.get(f"{ui.address}/runs?q=a")
    fill(chrome, email=ANA, password="wrong")
    assert chrome.find_element("css selector", "[role=alert]").text == "Name, password or code are not right."
    assert barriers_of(chrome, script) == {}
    fill(chrome, password=first)
    assert path(chrome) == "/auth/password?next=%2Fruns%3Fq%3Da"
    assert barriers(chrome, f"{ui.address}{path(chrome)}", script) == {}
    fill(chrome, password=first, new=PHRASE, again=PHRASE)
    # Dagster's own pages: their queries carry the session.
    wait_for(chrome, "document.title.length > 0 && document.querySelector('#root')?.innerText.length > 50")
    answered = "return fetch('/graphql', {method: 'POST', headers: {'content-type': 'application/json'}, body: "
    query = "JSON.stringify({query: '{version}'})}).then(answer => answer.status)"
    assert chrome.execute_script(answered + query) == 200
    assert chrome.execute_script("return document.cookie") == "", "no script reads the session"
    chrome.get(f"{ui.address}/auth/second-factor")
    secret = chrome.find_element("css selector", "pre").text
    assert barriers_of(chrome, script) == {}
    fill(chrome, first_code=code_at(decoded(secret), int(time.time() // 30)), password=PHRASE)
    assert len(chrome.find_element("css selector", ".note pre").text.split()) == 10
    assert barriers_of(chrome, script) == {}
    chrome.find_element("css selector", "button").click()
    wait_for(chrome, "document.title == 'You are signed out'")
    assert barriers_of(chrome, script) == {}
    complaints = [one["message"] for one in chrome.get_log("browser") if one["level"] == "SEVERE"]
    assert [one for one in complaints if "status of 401" not in one] == []
    chrome.get(f"{ui.address}/runs")
    assert path(chrome) == "/auth/sign-in?next=%2Fruns"


def test_over_tls_pages_websockets_and_cookies_are_encrypted(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    trusted = ssl.create_default_context(cafile=str(files[0]))
    users = Users(tmp_path / "people")
    users.add(ANA)
    users.set_password(ANA, PHRASE)
    made = {"FT_TLS_CERTIFICATE": str(files[0]), "FT_TLS_KEY": str(files[1]), **settings(tmp_path)}
    client = httpx2.Client(verify=trusted, timeout=60)
    with webserver(OURS, home_with(tmp_path), **made) as port, client:
        address = f"https://localhost:{port}"
        token = client.get(f"{address}/auth/sign-in").text.partition('name="token" value="')[2].partition('"')[0]
        done = client.post(f"{address}/auth/sign-in", data={"token": token, "email": ANA, "password": PHRASE})
        (cookie,) = [one for one in done.headers.get_list("set-cookie") if "session" in one]
        assert cookie.startswith("__Host-ft_session=") and "Secure" in cookie
        own = {"Cookie": cookie.partition(";")[0], "Origin": address}
        with connect(
            f"wss://localhost:{port}/graphql",
            ssl=trusted,
            additional_headers=own,
            subprotocols=["graphql-ws"],  # type: ignore[list-item]
        ) as socket:
            socket.send('{"type": "connection_init"}')
            assert "connection_ack" in str(socket.recv(30))
        with pytest.raises(httpx2.HTTPError):
            httpx2.get(f"http://localhost:{port}/")
    noted = AuditLog(open_lake(Environment(home=tmp_path))).entries()
    assert [(one.person, one.what) for one in noted if one.kind == "login"] == [(ANA, "signed in")]


def test_what_a_program_of_this_machine_says_about_its_address_changes_nothing(ui: Ui) -> None:
    """uvicorn would believe it: with `X-Forwarded-For` each guess would come from another address."""
    ui.users.add("bob@example.org")
    time.sleep(1.1)
    with httpx2.Client(timeout=60) as client:
        found = []
        for number in range(34):
            page = client.get(f"{ui.address}/auth/sign-in")
            token = page.text.partition('name="token" value="')[2].partition('"')[0]
            fields = {"token": token, "email": f"p{number}@example.org", "password": "x"}
            claimed = {"X-Forwarded-For": f"8.8.8.{number}", "X-Forwarded-Proto": "https"}
            found.append(client.post(f"{ui.address}/auth/sign-in", data=fields, headers=claimed).status_code)
    assert found[0] == 401 and found[-1] == 429, os.linesep.join(map(str, found))
