"""A new use case is asked for in the portal with the questions of `ft new`, by those who may make one: over the real
report server, without scripts."""

import csv
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
import yaml

pytest.importorskip("dagster_webserver")
pytest.importorskip("model_signing", reason="the extra `signing` is not installed")
from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.acting import acting
from ft_platform.people.identity.users import Users
from ft_platform.proposal.draft import Answers, draft
from ft_platform.proposal.questions import questions
from ft_platform.release.waivers import waivers
from ft_platform.settings.environment import Environment
from ft_platform.settings.people import People
from ft_platform.settings.policy import Policy
from ft_platform.settings.signatures import Signatures
from ft_platform.use_case.file import load_use_case
from ft_platform.web.report_server import report_server
from ft_platform_tests.web.office import PHRASE, Browser, Forms, alert

DEE, ANA, BOTH = (f"{name}@example.org" for name in ("dee.engel", "ana.ruiz", "bea.holm"))
"""Fictitious: a data engineer, a compliance officer, and one who is both."""
SECRET = "Erika Musterfrau"
WHY = "Letters to a call centre say nothing of the group of their writer."
ANSWERS = {
    "governance.licence": "CC-BY-4.0",
    "record.subject": "none",
    "fairness.sensitive_features": "none",
    "gate.without_sensitive_features": WHY,
    "owners.compliance": ANA,
    "release.intended_use": "Clerks sort letters into teams with it.",
    "privacy.special_categories": "no",
}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    with open(tmp_path / "letters.csv", "w", newline="", encoding="utf-8") as file:
        written = [
            [f"{SECRET} asks about the {team} of customer {number} once more.", team]
            for number in range(30)
            for team in ("cards", "loans", "accounts")
        ]
        csv.writer(file).writerows([["Message", "Team"], *written])
    roles = {"data_engineering": [DEE, BOTH], "compliance": [ANA, BOTH]}
    policy = Policy(name="tests", signatures=Signatures(signed_in=True, confirm_waivers=True))
    made = Environment(
        home=tmp_path / "home",
        defs=tmp_path / "defs",
        tracking_uri="none",
        people=People(roles=roles),
        policy=policy,
    )
    made.defs.mkdir()
    users = Users(made.people_path)
    for name in (DEE, ANA, BOTH):
        users.add(name)
        users.set_password(name, PHRASE)
    return made


@pytest.fixture
def address(environment: Environment) -> Iterator[str]:
    with report_server(environment, "127.0.0.1", 0, acting=acting(environment)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def form(text: str, what: str) -> dict[str, str]:
    return next(one for one in Forms(text).found if one["what"] == what)


def asked(environment: Environment, browser: Browser, **fields: str):
    """The page after each question that came up was answered."""
    start = {"name": "letters", "source": str(environment.home.parent / "letters.csv"), "kind": "", **fields}
    page = browser.send(form(browser.get("/new").text, "continue"), **start)
    for _ in range(4):
        if page.status_code != 200 or 'value="take"' in page.text:
            break
        sent = texts(page.text) | {path: text for path, text in ANSWERS.items() if f'name="{path}"' in page.text}
        page = browser.send(form(page.text, "continue"), **{**start, **sent})
    return page


def texts(page: str) -> dict[str, str]:
    """What stands in the answers of a page."""
    found = re.findall(r'<textarea id="[^"]*" name="([^"]+)"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    return {name: unescape(text) for name, text in found}


def taken(environment: Environment, browser: Browser) -> str:
    page = asked(environment, browser)
    fields = {**form(page.text, "take"), **{path: unescape(text) for path, text in texts(page.text).items()}}
    fields["source"] = str(environment.home.parent / "letters.csv")
    answer = browser.send(fields, name="letters")
    assert answer.headers["content-disposition"] == 'attachment; filename="defs.yaml"'
    return answer.text


def test_the_page_asks_what_the_terminal_asks_and_gives_the_same_file(environment: Environment, address: str) -> None:
    page = asked(environment, Browser(address, DEE))
    assert SECRET not in page.text
    assert "Message" in page.text
    assert "What a release needs" in page.text
    assert "recall" in page.text
    on_the_page = set(texts(page.text))
    found = []

    def ask(made, looked):
        answered: dict = {}
        for question in questions(made, looked, answered, DEE):
            found.append(question.path)
            answered |= question.fields(ANSWERS.get(question.path) or question.proposed)
        return Answers(answered, DEE)

    made = draft("letters", str(environment.home.parent / "letters.csv"), environment, {}, None, ask=ask)
    assert on_the_page == set(found)
    text = taken(environment, Browser(address, DEE))
    assert yaml.safe_load(text) == yaml.safe_load(made.text)
    assert f"# answered by {DEE} on " in text
    folder = environment.defs / "letters"
    assert not folder.exists()
    folder.mkdir()
    (folder / "defs.yaml").write_text(text)
    assert load_use_case(folder, environment=environment).settings.governance.licence == "CC-BY-4.0"


def test_a_question_that_an_answer_raises_is_asked_before_there_is_a_file(
    environment: Environment, address: str
) -> None:
    browser = Browser(address, DEE)
    start = {"name": "letters", "source": str(environment.home.parent / "letters.csv"), "kind": ""}
    page = browser.send(form(browser.get("/new").text, "continue"), **start)
    assert "gate.without_sensitive_features" not in page.text
    sent = {**texts(page.text), "fairness.sensitive_features": "none"}
    page = browser.send(form(page.text, "continue"), **start, **sent)
    assert "gate.without_sensitive_features" in page.text
    assert 'value="take"' not in page.text


def test_an_answer_that_fits_no_field_is_said_beside_it_and_makes_no_file(
    environment: Environment, address: str
) -> None:
    browser = Browser(address, DEE)
    start = {"name": "letters", "source": str(environment.home.parent / "letters.csv"), "kind": ""}
    page = browser.send(form(browser.get("/new").text, "continue"), **start)
    sent = {**texts(page.text), "governance.licence": "whatever"}
    page = browser.send(form(page.text, "continue"), **start, **sent)
    assert "That is no licence" in page.text
    assert 'aria-invalid="true"' in page.text
    assert 'value="take"' not in page.text


@pytest.mark.parametrize("name", [DEE, BOTH])
def test_who_may_approve_approves_by_taking_the_file_and_others_do_not(
    environment: Environment, address: str, name: str
) -> None:
    browser = Browser(address, name)
    page = asked(environment, browser)
    assert ("Approve and download" in page.text) == (name == BOTH)
    folder = environment.defs / "letters"
    first, text = taken(environment, browser), taken(environment, browser)
    assert first == text
    folder.mkdir()
    (folder / "defs.yaml").write_text(text)
    use_case = load_use_case(folder, environment=environment)
    given = [one for one, _ in waivers(open_lake(environment), use_case)]
    fields = ["gate.without_sensitive_features"] if name == BOTH else []
    assert sorted(one.rule.split("@")[0] for one in given) == [f"approval/{field}" for field in fields]
    assert {(one.granted_by, one.known_by) for one in given} <= {(BOTH, "password")}


def test_whoever_may_not_make_use_cases_sees_no_form_and_no_column(environment: Environment, address: str) -> None:
    browser = Browser(address, ANA)
    assert "You may not make one" in browser.get("/new").text
    assert Forms(browser.get("/new").text).found == []
    fields = {"what": "continue", "name": "letters", "source": str(environment.home.parent / "letters.csv")}
    answer = browser.send({"action": "new", "token": browser.token("new"), **fields})
    assert answer.status_code == 403
    assert "Message" not in answer.text


def test_a_form_of_another_page_or_without_its_token_is_not_read(environment: Environment, address: str) -> None:
    browser = Browser(address, DEE)
    fields = {**form(browser.get("/new").text, "continue"), "name": "letters"}
    fields["source"] = str(environment.home.parent / "letters.csv")
    for wrong in ({"token": ""}, {"token": browser.token("sign")}):
        answer = browser.send({**fields, **wrong})
        assert answer.status_code == 403
        assert "Message" not in answer.text
    assert browser.send(fields, origin="https://evil.example.org").status_code == 403


def test_the_installations_own_files_are_no_source(environment: Environment, address: str) -> None:
    home, browser = environment.home, Browser(address, DEE)
    for source in (f"{home}/people/users.json", f"{home}/../home", str(home.parent), "letters.csv", f"file://{home}/x"):
        page = asked(environment, browser, source=source)
        assert page.status_code == 400, source
        assert alert(page)


def test_a_name_that_is_taken_and_a_source_that_is_not_there_are_refused(
    environment: Environment, address: str
) -> None:
    (environment.defs / "letters").mkdir()
    browser = Browser(address, DEE)
    assert "There is a use case letters already" in alert(asked(environment, browser))
    gone = asked(environment, browser, name="others", source=str(environment.home.parent / "gone.csv"))
    assert "no file or folder" in alert(gone)
