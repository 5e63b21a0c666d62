"""What waits for people, done in the browser: sign, reject, delegate, take back, waive, confirm, release, go back; and
asking the released model.

Each form calls what the command calls, with the person who signed in, so that the same rules hold and the same records
and entries of the audit log are made. Covered: forms of other pages, of other sessions and of other persons
(`web.forms`); forms about something that is no longer current, among them any that was sent before (`View.shown`); two
who act at the same time, also through another server of this machine. Not covered: somebody who acts on the terminal in
the same moment.

Where nobody signs in there are no forms: every account of this machine reaches the server, but only that of the
installation may use the commands, and a name in a form would be anybody's."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from ft_platform.errors import ConfigError, CorruptVersion, DataError, FtError, MayNot, NotCurrent, VersionRefused
from ft_platform.lake.files import locked
from ft_platform.lake.store import Lake
from ft_platform.people.actions import ACTIONS
from ft_platform.people.audit_log.opening import note
from ft_platform.people.identity.desk import Desk
from ft_platform.people.identity.refused import FAULT, UNKNOWN, Refused
from ft_platform.people.may import Permissions
from ft_platform.people.person import PERSON, Person
from ft_platform.process.hooks import place_of_error
from ft_platform.reporting.html import page
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.hosts import Hosts
from ft_platform.web.following import Following
from ft_platform.web.forms import anchor_of, form_token, keep_anchor, new_anchor, require_own, sent_form
from ft_platform.web.portal_pages.actions import NEW, TITLES
from ft_platform.web.portal_pages.asking import Act, Acting, Asking, Download, Form, View
from ft_platform.web.sign_in_pages import refusal_page
from ft_platform.web.visit import VISIT, Visit

LOG = logging.getLogger(__name__)
MAKE = ("edit_use_case", "start_data")
"""Actions that a person must be allowed in the installation, to make a use case from a source."""
MOST_CHARACTERS = 2_000
HEADERS = {"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY"}
STATUS: tuple[tuple[type[FtError], int], ...] = (
    (MayNot, 403),
    (ConfigError, 400),
    (CorruptVersion, 500),
    (NotCurrent, 409),
    (VersionRefused, 409),
    (DataError, 409),
    (FtError, 503),
)
"""Why something was not done -> status of the answer; the first that fits."""


@dataclass
class PortalActions:
    """The pages.

    Args:
        hosts: names that pages with forms may be addressed by.
        prefix: path that browsers see in front.
        account: address of the page of the account, from a page with forms.
    """

    environment: Environment
    lake: Lake
    desk: Desk
    permissions: Callable[[], Permissions]
    hosts: Hosts
    prefix: str
    acting: Acting
    account: str = "auth/account"

    def __post_init__(self) -> None:
        self.follow = Following(self.environment)

    def routes(self) -> list[Route]:
        """Behind the sign-in."""
        names = [*TITLES, *([NEW] if self.acting.propose else [])]
        return [Route(f"/{name}", partial(self.answer, name), methods=["GET", "POST"]) for name in names]

    async def answer(self, name: str, request: Request) -> Response:
        visit: Visit = request.scope[VISIT]
        person: Person = request.scope[PERSON]
        try:
            if request.method == "POST":
                if not self.desk.required:
                    words = "nobody signs in to this installation, so nobody can act here; use the command"
                    raise Refused(words, why="a form where nobody signs in")
                visit = await sent_form(visit, request.receive, self.hosts)
                require_own(visit, _form_of(name, person))
            return await run_in_threadpool(self._answer, name, visit, person)
        except Refused as refused:
            if refused.person is UNKNOWN:
                refused.person = person
            await run_in_threadpool(self.desk.note_refusal, refused, visit.client)
            return refusal_page(refused, HEADERS)

    def _answer(self, name: str, visit: Visit, person: Person) -> Response:
        asked = visit.connection.query_params.get("of", "")
        try:
            return self._answered(name, asked, visit, person)
        except FtError as error:
            LOG.warning(f"{name} cannot be shown: {error}")
            raise Refused(error.message, 503 if isinstance(error, ConfigError) else _status(error)) from None
        except Refused:
            raise
        except OSError as error:
            LOG.warning(f"{name} failed: {place_of_error(error)}")
            raise Refused("this cannot be done at the moment", 503) from None
        except Exception as error:  # its text may quote a record; the client is told, the server goes on
            LOG.error(f"{name} failed: {place_of_error(error)}")
            raise Refused(FAULT, 500) from None

    def _answered(self, name: str, asked: str, visit: Visit, person: Person) -> Response:
        known = self.permissions()
        if self.desk.required and not known.may(person, "see", asked or None):
            raise Refused("only people with a role see this: ft may", why="no role in which reports are read")
        if name == NEW:
            return self._new(visit, person, known)
        if asked not in known.use_cases:
            raise Refused("there is no such use case", 404)
        who = person if self.desk.required else None
        query = {name: text for name, text in visit.connection.query_params.items() if name != "of"}
        asking = Asking(self.lake, known.use_cases[asked], known, who, query)
        problem: FtError | None = None
        found: Mapping[str, Any] | None = None
        if visit.method == "POST" and who:
            try:
                answer, then = self._sent(name, asking, who, visit.form)
            except FtError as error:
                LOG.info(f"{asking.name}: {name} was refused: {type(error).__name__}")
                problem = error
            else:
                if answer is None:
                    return RedirectResponse(f"{self.prefix}/{name}?{urlencode({'of': asked, **then})}", 303, HEADERS)
                if isinstance(answer, Download):
                    return _downloaded(answer)
                found = answer
        return self._page(name, asking, visit, person, problem, found)

    def _new(self, visit: Visit, person: Person, known: Permissions) -> Response:
        """The page for a new use case."""
        assert self.acting.propose
        rulings = [known.may(person, action) for action in MAKE] if self.desk.required else []
        why_not = next((one.why for one in rulings if not one), "")
        answer: Mapping[str, Any] | Download | None = None
        problem: FtError | None = None
        if visit.method == "POST" and why_not:
            raise Refused(why_not, why=f"may not {ACTIONS[MAKE[0]].says}")
        if visit.method == "POST":
            try:
                if any(len(text) > MOST_CHARACTERS for text in visit.form.values()):
                    raise ConfigError(["a field of this form is too long"])
                answer = self.acting.propose(person, visit.form)
            except FtError as error:
                problem = error
        if isinstance(answer, Download):
            return _downloaded(answer)
        anchor = anchor_of(visit) or new_anchor()
        words = f"{_sentence(problem.message)} {_sentence(problem.next_step)}".strip() if problem else ""
        content = page(
            "portal_new.html",
            title="New use case",
            here=NEW,
            person=person if self.desk.required else None,
            account=self.account,
            command="ft new NAME --source FILE",
            token=form_token(anchor, _form_of(NEW, person)),
            why_not=why_not,
            problem=words,
            sent=visit.form,
            found=answer,
        )
        response = HTMLResponse(content, _status(problem) if problem else 200, HEADERS)
        keep_anchor(visit, response, anchor)
        return response

    def _page(
        self,
        name: str,
        asking: Asking,
        visit: Visit,
        person: Person,
        problem: FtError | None,
        found: Mapping[str, Any] | None,
    ) -> Response:
        anchor = anchor_of(visit) or new_anchor()
        words = f"{_sentence(problem.message)} {_sentence(problem.next_step)}".strip() if problem else ""
        token, view = form_token(anchor, _form_of(name, person)), self.acting.view_of(name, asking)
        content = self.acting.page_for(name, asking, view, token, words, visit.form, found, self.account)
        response = HTMLResponse(content, _status(problem) if problem else 200, HEADERS)
        keep_anchor(visit, response, anchor)
        return response

    def _sent(
        self, name: str, asking: Asking, person: Person, form: Form
    ) -> tuple[Mapping[str, Any] | Download | None, Mapping[str, str]]:
        """Does what a form asks for. Returns what is shown below it, or None, and the query of the next page.

        Raises:
            FtError: it was not done.
        """
        what = form.get("what", "")
        act = self.acting.acts[name].get(what)
        if act is None or any(len(text) > act.most_characters for text in form.values()):
            raise ConfigError(["this form is not one of this page, or a field of it is too long"])
        if not act.changes:
            return act.do(asking, person, self._view(name, what, asking, person, act), form), {}
        with locked(self.environment.lock("acting", asking.name)):
            view = self._view(name, what, asking, person, act)
            if not view.about or form.get("shown") != view.shown:
                changed = "what you were shown is no longer current, so nothing was recorded"
                raise NotCurrent(changed, "Look at it again, then decide")
            then = act.do(asking, person, view, form)
        if act.follows:
            self.follow(asking.name, what)
        return None, then if isinstance(then, Mapping) else {}

    def _view(self, name: str, what: str, asking: Asking, person: Person, act: Act) -> View:
        """What the page shows now, to somebody who may do this."""
        view = self.acting.view_of(name, asking)
        if why := view.may_not.get(what):
            about = {"decision": view.decision.id} if view.decision else {}
            note(asking.lake, asking.use_case, "denial", act.denial, person, **about)
            raise MayNot([why])
        return view


def _downloaded(answer: Download) -> Response:
    attached = {"Content-Disposition": f'attachment; filename="{answer.name}"'}
    return Response(answer.content, 200, {**HEADERS, **attached}, answer.kind)


def _status(error: FtError) -> int:
    return next(status for kind, status in STATUS if isinstance(error, kind))


def _sentence(text: str) -> str:
    first = text.split(" ")[0]
    return f"{first.capitalize() if first.isalpha() else first}{text[len(first) :].rstrip('.')}." if text else ""


def _form_of(name: str, person: Person) -> str:
    """What the token of a form is bound to, beside the session: a proxy may sign somebody else in under it."""
    return f"{name} {person.name}"
