"""A new use case is asked for in the portal with the questions of `ft new`, by those who may make one: over the real
report server, without scripts."""

import csv
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

pytest.importorskip("dagster_webserver")
pytest.importorskip("model_signing", reason="the extra `signing` is not installed")
from ft_platform.lake.opening import open_lake
from ft_platform.onboarding.proposal.draft import Answers, draft
from ft_platform.onboarding.proposal.questions import questions
from ft_platform.people.identity.users import Users
from ft_platform.release.waivers import waivers
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.signatures import Signatures
from ft_platform.web.acting import acting
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
def environment(tmp_path: Path) -> Environment:
    """Two roles, persons who sign in, and a policy that asks for a second person."""
    roles = {"data_engineering": [DEE, BOTH], "compliance": [ANA, BOTH]}
    made = Environment(
        home=tmp_path / "home",
        defs=tmp_path / "defs",
        tracking_uri="none",
        people=People(roles=roles),
        policy=Policy(name="tests", signatures=Signatures(signed_in=True, confirm_waivers=True)),
    )
    made.defs.mkdir()
    users = Users(made.people_path)
    for name in (DEE, ANA, BOTH):
        users.add(name)
        users.set_password(name, PHRASE)
    return made


@pytest.fixture
def source(tmp_path: Path) -> str:
    """Letters to three teams."""
    rows = [
        [f"{SECRET} asks about the {team} of customer {number} once more.", team]
        for number in range(30)
        for team in ("cards", "loans", "accounts")
    ]
    with open(tmp_path / "letters.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["Message", "Team"], *rows])
    return str(tmp_path / "letters.csv")


@pytest.fixture
def address(environment: Environment) -> Iterator[str]:
    with report_server(environment, "127.0.0.1", 0, acting=acting(environment)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


class Maker(Browser):
    """Somebody who has signed in and asks for a use case `letters`."""

    def __init__(self, address: str, person: str, source: str) -> None:
        super().__init__(address, person)
        self.start = {"name": "letters", "source": source, "kind": ""}

    def first(self, **fields: str) -> httpx2.Response:
        """The page with the first questions."""
        return self.send(form(self.get("/new").text, "continue"), **{**self.start, **fields})

    def answer(self, page: httpx2.Response, **answers: str) -> httpx2.Response:
        """The page that follows on a page of questions: what it proposes is sent, with these answers."""
        return self.send(form(page.text, "continue"), **{**self.start, **proposals(page.text), **answers})

    def last(self) -> httpx2.Response:
        """The page that offers the file, once every question that came up is answered."""
        page = self.first()
        for _ in ANSWERS:
            if 'value="take"' in page.text:
                break
            page = self.answer(page, **{path: text for path, text in ANSWERS.items() if path in proposals(page.text)})
        assert 'value="take"' in page.text
        return page

    def take(self) -> str:
        """The file."""
        page = self.last().text
        answer = self.send({**form(page, "take"), **proposals(page), "source": self.start["source"]}, name="letters")
        assert answer.headers["content-disposition"] == 'attachment; filename="defs.yaml"'
        return answer.text


def form(page: str, what: str) -> dict[str, str]:
    return next(one for one in Forms(page).found if one["what"] == what)


def proposals(page: str) -> dict[str, str]:
    """Question of a page -> the answer that stands there."""
    found = re.findall(r'<textarea id="[^"]*" name="([^"]+)"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    return {name: unescape(text) for name, text in found}


def at_the_terminal(environment: Environment, source: str) -> tuple[set[str], str]:
    """The questions of `ft new`, and its file with the same answers."""
    asked: set[str] = set()

    def ask(made: Any, looked: Any) -> Answers:
        answered: dict[str, Any] = {}
        for question in questions(made, looked, answered, DEE):
            asked.add(question.path)
            answered |= question.fields(ANSWERS.get(question.path) or question.proposed)
        return Answers(answered, DEE)

    return asked, draft("letters", source, environment, {}, None, ask=ask).text


def put(environment: Environment, text: str) -> NamedUseCase:
    """The use case of a file, where its maker puts it."""
    folder = environment.defs / "letters"
    folder.mkdir()
    (folder / "defs.yaml").write_text(text)
    return load_use_case(folder, environment=environment)


def test_the_page_asks_what_the_terminal_asks_and_gives_the_same_file(
    environment: Environment, address: str, source: str
) -> None:
    dee = Maker(address, DEE, source)
    page = dee.last().text
    assert SECRET not in page
    for words in ("Message", "What a release needs", "recall"):
        assert words in page
    asked, file = at_the_terminal(environment, source)
    assert set(proposals(page)) == asked
    text = dee.take()
    assert yaml.safe_load(text) == yaml.safe_load(file)
    assert f"# answered by {DEE} on " in text
    assert not (environment.defs / "letters").exists(), "the page makes no file"
    assert put(environment, text).settings.governance.licence == ANSWERS["governance.licence"]


def test_a_question_that_an_answer_raises_is_asked_before_there_is_a_file(address: str, source: str) -> None:
    dee = Maker(address, DEE, source)
    page = dee.first()
    assert "gate.without_sensitive_features" not in page.text
    page = dee.answer(page, **{"fairness.sensitive_features": "none"})
    assert "gate.without_sensitive_features" in page.text
    assert 'value="take"' not in page.text


def test_an_answer_that_fits_no_field_is_said_beside_it_and_makes_no_file(address: str, source: str) -> None:
    dee = Maker(address, DEE, source)
    page = dee.answer(dee.first(), **{"governance.licence": "whatever"}).text
    assert "That is no licence" in page
    assert 'aria-invalid="true"' in page
    assert 'value="take"' not in page


@pytest.mark.parametrize(("name", "approves"), [(DEE, False), (BOTH, True)])
def test_who_may_approve_approves_by_taking_the_file_and_others_do_not(
    environment: Environment, address: str, source: str, name: str, approves: bool
) -> None:
    maker = Maker(address, name, source)
    assert ("Approve and download" in maker.last().text) == approves
    text = maker.take()
    assert maker.take() == text
    given = [one for one, _ in waivers(open_lake(environment), put(environment, text))]
    rules = [(one.rule.split("@")[0], one.granted_by, one.known_by) for one in given]
    assert rules == ([("approval/gate.without_sensitive_features", BOTH, "password")] if approves else [])


def test_whoever_may_not_make_use_cases_sees_no_form_and_no_column(address: str, source: str) -> None:
    ana = Maker(address, ANA, source)
    page = ana.get("/new").text
    assert "You may not make one" in page
    assert Forms(page).found == []
    answer = ana.send({"action": "new", "token": ana.token("new"), "what": "continue"}, **ana.start)
    assert answer.status_code == 403
    assert "Message" not in answer.text


def test_a_form_of_another_page_or_without_its_token_is_not_read(address: str, source: str) -> None:
    dee = Maker(address, DEE, source)
    fields = {**form(dee.get("/new").text, "continue"), **dee.start}
    for wrong in ("", dee.token("sign")):
        answer = dee.send({**fields, "token": wrong})
        assert answer.status_code == 403
        assert "Message" not in answer.text
    assert dee.send(fields, origin="https://evil.example.org").status_code == 403


@pytest.mark.parametrize(
    "wrong", ["{home}/people/users.json", "{home}/../home", "{home}/..", "letters.csv", "file://{home}/x"]
)
def test_the_installations_own_files_are_no_source(
    environment: Environment, address: str, source: str, wrong: str
) -> None:
    page = Maker(address, DEE, source).first(source=wrong.format(home=environment.home))
    assert page.status_code == 400
    assert alert(page)


def test_a_name_that_is_taken_and_a_source_that_is_not_there_are_refused(
    environment: Environment, address: str, source: str
) -> None:
    (environment.defs / "letters").mkdir()
    dee = Maker(address, DEE, source)
    assert "There is a use case letters already" in alert(dee.first())
    assert "no file or folder" in alert(dee.first(name="others", source=f"{source}.gone"))
