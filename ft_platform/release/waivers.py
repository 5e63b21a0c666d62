"""Waivers: a person lets one checkpoint pass one rule that it broke, until a day, and says why. Nothing else overrides a rule."""

import getpass
import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from ft_platform.errors import ConfigError, CorruptVersion, DataError
from ft_platform.lake import ArtifactVersion, Lake
from ft_platform.lake.manifest import now
from ft_platform.release.rules import Ruling
from ft_platform.use_case import NamedUseCase

STORED_AS = "waiver"
FILE = "waiver.json"
IN_FORCE = "in_force"
"""The verdict that a revocation leaves on a waiver: failed."""
LONGEST_DAYS = 366
SHORTEST_REASON = 20
ROLES = ("accountable", "compliance")
"""Owners of the YAML who may grant one."""


@dataclass(frozen=True)
class Waiver:
    """One exception.

    Attributes:
        rule: name of the rule.
        checkpoint: id of the only checkpoint it is for.
        granted_by: the person.
        role: as which owner of the use case.
        until: last day on which it holds, YYYY-MM-DD, UTC.
        recorded_by: account of the operating system that recorded it.
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

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def grant(
    lake: Lake, use_case: NamedUseCase, checkpoint: ArtifactVersion, ruling: Ruling, *, granted_by: str, role: str, reason: str, until: date, today: date
) -> Waiver:
    """Records a waiver for a rule that `checkpoint` breaks.

    Raises:
        ConfigError: the rule passes or cannot be waived, nobody or no reason is named, or the day is past or too far away.
    """
    problems = []
    if ruling.passed:
        problems.append(f"rule {ruling.rule} passes: there is nothing to waive")
    if not ruling.waivable:
        problems.append(f"rule {ruling.rule} cannot be waived: without it nobody knows what would be released, or whether it may be used")
    if role not in ROLES:
        problems.append(f"role {role!r} may not grant waivers; roles that may: {', '.join(ROLES)}")
    if len(granted_by.strip()) < 3:
        problems.append("the person who grants it must be named")
    if len(reason.strip()) < SHORTEST_REASON:
        problems.append(f"the reason must have at least {SHORTEST_REASON} characters")
    if not today <= until <= today + timedelta(days=LONGEST_DAYS):
        problems.append(f"the last day must lie between today and {today + timedelta(days=LONGEST_DAYS)}, got {until}")
    if problems:
        raise ConfigError(problems)
    words = {"rule": ruling.rule, "checkpoint": checkpoint.artifact_id, "granted_by": granted_by.strip(), "role": role, "reason": reason.strip()}
    words |= {"until": until.isoformat(), "granted_at": now(), "recorded_by": getpass.getuser()}
    inputs = hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()
    waiver = Waiver(id=f"waiver-{inputs[:12]}", **words)
    with lake.scratch(use_case.name, STORED_AS) as folder:
        folder.mkdir(parents=True)
        (folder / FILE).write_text(json.dumps(waiver.to_dict(), indent=1, ensure_ascii=False), encoding="utf-8")
        lake.publish(use_case.name, STORED_AS, waiver.id, folder, parents=[checkpoint], settings_hash=inputs[:16], input_hash=inputs)
    return waiver


def revoke(lake: Lake, use_case: NamedUseCase, waiver_id: str, *, revoked_by: str, reason: str) -> None:
    """Ends a waiver; it stays on record.

    Raises:
        DataError: there is none with this id.
    """
    stored = lake.artifact(use_case.name, STORED_AS, waiver_id)
    if stored is None:
        raise DataError(f"{use_case.name} has no waiver {waiver_id}", f"List them: ft waiver list {use_case.name}")
    lake.add_verdict(stored, IN_FORCE, False, lake.manifest(stored).settings_hash, {"revoked_by": revoked_by, "reason": reason})


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
        except (TypeError, ValueError):
            raise CorruptVersion(f"{stored.id} of {use_case.name} cannot be read", f"Revoke it: ft waiver revoke {use_case.name} {stored.id}") from None
        verdict = lake.verdicts(stored).get(IN_FORCE)
        found.append((waiver, verdict is not None and not verdict.passed))
    return found


def in_force(lake: Lake, use_case: NamedUseCase, checkpoint: ArtifactVersion, today: date) -> dict[str, Waiver]:
    """Rule -> the waiver that lets `checkpoint` pass it today; of several the one that holds longest."""
    found: dict[str, Waiver] = {}
    for waiver, revoked in waivers(lake, use_case):
        holds = not revoked and waiver.checkpoint == checkpoint.artifact_id and today <= date.fromisoformat(waiver.until)
        if holds and (waiver.rule not in found or found[waiver.rule].until < waiver.until):
            found[waiver.rule] = waiver
    return found
