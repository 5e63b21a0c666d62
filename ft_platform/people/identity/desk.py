"""The desk where everybody signs in: users, the provider of the organization, a trusted proxy, service tokens.

Each login, failed login, sign-out and refusal is noted. Passwords, codes, tokens and unknown names are in no note.
"""

import os
import time
from collections.abc import Callable, Iterable
from hashlib import sha256

from ft_platform.errors import ConfigError
from ft_platform.lake.keys.given_out import NotGood
from ft_platform.people.identity import passwords, second_factor
from ft_platform.people.identity.database import Database
from ft_platform.people.identity.names import email_of
from ft_platform.people.identity.once import Once
from ft_platform.people.identity.openid import Flow, Provider
from ft_platform.people.identity.proxy import TrustedProxy
from ft_platform.people.identity.refused import UNKNOWN, Refused
from ft_platform.people.identity.sessions import Session, Sessions
from ft_platform.people.identity.tokens import Tokens
from ft_platform.people.identity.users import User, Users
from ft_platform.people.identity.waits import Tried, Waits, address
from ft_platform.people.noted import Kind, Noted, Noting
from ft_platform.people.person import Person
from ft_platform.use_case.settings.environment import Environment

FLOW_SECONDS = 600
WRONG = "name, password or code are not right"


class Desk:
    """Who is who in an installation.

    Args:
        noting: is told of everything that happens here.
        clock: seconds since 1970.

    Raises:
        ConfigError: a secret is not in the environment.
        StateDamaged: users or tokens cannot be read.
    """

    def __init__(self, environment: Environment, noting: Noting, clock: Callable[[], float] = time.time) -> None:
        settings, folder = environment.sign_in, environment.people_path
        self._noting = noting
        self.users, self.tokens, self.proxy = Users(folder), Tokens(folder), TrustedProxy(settings.proxy)
        self.provider: Provider | None = None
        if settings.openid:
            variable = settings.openid.client_secret_variable
            if not (secret := os.environ.get(variable, "")):
                raise ConfigError(
                    [f"sign_in.openid: the environment variable {variable} is not set"],
                    "Set it to the secret of the client that the provider shows",
                )
            self.provider = Provider(settings.openid, secret, clock)
        database = Database(folder)
        self._sessions = Sessions(database, settings.idle_minutes * 60, settings.hours * 3600, clock)
        self._waits, self._once = Waits(database, clock), Once(database, clock)
        passwords.nobodys()

    @property
    def required(self) -> bool:
        """Whether there is a way to sign in; once there was, there is no way around it until a restart."""
        return self.provider is not None or self.proxy.says_who or self.users.required

    def recognise(
        self, headers: Iterable[tuple[str, str]], session_id: str, client: str, *, is_used: bool = True
    ) -> Person | None:
        """Who asks, or None if nobody says it.

        Args:
            headers: names in lower case, and values.
            client: address that the request comes from.
            is_used: a person asks for something, so that the session goes on; False: only look.

        Raises:
            Refused: somebody says it who may not, or a token is not good.
        """
        headers = list(headers)
        if person := self._from_headers(headers, client):
            return person
        if session := self.session(session_id, is_used=is_used):
            return session.person if self._must_change(session) is None else None
        return None

    def _from_headers(self, headers: list[tuple[str, str]], client: str) -> Person | None:
        if person := self.proxy.person(headers, client):
            return person
        given = [value for name, value in headers if name == "authorization"]
        if not given or not self.required:
            return None
        scheme, _, token = given[0].partition(" ")
        if len(given) > 1 or scheme.lower() != "bearer":
            raise Refused("give one service token: Authorization: Bearer ftt_...", 401)
        try:
            return self.tokens.check(token.strip())
        except NotGood as error:
            raise Refused(f"this service token {error}", 401, why=f"a service token {error}") from None

    def session(self, session_id: str, *, is_used: bool = True) -> Session | None:
        """The session with an id, if what it stands on still holds."""
        found = self._sessions.find(session_id, is_used=is_used) if session_id else None
        if found is None:
            return None
        if found.person.known_by == "openid":
            known = self.provider and found.subject.startswith(f"{self.provider.settings.issuer} ")
            return found if known else None
        user = self.users.find(found.person.name)
        return found if user and not user.disabled and user.epoch == found.epoch else None

    def _must_change(self, session: Session) -> User | None:
        """The user of a session who has to choose a password before anything else."""
        user = self.users.find(session.person.name) if session.person.known_by == "password" else None
        return user if user and user.must_change else None

    def must_change(self, session_id: str) -> bool:
        session = self.session(session_id, is_used=False)
        return session is not None and self._must_change(session) is not None

    def sign_in(self, name: str, password: str, code: str, client: str) -> str:
        """The id of a session for a user of `ft users`.

        Raises:
            Refused: it is not right, or there were too many attempts.
        """
        email = email_of(name) or ""
        tried = (Tried("account", email), address(client))
        if wait := self._waits.attempt(*tried):
            raise Refused("too many attempts", 429, wait=wait)
        user, problem = self.users.check(email, password, code)
        if user is None or problem:
            raise Refused(WRONG, 401, problem, "login", Person(user.name) if user else UNKNOWN)
        self._waits.succeeded(*tried)
        return self._start(user, client)

    def _start(self, user: User, client: str) -> str:
        session = Session(Person(user.name, known_by="password"), user.epoch)
        self._note("login", session.person, "signed in", address=client)
        return self._sessions.start(session)

    def change_password(self, session_id: str, password: str, code: str, new: str, client: str) -> str:
        """The id of the session that goes on after a user has chosen a password; all others end.

        Raises:
            Refused: there is no such session, the old password is not right, or the new one cannot be taken.
        """
        user = self._again(session_id, password, code, client)
        if new == password or (problem := passwords.problem_of(new, user.name)):
            raise Refused("The new password must be another one." if new == password else problem, 400)
        self._note("people", Person(user.name, known_by="password"), "changed the password")
        return self._start(self.users.set_password(user.name, new), client)

    def change_second_factor(
        self, session_id: str, password: str, code: str, secret: str, first_code: str, client: str
    ) -> tuple[str, list[str]]:
        """The id of the session that goes on after a user has set a second factor, or taken it away (no secret), and
        the recovery codes.

        Raises:
            Refused: there is no such session, or something is not right.
        """
        user, step = self._again(session_id, password, code, client), 0
        if secret:
            try:
                step = second_factor.step_of(first_code, secret, 0) or 0
            except ValueError:
                raise Refused("Begin again with a new secret.", 400) from None
            if not step:
                raise Refused("The code of the app is not right. Is the clock of the phone?", 400)
        what = "set a second factor" if secret else "took the second factor away"
        self._note("people", Person(user.name, known_by="password"), what)
        changed, codes = self.users.set_second_factor(user.name, secret, step)
        return self._start(changed, client), codes

    def _again(self, session_id: str, password: str, code: str, client: str) -> User:
        """The user of a session, who shows once more that it is them."""
        session = self.session(session_id)
        if session is None or session.person.known_by != "password":
            raise Refused("sign in first", 401)
        tried = (Tried("account", session.person.name), address(client))
        if wait := self._waits.attempt(*tried):
            raise Refused("too many attempts", 429, wait=wait)
        user, problem = self.users.check(session.person.name, password, code)
        if user is None or problem:
            raise Refused("Password or code are not right.", 401, problem, "login", session.person)
        self._waits.succeeded(*tried)
        return user

    def begin_openid(self, redirect_uri: str, then: str) -> tuple[str, str]:
        """Where the browser goes to sign in, and what it keeps in a cookie until it comes back.

        Args:
            then: where it goes after that.

        Raises:
            Refused: the provider does not answer, or there is none.
        """
        if self.provider is None:
            raise Refused("there is no provider", 404)
        where, flow = self.provider.begin(redirect_uri)
        self._once.keep(flow.state, [flow.nonce, flow.verifier, redirect_uri, then], FLOW_SECONDS)
        return where, flow.state

    def finish_openid(self, answer: dict[str, str], state: str, client: str) -> tuple[str, str]:
        """The id of a session, and where the browser goes.

        Args:
            answer: parameters that the browser came back with.
            state: from its cookie.

        Raises:
            Refused: it is not the answer to a sign-in that this browser began within ten minutes, or the provider says
                no.
        """
        # Taken out first: whatever comes of it, it counts once.
        kept = self._once.take(answer.get("state", ""))
        if self.provider is None or kept is None or state != answer.get("state"):
            words = "this sign-in has ended, or was begun in another browser; begin again"
            raise Refused(words, 400, "an answer to no sign-in of this browser", "login")
        nonce, verifier, redirect_uri, then = kept
        found = self.provider.finish(Flow(state, nonce, verifier), answer, redirect_uri)
        self._note("login", found.person, "signed in", subject=_short(found.subject), address=client)
        return self._sessions.start(Session(found.person, "", found.subject, found.provider_session)), then

    def sign_out(self, session_id: str) -> None:
        """Ends a session, if there is one."""
        if session := self._sessions.find(session_id, is_used=False):
            self._note("login", session.person, "signed out")
        self._sessions.end(session_id)

    def forget(self, session_id: str) -> None:
        """Ends a session that another one replaces."""
        self._sessions.end(session_id)

    def signed_out_by_provider(self, logout_token: str) -> None:
        """Ends the sessions that the provider names.

        Raises:
            Refused: the provider did not send it, or sent it before.
        """
        if self.provider is None:
            raise Refused("there is no provider", 404)
        subject, session, token_id = self.provider.ended(logout_token)
        if not self._once.is_first(f"logout {token_id}", FLOW_SECONDS):
            raise Refused("this logout token was used before", 400, "a logout token that was used before")
        for name in self._sessions.end_of_subject(subject, session):
            self._note("login", Person(name, known_by="openid"), "was signed out by the provider")

    def note_refusal(self, refused: Refused, client: str) -> None:
        """Notes that somebody was not let in; what anybody can cause without end, only as often as waits allow."""
        if not refused.why or (refused.kind != "login" and self._waits.attempt(address(client, "note"))):
            return
        what = "could not sign in" if refused.kind == "login" else "was refused"
        self._note(refused.kind, refused.person, what, why=refused.why, address=client)

    def _note(self, kind: Kind, person: Person, what: str, **details: str) -> None:
        self._noting(Noted(kind, person, what, details={name: text for name, text in details.items() if text}))


def _short(subject: str) -> str:
    """The provider's name of a person, which may be anything, as a hash."""
    return sha256(subject.encode()).hexdigest()[:16]
