"""Erasing a person in the browser, over the real report server: asked for by one, approved by another, carried out, and
nobody named where it stays. Persons are fictitious."""

import json
import logging
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dagster_webserver")
from ft_platform.erasure.executing import STEPS
from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.follow_up import follow_up
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.identity.users import Users
from ft_platform.people.noted import Noted
from ft_platform.release.erasures import APPROVED, DONE, REFUSED, WAITS, requests
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.acting import acting
from ft_platform.web.report_server import report_server
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.erasure.conftest import PERSON, bytes_below
from ft_platform_tests.erasure.test_whole import report
from ft_platform_tests.governance.house import House, rows
from ft_platform_tests.web.office import PHRASE, Browser, Forms, alert

CLERK, OFFICER, EVE = "clara.ames@example.org", "bo.lund@example.org", "eve.noll@example.org"
OWNERS = {"accountable": "ana.ruiz@example.org", "domain_expert": CLERK, "compliance": "team:privacy"}
OWNERS |= {"data_science": EVE, "teams": {"privacy": [OFFICER, CLERK]}}
LETTER = {"ids": PERSON, "texts": "", "measure": "", "received": "2026-11-03", "reason": "Letter of 3 November"}


class Site:
    """An installation with rows of a person, and its report server."""

    def __init__(self, house: House, address: str, followed: list[tuple[str, str]]) -> None:
        self.house, self.address, self.followed = house, address, followed

    def browser(self, name: str) -> Browser:
        return Browser(self.address, name)

    def requests(self) -> list[Any]:
        return requests(open_lake(self.house.environment), self.house.case)

    def noted(self, *kinds: str) -> list[tuple[str, str | None]]:
        entries = AuditLog(open_lake(self.house.environment)).entries()
        return [(one.what, one.person) for one in entries if one.kind in kinds and "marked" not in one.what]


def opened_house(installation: Environment) -> House:  # noqa: F811
    """With a person in a table, a checkpoint and a report, and people who sign in."""
    house = House(installation, name="complaints")
    house.attributes["owners"] = OWNERS
    write_use_case(installation.defs, "complaints", house.attributes)
    house.write(rows(6, person={1: PERSON}))
    house.build(checkpoint="ckpt-with")
    report(house)
    users = Users(installation.people_path)
    for name in (CLERK, OFFICER, EVE):
        users.add(name)
        users.set_password(name, PHRASE)
    return house


@pytest.fixture
def site(
    installation: Environment,  # noqa: F811
    quick_stages: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    house = opened_house(installation)
    followed: list[tuple[str, str]] = []
    monkeypatch.setattr("ft_platform.web.portal_actions.Following", lambda _: lambda *what: followed.append(what))
    told: list[Noted] = []
    with report_server(installation, "127.0.0.1", 0, noting=told.append, acting=acting(installation)) as server:
        yield Site(house, f"http://127.0.0.1:{server.server_port}", followed)


def asked(site: Site, **more: str) -> str:
    """Asks as the page does it: the plan first, then what its second form sends. Returns the id of the request."""
    clerk = site.browser(CLERK)
    shown = clerk.act("erase", "plan", **{**LETTER, **more})
    assert shown.status_code == 200, alert(shown)
    done = clerk.send(form_in(shown.text, "ask_erasure"))
    assert (done.status_code, done.headers["location"]) == (303, "/erase?of=complaints"), alert(done)
    return site.requests()[-1].id


def test_a_person_is_erased_from_the_form_to_the_certificate(site: Site) -> None:
    request = asked(site)
    assert site.requests()[0].state == WAITS and bytes_below(site.house.environment.home, PERSON) > 0
    officer = site.browser(OFFICER)
    needs = officer.get("/needs").text
    assert 'href="erase?of=complaints"' in needs and request in needs
    looked = officer.act("erase", "look")
    assert PERSON in looked.text and "learned from 1 row: quarantined" in looked.text
    assert officer.send(form_in(looked.text, "approve_erasure")).status_code == 303
    assert site.requests()[0].state == APPROVED and site.followed[-1] == ("complaints", "approve_erasure")
    assert follow_up("complaints", "approve_erasure", site.house.environment) == []
    done = site.requests()[0]
    assert done.state == DONE and bytes_below(site.house.environment.home, PERSON) == 0
    page = officer.get("/erase?of=complaints").text
    assert f"{done.certificate['rows']} rows erased, 0 bytes found afterwards" in page and PERSON not in page
    assert all(f'<th scope="row">{one["place"]}</th>' in page for one in done.places) and done.places
    given = officer.act("erase", "certificate")
    assert given.headers["content-disposition"] == f'attachment; filename="{done.certificate["id"]}.json"'
    assert json.loads(given.content) == done.certificate and "no-store" in given.headers["cache-control"]
    assert site.noted("erasure", "look_up") == [
        ("looked at what an erasure would touch", CLERK),
        ("asked to erase persons", CLERK),
        ("looked at whom an erasure is about", OFFICER),
        ("approved an erasure", OFFICER),
        ("erases persons", OFFICER),
        ("erased persons", OFFICER),
    ]


def form_in(page: str, what: str) -> dict[str, str]:
    return next(one for one in Forms(page).found if one["what"] == what)


def test_the_plan_is_shown_before_anything_is_asked_for(site: Site) -> None:
    clerk = site.browser(CLERK)
    shown = clerk.act("erase", "plan", **LETTER)
    for text in (PERSON, "raw_records@0", "ckpt-with", "eval-a", "captured requests", "vault"):
        assert text in shown.text, text
    assert site.requests() == [] and site.followed == []
    nobody = clerk.act("erase", "plan", **{**LETTER, "ids": "nobody at all"})
    assert "Nothing is found" in nobody.text


def test_whom_it_is_about_stays_out_of_addresses_titles_logs_and_the_audit_log(
    site: Site, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    clerk = site.browser(CLERK)
    before = bytes_below(Path(site.house.environment.home, "lake", "audit_log"), PERSON)
    shown = clerk.act("erase", "plan", **LETTER)
    assert PERSON in shown.text and "no-store" in shown.headers["cache-control"]
    assert "Zebulon" not in str(shown.url) and "Zebulon" not in shown.text.partition("</title>")[0]
    assert shown.text.count('autocomplete="off"') >= 3, "the browser keeps nothing of it"
    asked(site)
    named = clerk.act("erase", "plan", **{**LETTER, "reason": f"Letter of {PERSON}"})
    refused = clerk.send(form_in(named.text, "ask_erasure"))
    assert refused.status_code == 400 and "the reason names the person" in alert(refused).lower()
    wrong = clerk.act("erase", "plan", **{**LETTER, "ids": "", "texts": ""})
    assert wrong.status_code == 400
    page = site.browser(OFFICER).get("/erase?of=complaints")
    assert "Zebulon" not in page.text and "no-store" in page.headers["cache-control"]
    assert "Zebulon" not in site.browser(OFFICER).get("/needs").text
    out = capfd.readouterr()
    assert "Zebulon" not in caplog.text + out.out + out.err
    assert before == 0 == bytes_below(Path(site.house.environment.home, "lake", "audit_log"), PERSON)


def test_nobody_approves_what_they_asked_for_and_only_who_may_sees_whom_it_is_about(site: Site) -> None:
    request = asked(site)
    clerk, eve = site.browser(CLERK), site.browser(EVE)
    own = clerk.act("erase", "look")
    assert "somebody else approves it" in own.text and "approve_erasure" not in clerk.whats("erase")
    fields = {**clerk.form("erase", "refuse_erasure"), "what": "approve_erasure"}
    assert clerk.send(fields).status_code == 400 and site.requests()[0].state == WAITS
    assert eve.whats("erase") == {"plan"}, "a data scientist may put a request on record"
    shown = eve.form("erase", "plan")
    for what in ("look", "approve_erasure", "refuse_erasure", "carry_out"):
        sent = eve.send({**shown, "what": what, "id": request})
        assert sent.status_code == 403 and PERSON not in sent.text, what
    assert site.noted("denial") == [
        ("may not approve an erasure", CLERK),
        *[("may not erase a person", EVE)] * 4,
    ]


def test_a_refusal_needs_a_reason_and_removes_whom_it_was_about(site: Site) -> None:
    request = asked(site)
    officer = site.browser(OFFICER)
    assert officer.act("erase", "refuse_erasure", reason="no").status_code == 400
    assert officer.act("erase", "refuse_erasure", reason="She took it back by phone").status_code == 303
    assert site.requests()[0].state == REFUSED
    page = officer.get("/erase?of=complaints").text
    assert "She took it back by phone" in page and request in page
    assert not list(Path(site.house.environment.home).rglob("erasures/*.json"))
    sent = {**officer.form("erase", "plan"), "what": "look", "id": request}
    assert officer.send(sent).status_code == 409


def test_what_another_decided_meanwhile_is_not_decided_again(site: Site) -> None:
    asked(site)
    officer = site.browser(OFFICER)
    old = officer.act("erase", "look")
    assert officer.act("erase", "refuse_erasure", reason="She took it back by phone").status_code == 303
    again = officer.send(form_in(old.text, "approve_erasure"))
    assert again.status_code == 409 and "no longer current" in alert(again) and site.requests()[0].state == REFUSED


def test_a_measurement_of_weights_is_asked_for_and_told_to_whoever_approves(site: Site) -> None:
    asked(site, measure="yes")
    assert site.requests()[0].said["measure_weights"] is True
    officer = site.browser(OFFICER)
    looked = officer.act("erase", "look")
    assert "rows stay sealed until the last day at most" in looked.text


def test_what_was_interrupted_goes_on_when_somebody_asks_for_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(site)
    officer = site.browser(OFFICER)
    assert officer.send(form_in(officer.act("erase", "look").text, "approve_erasure")).status_code == 303
    left = site.house.environment.home / f"{PERSON}.txt"
    left.write_text(f"{PERSON}, somebody's note")
    (problem,) = follow_up("complaints", "approve_erasure", site.house.environment)
    assert "bytes of the person are left" in problem and "Zebulon" not in problem
    left.unlink()
    looked = officer.act("erase", "look")
    assert f"{len(STEPS)} of {len(STEPS)} steps are done" in looked.text
    assert officer.act("erase", "carry_out").status_code == 303 and site.followed[-1] == ("complaints", "carry_out")
    assert follow_up("complaints", "carry_out", site.house.environment) == [] and site.requests()[0].state == DONE


def test_a_name_alone_is_taken_out_of_the_records_of_others(site: Site) -> None:
    asked(site, ids="", texts="complaint number 2")
    officer = site.browser(OFFICER)
    looked = officer.act("erase", "look")
    assert "a text goes from 1 row of other people" in looked.text
    assert officer.send(form_in(looked.text, "approve_erasure")).status_code == 303
    assert follow_up("complaints", "approve_erasure", site.house.environment) == []
    assert bytes_below(site.house.environment.home, "complaint number 2") == 0
    assert site.requests()[0].certificate["persons"] == 1


def test_what_is_held_on_a_person_is_downloaded_and_nothing_of_it_stays(site: Site) -> None:
    officer, eve = site.browser(OFFICER), site.browser(EVE)
    before = bytes_below(site.house.environment.home, PERSON)
    given = officer.act("disclose", "disclose", ids=PERSON)
    assert given.headers["content-disposition"] == 'attachment; filename="held-complaints.zip"'
    assert "no-store" in given.headers["cache-control"]
    with zipfile.ZipFile(BytesIO(given.content)) as archive:
        told = json.loads(archive.read("held/summary.json"))["use_cases"][0]
        assert {f"held/{name}" for name in told["files"]} | {"held/summary.json"} == set(archive.namelist())
        assert PERSON.encode() in archive.read("held/complaints/restricted-raw_records.jsonl")
    assert bytes_below(site.house.environment.home, PERSON) == before
    assert eve.whats("disclose") == set()
    sent = {**officer.form("disclose", "disclose"), "token": eve.token("disclose"), "ids": PERSON}
    assert eve.send(sent).status_code == 403
    assert site.noted("look_up", "denial") == [
        ("took out what is held on a person", OFFICER),
        ("may not take out what is held on a person, for that person", EVE),
    ]


def test_an_id_with_a_typing_error_is_no_answer(site: Site) -> None:
    officer = site.browser(OFFICER)
    given = officer.act("disclose", "disclose", ids=PERSON.lower())
    assert given.headers["content-type"].startswith("text/html") and "content-disposition" not in given.headers
    assert "No record has this id" in given.text and f"<code>{PERSON}</code>" in given.text
    nobody = officer.act("disclose", "disclose", ids="Nobody At All")
    assert "No record has this id" in nobody.text and "Did you mean" not in nobody.text
    partly = officer.act("disclose", "disclose", ids=f"{PERSON}\nNobody At All")
    assert "No record has this id" in partly.text and "content-disposition" not in partly.headers
    denied = site.browser(EVE)
    sent = {**officer.form("disclose", "disclose"), "token": denied.token("disclose"), "ids": PERSON.lower()}
    assert PERSON not in denied.send(sent).text, "who may not take it out is told no id of anybody"


def test_an_erasure_that_cannot_end_says_why_on_its_page_and_ends_once_the_file_is_gone(site: Site) -> None:
    copy = site.house.environment.home / "copy.csv"
    copy.write_text(f"1,{PERSON}\n")
    clerk = site.browser(CLERK)
    shown = clerk.act("erase", "plan", **LETTER)
    assert f"<code>{copy}</code>" in shown.text and "The erasure ends only then" in shown.text
    asked(site)
    officer = site.browser(OFFICER)
    assert officer.send(form_in(officer.act("erase", "look").text, "approve_erasure")).status_code == 303
    (problem,) = follow_up("complaints", "approve_erasure", site.house.environment)
    assert "bytes of the person are left" in problem
    page = officer.get("/erase?of=complaints").text
    assert "It has not ended" in page and "bytes of the person are left" in page and f"<code>{copy}</code>" in page
    assert str(copy) not in site.browser(EVE).get("/erase?of=complaints").text
    copy.unlink()
    assert officer.act("erase", "carry_out").status_code == 303
    assert follow_up("complaints", "carry_out", site.house.environment) == []
    assert site.requests()[0].state == DONE


def test_all_pages_agree_with_the_certificate(site: Site) -> None:
    asked(site)
    officer = site.browser(OFFICER)
    officer.send(form_in(officer.act("erase", "look").text, "approve_erasure"))
    assert follow_up("complaints", "approve_erasure", site.house.environment) == []
    certificate = site.requests()[0].certificate
    compliance, catalogue = officer.get("/compliance").text, officer.get("/catalogue").text
    assert "No version holds records that were withdrawn" not in compliance
    for version in (*certificate["versions"], *certificate["checkpoints"]):
        assert f"<code>{version}</code>" in compliance, version
    assert "quarantined: it learned from 1 row that is gone" in compliance and "1 row is gone" in compliance
    assert "1 row erased" in catalogue and "quarantined: it learned from 1 erased row" in catalogue
    assert "5 records" in officer.get("/register").text, "of 6 one is gone"
    assert "5 of 5 records may be used" in officer.get("/complaints/").text
