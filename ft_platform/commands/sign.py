"""ft sign: a person approves or rejects a decision, lets somebody else sign, or takes a word back."""

import argparse
import json
import sys
from datetime import date
from typing import TYPE_CHECKING, Any

from ft_platform.commands import opened

if TYPE_CHECKING:
    from ft_platform.people.audit_log.log import AuditLog
    from ft_platform.people.may import Permissions
    from ft_platform.people.person import Person

HELP = "Approve or reject the newest release decision as one of those whom a release asks for; show who has signed."
EXAMPLES = [
    "ft sign complaint_routing                                   # who has signed, and who may",
    "ft sign complaint_routing --by ana.ruiz@example.org --as compliance",
    'ft sign complaint_routing --by ana.ruiz@example.org --reject --reason "Too few records of the new region"',
    "ft sign complaint_routing --by ana.ruiz@example.org --delegate-to bo.lund@example.org --until 2027-03-31",
    'ft sign complaint_routing --by ana.ruiz@example.org --take-back signature-0a1b2c3d4e5f --reason "Too early"',
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("--by", default="", help="e-mail address of the person; without it nothing is signed")
    parser.add_argument("--as", dest="role", default="", help="role to sign in (default: all that the person has)")
    parser.add_argument("--decision", help="id of the decision (default: the newest)")
    parser.add_argument("--reason", default="", help="why, in 10 characters or more; no personal data")
    parser.add_argument("--until", type=date.fromisoformat, help="last day of a delegation, at most 90 days ahead")
    parser.add_argument("--json", action="store_true", help="print JSON")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--reject", action="store_true", help="say no; it stands until the role signs a later decision")
    what.add_argument("--delegate-to", metavar="EMAIL", help="let somebody else sign in the role of --by")
    what.add_argument("--take-back", metavar="ID", help="end a signature, a rejection or a delegation")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.commands.who import person_of
    from ft_platform.errors import ConfigError, DataError
    from ft_platform.people.audit_log.opening import audit_log_of
    from ft_platform.people.may import Permissions
    from ft_platform.release.sign_off import sign_off
    from ft_platform.release.standing_now import standing_now

    environment, use_case, lake = opened(arguments.use_case)
    if not arguments.by.strip() and (arguments.reject or arguments.delegate_to or arguments.take_back):
        raise ConfigError(["--by is needed: who says it"], f"Owners stand in `owners` of {use_case.name}")
    if arguments.delegate_to and arguments.until is None:
        raise ConfigError(["--until is needed: the last day of the delegation"])
    decisions = lake.artifacts(use_case.name, "release_decision")
    decision = next((one for one in decisions if arguments.decision in (None, one.artifact_id)), None)
    if decision is None:
        raise DataError(f"{use_case.name} has no such decision", f"Run: ft run {use_case.name}")
    permissions = Permissions(environment.people, {use_case.name: use_case})
    done = []
    if arguments.by.strip():
        log = audit_log_of(lake, {use_case.name: use_case.path} if use_case.path else {})
        person = person_of(environment, log, arguments.by, environment.policy.signatures.signed_in)
        done = _do(arguments, (lake, use_case), decision, (person, permissions, log))
        _show_in_graph(use_case.name, environment)
    found, standing = sign_off(lake, use_case, decision, permissions), standing_now(lake, use_case, None, decision.id)
    assert standing is not None  # the decision is there
    if arguments.json:
        told = {**found.to_dict(), "standing": standing.words, "done": done}
        print(json.dumps(told, indent=1, ensure_ascii=False))
        return 0
    for one in done:
        print(one)
    print("\n".join(_lines(found, standing)))
    return 0


def _do(
    arguments: argparse.Namespace,
    where: tuple[Any, Any],
    decision: Any,
    who: "tuple[Person, Permissions, AuditLog]",
) -> list[str]:
    """What was asked for, with a line for each record."""
    from ft_platform.release.delegations import delegate
    from ft_platform.release.sign_off import checkpoint_of
    from ft_platform.release.signatures import APPROVED, REJECTED
    from ft_platform.release.signing import sign, withdraw

    lake = where[0]
    if arguments.take_back:
        withdraw(*where, arguments.take_back, *who, reason=arguments.reason)
        return [f"{arguments.take_back} is taken back"]
    if arguments.delegate_to:
        roles = [arguments.role] if arguments.role else []
        to = {"to": arguments.delegate_to, "until": arguments.until, "roles": roles}
        given = delegate(*where, checkpoint_of(lake, decision), *who, **to)
        return [f"{one['id']}: {one['to']} may sign as {one['role']} until {one['until']}" for one in given]
    says = REJECTED if arguments.reject else APPROVED
    made = sign(*where, decision, *who, says=says, role=arguments.role, reason=arguments.reason)
    return [f"{one.id}: {one.person} {one.says} {one.decision} as {one.role} ({one.known_by})" for one in made]


def _show_in_graph(name: str, environment: Any) -> None:
    """Makes the asset `sign_off` anew; what was signed stands without it."""
    from ft_platform.orchestration.execution import run_use_case

    outcome = run_use_case(name, None, ["sign_off"], environment)
    if not outcome.success:
        print(f"ft sign: it is signed, and the graph does not show it yet: {outcome.error}", file=sys.stderr)


def _lines(found: Any, standing: Any) -> list[str]:
    from ft_platform.release.standing import ACCEPTED

    lines = []
    for one in found.roles:
        by = "; ".join(f"{it.person}, {it.at[:10]}, {it.known_by}" for it in one.signatures)
        lines.append(f"{one.role:18s} {one.state:15s} {by or one.why}{f': {one.reason}' if one.reason else ''}")
    if standing.state != ACCEPTED:
        why = f": {standing.why}" if standing.why else ""
        return [*lines, f"nothing to sign: {found.decision} {standing.words}{why}"]
    lacking = "; ".join(found.lacking)
    return [*lines, f"still needed: {lacking}" if lacking else f"next: ft release {found.use_case}"]
