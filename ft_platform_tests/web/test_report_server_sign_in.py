"""The report server shows reports to people who have signed in and have a role; sessions are those of the UI."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

pytest.importorskip("dagster_webserver")
from ft_platform.lake.opening import open_lake
from ft_platform.people import access
from ft_platform.people.actions import ACTIONS
from ft_platform.people.identity.users import Users
from ft_platform.people.loading import permissions_of
from ft_platform.people.noted import Noted, unnoted
from ft_platform.people.person import named
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.people import People
from ft_platform.web.listening import Tls
from ft_platform.web.report_server import report_server
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.web.certificates import certificate
from ft_platform_tests.web.test_report_server import PAGE, REPORT, publish

ANA, BOB, PHRASE = "ana@example.org", "bob@example.org", "correct horse battery staple"
NOTED: list[Noted] = []


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a report, Ana who is auditor, and Bob who has no role."""
    home = tmp_path_factory.mktemp("home")
    people = People(roles={"auditor": [ANA]})
    environment = Environment(home=home, tracking_uri="none", people=people, defs=home / "defs")
    environment.defs.mkdir()
    publish(open_lake(environment))
    users = Users(environment.people_path)
    for name in (ANA, BOB):
        users.add(name)
        users.set_password(name, PHRASE)
    with report_server(environment, "127.0.0.1", 0, noting=NOTED.append) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def sign_in(address: str, name: str) -> httpx2.Client:
    client = httpx2.Client(timeout=60)
    token = client.get(f"{address}/auth/sign-in").text.partition('name="token" value="')[2].partition('"')[0]
    fields = {"token": token, "email": name, "password": PHRASE, "next": REPORT}
    done = client.post(f"{address}/auth/sign-in", data=fields, headers={"Origin": address})
    assert (done.status_code, done.headers["location"]) == (303, REPORT)
    return client


def test_nobody_reads_a_report_without_a_session(address: str) -> None:
    page = httpx2.get(f"{address}{REPORT}", headers={"Accept": "text/html"})
    assert page.status_code == 303 and page.headers["location"].startswith("/auth/sign-in?next=%2Fcomplaints%2F")
    for path in (REPORT, "/", "/complaints/", "/nothing"):
        answer = httpx2.get(f"{address}{path}")
        assert answer.status_code == 401 and PAGE not in answer.text


def test_who_has_a_role_reads_it_and_who_has_none_does_not(address: str) -> None:
    ana, bob = sign_in(address, ANA), sign_in(address, BOB)
    assert ana.get(f"{address}{REPORT}").text == PAGE and ana.get(f"{address}/").status_code == 200
    for path in (REPORT, "/", "/complaints/"):
        refused = bob.get(f"{address}{path}")
        assert refused.status_code == 403 and PAGE not in refused.text
    denied = [(one.person.name, one.what, one.use_case) for one in NOTED if one.kind == "denial"]
    words = f"may not {ACTIONS['see'].says}"
    assert denied == [(BOB, words, "complaints"), (BOB, words, ""), (BOB, words, "complaints")]


def test_a_role_that_is_given_counts_at_once_and_settings_that_cannot_be_read_let_nobody_read(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, bob = sign_in(address, ANA), sign_in(address, BOB)
    file = tmp_path / "ft_environment.yaml"
    file.write_text(f"people: {{roles: {{auditor: [{BOB}]}}}}\n")
    monkeypatch.setenv("FT_ENVIRONMENT", str(file))
    assert bob.get(f"{address}{REPORT}").text == PAGE and ana.get(f"{address}{REPORT}").status_code == 403
    file.write_text("people: [\n")
    for client in (ana, bob):
        refused = client.get(f"{address}{REPORT}")
        assert refused.status_code == 503 and "ft_environment.yaml cannot be read" in refused.text


def test_what_waits_for_whoever_signed_in_stands_first(address: str) -> None:
    assert "<h2>You</h2>" in re.sub(' id="[^"]*"', "", sign_in(address, ANA).get(f"{address}/needs").text)


def test_who_was_granted_a_look_reads_reports_of_that_use_case_until_it_ends(environment: Environment) -> None:
    lake, today = open_lake(environment), datetime.now(UTC).date()
    publish(lake)
    publish(lake, use_case="letters")
    for name in ("complaints", "letters"):
        write_use_case(environment.defs, name, {**minimal_attributes("x.csv"), "owners": {"accountable": ANA}})
    users = Users(environment.people_path)
    users.add(BOB)
    users.set_password(BOB, PHRASE)
    known = permissions_of(environment)
    case = known.use_cases["complaints"]
    words: Any = {"what": access.LOOK, "purpose": "Audit of the year", "until": today, "today": today}
    with report_server(environment, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        bob = sign_in(address, BOB)
        other = REPORT.replace("complaints", "letters")

        def answers() -> list[int]:
            return [bob.get(f"{address}{path}").status_code for path in (REPORT, other, "/", "/needs")]

        assert answers() == [403] * 4
        asked = access.ask(lake, case, named(BOB), known, unnoted, **words)
        assert answers() == [403] * 4
        access.decide(lake, case, asked.id, named(ANA), known, unnoted, says=access.GRANTED, today=today)
        assert answers() == [200, 403, 403, 403]
        access.end(lake, case, asked.id, named(ANA), known, unnoted, reason="The audit is done", today=today)
        assert answers() == [403] * 4


def test_forms_of_other_pages_are_refused(address: str) -> None:
    with httpx2.Client(timeout=60) as client:
        token = client.get(f"{address}/auth/sign-in").text.partition('name="token" value="')[2].partition('"')[0]
        fields = {"token": token, "email": ANA, "password": PHRASE}
        for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
            answer = client.post(f"{address}/auth/sign-in", data=fields, headers={"Origin": origin})
            assert answer.status_code == 403 and "session" not in str(answer.headers)
        named = client.get(f"{address}/auth/sign-in", headers={"Host": "evil.example"})
        assert named.status_code == 421


def test_pages_of_the_sign_in_may_send_forms_here_and_stand_in_no_frame(address: str) -> None:
    headers = httpx2.get(f"{address}/auth/sign-in").headers
    policies = [
        {words[0]: words[1:] for words in (part.split() for part in policy.split(";"))}
        for policy in headers.get_list("content-security-policy")
    ]
    assert policies and all(one["form-action"] == ["'self'"] for one in policies)
    assert all(one["frame-ancestors"] == ["'none'"] for one in policies)
    # `no-referrer` would make browsers send `Origin: null` with the form.
    assert set(headers.get_list("referrer-policy")) == {"same-origin"}


def test_reports_are_served_over_tls(environment: Environment, tmp_path: Path) -> None:
    import ssl

    files = certificate(tmp_path)
    with report_server(environment, "127.0.0.1", 0, Tls.given(*files)) as server:
        trusted = ssl.create_default_context(cafile=str(files[0]))
        assert httpx2.get(f"https://127.0.0.1:{server.server_port}/", verify=trusted).status_code == 200
