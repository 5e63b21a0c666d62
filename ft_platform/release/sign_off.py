"""Whether everybody whom a release asks for has signed: per role who did, or why it does not count and who may."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ft_platform.errors import VersionRefused
from ft_platform.lake.draft import Draft
from ft_platform.lake.snapshot import Snapshot
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.may import Permissions, conflict
from ft_platform.people.person import Person
from ft_platform.release.decide import FILE as DECISION_FILE
from ft_platform.release.decide import newest_evidence
from ft_platform.release.delegations import delegations
from ft_platform.release.evidence import CHECKPOINT
from ft_platform.release.separation import acted, may_sign, signers_needed
from ft_platform.release.signatures import (
    APPROVED,
    Digests,
    Signature,
    reason_problem,
    rejections,
    signatures,
    signer_problem,
)
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash

STAGE, FILE = "sign_off", "sign_off.json"
SIGNED, WAITING, STALE, EXPIRED, REJECTED, NOT_COUNTED = (
    "signed",
    "waiting",
    "stale",
    "expired",
    "rejected",
    "does not count",
)
OLD_APPROVAL, OLD_FILE = "approval", "approval.json"
"""What `ft approve` of earlier versions stored."""


@dataclass(frozen=True)
class RoleState:
    """One role that a release asks for.

    Attributes:
        state: one of the constants of this file.
        why: it is not signed; empty where it is.
        persons: who may sign.
        signatures: those that count, newest first.
        reason: of a rejection, in the words of whoever rejected.
    """

    role: str
    state: str
    why: str
    persons: Sequence[str]
    signatures: Sequence[Signature] = ()
    reason: str = ""


@dataclass(frozen=True)
class SignOff:
    """What is there and what lacks.

    Attributes:
        decision: its id.
        persons_needed: how many different persons have to sign.
        unknown: what somebody did and nobody knows who, so that one person is not enough.
    """

    use_case: str
    decision: str
    roles: Sequence[RoleState]
    persons_needed: int
    unknown: Sequence[str]

    @property
    def signatures(self) -> list[Signature]:
        return [one for role in self.roles for one in role.signatures]

    @property
    def second(self) -> list[str] | None:
        """Who may sign, where nothing lacks but the word of a second person; None: that does not lack."""
        signed = {one.person.casefold() for one in self.signatures}
        if not self.roles or any(one.why for one in self.roles) or len(signed) >= self.persons_needed:
            return None
        return sorted({name for one in self.roles for name in one.persons if name.casefold() not in signed})

    @property
    def lacking(self) -> list[str]:
        """A sentence for each thing that lacks; none: it may be released."""
        found = [f"{one.role} {one.why} ({_listed(one.persons)} may sign)" for one in self.roles if one.why]
        if (others := self.second) is not None:
            words = " and ".join(f"who {one}" for one in self.unknown)
            why = f"since nobody knows {words}" if words else f"since the policy asks for {self.persons_needed}"
            found.append(f"a second person has to sign, {why} ({_listed(others)} may)")
        return found

    def to_dict(self) -> dict[str, Any]:
        """As `sign_off.json` and `ft sign --json` have it."""
        return {**asdict(self), "second": self.second, "lacking": self.lacking}


def _listed(persons: Collection[str]) -> str:
    return ", ".join(persons) or "nobody who is named"


def checkpoint_of(lake: Lake, decision: ArtifactVersion) -> ArtifactVersion:
    """The checkpoint that a decision is about.

    Raises:
        VersionRefused: it is not in the lake any more, or altered.
    """
    name = json.loads(lake.read_file(decision, DECISION_FILE))["checkpoint"]
    found = lake.artifact(decision.use_case, CHECKPOINT, name, verify=False)
    if found is None:
        raise VersionRefused(f"{name} of {decision.id} is not in the lake any more", f"Run: ft run {decision.use_case}")
    return found


def digests_of(lake: Lake, use_case: NamedUseCase, decision: ArtifactVersion) -> Digests:
    """What a signature of a decision is bound to at this moment."""
    checkpoint = checkpoint_of(lake, decision)
    evidence = newest_evidence(lake, use_case, checkpoint)
    reports = {stage: version.content_hash for stage, version in evidence.items() if version}
    return Digests(decision.content_hash, checkpoint.content_hash, reports)


def sign_off(
    lake: Lake,
    use_case: NamedUseCase,
    decision: ArtifactVersion,
    permissions: Permissions,
    at: datetime | None = None,
) -> SignOff:
    """Who has signed a decision, of those whom a release asks for.

    Args:
        permissions: with this use case among its own.
        at: default this moment.

    Raises:
        CorruptVersion: a signature or a delegation was altered, or this installation did not sign it.
        VersionRefused: the checkpoint is not in the lake any more.
    """
    asked = use_case.signing_roles
    if not asked:
        return SignOff(use_case.name, decision.id, [], 0, [])
    lake = Snapshot.of(lake)
    at, did = at or datetime.now(UTC), acted(lake, use_case, checkpoint_of(lake, decision))
    bound, delegated = digests_of(lake, use_case, decision), delegations(lake, use_case)
    given: dict[str, list[tuple[Signature, str, str]]] = {role: [] for role in asked}
    for one, stated in signatures(lake, use_case):
        if one.says == APPROVED and stated.taken_back is None and one.role in given:
            problem = signer_problem(one, use_case, permissions, delegated) or reason_problem(use_case, one.reason)
            problem = problem or conflict(Person(one.person), "approve", did)
            given[one.role].append((one, *_judged(one, bound, problem, use_case.policy.signatures.valid_days, at)))
    refused, before = rejections(lake, use_case, permissions, decision), _approved_before(lake, use_case)
    roles = []
    for role, found in given.items():
        state, why = _state(role, found, refused.get(role), before)
        counting = [one for one, how, _ in found if how == SIGNED] if state == SIGNED else []
        reason = refused[role].reason if role in refused else ""
        roles.append(RoleState(role, state, why, may_sign(role, use_case, permissions.people, did), counting, reason))
    unknown = [what for what, names in did.items() if names is None]
    return SignOff(use_case.name, decision.id, roles, signers_needed(use_case, did), unknown)


def _judged(one: Signature, bound: Digests, problem: str, valid_days: int, at: datetime) -> tuple[str, str]:
    """Whether an approval counts, and if not, why, as what its role did."""
    if problem:
        return NOT_COUNTED, f"has signed, but {problem}"
    if parts := bound.changed(one.digests):
        return STALE, f"signed on {one.at[:10]}, and since then another {', '.join(parts)} has come"
    if at > datetime.fromisoformat(one.at) + timedelta(days=valid_days):
        return EXPIRED, f"signed on {one.at[:10]}, more than {valid_days} days ago"
    return SIGNED, ""


def _state(
    role: str, found: Sequence[tuple[Signature, str, str]], refused: Signature | None, before: Mapping[str, str]
) -> tuple[str, str]:
    """State of a role, and why it is not signed."""
    if refused:
        return REJECTED, f"rejected {refused.decision} on {refused.at[:10]}"
    if any(how == SIGNED for _, how, _ in found):
        return SIGNED, ""
    if found:
        return found[0][1:]
    if role in before:
        return STALE, f"gave {before[role]} when approvals did not cover evidence and model yet"
    return WAITING, "has not signed"


def _approved_before(lake: Lake, use_case: NamedUseCase) -> dict[str, str]:
    """Role -> its newest approval of `ft approve`, which counts no more: it was for the decision alone."""
    found: dict[str, str] = {}
    for version in lake.artifacts(use_case.name, OLD_APPROVAL):
        lake.verify_artifact(version)
        for role in json.loads(lake.read_file(version, OLD_FILE))["roles"]:
            found.setdefault(role, version.id)
    return found


def require_signed(
    lake: Lake, use_case: NamedUseCase, decision: ArtifactVersion, permissions: Permissions
) -> list[Signature]:
    """The signatures that a release of this decision rests on.

    Raises:
        VersionRefused: one lacks, with who may sign.
    """
    found = sign_off(lake, use_case, decision, permissions)
    if found.lacking:
        raise VersionRefused(
            f"{decision.id} lacks signatures: {'; '.join(found.lacking)}",
            f"Run: ft sign {use_case.name} --by <e-mail address>",
        )
    return found.signatures


WritePage = Callable[[Path, Draft, SignOff], None]
"""Writes the page of a state into the folder."""


def publish_sign_off(
    lake: Lake,
    use_case: NamedUseCase,
    decision: ArtifactVersion,
    checkpoint: ArtifactVersion,
    found: SignOff,
    write_page: WritePage,
) -> ArtifactVersion:
    """The artifact `sign_off` with this state: an existing one, or a new one."""
    inputs = settings_hash({"decision": decision.content_hash, **found.to_dict()})
    draft = Draft(lake, use_case, STAGE, f"sign-off-{inputs[:12]}", inputs, [decision, checkpoint])
    if existing := draft.existing():
        return existing
    with draft.folder() as folder:
        (folder / FILE).write_text(json.dumps(found.to_dict(), indent=1, ensure_ascii=False), encoding="utf-8")
        write_page(folder, draft, found)
        states = {state: sum(one.state == state for one in found.roles) for state in (SIGNED, WAITING, REJECTED)}
        return draft.publish(folder, counts={"asked": len(found.roles), **states})
