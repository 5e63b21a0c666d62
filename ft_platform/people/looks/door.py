"""The door to records of persons: nobody sees one without a stated purpose, and each page that somebody sees stands in
the audit log before.

Covered: the right of the person (`people.may`), purpose, reason, end and number of records, a second person where the
policy asks for one, what was seen (ids as keyed hashes). What cannot be noted is not shown. Not covered: whoever reads
the files with an account of the operating system, or with credentials of the store; what stays on a screen; who a
person is, where nobody signs in."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from ft_platform.errors import ConfigError, DataError, FtError
from ft_platform.lake.keys.key_ring import KeyRing, UseCaseKeys
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.looks.look import ASKED, CONFIRMED, OPENED, SHOWED, VAULT, Look, looks_in
from ft_platform.people.may import Acted, Permissions, conflict
from ft_platform.people.noted import Kind, Noted
from ft_platform.people.person import SIGNED_IN, Person
from ft_platform.people.superiors import superiors
from ft_platform.process.account import this_account
from ft_platform.process.reasons import require_reason
from ft_platform.use_case.settings.looks import Looks

USUAL_MINUTES = 30
LONGEST_REASON = 500
ASKED_HOURS = 24
"""For so long a look waits for its second person, and for being opened."""
HASH_DIGITS = 16


class LookEnded(FtError):
    """Its time is over, or it has shown as many records as it may."""


class SecondPersonNeeded(FtError):
    """A look was asked for, and somebody else has to confirm it."""


@dataclass(frozen=True)
class Wanted:
    """What somebody wants to look at, and why.

    Attributes:
        asset: name of a table, or `vault`.
        purpose: one of the policy's.
        reason: in words, without personal data.
        rows: most records.
        minutes: None: 30, or what the policy allows if that is less.
    """

    use_case: str
    asset: str
    purpose: str
    reason: str
    rows: int
    minutes: int | None = None


def action_of(asset: str) -> str:
    return "look_up_person" if asset == VAULT else "read_records"


def hashes_of(record_id: str, use_case: str, ring: KeyRing) -> list[str]:
    """What the audit log says in place of an id, under each version of the pseudonym key, the newest first: nobody
    without the key can tell by trying whether a record was seen."""
    keys = [UseCaseKeys(ring.keys[version], use_case).derived("looks") for version in sorted(ring.keys, reverse=True)]
    return [hmac.digest(key, record_id.encode(), "sha256").hex()[:HASH_DIGITS] for key in keys]


@dataclass(frozen=True)
class Door:
    """Args:
    log: of the lake that the records lie in.
    rules: of the policy.
    ring: reads the pseudonym keys, for the hashes of ids. A look into the vault needs none: it is asked for a
        pseudonym.
    now: the time, UTC.
    acted: use case -> who changed its file and trained its model: they do not look into its vault.
    """

    log: AuditLog
    permissions: Permissions
    rules: Looks
    ring: Callable[[], KeyRing]
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    acted: Callable[[str], Acted] = field(default=lambda use_case: {})

    def enter(self, person: Person, wanted: Wanted) -> Look:
        """Opens a look, or asks a second person for it.

        Raises:
            ConfigError: the person may not, or purpose, reason, rows or minutes are not what the policy allows.
            SecondPersonNeeded: it is open once somebody has confirmed it.
        """
        role = self._require_right(person, wanted.use_case, wanted.asset)
        minutes = wanted.minutes or min(USUAL_MINUTES, self.rules.minutes)
        problems = self._problems(wanted, minutes)
        if problems:
            raise ConfigError(problems, "The policy of the installation says what is allowed (policy.looks)")
        told = {
            "asset": wanted.asset,
            "role": role,
            "purpose": wanted.purpose,
            "reason": require_reason(wanted.reason),
            "rows": str(wanted.rows),
            "minutes": str(minutes),
            "account": this_account(),
        }
        if self._needs_second_person(wanted.asset):
            number = self._note("look_up", person, ASKED, wanted.use_case, told)
            raise SecondPersonNeeded(
                f"look {number} waits for a second person, for {ASKED_HOURS} hours",
                f"They confirm it with: ft looks confirm {number} --by <e-mail address>; then give its number (--look"
                f" {number})",
            )
        number = self._note("look_up", person, OPENED, wanted.use_case, told | {"ends": self._end(minutes)})
        return self._found(number)

    def enter_again(self, person: Person, number: int, use_case: str, asset: str) -> Look:
        """A look that is open, or that was confirmed and opens now.

        Raises:
            ConfigError: the person may not any more, or it is another person's, or about something else.
            DataError: there is no such look.
            LookEnded: its time is over.
            SecondPersonNeeded: nobody has confirmed it.
        """
        look = self._found(number)
        if (look.person or "").casefold() != person.name.casefold() or (look.use_case, look.asset) != (use_case, asset):
            problem = f"look {number} is not a look of {person.name} at {asset} of {use_case}"
            raise ConfigError([problem], "State the purpose of a new one: --purpose, --reason")
        self._require_right(person, use_case, asset)
        if look.ends is not None:
            return self._require_open(look)
        if self._needs_second_person(asset) and not look.confirmed_by:
            raise SecondPersonNeeded(f"nobody has confirmed look {number}", f"They do with: ft looks confirm {number}")
        self._require_recent(look)
        ends = self._end(min(look.minutes, self.rules.minutes))
        self._note("look_up", person, OPENED, use_case, {"look": str(number), "ends": ends})
        return replace(look, ends=datetime.fromisoformat(ends))

    def confirm(self, person: Person, number: int) -> Look:
        """A second person agrees to a look that was asked for: another one who may look there, or the superior.

        Raises:
            ConfigError: the person is neither, or asked for it.
            DataError: there is no look that waits.
        """
        look = self._found(number)
        if look.ends is not None or look.confirmed_by:
            raise DataError(f"look {number} does not wait for anybody")
        self._require_recent(look)
        known = self.permissions.use_cases.get(look.use_case)
        above = superiors(look.role, known, self.permissions.people) if known else []
        may = self.permissions.may(person, action_of(look.asset), look.use_case)
        problem = self._not_known(person) or self._own_work(person, look.use_case, look.asset)
        if person.name.casefold() == (look.person or "").casefold():
            problem = "whoever asked for a look cannot confirm it"
        elif not may and (person.is_token or person.name.casefold() not in {one.casefold() for one in above}):
            problem = f"{may.why}, or the superior of who asked ({', '.join(above) or 'nobody is named'}) confirms it"
        if problem:
            self._note("denial", person, "may not confirm a look", look.use_case, {"look": str(number)})
            raise ConfigError([problem])
        self._note("look_up", person, CONFIRMED, look.use_case, {"look": str(number), "account": this_account()})
        return replace(look, confirmed_by=person.name)

    def show(self, look: Look, person: Person, version: str, record_ids: Sequence[str]) -> Look:
        """Notes a page before it is shown. Returns the look with these records counted.

        Args:
            version: of the table that the records are from.

        Raises:
            LookEnded: it is not shown any more.
        """
        look = self._require_open(self._found(look.number))  # others may have shown some of it since
        if look.shown + len(record_ids) > look.rows:
            raise LookEnded(f"look {look.number} has shown {look.shown} of its {look.rows} records")
        hashed = self._hashed(look, record_ids)
        told = {"look": str(look.number), "version": version, "rows": str(len(hashed)), "records": " ".join(hashed)}
        self._note("look_up", person, SHOWED, look.use_case, told)
        return replace(look, shown=look.shown + len(hashed))

    def _problems(self, wanted: Wanted, minutes: int) -> list[str]:
        """What the policy does not allow."""
        problems = []
        if wanted.purpose not in self.rules.purposes:
            problems.append(f"the purpose must be one of {', '.join(self.rules.purposes)}, got {wanted.purpose!r}")
        if minutes > self.rules.minutes or wanted.rows > self.rules.rows:
            problems.append(
                f"a look lasts at most {self.rules.minutes} minutes and shows at most {self.rules.rows} records, got"
                f" {minutes} and {wanted.rows}"
            )
        if len(wanted.reason) > LONGEST_REASON:
            problems.append(f"the reason may have at most {LONGEST_REASON} characters, got {len(wanted.reason)}")
        return problems

    def _hashed(self, look: Look, record_ids: Sequence[str]) -> Sequence[str]:
        if look.asset == VAULT:
            return record_ids
        ring = self.ring()
        return [hashes_of(record_id, look.use_case, ring)[0] for record_id in record_ids]

    def _require_right(self, person: Person, use_case: str, asset: str) -> str:
        """The role in which a person may look there."""
        ruling = self.permissions.may(person, action_of(asset), use_case)
        problem = self._not_known(person) or ("" if ruling else ruling.why) or self._own_work(person, use_case, asset)
        if problem or ruling.role is None:
            told = {"asset": asset, "account": this_account()}
            self._note("denial", person, "may not look at records", use_case, told)
            raise ConfigError([f"{person.name}: {problem}"], "Say who you are with --by <e-mail address>")
        return ruling.role

    def _not_known(self, person: Person) -> str:
        if self.rules.signed_in and person.known_by not in SIGNED_IN:
            return f"only persons who signed in may look (policy.looks), and this one is {person.known_by}"
        return ""

    def _own_work(self, person: Person, use_case: str, asset: str) -> str:
        return conflict(person, action_of(asset), self.acted(use_case)) if asset == VAULT else ""

    def _needs_second_person(self, asset: str) -> bool:
        return ("vault" if asset == VAULT else "records") in (self.rules.second_person or ())

    def _require_open(self, look: Look) -> Look:
        if look.ends is None or self.now() >= look.ends:
            raise LookEnded(f"look {look.number} has ended", "State the purpose again: --purpose, --reason")
        return look

    def _require_recent(self, look: Look) -> None:
        if self.now() >= datetime.fromisoformat(look.at) + timedelta(hours=ASKED_HOURS):
            raise LookEnded(f"look {look.number} was asked for more than {ASKED_HOURS} hours ago", "Ask for a new one")

    def _found(self, number: int) -> Look:
        head = self.log.head()
        found = looks_in(self.log.entries(number)) if head and 0 <= number < head.entries else {}
        if number not in found:
            raise DataError(f"there is no look {number}", "List them with: ft looks")
        return found[number]

    def _end(self, minutes: int) -> str:
        return (self.now() + timedelta(minutes=minutes)).isoformat(timespec="seconds")

    def _note(self, kind: Kind, person: Person, what: str, use_case: str, told: Mapping[str, str]) -> int:
        return self.log.note([Noted(kind, person, what, use_case, told)])
