"""How a person approves or rejects a decision, and takes a word back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from ft_platform.errors import ConfigError, DataError, MayNot, NotCurrent
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.may import Permissions, conflict, knowledge_problem
from ft_platform.people.noted import Noted, Noting
from ft_platform.people.person import Person
from ft_platform.people.statements import state, statements, take_back
from ft_platform.process.account import this_account
from ft_platform.process.reasons import require_reason
from ft_platform.release.decide import require_newest
from ft_platform.release.delegations import DELEGATION, delegations, held
from ft_platform.release.entitled import groups_that_give, roles_of
from ft_platform.release.separation import acted
from ft_platform.release.sign_off import checkpoint_of, digests_of
from ft_platform.release.signatures import APPROVED, REJECTED, SIGNATURE, Digests, Says, Signature, rejections
from ft_platform.release.standing_now import require_holds
from ft_platform.use_case.named import NamedUseCase


def sign(
    lake: Lake,
    use_case: NamedUseCase,
    decision: ArtifactVersion,
    person: Person,
    permissions: Permissions,
    note: Noting,
    *,
    says: Says = APPROVED,
    role: str = "",
    reason: str = "",
    shown: Digests | None = None,
    at: datetime | None = None,
) -> list[Signature]:
    """Records that a person approves or rejects a decision.

    Args:
        permissions: with this use case among its own.
        role: default every role of the person that the release asks for.
        reason: a rejection needs one, and where the policy says so an approval.
        shown: what the person has seen; default what there is.
        at: default this moment.

    Returns:
        One for each role.

    Raises:
        MayNot: the person may not sign.
        ConfigError: a reason is missing, or its role has rejected the decision and approves it.
        NotCurrent: something else was shown.
        VersionRefused: the decision refuses, does not hold any more, was altered, or is not the newest about its
            checkpoint.
    """
    lake.verify_artifact(decision)
    require_holds(lake, use_case, decision, (at or datetime.now(UTC)).date())
    checkpoint = checkpoint_of(lake, decision)
    require_newest(lake, use_case, decision, checkpoint.artifact_id)
    needs_reason = says == REJECTED or use_case.policy.signatures.reasons
    reason = require_reason(reason) if needs_reason else reason.strip()
    moment = (at or datetime.now(UTC)).isoformat(timespec="milliseconds")
    capacities, why = may_sign(lake, use_case, checkpoint, person, permissions, moment, says=says, role=role)
    roles = list(capacities)
    details = {"decision": decision.id, "roles": ", ".join(roles) or role}
    if why:
        note(Noted("denial", person, "may not sign a decision", use_case.name, details))
        raise MayNot([why], f"Who has signed and who may: ft sign {use_case.name}")
    if says == APPROVED:
        _require_not_rejected(rejections(lake, use_case, permissions, decision), decision, roles)
    there = digests_of(lake, use_case, decision)
    if changed := shown.changed(there) if shown else []:
        raise NotCurrent(f"another {', '.join(changed)} has come since it was shown", "Look again before you sign")
    note(Noted("signature", person, f"{says} a decision", use_case.name, details))
    bound = asdict(there)
    return [
        Signature.of(
            state(
                lake,
                use_case,
                SIGNATURE,
                {
                    "says": says,
                    "role": one,
                    "person": person.name,
                    "known_by": person.known_by,
                    "groups": groups_that_give(permissions, person, use_case, one),
                    "delegation": capacities[one],
                    "reason": reason,
                    "decision": decision.id,
                    "digests": bound,
                    "at": moment,
                    "recorded_by": this_account(),
                },
                [decision, checkpoint],
            )
        )
        for one in roles
    ]


def may_sign(
    lake: Lake,
    use_case: NamedUseCase,
    checkpoint: ArtifactVersion,
    person: Person,
    permissions: Permissions,
    moment: str,
    *,
    says: Says = APPROVED,
    role: str = "",
) -> tuple[dict[str, str], str]:
    """Roles in which a person signs, each with the id of the delegation that gives it (empty: it is their own), and why
    the person may not sign in them; empty: they may.

    Args:
        moment: ISO 8601, UTC.
        role: default every role of the person that the release asks for.
    """
    capacities = _capacities(lake, use_case, person, permissions, moment)
    asked = use_case.signing_roles
    roles = {one: capacities[one] for one in asked if one in capacities and one in (role or one)}
    return roles, _refusal(lake, use_case, checkpoint, person, permissions, says, role, roles)


def withdraw(
    lake: Lake,
    use_case: NamedUseCase,
    statement_id: str,
    person: Person,
    permissions: Permissions,
    note: Noting,
    *,
    reason: str,
) -> None:
    """Takes a signature, a rejection or a delegation back; it stays on record. A release that rests on it already is
    withdrawn by `ft withdraw`.

    Raises:
        MayNot: the person does not have its role.
        ConfigError: no reason is named.
        DataError: there is none with this id, or it was taken back before.
    """
    kind = DELEGATION if statement_id.startswith(DELEGATION) else SIGNATURE
    found = next((one for one in statements(lake, use_case, kind) if one.said["id"] == statement_id), None)
    if found is None:
        raise DataError(f"{use_case.name} has no {kind} {statement_id}", f"See: ft sign {use_case.name}")
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    role, details = found.said["role"], {"id": statement_id}
    problem = knowledge_problem(use_case, person.known_by)
    if role not in _capacities(lake, use_case, person, permissions, moment) or problem:
        note(Noted("denial", person, "may not take back a signature", use_case.name, details))
        raise MayNot([problem or f"{person.name} does not have the role {role} of {statement_id}"])
    require_reason(reason)
    note(Noted("signature", person, f"took back a {kind}", use_case.name, details))
    take_back(lake, use_case, found, by=person.name, known_by=person.known_by, reason=reason)


def _capacities(
    lake: Lake, use_case: NamedUseCase, person: Person, permissions: Permissions, moment: str
) -> dict[str, str]:
    """Role in which a person may sign -> id of the delegation that gives it; empty: it is their own."""
    delegated = [] if person.is_token else delegations(lake, use_case).values()
    given = {
        one.said["role"]: one.said["id"]
        for one in delegated
        if one.said["to"] == person.name.casefold() and held(one, use_case, permissions, moment)
    }
    return {**given, **dict.fromkeys(roles_of(permissions, person, use_case), "")}


def _refusal(
    lake: Lake,
    use_case: NamedUseCase,
    checkpoint: ArtifactVersion,
    person: Person,
    permissions: Permissions,
    says: Says,
    role: str,
    roles: Mapping[str, str],
) -> str:
    asked = use_case.signing_roles
    if not asked:
        return f"a release of {use_case.name} asks for no signature (release.approvals)"
    if role and role not in asked:
        return f"a release of {use_case.name} asks for the signature of {', '.join(asked)}, not of {role}"
    if not roles:
        ruling = permissions.may(person, "approve", use_case.name)
        return f"{person.name} does not have the role {role or ' or '.join(asked)}" if ruling else ruling.why
    if problem := knowledge_problem(use_case, person.known_by):
        return problem
    return conflict(person, "approve", acted(lake, use_case, checkpoint)) if says == APPROVED else ""


def _require_not_rejected(standing: Mapping[str, Signature], decision: ArtifactVersion, roles: Sequence[str]) -> None:
    for role, one in standing.items():
        if role in roles and one.decision == decision.id:
            raise ConfigError(
                [f"{role} rejected {decision.id} on {one.at[:10]}"],
                f"Take it back first: ft sign {decision.use_case} --take-back {one.id} --reason <why>",
            )
