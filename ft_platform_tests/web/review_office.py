"""An installation with an evaluation whose answers a test chooses, and people who judge. Persons are fictitious."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ft_platform.people.identity.users import Users
from ft_platform.people.may import Permissions
from ft_platform.people.noted import Noted
from ft_platform.use_case.file import load_use_case
from ft_platform.web.portal_acts import acts
from ft_platform.web.portal_pages.acting import page_for, view_of
from ft_platform.web.portal_pages.asking import Acting
from ft_platform.web.report_server import report_server
from ft_platform_tests.evaluation.judged_case import JudgedCase, judged_case
from ft_platform_tests.web.office import PHRASE, Browser

MARIA, TOM, UMA, EVE = (f"{name}@example.org" for name in ("maria.lind", "tom.okafor", "uma.hall", "eve.noll"))
"""Accountable, two domain experts, and a data engineer."""
OWNERS = {
    "accountable": MARIA,
    "domain_expert": "team:experts",
    "data_engineering": EVE,
    "teams": {"experts": [TOM, UMA]},
}


def good(place: int) -> str:
    return f"good answer {place} <script>alert(1)</script>"


def bad(place: int) -> str:
    return f"bad answer {place} <img src=x onerror=alert(1)>"


class ReviewOffice:
    """Attributes:
    followed: use case and what was done, of each action that the graph follows.
    """

    def __init__(
        self,
        folder: Path,
        rows: int = 60,
        ours: Callable[[int], str] = good,
        theirs: Callable[[int], str] = bad,
        **attributes: Any,
    ) -> None:
        self.case: JudgedCase = judged_case(folder / "home", ours, theirs, rows=rows, owners=OWNERS, **attributes)
        self.lake, self.environment = self.case.lake, self.case.environment
        self.use_case = load_use_case(self.environment.defs / "complaints", environment=self.environment)
        self.permissions = Permissions(self.environment.people, {"complaints": self.use_case})
        self.followed: list[tuple[str, str]] = []
        self.told: list[Noted] = []

    def with_users(self) -> "ReviewOffice":
        users = Users(self.environment.people_path)
        for name in (MARIA, TOM, UMA, EVE):
            users.add(name)
            users.set_password(name, PHRASE)
        return self

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Yields the address."""
        acting = Acting(view_of, page_for, acts(self.environment, lambda *_: {}))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ft_platform.web.portal_actions.Following", lambda _: self.follow)
            with report_server(self.environment, "127.0.0.1", 0, noting=self.told.append, acting=acting) as server:
                yield f"http://127.0.0.1:{server.server_port}"

    def follow(self, use_case: str, what: str) -> None:
        self.followed.append((use_case, what))


class Sides(HTMLParser):
    """The texts of a record's page: question, answer A and answer B."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "p" and dict(attrs).get("class") == "text"
        if self._inside:
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "p"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[-1] += data


def better_side(page: str) -> str:
    """An expert who always prefers the good answer, whichever side it stands on."""
    _, a, _ = Sides(page).texts
    return "a" if a.startswith("good") else "b"


def judge_next(rater: Browser, choose: Callable[[str], str] = better_side, **fields: str) -> bool:
    """Judges the record before a rater; begins first. Returns whether there was one."""
    page = rater.get("/review?of=complaints").text
    if 'name="what" value="begin"' in page:
        assert rater.act("review", "begin").status_code == 303
        page = rater.get("/review?of=complaints").text
    if 'name="what" value="judge"' not in page:
        return False
    form = rater.form("review", "judge")
    answer = rater.send({**form, **fields, "better": choose(page)})
    assert answer.status_code == 303, re.findall(r'role="alert">(.*?)</p>', answer.text)
    return True
