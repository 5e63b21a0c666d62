"""What decides in a web application, and whom it tells."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ft_platform.errors import FtError
from ft_platform.people.may import Permissions, Ruling
from ft_platform.people.noted import Kind, Noted, Noting, unnoted
from ft_platform.people.person import PERSON, Person, at_this_machine

Need = tuple[str, str | None]
"""An action of `people.actions`, and the use case in which; None: beyond any single one."""

LOG = logging.getLogger(__name__)
UNKNOWN = "nobody may do anything: ft_environment.yaml cannot be read, and the log of the web server says why"


@dataclass(frozen=True)
class Rules:
    """Who may do what in a web application.

    Attributes:
        permissions: the newest; asked for each request.
        noting: is told of each change before it happens, and of each refusal.
        required: whether persons sign in, asked each time. False: the server answers this machine only, and whoever
            reaches it is its account and may do everything.
    """

    permissions: Callable[[], Permissions]
    noting: Noting = unnoted
    required: Callable[[], bool] = lambda: True

    @property
    def signs_in(self) -> bool:
        return self.required()

    def person(self, scope: object) -> Person | None:
        """Who asks, from the scope of a request. None: nobody, who may do nothing."""
        if not self.signs_in:
            return at_this_machine()
        found = scope.get(PERSON) if isinstance(scope, dict) else None
        return found if isinstance(found, Person) else None


class Judge:
    """Rules about one person, for one request.

    Attributes:
        person: who asks. None: nobody.
    """

    def __init__(self, rules: Rules, person: Person | None) -> None:
        self.rules, self.person = rules, person
        self._permissions: Permissions | None = None
        self._rulings: dict[Need, Ruling] = {}

    @property
    def permissions(self) -> Permissions:
        if self._permissions is None:
            self._permissions = self.rules.permissions()
        return self._permissions

    @property
    def is_known(self) -> bool:
        """Whether the person has any role here, or a token of this installation."""
        if not self.rules.signs_in:
            return True
        try:
            return self.person is not None and self.permissions.knows(self.person)
        except FtError as error:
            LOG.warning(str(error))
            return False

    @property
    def rulings(self) -> Mapping[Need, Ruling]:
        """What was ruled so far."""
        return self._rulings

    def look_again(self) -> None:
        """What was ruled before counts no more: roles may have changed since."""
        self._permissions = None
        self._rulings.clear()

    def may(self, needs: Iterable[Need]) -> Ruling:
        """Whether the person may do all of it; the first refusal, where there is one. Nothing at all is refused."""
        if not self.rules.signs_in:
            return Ruling(True, None, "as whoever sits at this machine")
        rulings = [self._rule(*need) for need in sorted(needs, key=str)]
        refused = [ruling for ruling in rulings if not ruling]
        return (refused or rulings or [Ruling(False, None, "nobody may do what needs no right")])[0]

    def _rule(self, action: str, use_case: str | None) -> Ruling:
        if self.person is None:
            return Ruling(False, None, "nobody has signed in")
        need = (action, use_case)
        if need not in self._rulings:
            try:
                self._rulings[need] = self.permissions.may(self.person, action, use_case)
            except FtError as error:
                LOG.warning(str(error))
                return Ruling(False, None, UNKNOWN)
        return self._rulings[need]

    def note(self, kind: Kind, what: str, needs: Iterable[Need], **details: str) -> None:
        """Tells of something in each use case that it concerns. Where nobody has signed in, there is nobody to tell
        of."""
        if self.person is None:
            return
        for use_case in sorted({use_case or "" for _, use_case in needs}):
            self.rules.noting(Noted(kind, self.person, what, use_case, details))
