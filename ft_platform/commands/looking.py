"""What commands share that show records of persons: who looks, for what, page by page, on a terminal."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from ft_platform.commands import count

if TYPE_CHECKING:
    from ft_platform.lake.places import Places
    from ft_platform.people.looks.door import Door, Wanted
    from ft_platform.people.looks.look import Look
    from ft_platform.people.may import Acted
    from ft_platform.use_case.settings.environment import Environment

PAGE = 5
"""Records that are shown, and noted, at once."""
T = TypeVar("T")


def add_look_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--by", default="", metavar="EMAIL", help="who looks: somebody whose role allows it (ft may)")
    parser.add_argument("--purpose", default="", help="what for: one of the purposes of the policy")
    parser.add_argument("--reason", default="", help="why, in 10 characters or more; no personal data")
    parser.add_argument("--minutes", type=count, metavar="N", help="when the look ends (default 30)")
    parser.add_argument(
        "--look", type=int, metavar="NUMBER", help="a look that is open, or that a second person has confirmed"
    )


def require_terminal(environment: "Environment") -> None:
    """Returns if records may be shown on standard output.

    Raises:
        FtError: it is not a terminal, and the policy does not let records go elsewhere.
    """
    from ft_platform.errors import FtError

    if not (sys.stdout.isatty() or environment.policy.looks.anywhere):
        problem = "records of persons are shown on a terminal only, and standard output is not a terminal"
        raise FtError(problem, "Whoever answers for the policy can allow it: policy.looks.anywhere")


def door_of(environment: "Environment", lake: "Places", use_case: str) -> "Door":
    """The door to records of a use case, also of one that has left the folder of the use cases."""
    from ft_platform.lake.keys.key_ring import pseudonym_key_place, read_key_ring
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.opening import audit_log_of
    from ft_platform.people.loading import permissions_of
    from ft_platform.people.looks.door import Door
    from ft_platform.release.separation import acted

    permissions = permissions_of(environment)
    known = permissions.use_cases.get(use_case)
    log = audit_log_of(lake, {use_case: known.path} if known and known.path else {})
    place = pseudonym_key_place(environment)

    def who_acted(name: str) -> "Acted":
        found = permissions.use_cases.get(name)
        return acted(open_lake(environment), found, None) if found else {}

    return Door(log, permissions, environment.policy.looks, lambda: read_key_ring(place), acted=who_acted)


class Viewing:
    """One person who looks at one version of an asset, while a command shows it.

    Args:
        asset: name of a table, or `vault`.
        version: of it, as the audit log names it.
        rows: most records.

    Raises:
        FtError: nothing may be shown (`require_terminal`, `Door.enter`).
    """

    def __init__(
        self,
        arguments: argparse.Namespace,
        environment: "Environment",
        lake: "Places",
        use_case: str,
        asset: str,
        version: str,
        rows: int,
    ) -> None:
        from ft_platform.commands.who import person_of
        from ft_platform.people.looks.door import Wanted

        require_terminal(environment)
        self._door = door_of(environment, lake, use_case)
        self.person = person_of(environment, self._door.log, arguments.by, environment.policy.looks.signed_in)
        self._wanted = Wanted(use_case, asset, arguments.purpose, arguments.reason, rows, arguments.minutes)
        self._version, self._asks = version, sys.stdin.isatty() and sys.stdout.isatty()
        self._look = (
            self._door.enter_again(self.person, arguments.look, use_case, asset)
            if arguments.look is not None
            else self._opened(self._wanted)
        )

    @property
    def reason(self) -> str:
        return self._look.reason

    @property
    def left(self) -> int:
        """How many records may still be shown."""
        return self._look.rows - self._look.shown

    def pages(self, items: Sequence[T], id_of: Callable[[T], str]) -> Iterator[Sequence[T]]:
        """Pages of records, each noted before it is handed out. After the end of the look the next one needs a purpose
        again.

        Raises:
            LookEnded: there is nobody who could be asked for it.
        """
        for start in range(0, len(items), PAGE):
            if start and self._asks and _answer(f"{start} of {len(items)}. Enter: more, q: stop. ") == "q":
                return
            page = items[start : start + PAGE]
            self._note([id_of(item) for item in page])
            yield page

    def _note(self, record_ids: list[str]) -> None:
        from ft_platform.people.looks.door import LookEnded

        try:
            self._look = self._door.show(self._look, self.person, self._version, record_ids)
        except LookEnded as ended:
            if not self._asks:
                raise
            print(f"{ended.message}.", file=sys.stderr)
            self._look = self._opened(replace(self._wanted, purpose="", reason=""))
            self._look = self._door.show(self._look, self.person, self._version, record_ids)

    def _opened(self, wanted: "Wanted") -> "Look":
        """A new look. What was not said is asked for where somebody can answer."""
        if self._asks and not wanted.purpose:
            wanted = replace(wanted, purpose=_answer(f"Purpose ({', '.join(self._door.rules.purposes)}): "))
        if self._asks and not wanted.reason:
            wanted = replace(wanted, reason=_answer("Reason, without personal data: "))
        look = self._door.enter(self.person, wanted)
        print(
            f"look {look.number} of {look.person} ({look.known_by}) until {look.ends:%H:%M} UTC; each page is noted",
            file=sys.stderr,
        )
        return look


def _answer(question: str) -> str:
    """What somebody types; `q` at the end of the input."""
    print(question, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    return line.strip() if line else "q"
