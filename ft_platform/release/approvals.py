"""Approvals: an owner says that a decision may be released. `release.approvals` of the use case names the roles whose
approval a release needs.

Covered: that the name is one of the owners in the file, and that the approval is for this decision, byte for byte. Not
covered: that whoever types a name is that person; the account of the operating system is recorded beside it."""

import getpass
import json
from dataclasses import asdict, dataclass
from typing import Any

from ft_platform.errors import ConfigError, CorruptVersion, DataError
from ft_platform.lake.draft import Draft
from ft_platform.lake.manifest import now
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.audit_log.opening import note
from ft_platform.release.waiver_persons import persons_of
from ft_platform.settings.hash import settings_hash
from ft_platform.settings.roles import OWNER_ROLES
from ft_platform.use_case.named import NamedUseCase

STORED_AS, FILE = "approval", "approval.json"
IN_FORCE = "in_force"
"""The verdict that a revocation leaves on an approval: failed."""
SELF_DECLARED = "self-declared"
"""How it is known who approved: the person was named by whoever typed the command."""


@dataclass(frozen=True)
class Approval:
    """One person's word for one decision.

    Attributes:
        decision, content_hash: which decision.
        approved_by: e-mail address of the person.
        roles: those that the person has in the use case.
        recorded_by: account of the operating system that recorded it.
        known_by: `SELF_DECLARED`.
    """

    id: str
    decision: str
    content_hash: str
    approved_by: str
    roles: list[str]
    approved_at: str
    recorded_by: str
    known_by: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def roles_of(use_case: NamedUseCase, person: str) -> list[str]:
    """Roles in which the use case names a person."""
    owners = use_case.settings.owners
    return [r for r in OWNER_ROLES if person.strip().casefold() in {one.casefold() for one in owners.persons(r)}]


def approve(lake: Lake, use_case: NamedUseCase, decision: ArtifactVersion, *, by: str) -> Approval:
    """Records a person's approval of a decision.

    Raises:
        ConfigError: the person is none of the owners.
        CorruptVersion: the decision was altered.
    """
    roles = roles_of(use_case, by)
    if not roles:
        known = ", ".join(persons_of(use_case)) or "none; name persons in owners.teams"
        raise ConfigError([f"{by.strip()!r} is not one of the `owners` of {use_case.name}: {known}"])
    lake.verify_artifact(decision)
    said = {"decision": decision.artifact_id, "content_hash": decision.content_hash, "approved_by": by.strip().lower()}
    told = {
        "roles": roles,
        "approved_at": now("milliseconds"),
        "recorded_by": getpass.getuser(),
        "known_by": SELF_DECLARED,
    }
    inputs = settings_hash({**said, **told})
    approval = Approval(id=f"approval-{inputs[:12]}", **said, **told)
    draft = Draft(lake, use_case, STORED_AS, approval.id, inputs, [decision], inputs[:16])
    note(lake, use_case, "signature", "approved a decision", by, approval=approval.id, decision=decision.artifact_id)
    with draft.folder() as folder:
        (folder / FILE).write_text(json.dumps(approval.to_dict(), indent=1, ensure_ascii=False), encoding="utf-8")
        draft.publish(folder)
    return approval


def revoke(lake: Lake, use_case: NamedUseCase, approval_id: str, *, by: str) -> None:
    """Takes an approval back; it stays on record. A release that rests on it already is withdrawn by `ft withdraw`.

    Raises:
        ConfigError: the person is none of the owners.
        DataError: there is no such approval.
    """
    if not roles_of(use_case, by):
        raise ConfigError([f"{by.strip()!r} is not one of the `owners` of {use_case.name}"])
    stored = lake.artifact(use_case.name, STORED_AS, approval_id)
    if stored is None:
        raise DataError(f"{use_case.name} has no approval {approval_id}", f"See: ft approve {use_case.name} --list")
    note(lake, use_case, "signature", "took back an approval", by, approval=approval_id)
    lake.add_verdict(stored, IN_FORCE, False, lake.manifest(stored).settings_hash, {"revoked_by": by.strip()})


def approvals(lake: Lake, use_case: NamedUseCase) -> list[tuple[Approval, bool]]:
    """Every approval of a use case, newest first, and whether it was revoked.

    Raises:
        CorruptVersion: one was altered.
    """
    found = []
    for stored in lake.artifacts(use_case.name, STORED_AS):
        lake.verify_artifact(stored)
        try:
            approval = Approval(**json.loads(lake.read_file(stored, FILE)))
        except (TypeError, ValueError):
            raise CorruptVersion(f"{stored.id} of {use_case.name} cannot be read", "See: ft seals verify") from None
        verdict = lake.verdicts(stored).get(IN_FORCE)
        found.append((approval, verdict is not None and not verdict.passed))
    return found


def in_force(lake: Lake, use_case: NamedUseCase, decision: ArtifactVersion) -> list[Approval]:
    """Approvals of this decision that count, the oldest first: not revoked, by persons who are owners still."""
    return [
        one
        for one, revoked in reversed(approvals(lake, use_case))
        if not revoked and one.content_hash == decision.content_hash and roles_of(use_case, one.approved_by)
    ]


def missing(use_case: NamedUseCase, found: list[Approval]) -> dict[str, list[str]]:
    """Role whose approval is asked for and not there -> the persons who may give it."""
    given = {role for one in found for role in roles_of(use_case, one.approved_by)}
    asked = use_case.settings.release.approvals
    return {role: use_case.settings.owners.persons(role) for role in asked if role not in given}
