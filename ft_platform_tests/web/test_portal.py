"""The portal in Dagster's real web application, behind the same guard and sign-in: who reads it, by which paths, and
where its links lead. The persons are fictitious; a trusted proxy says who they are."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget

pytest.importorskip("dagster_webserver")
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ft_platform.lake.opening import open_lake
from ft_platform.people.actions import ACTIONS
from ft_platform.people.identity.tokens import Tokens
from ft_platform.people.may import Permissions
from ft_platform.people.noted import Noted
from ft_platform.reporting.html import page
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.hosts import Hosts
from ft_platform.use_case.settings.sign_in import SignIn
from ft_platform.web.dagster_webserver import guard_webserver
from ft_platform.web.forms import form_token
from ft_platform.web.guard import Guard
from ft_platform.web.portal import HEADERS, WORDS, PortalApp
from ft_platform.web.portal_pages.actions import TITLES
from ft_platform.web.roles.rules import Rules
from ft_platform.web.roles.webserver import RoleWebserver
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.people.test_may import OWNERS, PEOPLE, PERSONS
from ft_platform_tests.web.asgi import JSON, OWN, Answer, dagster_app, request, scope
from ft_platform_tests.web.test_report_server import BACK, PAGE, REPORT, SECRET, Links, publish

PAGES = ("/", "/needs", "/register", "/portfolio.csv", "/complaints/", REPORT, f"{BACK}systems.png")
LINK = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]
PICTURE = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")]
FORM = ("content-type", "application/x-www-form-urlencoded")


class Ui:
    """An installation with a report, below a prefix.

    Attributes:
        noted: what the audit log was told.
    """

    def __init__(self, folder: Path, app: Any, prefix: str, noted: list[Noted], token: str) -> None:
        self.folder, self.app, self.prefix, self.noted, self.token = folder, app, prefix, noted, token

    def get(self, path: str, role: str = "auditor", *more: tuple[str, str], method: str = "GET") -> Answer:
        """What a person with a role gets below the portal; `nobody` has not signed in."""
        return request(self.app, method, f"{self.prefix}/portal{path}", [OWN, *self.says(role), *more])

    def says(self, role: str) -> list[tuple[str, str]]:
        """Headers of the proxy, or of a program with a token."""
        if role in ("nobody", "token"):
            return [] if role == "nobody" else [("authorization", f"Bearer {self.token}")]
        if role not in PERSONS:
            return [("x-forwarded-email", role)]
        person = PERSONS[role]
        return [("x-forwarded-email", person.name), ("x-forwarded-groups", ",".join(sorted(person.groups)))]


@pytest.fixture(scope="module", params=["", "/dagster"], ids=["at the root", "below a prefix"])
def ui(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    folder, noted = tmp_path_factory.mktemp("ui"), []
    environment = Environment(
        home=folder,
        defs=folder / "defs",
        tracking_uri="none",
        people=PEOPLE,
        sign_in=SignIn.model_validate({"proxy": {"addresses": ["127.0.0.1"], "says_who": True}}),
    )
    write_use_case(environment.defs, "complaints", {**minimal_attributes("records.csv"), "owners": OWNERS})
    lake = open_lake(environment)
    publish(lake)
    with lake.scratch("complaints", "model_card") as made:
        made.mkdir(parents=True)
        (made / "model_card.html").write_text("<!DOCTYPE html>\n<title>Card</title>\n<body>\n<main>Card</main>\n")
        lake.publish("complaints", "model_card", "card-1", made, parents=[], settings_hash="s", input_hash="i")
    _, token = Tokens(environment.people_path).add("ci", ["see"], ["complaints"], 1)
    with (
        dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as instance,
        dagster_app(instance, partial(guard_webserver, environment, noted.append), request.param) as app,
    ):
        yield Ui(folder, app, request.param, noted, token)


@pytest.mark.parametrize("role", [*PERSONS, "dan@example.org"])
def test_who_has_a_role_reads_every_page(ui: Ui, role: str) -> None:
    assert {path: ui.get(path, role).status for path in PAGES} == dict.fromkeys(PAGES, 200)
    assert ui.get(REPORT, role).body.decode() == PAGE


def test_who_has_none_reads_nothing_and_is_noted(ui: Ui) -> None:
    ui.noted.clear()
    for path in PAGES:
        answer = ui.get(path, "stranger@example.org")
        assert (answer.status, answer.body.decode().strip()) == (403, WORDS[403])  # type: ignore[index]
    assert {(one.kind, one.person.name, one.what) for one in ui.noted} == {
        ("denial", "stranger@example.org", f"may not {ACTIONS['see'].says}")
    }
    assert [one.use_case for one in ui.noted if one.use_case == "complaints"] == ["complaints"] * 3


def test_who_has_no_role_reads_whom_to_ask_and_how_to_sign_out_wherever_they_land(ui: Ui) -> None:
    browser = ("accept", "text/html")
    for path in ("/", "/complaints/", "/needs"):
        answer = ui.get(path, "stranger@example.org", browser)
        page = answer.body.decode()
        assert (answer.status, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
        assert "You have no role here yet" in page and "stranger@example.org" in page
        account = urljoin(f"{ui.prefix}/portal{path}", page.partition('<a href="')[2].partition('"')[0])
        assert account == f"{ui.prefix}/auth/account"
        assert "Your account" in request(ui.app, "GET", account, [OWN, *ui.says("stranger@example.org")]).body.decode()
    for path in ("/", "/runs", "/asset-groups"):
        answer = request(ui.app, "GET", f"{ui.prefix}{path}", [OWN, *ui.says("stranger@example.org"), browser])
        assert (answer.status, answer.headers["location"]) == (303, f"{ui.prefix}/portal/")
        assert request(ui.app, "GET", f"{ui.prefix}{path}", [OWN, *ui.says("auditor"), browser]).status == 200


def test_who_has_not_signed_in_is_sent_to_the_sign_in_and_comes_back(ui: Ui) -> None:
    for path in PAGES:
        answer = ui.get(path, "nobody", ("accept", "text/html"))
        assert answer.status == 303
        then = f"{ui.prefix}/portal{path}".replace("/", "%2F")
        assert answer.headers["location"] == f"{ui.prefix}/auth/sign-in?next={then}"
        assert ui.get(path, "nobody").status == 401


def test_a_token_reads_what_it_was_made_for(ui: Ui) -> None:
    assert [ui.get(path, "token").status for path in PAGES] == [403] * 4 + [200] * 3


def test_the_page_says_who_signed_in_and_escapes_it(ui: Ui) -> None:
    assert "Signed in as otto@example.org" in ui.get("/needs").body.decode()
    hostile = "<img/src=x>@example.org"
    shown = page("portal_top.html", person=hostile, around="../", dagster=True)
    assert "<img" not in shown and "&lt;img/src=x&gt;@example.org" in shown


def test_every_link_of_the_portal_leads_to_a_page_of_the_same_application(ui: Ui) -> None:
    start = f"{ui.prefix}/portal/"
    waiting, found = [start], {}
    while waiting:
        path = waiting.pop()
        answer = request(ui.app, "GET", path, [OWN, *ui.says("auditor")])
        found[path] = answer.status
        if path.startswith(start) and answer.headers["content-type"].startswith("text/html"):
            parts = [urlsplit(urljoin(path, link)) for link in Links(answer.body.decode()).found]
            links = {f"{one.path}?{one.query}" if one.query.startswith("of=") else one.path for one in parts}
            waiting += links - {*found, *waiting}
    assert [path for path, status in found.items() if status != 200] == []
    outside = {path for path in found if not path.startswith(start)}
    assets = {path for path in outside if path.startswith(f"{ui.prefix}/assets/complaints/")}
    assert outside - assets == {f"{ui.prefix}/", f"{ui.prefix}/auth/account"} and assets
    assert {f"{ui.prefix}/portal{path}" for path in ("/", "/needs", "/register", "/complaints/", REPORT)} <= set(found)
    card = f"{start}complaints/model_card/card-1/model_card.html"
    assert found[card] == 200, "three folders deep, its links to the account and to Dagster lead there too"


def test_without_a_slash_it_is_the_same_page(ui: Ui) -> None:
    answer = ui.get("")
    assert (answer.status, answer.headers["location"]) == (307, f"{ui.prefix}/portal/")


def test_no_answer_may_run_scripts_load_anything_or_stand_in_a_frame(ui: Ui) -> None:
    answers = [
        *(ui.get(path) for path in (*PAGES, "/nothing")),
        ui.get("/", "stranger@example.org"),
        ui.get("/", method="HEAD"),
    ]
    assert {answer.status for answer in answers} == {200, 403, 404}
    for answer in answers:
        assert {name: answer.headers[name.lower()] for name in HEADERS} == HEADERS
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_dagsters_own_pages_keep_their_policy(ui: Ui) -> None:
    answer = request(ui.app, "GET", f"{ui.prefix}/runs", [OWN, *ui.says("auditor")])
    assert answer.status == 200 and "nonce-" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/../report.html",
        f"{BACK}../../../../restricted/complaints/evaluation_report/eval-1/report.html",
        f"{BACK}%2e%2e/%2e%2e/%2e%2e/%2e%2e/report.html",
        f"{BACK}..%2f..%2f..%2f..%2freport.html",
        f"{BACK}metrics.json",
        f"{BACK}report%2ehtml",
        f"/portal{REPORT}",
        f"/{REPORT}",
        "/restricted/",
        "/complaints",
        "/NEEDS",
        "/auth/sign-in",
        "/graphql",
    ],
)
def test_no_other_path_is_answered(ui: Ui, path: str) -> None:
    answer = ui.get(path)
    assert (answer.status, answer.body.decode().strip()) == (404, WORDS[404])  # type: ignore[index]


@pytest.mark.parametrize("raw", ["/%70ortal", "/portal%2f..", "/x/../portal"])
def test_a_path_counts_as_it_was_sent(ui: Ui, raw: str) -> None:
    """A server in front of this one may have ruled on what it saw."""
    import asyncio

    sent: list[Any] = []

    async def ask() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        made = scope("http", f"{ui.prefix}/portal{REPORT}", [OWN, *ui.says("auditor")], method="GET", scheme="http")
        await ui.app({**made, "raw_path": f"{ui.prefix}{raw}{REPORT}".encode()}, receive, send)

    asyncio.run(ask())
    assert sent[0]["status"] == 404


def test_links_from_elsewhere_open_a_page_and_nothing_else_does(ui: Ui) -> None:
    assert ui.get(REPORT, "auditor", *LINK).status == 200
    for path in PAGES:
        assert ui.get(path, "auditor", *PICTURE).status == 403
        assert ui.get(path, "auditor", ("origin", "http://evil.example")).status == 403


@pytest.mark.parametrize("path", ["/", "/needs", REPORT])
def test_pages_take_no_other_method(ui: Ui, path: str) -> None:
    answer = ui.get(path, "auditor", FORM, method="POST")
    assert answer.status == 405 and answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
    assert ui.get(path, "auditor", JSON, method="POST").status == 415, "forms only"
    assert ui.get(path, "auditor", FORM, ("origin", "http://evil.example"), method="POST").status == 403
    assert ui.get(path, "auditor", FORM, *LINK, method="POST").status == 403
    assert {ui.get(path, method=method).status for method in ("PUT", "DELETE", "PATCH", "OPTIONS")} == {405}


def test_a_page_that_was_changed_is_an_error(ui: Ui) -> None:
    file = next(ui.folder.rglob("eval-1/report.html"))
    before = file.read_text()
    try:
        file.write_text(SECRET)
        answer = ui.get(REPORT)
        assert answer.status == 500 and SECRET not in answer.body.decode()
        assert re.search("Materialize it again", answer.body.decode())
    finally:
        file.write_text(before)


def test_where_nobody_signs_in_whoever_sits_at_this_machine_reads_it(tmp_path: Path) -> None:
    environment = Environment(home=tmp_path / "home", defs=tmp_path / "defs", tracking_uri="none")
    publish(open_lake(environment))
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        dagster_app(instance, partial(guard_webserver, environment)) as app,
    ):
        shown = request(app, "GET", "/portal/", [OWN]).body.decode()
        assert "Signed in" not in shown and '<a href="../">Dagster</a>' in shown
        assert request(app, "GET", f"/portal{REPORT}", [OWN]).status == 200
        for name in ("evil.example", "evil.example:3000", "127.0.0.1:3001"):
            assert request(app, "GET", f"/portal{REPORT}", [("host", name)]).status == 421


def test_what_changes_something_comes_before_the_pages_and_takes_forms_of_this_server_only(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def sign(asking: Request) -> Response:
        asked.append(await asking.body())
        return PlainTextResponse("done", headers={"Cache-Control": "no-store"})

    environment = Environment(home=tmp_path / "home", defs=tmp_path / "defs", tracking_uri="none")
    rules = Rules(lambda: Permissions(PEOPLE), required=lambda: False)
    routes = [Route("/sign", sign, methods=["POST"])]
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as context,
    ):
        made = RoleWebserver(
            context, rules=rules, portal=lambda _: PortalApp(environment, rules, routes, in_dagster=True)
        )
        app = Guard(made.create_asgi_app(), Hosts())
        own, body = ("origin", "http://127.0.0.1:3000"), b"of=complaints"
        for headers in ([OWN, JSON], [OWN, FORM, ("origin", "http://evil.example")], [("host", "evil.example"), FORM]):
            assert request(app, "POST", "/portal/sign", headers, body).status in (403, 415, 421)
        assert asked == []
        done = request(app, "POST", "/portal/sign", [OWN, FORM, own], body)
        assert (done.status, done.body, asked) == (200, b"done", [body])
        assert done.headers["cache-control"] == "no-store"
        assert done.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


def test_people_act_beside_dagsters_pages_with_forms_of_their_own(ui: Ui) -> None:
    for name in TITLES:
        shown = ui.get(f"/{name}?of=complaints", "compliance")
        assert shown.status == 200 and shown.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
        assert ui.get(f"/{name}?of=complaints", "stranger@example.org").status == 403
    anchor = shown.headers["set-cookie"].partition(";")[0]
    token = form_token(anchor.partition("=")[2], f"sign {PERSONS['compliance'].name}")
    path, own = f"{ui.prefix}/portal/sign?of=complaints", ("origin", "http://127.0.0.1:3000")

    def sent(*more: tuple[str, str], **fields: str) -> Answer:
        body = urlencode({"what": "approve", "shown": "", **fields}).encode()
        return request(ui.app, "POST", path, [OWN, FORM, *ui.says("compliance"), *more], body)

    assert sent(own, token=token).status == 403, "without the cookie"
    assert sent(own, ("cookie", anchor), token="x").status == 403
    assert sent(("origin", "http://evil.example"), ("cookie", anchor), token=token).status == 403
    assert sent(own, ("cookie", anchor), token=token).status == 409, "the form is its own, and there is nothing to sign"
