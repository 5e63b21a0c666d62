"""An installation with a decision that people act on, its report server, and browsers without scripts. Persons are
fictitious."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import httpx2
import pytest

from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.identity.users import Users
from ft_platform.people.may import Permissions
from ft_platform.people.noted import Noted
from ft_platform.release.sign_off import publish_sign_off, sign_off
from ft_platform.reporting.sign_off_page import write_sign_off
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.people import People
from ft_platform.web.erasure_acts import erasure_acts
from ft_platform.web.forms import form_token
from ft_platform.web.portal_acts import acts
from ft_platform.web.portal_pages.acting import page_for, view_of
from ft_platform.web.portal_pages.asking import Acting
from ft_platform.web.report_server import report_server
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.release.evidence_case import MEASURED, OWNERS
from ft_platform_tests.release.test_releasing import Case

ANA, TOM, MARIA, LEE, EVE, DANA = (
    f"{name}@example.org" for name in ("ana.ruiz", "tom.okafor", "maria.lind", "lee.wong", "eve.noll", "dana.fox")
)
"""Compliance, domain expert, accountable, ML engineer, auditor, and who trained the checkpoint."""
PHRASE = "correct horse battery staple"
REASON = "Too few records of the new region"


class Office(Case):
    """A decision about a checkpoint of a use case whose file lies in the installation.

    Attributes:
        followed: use case and what was done, of each action.
        told: what the sign-in noted.
    """

    asked: tuple[str, ...] = ("compliance", "domain_expert")
    trainer = DANA
    compliance: tuple[str, ...] = (ANA,)

    def _settle(self) -> None:
        officers = {"compliance": list(self.compliance)} if self.policy.signatures.signed_in else {}
        self.environment = Environment(
            home=self.home,
            defs=self.home / "defs",
            tracking_uri="none",
            people=People(roles={"auditor": [EVE], **officers}),
            policy=self.policy,
        )
        teams = {"complaints": [MARIA], "officers": list(self.compliance)}
        owners = {**OWNERS, "ml_engineering": LEE, "data_science": DANA, "compliance": "team:officers", "teams": teams}
        usual = {"owners": owners, "fairness": {"sensitive_features": ["region", "age"]}, "privacy": MEASURED}
        release = {"intended_use": "Routing of complaints.", "approvals": list(self.asked)}
        attributes = {**minimal_attributes("unused.csv"), **usual, "release": release, **self.attributes}
        attributes["record"] = {**attributes["record"], "features": {name: name for name in self.features}}
        file = write_use_case(self.environment.defs, "complaints", attributes)
        self.use_case = load_use_case(file.parent, environment=self.environment)

    def opened(self) -> "Office":
        self.publish()
        self.followed: list[tuple[str, str]] = []
        self.told: list[Noted] = []
        if self.trainer:
            self.trained_by(self.trainer)
        self.decided()
        users = Users(self.environment.people_path)
        for name in (*self.compliance, TOM, MARIA, LEE, EVE, DANA):
            users.add(name)
            users.set_password(name, PHRASE)
        return self

    def decided(self) -> ArtifactVersion:
        """A decision, and what waits for signatures, as the graph makes them."""
        decision, checkpoint = self.published_decision(), self.versions["adapter_checkpoint"]
        found = sign_off(self.lake, self.use_case, decision, self.permissions)
        publish_sign_off(self.lake, self.use_case, decision, checkpoint, found, write_sign_off)
        return decision

    @property
    def permissions(self) -> Permissions:
        return Permissions(self.environment.people, {"complaints": self.use_case})

    @staticmethod
    def in_days(count: int) -> str:
        return (datetime.now(UTC) + timedelta(days=count)).date().isoformat()

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Yields the address."""
        digest = {"sha256": "e" * 64, "files": {"index.html": "f" * 64}, "missing": []}  # packs: tests of `evidence`
        acting = Acting(view_of, page_for, acts(self.environment, lambda *_: digest) | erasure_acts(self.environment))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ft_platform.web.portal_actions.Following", lambda _: self.follow)
            with report_server(self.environment, "127.0.0.1", 0, noting=self.told.append, acting=acting) as server:
                yield f"http://127.0.0.1:{server.server_port}"

    def follow(self, use_case: str, what: str) -> None:
        self.followed.append((use_case, what))

    def noted(self, *kinds: str) -> list[tuple[str, str, str | None, str]]:
        """Kind, what, who, and how that is known, of the entries of these kinds."""
        entries = AuditLog(self.lake).entries()
        return [(one.kind, one.what, one.person, one.known_by) for one in entries if one.kind in kinds]


class Forms(HTMLParser):
    """The forms of a page: fields that are filled in already, and the words of the button."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            assert given["method"] == "post"
            self.found.append({"action": given["action"]})
        if tag in ("input", "textarea"):
            self.found[-1][given["name"]] = given.get("value", "")
        if tag == "select":
            self._select = given["name"]
        if tag == "option":
            self.found[-1].setdefault(self._select, given["value"])


class Browser:
    """Somebody who has signed in."""

    def __init__(self, address: str, name: str) -> None:
        self.address, self.name, self.client = address, name, httpx2.Client(timeout=60)
        page = self.client.get(f"{address}/auth/sign-in").text
        token = page.partition('name="token" value="')[2].partition('"')[0]
        fields = {"token": token, "email": name, "password": PHRASE}
        done = self.client.post(f"{address}/auth/sign-in", data=fields, headers={"Origin": address})
        assert done.status_code == 303

    def get(self, path: str) -> httpx2.Response:
        return self.client.get(f"{self.address}{path}")

    def form(self, page: str, what: str) -> dict[str, str]:
        """The form of a page that asks for something."""
        found = [one for one in Forms(self.get(f"/{page}?of=complaints").text).found if one["what"] == what]
        assert found, f"{page} has no form to {what}"
        return found[0]

    def token(self, page: str) -> str:
        """That of the forms of a page, which whoever knows their own cookie can compute."""
        return form_token(self.client.cookies["ft_session"], f"{page} {self.name}")

    def send(self, form: dict[str, str], origin: str = "", **fields: str) -> httpx2.Response:
        """Sends a form, as a page of another origin where one is given."""
        data = {**form, **fields}
        where = f"{self.address}/{data.pop('action')}"
        return self.client.post(where, data=data, headers={"Origin": origin or self.address})

    def act(self, page: str, what: str, **fields: str) -> httpx2.Response:
        """Opens a page, fills in its form and sends it."""
        return self.send(self.form(page, what), **fields)

    def whats(self, page: str) -> set[str]:
        """What the forms of a page ask for."""
        return {one["what"] for one in Forms(self.get(f"/{page}?of=complaints").text).found}


def alert(answer: httpx2.Response) -> str:
    """What a page says was not done, and why."""
    found = re.search(r'role="alert">(.*?)</p>', answer.text)
    return found[1].replace("&#39;", "'") if found else ""
