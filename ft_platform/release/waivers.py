"""Waivers: a person lets one checkpoint pass one rule that it broke, until a day, and says why. Nothing else overrides
a rule. One that comes from an answer (`release.answers`) is for every checkpoint of the same records.

Covered: nobody waives or confirms a rule about their own work (`separation`). Where the policy asks for it
(`signatures`), or nobody knows whose work it is, a waiver counts once a second person has confirmed it."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ft_platform.errors import ConfigError, CorruptVersion, DataError, MayNot
from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.audit_log.opening import note
from ft_platform.people.may import conflict, knowledge_problem, persons_needed
from ft_platform.people.person import Person
from ft_platform.people.superiors import may_confirm
from ft_platform.process.account import this_account
from ft_platform.release.entitled import groups_that_give
from ft_platform.release.rule import Ruling
from ft_platform.release.separation import TRAINED, acted
from ft_platform.release.waiver_persons import owner_problem, permissions_in, persons_of, role_of, who_may_waive
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash
from ft_platform.use_case.settings.policy import Policy

STORED_AS = "waiver"
FILE = "waiver.json"
IN_FORCE = "in_force"
"""The verdict that a revocation leaves on a waiver: failed."""
CONFIRMED = "confirmed"
"""The verdict that a second person leaves on a waiver."""
OF_RECORDS = "records@"
"""Begins what a waiver is for, in place of a checkpoint: every one that is trained on the same records."""
LONGEST_DAYS = 366
SHORTEST_REASON = 20


@dataclass(frozen=True)
class Waiver:
    """One exception.

    Attributes:
        rule: name of the rule.
        checkpoint: id of the only checkpoint it is for, or `of_records`.
        granted_by: e-mail address of the person.
        role: as which owner of the use case: that of the rule.
        until: last day on which it holds, YYYY-MM-DD, UTC.
        granted_at: day and time, ISO 8601; without a zone UTC.
        recorded_by: account of the operating system that recorded it.
        known_by: how it is known who granted it (`people.person.KnownBy`).
        groups: of the directory, by which the person has the role; none: by name.
    """

    id: str
    rule: str
    checkpoint: str
    granted_by: str
    role: str
    reason: str
    until: str
    granted_at: str
    recorded_by: str
    known_by: str = "self-declared"
    groups: list[str] = field(default_factory=list)

    @property
    def person(self) -> Person:
        return Person(self.granted_by, frozenset(self.groups))

    @property
    def about(self) -> str:
        """What it is for, in words."""
        return "every model of these records" if self.checkpoint.startswith(OF_RECORDS) else self.checkpoint

    @property
    def granted_on(self) -> date:
        """Day of `granted_at`, UTC.

        Raises:
            ValueError: it is no date.
        """
        moment = datetime.fromisoformat(self.granted_at)
        return (moment.astimezone(UTC) if moment.tzinfo else moment).date()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def grant(
    lake: Lake,
    use_case: NamedUseCase,
    checkpoint: ArtifactVersion | None,
    ruling: Ruling,
    *,
    granted_by: str | Person,
    reason: str,
    until: date,
    today: date,
) -> Waiver:
    """Records a waiver for a rule that `checkpoint` breaks.

    Args:
        checkpoint: None: it is for every one that is trained on the records that the file names now.
        granted_by: a person, or the name that somebody typed.

    Raises:
        MayNot: the person may not waive it.
        ConfigError: the rule passes or cannot be waived, no reason is named, or the day is past or too far away.
    """
    who = granted_by if isinstance(granted_by, Person) else Person(granted_by.strip())
    longest = longest_days(use_case)
    person = who_may_waive(use_case, ruling.rule, who)
    not_allowed = knowledge_problem(use_case, who.known_by), _own_work(lake, use_case, checkpoint, who.name)
    problems = [problem for problem in not_allowed if problem]
    if ruling.waivable and person is None:
        problems.append(owner_problem(use_case, ruling.rule, who.name))
    refused = MayNot if problems else ConfigError
    about = checkpoint.artifact_id if checkpoint else of_records(use_case)
    if ruling.passed:
        problems.append(f"rule {ruling.rule} passes: there is nothing to waive")
    if not ruling.waivable:
        problems.append(
            f"rule {ruling.rule} cannot be waived: it is about what would be released, whether it may be used, or what"
            " the installation requires"
        )
    if len(reason.strip()) < SHORTEST_REASON:
        problems.append(f"the reason must have at least {SHORTEST_REASON} characters")
    if not today <= until <= today + timedelta(days=longest):
        problems.append(f"the last day must be between today and {today + timedelta(days=longest)}, got {until}")
    if problems:
        told = {"rule": ruling.rule, "checkpoint": about, "until": until}
        note(lake, use_case, "denial", "may not waive a rule", who if who.name else None, **told)
        raise refused(problems)
    role = role_of(ruling.rule)
    words = {"rule": ruling.rule, "checkpoint": about, "granted_by": person, "role": role}
    granted_at = datetime.combine(today, datetime.now(UTC).timetz()).isoformat(timespec="seconds")
    words |= {
        "reason": reason.strip(),
        "until": until.isoformat(),
        "granted_at": granted_at,
        "recorded_by": this_account(),
        "known_by": who.known_by,
        "groups": groups_that_give(permissions_in(use_case), who, use_case, role),
    }
    inputs = hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()
    waiver = Waiver(id=f"waiver-{inputs[:12]}", **words)
    draft = Draft(lake, use_case, STORED_AS, waiver.id, inputs, [checkpoint] if checkpoint else [], inputs[:16])
    told = {"waiver": waiver.id, **{name: words[name] for name in ("rule", "checkpoint", "until", "reason")}}
    by = granted_by if isinstance(granted_by, Person) else person
    note(lake, use_case, "waiver", "granted a waiver", by, **told)
    with draft.folder() as folder:
        (folder / FILE).write_text(json.dumps(waiver.to_dict(), indent=1, ensure_ascii=False), encoding="utf-8")
        draft.publish(folder)
    return waiver


def confirm(
    lake: Lake,
    use_case: NamedUseCase,
    waiver_id: str,
    person: str | Person,
    *,
    today: date | None = None,
) -> None:
    """A second person confirms a waiver: another one of its role, or the superior.

    Args:
        person: that one, or the name that somebody typed.

    Raises:
        MayNot: the person is neither, or granted it.
        DataError: there is no such waiver that stands.
    """
    person = person if isinstance(person, Person) else Person(person.strip())
    stored = lake.artifact(use_case.name, STORED_AS, waiver_id)
    waiver = next((one for one, revoked in waivers(lake, use_case) if one.id == waiver_id and not revoked), None)
    if stored is None or waiver is None or (today or datetime.now(UTC).date()) > date.fromisoformat(waiver.until):
        problem = f"{use_case.name} has no waiver {waiver_id} that stands"
        raise DataError(problem, f"List them: ft waiver list {use_case.name}")
    others = second_persons(waiver, use_case)
    may_confirm = is_second(waiver, use_case, person)
    about = checkpoint_of(lake, use_case, waiver)
    problem = knowledge_problem(use_case, person.known_by)
    problem = problem or (_own_work(lake, use_case, about, person.name) if may_confirm else "")
    if not may_confirm or problem:
        note(lake, use_case, "denial", "may not confirm a waiver", person, waiver=waiver_id)
        who = ", ".join(sorted(others)) or "nobody who is named"
        raise MayNot(
            [problem or f"only a second person of {waiver.role} or the superior ({who}) may confirm it"],
            f"Name a second person of {waiver.role}, or a superior in people.superiors of ft_environment.yaml",
        )
    note(lake, use_case, "waiver", "confirmed a waiver", person, waiver=waiver_id, rule=waiver.rule)
    groups = sorted(person.groups)
    told = {"by": person.name, "known_by": person.known_by, "recorded_by": this_account(), "groups": groups}
    lake.add_verdict(stored, CONFIRMED, True, lake.manifest(stored).settings_hash, told)


def revoke(lake: Lake, use_case: NamedUseCase, waiver_id: str, *, revoked_by: str, reason: str) -> None:
    """Ends a waiver; it stays on record.

    Args:
        revoked_by: a person of the owners of the use case, in any role.

    Raises:
        ConfigError: that is none.
        DataError: there is none with this id.
    """
    persons = persons_of(use_case)
    if revoked_by.strip().casefold() not in {person.casefold() for person in persons}:
        raise ConfigError(
            [f"{revoked_by!r} is not one of the `owners` of {use_case.name}: {', '.join(persons) or 'none'}"]
        )
    stored = lake.artifact(use_case.name, STORED_AS, waiver_id)
    if stored is None:
        raise DataError(f"{use_case.name} has no waiver {waiver_id}", f"List them: ft waiver list {use_case.name}")
    note(lake, use_case, "waiver", "revoked a waiver", revoked_by, waiver=waiver_id, reason=reason)
    lake.add_verdict(
        stored, IN_FORCE, False, lake.manifest(stored).settings_hash, {"revoked_by": revoked_by, "reason": reason}
    )


def second_persons(waiver: Waiver, use_case: NamedUseCase) -> list[str]:
    """Who may confirm a waiver: others than who granted it."""
    return [one for one in may_confirm(waiver.role, use_case) if one.casefold() != waiver.granted_by.casefold()]


def is_second(waiver: Waiver, use_case: NamedUseCase, person: Person) -> bool:
    """Whether a person is somebody else who may confirm a waiver."""
    if person.is_token or person.name.casefold() == waiver.granted_by.casefold():
        return False
    named = {one.casefold() for one in second_persons(waiver, use_case)}
    in_role = waiver.role in permissions_in(use_case).deciding_roles(person, use_case.name)
    return in_role or bool(named & {person.name.casefold(), *(f"group:{one}".casefold() for one in person.groups)})


def unconfirmed(lake: Lake, use_case: NamedUseCase, today: date) -> list[Waiver]:
    """Waivers that have not ended and do not count before a second person has confirmed them. Raises as `waivers`."""
    return [
        one
        for one, revoked in waivers(lake, use_case)
        if not revoked
        and today <= date.fromisoformat(one.until)
        and (not one.checkpoint.startswith(OF_RECORDS) or one.checkpoint == of_records(use_case))
        and _not_confirmed(lake, use_case, one, checkpoint_of(lake, use_case, one))
    ]


def waivers(lake: Lake, use_case: NamedUseCase) -> list[tuple[Waiver, bool]]:
    """Every waiver of a use case, newest first, and whether it was revoked.

    Raises:
        CorruptVersion: one was altered.
    """
    found = []
    for stored in lake.artifacts(use_case.name, STORED_AS):
        lake.verify_artifact(stored)
        try:
            waiver = Waiver(**json.loads(lake.read_file(stored, FILE)))
            date.fromisoformat(waiver.until)
            _ = waiver.granted_on
        except (TypeError, ValueError):
            raise CorruptVersion(
                f"{stored.id} of {use_case.name} cannot be read",
                f"Take responsibility for the loss: ft seals accept {use_case.name} <file>",
            ) from None
        verdict = lake.verdicts(stored).get(IN_FORCE)
        found.append((waiver, verdict is not None and not verdict.passed))
    return found


def of_records(use_case: NamedUseCase) -> str:
    """What a waiver is for that comes before any checkpoint: the records that the file names, and how it reads them."""
    settings = use_case.settings
    return f"{OF_RECORDS}{settings_hash({'source': settings.source, 'record': settings.record})}"


def checkpoint_of(lake: Lake, use_case: NamedUseCase, waiver: Waiver) -> ArtifactVersion | None:
    """The checkpoint that a waiver is for; of those of its records the newest, if there is one."""
    if waiver.checkpoint.startswith(OF_RECORDS):
        return next(iter(lake.artifacts(use_case.name, "adapter_checkpoint")), None)
    return lake.artifact(use_case.name, "adapter_checkpoint", waiver.checkpoint, verify=False)


def in_force(lake: Lake, use_case: NamedUseCase, checkpoint: ArtifactVersion | None, today: date) -> dict[str, Waiver]:
    """Rule -> the waiver that lets `checkpoint` pass it today; of several the one that holds longest.

    Args:
        checkpoint: None: the next one, of which nobody knows more than who changed the file.
    """
    found: dict[str, Waiver] = {}
    for waiver, problem in _not_ended(lake, use_case, checkpoint, today):
        if not problem and (waiver.rule not in found or found[waiver.rule].until < waiver.until):
            found[waiver.rule] = waiver
    return found


def without_effect(
    lake: Lake, use_case: NamedUseCase, checkpoint: ArtifactVersion | None, today: date
) -> dict[str, str]:
    """Id of a waiver of `checkpoint` that was neither revoked nor has ended -> why it does not count all the same."""
    return {waiver.id: problem for waiver, problem in _not_ended(lake, use_case, checkpoint, today) if problem}


def _not_ended(
    lake: Lake, use_case: NamedUseCase, checkpoint: ArtifactVersion | None, today: date
) -> Iterator[tuple[Waiver, str]]:
    """Waivers of a checkpoint, each with the reason why it does not count, or an empty text. Whoever
    granted it may have left the owners since."""
    of = {of_records(use_case), *([checkpoint.artifact_id] if checkpoint else [])}
    for waiver, revoked in waivers(lake, use_case):
        until = date.fromisoformat(waiver.until)
        if revoked or waiver.checkpoint not in of or today > until:
            continue
        if waiver.granted_on > today:
            yield waiver, f"it was granted on {waiver.granted_on}, which is after today"
        elif until > waiver.granted_on + timedelta(days=LONGEST_DAYS):
            yield waiver, f"it ends on {until}, and none may last longer than {LONGEST_DAYS} days"
        elif today > (last := last_day(waiver, use_case.policy)):
            yield waiver, f"it ended on {last} by policy {use_case.policy.title}"
        elif who_may_waive(use_case, waiver.rule, waiver.person) is None:
            yield waiver, owner_problem(use_case, waiver.rule, waiver.granted_by)
        else:
            problem = knowledge_problem(use_case, waiver.known_by)
            problem = problem or _own_work(lake, use_case, checkpoint, waiver.granted_by)
            yield waiver, problem or _not_confirmed(lake, use_case, waiver, checkpoint)


def longest_days(use_case: NamedUseCase) -> int:
    """How many days a waiver may hold."""
    return min(LONGEST_DAYS, use_case.policy.signatures.valid_days)


def last_day(waiver: Waiver, policy: Policy) -> date:
    """The last day on which a waiver holds: its own, or that of the policy."""
    oldest = waiver.granted_on + timedelta(days=policy.signatures.valid_days)
    return min(date.fromisoformat(waiver.until), oldest)


def _not_confirmed(lake: Lake, use_case: NamedUseCase, waiver: Waiver, checkpoint: ArtifactVersion | None) -> str:
    """Why a waiver lacks the word of a second person; empty: it has it, or needs none.

    Args:
        checkpoint: None: nobody has trained one yet.
    """
    did = acted(lake, use_case, checkpoint)
    if checkpoint is None and waiver.checkpoint.startswith(OF_RECORDS):
        del did[TRAINED]
    if not use_case.policy.signatures.confirm_waivers and persons_needed("waive", did) == 1:
        return ""
    stored = lake.artifact(use_case.name, STORED_AS, waiver.id)
    verdict = lake.verdicts(stored).get(CONFIRMED) if stored else None
    if verdict is None or verdict.numbers["by"].casefold() == waiver.granted_by.casefold():
        unknown = " and ".join(f"who {what}" for what, names in did.items() if names is None)
        why = f", since nobody knows {unknown}" if unknown else ""
        command = f"ft waiver confirm {use_case.name} {waiver.id} --by <e-mail address>"
        return f"a second person has to confirm it{why}: {command}"
    by = Person(verdict.numbers["by"], frozenset(verdict.numbers.get("groups", ())))
    if not is_second(waiver, use_case, by):
        return f"{by.name}, who confirmed it, may not do so any more"
    return knowledge_problem(use_case, verdict.numbers["known_by"]) or conflict(by, "waive", did)


def _own_work(lake: Lake, use_case: NamedUseCase, checkpoint: ArtifactVersion | None, name: str) -> str:
    """Why a person may not judge this checkpoint because of what they did; empty: they may."""
    return conflict(Person(name.strip()), "waive", acted(lake, use_case, checkpoint))
