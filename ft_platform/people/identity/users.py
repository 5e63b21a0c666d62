"""Users of this installation, for whom no provider or proxy speaks: kept in one file, with hashed passwords.

Covered: the first password is changed before anything else, and counts for a week; what is asked about a user whom
nobody knows takes as long as a wrong password; a code of a second factor counts once; sessions end when a user is
disabled, removed or gets another password. Not covered: who can read the file can use the second factors in it, and who
can write it can let anybody in.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from ft_platform.errors import ConfigError
from ft_platform.lake.keys.given_out import PrivateList, Watched, now
from ft_platform.people.identity import passwords, second_factor
from ft_platform.people.identity.names import email_of

FIRST_PASSWORD_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class User:
    """One user.

    Attributes:
        name: e-mail address in lower case.
        password: hash of it.
        since: when the password was set, as ISO 8601 in UTC.
        epoch: changes with everything that ends the sessions so far.
        must_change: the password is the first one, which somebody else has seen.
        second_factor: secret of the authenticator app, or empty.
        step: of the newest code that was used.
        recovery: hashes of the recovery codes that are left.
    """

    name: str
    password: str
    since: str
    epoch: str
    must_change: bool = True
    disabled: bool = False
    second_factor: str = ""
    step: int = 0
    recovery: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """`usable`, `disabled`, `new` (the first password counts) or `expired` (it counts no longer)."""
        if self.disabled or not self.must_change:
            return "disabled" if self.disabled else "usable"
        return "new" if datetime.fromisoformat(self.since) + timedelta(days=FIRST_PASSWORD_DAYS) > now() else "expired"

    def with_password(self, password: str, must_change: bool) -> "User":
        return replace(
            self,
            password=passwords.hashed(password),
            since=now().isoformat(),
            epoch=secrets.token_hex(8),
            must_change=must_change,
        )


class Users:
    """The users of an installation.

    Args:
        folder: where the file lies.

    Raises:
        StateDamaged: the file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        remedy = "Restore the file, or remove it and add the users again: ft users add"
        self._kept = PrivateList(folder / "users.json", User, "users", "the users", remedy)
        self._watched = Watched(self._kept)

    def read(self) -> list[User]:
        """All of them, as the file has them now."""
        return self._kept.read()

    @property
    def required(self) -> bool:
        """Whether there are users, or were since this was made."""
        self._watched.look()
        return self._watched.required

    def find(self, name: str) -> User | None:
        """The user as a running server knows them: not older than a second."""
        self._watched.look()
        return next((user for user in self._watched.items if user.name == name), None)

    def add(self, name: str) -> str:
        """Makes a user. Returns the first password, which nobody can show again.

        Raises:
            ConfigError: it is no e-mail address, or there is such a user.
        """
        email = email_of(name)
        if email is None:
            raise ConfigError(["the name of a user must be an e-mail address of ASCII characters"])
        password = passwords.first_password()
        made = User(name=email, password="", since="", epoch="").with_password(password, must_change=True)

        def added(users: list[User]) -> list[User]:
            if any(user.name == email for user in users):
                raise ConfigError([f"there is a user {email}"], "Give a new password with: ft users reset")
            return [*users, made]

        self._change(added)
        return password

    def reset(self, name: str, second_factor_too: bool = False) -> str:
        """Gives a user a new first password, and takes the second factor away where that is asked. Returns it.

        Raises:
            ConfigError: there is no such user.
        """
        password = passwords.first_password()
        gone = {"second_factor": "", "step": 0, "recovery": ()} if second_factor_too else {}
        self.change(name, lambda user: replace(user.with_password(password, must_change=True), **gone))
        return password

    def disable(self, name: str, disabled: bool = True) -> None:
        """Lets a user in no longer, and ends their sessions, or lets them in again.

        Raises:
            ConfigError: there is no such user.
        """
        self.change(name, lambda user: replace(user, disabled=disabled, epoch=secrets.token_hex(8)))

    def remove(self, name: str) -> None:
        """Raises:
        ConfigError: there is no such user.
        """
        self.change(name, lambda user: None)

    def change(self, name: str, change: Callable[[User], User | None]) -> None:
        """Puts what `change` makes of a user in their place; None: nothing.

        Raises:
            ConfigError: there is no such user.
        """
        email = name.strip().lower()

        def changed(users: list[User]) -> list[User]:
            if not any(user.name == email for user in users):
                raise ConfigError([f"there is no user {email}"], "List them with: ft users list")
            made = ((change(user) if user.name == email else user) for user in users)
            return [user for user in made if user]

        self._change(changed)

    def _change(self, change: Callable[[list[User]], list[User]]) -> None:
        self._kept.change(change)
        self._watched.look(always=True)

    def check(self, name: str, password: str, code: str) -> tuple[User | None, str]:
        """The user whose password and second factor these are, or None; and what is wrong, for the audit log. The user
        is there too where only the rest is wrong."""
        self._watched.look(always=True)
        user = self.find(name)
        same = passwords.matches(user.password if user else passwords.nobodys(), password)
        if user is None:
            return None, "no such user"
        if not same:
            return user, "wrong password"
        if user.state in ("disabled", "expired"):
            return user, f"{user.state} user"
        wrong = ["wrong code"] if user.second_factor else []

        def used(user: User) -> User:
            """Under the lock: of two logins with one code, the second is refused."""
            if passwords.is_outdated(user.password):
                user = replace(user, password=passwords.hashed(password))
            if not wrong:
                return user
            if step := second_factor.step_of(code, user.second_factor, user.step):
                wrong.clear()
                return replace(user, step=step)
            if (kept := second_factor.kept(code)) in user.recovery:
                wrong.clear()
                return replace(user, recovery=tuple(one for one in user.recovery if one != kept))
            return user

        if wrong or passwords.is_outdated(user.password):
            self.change(name, used)
        return user, wrong[0] if wrong else ""

    def set_password(self, name: str, password: str) -> User:
        """Sets the password that a user has chosen, which ends their sessions. Returns the user as they are then."""
        self.change(name, lambda user: user.with_password(password, must_change=False))
        return self._known(name)

    def set_second_factor(self, name: str, secret: str, step: int) -> tuple[User, list[str]]:
        """Sets a second factor, or takes it away (empty), which ends the sessions. Returns the user as they are then,
        and the recovery codes, which nobody can show again."""
        codes = second_factor.new_recovery_codes() if secret else []
        kept = tuple(second_factor.kept(code) for code in codes)
        self.change(
            name,
            lambda user: replace(user, second_factor=secret, step=step, recovery=kept, epoch=secrets.token_hex(8)),
        )
        return self._known(name), codes

    def _known(self, name: str) -> User:
        """Raises:
        ConfigError: somebody has just removed the user.
        """
        if (user := self.find(name)) is None:
            raise ConfigError([f"there is no user {name}"])
        return user
