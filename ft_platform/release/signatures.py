"""Signatures: a person approves or rejects a decision in a role. `release.approvals` of the use case names the roles
that must approve before a release.

A signature is for one decision, for the evidence that there was, and for the bytes of the checkpoint: when one of them
changes, it is stale. A rejection stands until the same role signs a later decision, or takes it back with a reason.

Covered: who has the role, by the use case's file, the installation or a delegation; that nobody approves a checkpoint
that they trained or a file that they changed (`separation`); forged, edited and copied records (`statements`). Not
covered: that a name typed on a terminal is that person (`known_by` says so, and the policy may ask for logins)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.may import Permissions, knowledge_problem
from ft_platform.people.person import Person
from ft_platform.people.statements import Stated, statements
from ft_platform.process.reasons import SHORTEST_REASON
from ft_platform.release.delegations import delegations, held
from ft_platform.release.entitled import roles_of
from ft_platform.use_case.named import NamedUseCase

SIGNATURE = "signature"
Says = Literal["approved", "rejected"]
APPROVED, REJECTED = "approved", "rejected"


@dataclass(frozen=True)
class Digests:
    """What a signature is bound to, as content hashes.

    Attributes:
        evidence: stage -> report that a decision made at this moment would rest on.
    """

    decision: str
    model: str
    evidence: Mapping[str, str]

    def changed(self, then: "Digests") -> list[str]:
        """Which parts are others than they were."""
        reports = {*self.evidence, *then.evidence}
        others = sorted(one for one in reports if self.evidence.get(one) != then.evidence.get(one))
        parts = [name for name in ("decision", "model") if getattr(self, name) != getattr(then, name)]
        return [*parts, *([f"evidence ({', '.join(others)})"] if others else [])]


@dataclass(frozen=True)
class Signature:
    """One person's word for one decision, in one role.

    Attributes:
        person: e-mail address.
        known_by: how it is known that it was this person (`people.person.KnownBy`).
        groups: of the directory, by which the person has the role; none: by name.
        delegation: id of the delegation by which the person signs; empty: the role is their own.
        decision: its id.
        recorded_by: account of the operating system that recorded it.
        key: of the installation, that made `signature`.
    """

    id: str
    use_case: str
    says: Says
    role: str
    person: str
    known_by: str
    groups: Sequence[str]
    delegation: str
    reason: str
    decision: str
    digests: Digests
    at: str
    recorded_by: str
    key: str
    signature: str

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Signature":
        return cls(**{**said, "digests": Digests(**said["digests"])})

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def signatures(lake: Lake, use_case: NamedUseCase) -> list[tuple[Signature, Stated]]:
    """Every signature and rejection of a use case, newest first. Raises as `statements`."""
    return [(Signature.of(one.said), one) for one in statements(lake, use_case, SIGNATURE)]


def reason_problem(use_case: NamedUseCase, reason: str) -> str:
    """Why an approval with this reason does not count; empty: it does."""
    if use_case.policy.signatures.reasons and len(reason.strip()) < SHORTEST_REASON:
        return f"an approval needs a reason of {SHORTEST_REASON} characters or more (policy {use_case.policy.title})"
    return ""


def signer_problem(
    one: Signature, use_case: NamedUseCase, permissions: Permissions, delegated: Mapping[str, Stated]
) -> str:
    """Why a signature does not count because of who signed and how; empty: it does."""
    if one.delegation:
        given = delegated.get(one.delegation)
        if given is None or (given.said["to"], given.said["role"]) != (one.person.casefold(), one.role):
            return f"{one.delegation} is no delegation to {one.person}"
        if not held(given, use_case, permissions, one.at):
            return f"{one.delegation} was not in force"
    elif one.role not in roles_of(permissions, Person(one.person, frozenset(one.groups)), use_case):
        return f"{one.person} does not have this role any more"
    return knowledge_problem(use_case, one.known_by)


def rejections(
    lake: Lake, use_case: NamedUseCase, permissions: Permissions, decision: ArtifactVersion
) -> dict[str, Signature]:
    """Role -> its newest rejection that stands against a decision: of this one or another, not taken back, and, if it
    was another, the role has approved none since."""
    delegated = delegations(lake, use_case)
    counting = [
        one
        for one, stated in signatures(lake, use_case)
        if stated.taken_back is None and not signer_problem(one, use_case, permissions, delegated)
    ]
    standing: dict[str, Signature] = {}
    for one in counting:
        since = any(
            (other.says, other.role) == (APPROVED, one.role) and other.decision != one.decision and other.at > one.at
            for other in counting
        )
        if one.says == REJECTED and (one.decision == decision.id or not since):
            standing.setdefault(one.role, one)
    return standing
