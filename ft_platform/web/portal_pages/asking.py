"""Who asks for a page where people act, what it shows, and what its forms do."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.may import Permissions
from ft_platform.people.person import Person
from ft_platform.use_case.named import NamedUseCase

if TYPE_CHECKING:
    from ft_platform.release.rule import Ruling
    from ft_platform.release.signatures import Digests


class Asking(NamedTuple):
    """Who asks for a page, and about what.

    Attributes:
        person: None: nobody signs in, so nobody may act.
        query: of the address, beside the use case.
    """

    lake: Lake
    use_case: NamedUseCase
    permissions: Permissions
    person: Person | None
    query: Mapping[str, str] = MappingProxyType({})

    @property
    def name(self) -> str:
        return self.use_case.name


@dataclass(frozen=True)
class View:
    """What a page shows to a person.

    Attributes:
        values: for its template.
        about: what the forms of this person are about, as JSON; empty: there is nothing to act on.
        decision, checkpoint: the one that is decided on; None: there is none, and nothing to do.
        digests: of the decision.
        rulings: of today.
        may_not: what a form asks for -> why the person may not; empty or not there: they may.
    """

    values: Mapping[str, Any]
    about: Mapping[str, Any] = field(default_factory=dict)
    decision: ArtifactVersion | None = None
    checkpoint: ArtifactVersion | None = None
    digests: "Digests | None" = None
    rulings: Mapping[str, "Ruling"] = field(default_factory=dict)
    may_not: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """64 hex digits."""
        return hashlib.sha256(json.dumps(self.about, sort_keys=True).encode()).hexdigest()


Form = Mapping[str, str]
"""Fields that were sent."""


class Download(NamedTuple):
    """A file in place of a page.

    Attributes:
        name: that the browser keeps it under; of nobody.
        kind: its media type.
    """

    name: str
    kind: str
    content: bytes


class Act(NamedTuple):
    """Something that a form asks for.

    Attributes:
        do: does what a form says, about what a view shows. What it returns is shown below the form, or downloaded;
            where it changes something, it is the query of the page that comes next.
        denial: what the audit log says of somebody who may not.
        changes: it changes something, so it is about what was shown, and one at a time.
        follows: the graph follows.
        most_characters: of one field.
    """

    do: Callable[[Asking, Person, View, Form], Mapping[str, Any] | Download | None]
    denial: str
    changes: bool = True
    follows: bool = True
    most_characters: int = 2_000


class PageFor(Protocol):
    """Makes the page of a view."""

    def __call__(
        self,
        name: str,
        asking: Asking,
        view: View,
        token: str,
        problem: str = "",
        sent: Form | None = None,
        found: Mapping[str, Any] | None = None,
        account: str = "auth/account",
    ) -> str: ...


class Acting(NamedTuple):
    """The pages where people act. The server is given them, so that it needs to know nothing of releases.

    Attributes:
        view_of, page_for: as in `reporting.portal.acting`.
        acts: page -> what its forms ask for -> what does it (`web.portal_acts`).
        propose: what the form for a new use case gets (`orchestration.new_use_case`); None: there is no such page.
    """

    view_of: Callable[[str, Asking], View]
    page_for: PageFor
    acts: Mapping[str, Mapping[str, Act]]
    propose: Callable[[Person, Form], Mapping[str, Any] | Download] | None = None
