"""The pages below `/auth/`: sign in, sign out, the own account. Server-rendered forms, no script.

Covered: forms of other pages (origin, and a token in each form), framing, redirects to other servers, sessions that
somebody else began (a new id at each sign-in), pages kept in caches. Not covered: another program of the same host name
that sets cookies of this one, where there is no TLS.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive

from ft_platform.people.identity import second_factor
from ft_platform.people.identity.desk import Desk
from ft_platform.people.identity.refused import Refused
from ft_platform.reporting.html import page
from ft_platform.use_case.settings.hosts import Hosts
from ft_platform.web.forms import anchor_of, form_token, keep_anchor, new_anchor, require_own, sent_form
from ft_platform.web.visit import Visit

AUTH = "/auth/"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")
"""A path of this server: printable ASCII without backslashes, and no second slash, which would name another host."""
FLOW_SECONDS = 600


class Pages:
    """Answers requests below `/auth/`.

    Args:
        hosts: names that pages with forms may be addressed by, besides the one of the request.
        prefix: path that browsers see in front.
    """

    def __init__(self, desk: Desk, hosts: Hosts, prefix: str) -> None:
        self.desk, self.hosts, self.prefix = desk, hosts, prefix
        self._answers: dict[tuple[str, str], Callable[[Visit], Response]] = {
            ("GET", "sign-in"): self.sign_in_page,
            ("POST", "sign-in"): self.sign_in,
            ("GET", "openid"): self.begin_openid,
            ("GET", "callback"): self.finish_openid,
            ("POST", "back-channel-logout"): self.back_channel_logout,
            ("POST", "sign-out"): self.sign_out,
            ("GET", "account"): self.account_page,
            ("GET", "password"): self.password_page,
            ("POST", "password"): self.change_password,
            ("GET", "second-factor"): self.second_factor_page,
            ("POST", "second-factor"): self.change_second_factor,
        }

    async def answer(self, visit: Visit, receive: Receive) -> Response:
        """Raises:
        Refused: what is asked is not there, or not asked by a page of this server.
        """
        name = visit.path.removeprefix(AUTH)
        answer = self._answers.get(("GET" if visit.method == "HEAD" else visit.method, name))
        if answer is None:
            known = any(name == one for _, one in self._answers)
            raise Refused("there is no such page", 405 if known else 404)
        if visit.method == "POST":
            visit = await sent_form(visit, receive, self.hosts)
            if name != "back-channel-logout":
                require_own(visit)
        return await run_in_threadpool(answer, visit)

    def _page(
        self, visit: Visit, view: str, title: str, problem: Refused | None = None, session_id: str = "", **values: Any
    ) -> Response:
        """Args:
        problem: why the form that was sent is shown again.
        session_id: of a session that begins with this answer.
        """
        anchor = session_id or anchor_of(visit) or new_anchor()
        shared = {"view": view, "title": title, "auth": f"{self.prefix}{AUTH}", "token": form_token(anchor)}
        shared["problem"] = _sentence(problem) if problem else ""
        response = HTMLResponse(page("sign_in.html", **shared, **values), problem.status if problem else 200, HEADERS)
        if problem and problem.wait:
            response.headers["Retry-After"] = str(problem.wait)
        if session_id:
            visit.set_cookie(response, "session", session_id)
        else:
            keep_anchor(visit, response, anchor)
        return response

    def _to(self, where: str) -> Response:
        return RedirectResponse(where, 303, HEADERS)

    def _own(self, then: str) -> str:
        """Where a browser goes after it has signed in: a page of this server that is none of these."""
        own = OWN_PATH.fullmatch(then) and not then.startswith(f"{self.prefix}{AUTH}")
        return then if own else f"{self.prefix}/"

    def _then(self, visit: Visit) -> str:
        """Where the browser wanted to go, as the address or the form says."""
        return self._own(visit.form.get("next") or visit.connection.query_params.get("next", ""))

    def _password_first(self, then: str) -> str:
        return f"{self.prefix}{AUTH}password?next={quote(then, safe='')}"

    def sign_in_page(self, visit: Visit, problem: Refused | None = None) -> Response:
        then = self._then(visit)
        if problem is None and self.desk.session(visit.session_id, is_used=False):
            return self._to(self._password_first(then) if self.desk.must_change(visit.session_id) else then)
        return self._page(
            visit,
            "sign_in",
            "Sign in",
            problem,
            then=then,
            openid=f"{self.prefix}{AUTH}openid?next={quote(then, safe='')}" if self.desk.provider else "",
            proxy=self.desk.proxy.says_who,
            users=self.desk.users.required,
            email=visit.form.get("email", "")[:320],
        )

    def sign_in(self, visit: Visit) -> Response:
        form = visit.form
        try:
            made = self.desk.sign_in(
                form.get("email", ""), form.get("password", ""), form.get("code", ""), visit.client
            )
        except Refused as refused:
            self.desk.note_refusal(refused, visit.client)
            return self.sign_in_page(visit, refused)
        return self._signed_in(visit, made, self._own(form.get("next", "")))

    def _signed_in(self, visit: Visit, session_id: str, then: str) -> Response:
        """The session that the browser may have had ends; its id is not used again."""
        if visit.session_id:
            self.desk.forget(visit.session_id)
        response = self._to(self._password_first(then) if self.desk.must_change(session_id) else then)
        visit.set_cookie(response, "session", session_id)
        for what in ("form", "flow"):
            visit.set_cookie(response, what, "", 0)
        return response

    def begin_openid(self, visit: Visit) -> Response:
        then = self._own(visit.connection.query_params.get("next", ""))
        scheme, host = "https" if visit.is_encrypted else "http", visit.connection.headers.get("host", "")
        where, state = self.desk.begin_openid(f"{scheme}://{host}{self.prefix}{AUTH}callback", then)
        response = self._to(where)
        visit.set_cookie(response, "flow", state, FLOW_SECONDS)
        return response

    def finish_openid(self, visit: Visit) -> Response:
        pairs = visit.connection.query_params.multi_items()
        if len({name for name, _ in pairs}) < len(pairs):
            raise Refused("a parameter is given more than once", 400, "an unclear answer", "login")
        made, then = self.desk.finish_openid(dict(pairs), visit.cookie("flow"), visit.client)
        return self._signed_in(visit, made, self._own(then))

    def back_channel_logout(self, visit: Visit) -> Response:
        """OpenID Connect Back-Channel Logout 1.0, 2.5 to 2.8: called by the provider."""
        try:
            self.desk.signed_out_by_provider(visit.form.get("logout_token", ""))
        except Refused as refused:
            raise Refused(refused.words, 400, refused.why, refused.kind) from None
        return Response(status_code=200, headers=HEADERS)

    def sign_out(self, visit: Visit) -> Response:
        self.desk.sign_out(visit.session_id)
        response = self._page(visit._replace(form={}), "signed_out", "You are signed out")
        visit.set_cookie(response, "session", "", 0)
        return response

    def account_page(self, visit: Visit, session_id: str = "", codes: list[str] | None = None) -> Response:
        """Args:
        session_id: of a session that begins with this answer.
        codes: recovery codes to show, now and never again.
        """
        session_id = session_id or visit.session_id
        person = self.desk.recognise(visit.connection.headers.items(), session_id, visit.peer)
        if person is None:
            return self._to(f"{self.prefix}{AUTH}sign-in")
        user = self.desk.users.find(person.name) if person.known_by == "password" else None
        began = session_id if session_id != visit.session_id else ""
        return self._page(
            visit, "account", "Your account", session_id=began, person=person, user=user, codes=codes or []
        )

    def password_page(self, visit: Visit, problem: Refused | None = None) -> Response:
        session = self.desk.session(visit.session_id)
        user = self.desk.users.find(session.person.name) if session else None
        if session is None or user is None or session.person.known_by != "password":
            return self._to(f"{self.prefix}{AUTH}sign-in")
        then = self._then(visit)
        return self._page(visit, "password", "Choose a password", problem, user=user, then=then)

    def change_password(self, visit: Visit) -> Response:
        form = visit.form
        try:
            if form.get("new", "") != form.get("again", ""):
                raise Refused("The two new passwords differ.", 400)
            made = self.desk.change_password(
                visit.session_id, form.get("password", ""), form.get("code", ""), form.get("new", ""), visit.client
            )
        except Refused as refused:
            self.desk.note_refusal(refused, visit.client)
            return self.password_page(visit, refused)
        return self._signed_in(visit, made, self._then(visit))

    def second_factor_page(self, visit: Visit, problem: Refused | None = None) -> Response:
        session = self.desk.session(visit.session_id)
        user = self.desk.users.find(session.person.name) if session else None
        if session is None or user is None or user.must_change or session.person.known_by != "password":
            return self._to(f"{self.prefix}{AUTH}sign-in")
        secret = "" if user.second_factor else visit.form.get("secret") or second_factor.new_secret()
        words = "Turn the second factor off" if user.second_factor else "Set up a second factor"
        address = second_factor.address_for_apps(secret, user.name)
        return self._page(visit, "second_factor", words, problem, user=user, secret=secret, address=address)

    def change_second_factor(self, visit: Visit) -> Response:
        form = visit.form
        try:
            made, codes = self.desk.change_second_factor(
                visit.session_id,
                form.get("password", ""),
                form.get("code", ""),
                form.get("secret", ""),
                form.get("first_code", ""),
                visit.client,
            )
        except Refused as refused:
            self.desk.note_refusal(refused, visit.client)
            return self.second_factor_page(visit, refused)
        return self.account_page(visit, made, codes)


def refusal_page(refused: Refused, headers: dict[str, str]) -> Response:
    """What a person sees who is not let in."""
    words = {"view": "refused", "title": "This is not possible", "auth": AUTH, "token": ""}
    content = page("sign_in.html", **words, problem=_sentence(refused))
    return HTMLResponse(content, refused.status, {**HEADERS, **headers})


def no_role_page(person: str, account: str, administrators: Sequence[str]) -> str:
    """What somebody sees who has signed in and has no role.

    Args:
        account: address of the page of the account, with the sign-out.
        administrators: whom to ask.
    """
    words = {"view": "no_role", "title": "You have no role here yet", "auth": AUTH, "token": "", "problem": ""}
    return page("sign_in.html", **words, person=person, account=account, administrators=administrators)


def _sentence(refused: Refused) -> str:
    wait = f" Try again in {refused.wait} seconds." if refused.wait else ""
    return f"{refused.words[:1].upper()}{refused.words[1:].rstrip('.')}.{wait}"
