"""Service tokens: with which programs use the web pages and the API, for some actions in some use cases, until a day.

A token is `ftt_<id>_<secret>`; how it is kept and known again says `lake.keys.given_out`.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from ft_platform.errors import ConfigError
from ft_platform.lake.keys.given_out import GivenOut, PrivateList, Watched, give_out, known_again, now
from ft_platform.people.actions import ACTIONS
from ft_platform.people.person import Person

PREFIX = "ftt"
MOST_DAYS = 366
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")


@dataclass(frozen=True, kw_only=True)
class Token(GivenOut):
    """A token without its secret.

    Attributes:
        actions: names of actions that it may do.
        use_cases: where. None: in every use case, and in the installation.
    """

    actions: tuple[str, ...]
    use_cases: tuple[str, ...] | None

    @property
    def person(self) -> Person:
        where = None if self.use_cases is None else frozenset(self.use_cases)
        return Person(f"token:{self.name}", known_by="token", actions=frozenset(self.actions), use_cases=where)


class Tokens:
    """The tokens of an installation.

    Args:
        folder: where the file lies.

    Raises:
        StateDamaged: the file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        remedy = "Restore the file, or remove it and make new tokens: ft tokens add"
        self._kept = PrivateList(folder / "tokens.json", Token, "tokens", "the service tokens", remedy)
        self._watched = Watched(self._kept)

    def read(self) -> list[Token]:
        """All of them, as the file has them now."""
        return self._kept.read()

    def add(
        self, name: str, actions: Collection[str], use_cases: Collection[str] | None, days: int
    ) -> tuple[Token, str]:
        """Makes a token. Returns what is kept, and the token itself, which nobody can show again.

        Raises:
            ConfigError: an action is unknown or only for people, or a token that is still good has this name.
        """
        if unknown := [action for action in actions if action not in ACTIONS]:
            raise ConfigError([f"there is no action {unknown[0]!r}"], "List them with: ft may")
        if by_people := [action for action in actions if ACTIONS[action].by_people]:
            raise ConfigError([f"only a person may {ACTIONS[by_people[0]].says}, never a token"])
        fields, text = give_out(PREFIX, days)
        where = None if use_cases is None else tuple(sorted(use_cases))
        made = Token(**fields, name=name, actions=tuple(sorted(actions)), use_cases=where)

        def added(tokens: list[Token]) -> list[Token]:
            # The audit log names a token by it.
            if any(token.name == name and token.state(now()) == "usable" for token in tokens):
                raise ConfigError([f"there is a token {name!r} already"], "Revoke it first: ft tokens revoke NAME")
            return [*tokens, made]

        self._kept.change(added)
        return made, text

    def revoke(self, name: str) -> None:
        """Ends a token for good; it stays in the list.

        Raises:
            ConfigError: there is no usable token with this name.
        """

        def revoked(tokens: list[Token]) -> list[Token]:
            ended = [token for token in tokens if token.name == name and token.state(now()) == "usable"]
            if not ended:
                raise ConfigError([f"there is no usable token {name!r}"], "List them with: ft tokens list")
            return [replace(token, revoked=now().isoformat()) if token in ended else token for token in tokens]

        self._kept.change(revoked)

    def check(self, given: str) -> Person:
        """The program whose token somebody gives.

        Raises:
            NotGood: it is none, or one that is not good any more.
        """
        self._watched.look()
        return known_again(given, PREFIX, self._watched.items).person
