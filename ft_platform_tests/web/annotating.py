"""An installation with records that experts correct in the browser, and its report server. Persons are fictitious."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from ft_platform.evaluation.annotation.browsing import sheets
from ft_platform.evaluation.annotation.marks import standing_marks
from ft_platform.evaluation.annotation.tasks import make_task
from ft_platform.lake.versions import TableVersion
from ft_platform.people.identity.users import Users
from ft_platform.people.person import named
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.portal_acts import acts
from ft_platform.web.portal_pages.acting import page_for, view_of
from ft_platform.web.portal_pages.asking import Acting
from ft_platform.web.report_server import report_server
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.evaluation.annotation.test_repairs import checked
from ft_platform_tests.graph import write_csv
from ft_platform_tests.monitoring.traffic.served import Served
from ft_platform_tests.web.office import PHRASE, Browser, Forms

ANA, BO, CY, EVE, MIA = (f"{name}@example.org" for name in ("ana.ruiz", "bo.lind", "cy.noll", "eve.fox", "mia.wong"))
"""Three domain experts, a compliance officer, and who is accountable."""
OWNERS = {
    "accountable": MIA,
    "domain_expert": "team:experts",
    "compliance": EVE,
    "data_science": "dana.fox@example.org",
    "teams": {"experts": [ANA, BO, CY]},
}
MISSED = "zorvan quill"
"""A name that no recognizer finds, because it has no capital."""
PAGE = "https://help.bank.example/limits"
"""An address of a bank, which is replaced and hides nobody."""


class Annotating(Served):
    """Ninety complaints, two of which name a person whom nobody finds, and one a page of a bank."""

    def __init__(self, environment: Environment, **sections: Any) -> None:
        super().__init__(environment)
        self.attributes |= {"owners": OWNERS, **sections}
        for number in (0, 1):
            self.lines[number]["text"] += f" and {MISSED} called me"
        self.lines[2]["text"] += f" as {PAGE} says"
        self.write_source()
        file = write_use_case(environment.defs, "tests", self.attributes)
        self._case = load_use_case(file.parent, environment=environment)
        users = Users(environment.people_path)
        for name in (ANA, BO, CY, EVE, MIA):
            users.add(name)
            users.set_password(name, PHRASE)

    @property
    def case(self) -> NamedUseCase:
        return self._case

    def write_source(self) -> None:
        write_csv(self.source, self.lines)

    def prepare(self) -> TableVersion:
        made = super().prepare()
        checked(self)
        return made

    def started(self, rows: int = 4, order: str = "random") -> str:
        return str(make_task(self.lake, self.case, None, named(ANA), rows=rows, order=order)["task"])

    def sheet(self, person: str) -> Any:
        return sheets(self.lake, self.case, named(person))[0]

    def text(self, version: TableVersion, record: str) -> str:
        return next(
            one["messages"][0]["content"] for one in self.rows(version).to_pylist() if one["record_id"] == record
        )

    def record_with(self, version: TableVersion, words: str) -> str:
        found = [one["record_id"] for one in self.rows(version).to_pylist() if words in one["messages"][0]["content"]]
        return found[0]

    def marks(self) -> list[tuple[str, str]]:
        return [(one.kind, one.person) for one in standing_marks(self.lake, self.case)]

    @contextmanager
    def serving(self) -> Iterator[str]:
        acting = Acting(view_of, page_for, acts(self.environment, lambda *_: {}))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ft_platform.web.portal_actions.Following", lambda _: self.follow)
            with report_server(self.environment, "127.0.0.1", 0, noting=lambda _: None, acting=acting) as server:
                yield f"http://127.0.0.1:{server.server_port}"

    def follow(self, use_case: str, what: str) -> None:
        raise AssertionError(f"{what} starts no run")


class Expert(Browser):
    """An expert who has signed in."""

    def open(self, at: int | None = None, task: str = "") -> str:
        query = (f"&task={task}" if task else "") + (f"&at={at}" if at else "")
        return self.get(f"/annotate?of=tests{query}").text

    def say(self, what: str, at: int | None = None, task: str = "", **fields: str) -> httpx2.Response:
        """Opens the page and sends one of its forms."""
        found = [one for one in Forms(self.open(at, task)).found if one["what"] == what]
        assert found, f"no form to {what}"
        return self.send({**found[0], **fields})
