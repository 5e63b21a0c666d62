"""The one question: may this person do that, there?

Covered: roles of the installation and of use cases, groups as teams, what was granted for a time (`access`), service
tokens, and separation of duties for what is known about who did what. Not covered: who a person is, and what an account
of the operating system can do with the files of the lake."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from ft_platform.errors import FtError
from ft_platform.people.actions import ACTIONS, Action
from ft_platform.people.deciders import is_closed, nobody_named
from ft_platform.people.person import SIGNED_IN, Person
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.roles import OWNER_ROLES, ROLES

Acted = Mapping[str, Collection[str] | None]
"""What was done (`trained the checkpoint`, `changed the file of the use case`) -> names of those who did; None: nobody
knows."""


@dataclass(frozen=True)
class Ruling:
    """Whether somebody may; true and false as it says.

    Attributes:
        role: in which they may.
        why: in words; where they may not, who may.
    """

    allowed: bool
    role: str | None
    why: str

    def __bool__(self) -> bool:
        return self.allowed


@dataclass(frozen=True)
class Grant:
    """What somebody was granted in a use case. It never lets anybody approve, do what another person has to confirm, or
    decide about access: for these a person has to stand in a file.

    Attributes:
        person: e-mail address, in lower case.
        role: None: to see the reports.
        until: last day.
    """

    person: str
    role: str | None
    until: str
    id: str


def nothing_granted(use_case: NamedUseCase) -> list[Grant]:
    return []


@dataclass(frozen=True)
class Permissions:
    """Who may do what in an installation.

    Attributes:
        people: roles in the whole installation.
        use_cases: name -> use case. One whose file cannot be read has no owners.
        granted: use case -> what is granted there now.
    """

    people: People = field(default_factory=People)
    use_cases: Mapping[str, NamedUseCase] = field(default_factory=dict)
    granted: Callable[[NamedUseCase], Collection[Grant]] = field(default=nothing_granted, compare=False)

    def may(self, person: Person, action: str, use_case: str | None = None) -> Ruling:
        """Whether a person may do something in a use case, or, with None, beyond any single one.

        Raises:
            KeyError: there is no such action.
        """
        asked = ACTIONS[action]
        if person.actions is not None:
            return _token_may(person, person.actions, asked, use_case)
        for role in self.roles(person):
            if role in asked.roles:
                return Ruling(True, role, f"as {ROLES[role].title} of the installation")
        anywhere = self.use_cases if use_case is None else (use_case,)
        for name in anywhere:
            for role in self.deciding_roles(person, name) if _is_separate(asked) else self.roles(person, name):
                reach = asked.roles.get(role)
                if reach == "all" or (reach == "own" and use_case is not None):
                    return Ruling(True, role, f"as {ROLES[role].title} of {name}")
        unread = []
        for name in () if _is_separate(asked) else anywhere:
            try:
                if ruling := self._by_grant(person, asked, name, alone=use_case is not None):
                    return ruling
            except (FtError, OSError) as error:
                unread.append(f"; what is granted in {name} cannot be read ({type(error).__name__})")
        elsewhere = [role for role, reach in asked.roles.items() if reach == "all" and ROLES[role].of_a_use_case]
        if use_case is not None and elsewhere and (ruling := self.may(person, action)):
            return ruling
        why = self._why_not(asked, use_case, naming=self.knows(person))
        return Ruling(False, None, f"{why}{''.join(unread)}")

    def knows(self, person: Person) -> bool:
        """Whether a person has a role or a grant anywhere, or is a token: others are told no names."""
        if person.is_token or self.roles_anywhere(person):
            return True
        for use_case in self.use_cases.values():
            with suppress(FtError, OSError):  # of one that cannot be read nobody knows
                if any(one.person == person.name.casefold() for one in self.granted(use_case)):
                    return True
        return False

    def _by_grant(self, person: Person, asked: Action, name: str, *, alone: bool) -> Ruling | None:
        """Whether a grant in a use case lets a person do something, there `alone` or anywhere."""
        found = self.use_cases.get(name)
        for one in self.granted(found) if found else ():
            reach = asked.roles.get(one.role) if one.role else ("own" if asked.name == "see" else None)
            if one.person == person.name.casefold() and (reach == "all" or (reach == "own" and alone)):
                role = f"as {ROLES[one.role].title} of {name}, " if one.role else ""
                return Ruling(True, one.role, f"{role}as granted until {one.until} ({one.id})")
        return None

    def roles(self, person: Person, use_case: str | None = None) -> list[str]:
        """The roles of a person as an owner of a use case; None: in the installation, which hold in every use case."""
        if use_case is None:
            return [role for role in ROLES if _is_one_of(person, self.people.having(role))]
        found = self.use_cases.get(use_case)
        return [role for role in OWNER_ROLES if found and owns(person, found, role)]

    def deciding_roles(self, person: Person, use_case: str) -> list[str]:
        """The roles in which a person decides in a use case: those of the installation, and as an owner those that the
        file of the use case may give."""
        found = self.use_cases.get(use_case)
        own = [role for role in self.roles(person, use_case) if found and not is_closed(role, found, self.people)]
        return [role for role in ROLES if role in {*own, *self.roles(person)}]

    def roles_anywhere(self, person: Person) -> list[str]:
        """Roles in the installation, and in any use case."""
        found = set(self.roles(person)).union(*(self.roles(person, name) for name in self.use_cases))
        return [role for role in ROLES if role in found]

    def _why_not(self, action: Action, use_case: str | None, *, naming: bool) -> str:
        """Who may; where `naming`, with the persons of the use case."""
        if not action.roles:
            return f"nobody may {action.says}"
        who = []
        for role in action.roles:
            named = self.people.having(role)
            found = self.use_cases.get(use_case or "")
            closed = found and _is_separate(action) and is_closed(role, found, self.people)
            if found and ROLES[role].of_a_use_case and not closed:
                named = [found.settings.owners.of(role), *named]
            words = ", ".join(dict.fromkeys(named)) if naming else ""
            words = words or (nobody_named(role) if closed and not named else "")
            persons = f" ({words})" if words else ""
            who.append(f"the {ROLES[role].title}{persons}")
        return f"{f'in {use_case}, ' if use_case else ''}only {_either(who)} may {action.says}"


def owns(person: Person, use_case: NamedUseCase, role: str) -> bool:
    """Whether a person is an owner of a use case in a role: by name, as one of the owning team, or by a group of the
    directory that has the team's name."""
    owners = use_case.settings.owners
    owner = owners.of(role)
    if owner.startswith("team:") and owner.removeprefix("team:") in person.groups:
        return True
    return person.name.casefold() in {one.casefold() for one in owners.persons(role)}


def _token_may(token: Person, made_for: Collection[str], action: Action, use_case: str | None) -> Ruling:
    if action.by_people:
        return Ruling(False, None, f"only a person may {action.says}, and {token.name} is none")
    if action.name not in made_for:
        return Ruling(False, None, f"{token.name} was not made to {action.says}")
    if token.use_cases is not None and use_case not in token.use_cases:
        return Ruling(False, None, f"{token.name} was not made for {use_case or 'all use cases'}")
    return Ruling(True, None, f"as {token.name}")


def _is_one_of(person: Person, members: Collection[str]) -> bool:
    groups = {f"group:{group}" for group in person.groups}
    return any(one in groups or one.casefold() == person.name.casefold() for one in members)


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def conflict(person: Person, action: str, acted: Acted) -> str:
    """Why a person may not do something that their role allows, because of what they did before; empty where nothing
    speaks against it.

    Args:
        acted: what was done (`trained the checkpoint`, `changed the file of the use case`, `asked for the waiver`) ->
            names of those who did. None: nobody knows who; see `persons_needed`.
    """
    if not _is_separate(ACTIONS[action]):
        return ""
    name = person.name.casefold()
    own = [what for what, names in acted.items() if name in {one.casefold() for one in names or ()}]
    return f"{person.name} {own[0]}, so somebody else has to {ACTIONS[action].says}" if own else ""


def persons_needed(action: str, acted: Acted) -> int:
    """How many persons have to do something before it counts: two where nobody knows who did what came before, because
    it may have been either of them."""
    return 2 if _is_separate(ACTIONS[action]) and None in acted.values() else 1


def _is_separate(action: Action) -> bool:
    return action.four_eyes or action.name == "approve"


def knowledge_problem(use_case: NamedUseCase, known_by: str) -> str:
    """Why a person does not count because of how they are known; empty: they do."""
    if use_case.policy.signatures.signed_in and known_by not in SIGNED_IN:
        return f"only persons who signed in count (policy {use_case.policy.title}), and this one is {known_by}"
    return ""


def table() -> dict[str, dict[str, str]]:
    """Action -> role -> `own`, `all` or empty: what docs, pages and `ft may` show."""
    return {name: {role: action.roles.get(role, "") for role in ROLES} for name, action in ACTIONS.items()}
