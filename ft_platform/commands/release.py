"""ft release: release the checkpoint of the newest accepted decision."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ft_platform.lake.store import Lake
    from ft_platform.use_case.named import NamedUseCase
    from ft_platform.use_case.settings.environment import Environment

HELP = "Release the model of the newest accepted decision: a signed record that everybody who serves it relies on."
EXAMPLES = ["ft release complaint_routing --by ana.ruiz@example.org", "ft release complaint_routing --json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("--by", default="", help="who releases it (default: the account of the operating system)")
    parser.add_argument("--reason", default="", help="why it is released although it was withdrawn before")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    return made(arguments)


def made(arguments: argparse.Namespace, back_to: str = "") -> int:
    """Runs the asset `release`, so that it stands in the graph, and shows what is released then.

    Args:
        back_to: id of an earlier release, or `previous`; empty: a new one is made.
    """
    from ft_platform.assets.order import Order
    from ft_platform.commands import opened, shortened
    from ft_platform.lake.releases import standing_releases
    from ft_platform.orchestration.execution import run_use_case
    from ft_platform.people.person import at_this_machine, named

    name = arguments.use_case
    environment, use_case, lake = opened(name)
    person = named(arguments.by) if arguments.by.strip() else at_this_machine()
    order = Order(back_to, arguments.reason, by=person)
    why = "" if back_to else _refusal(environment, use_case, lake)
    if not why:
        outcome = run_use_case(name, None, ["release"], environment, order=order)
        why = "" if outcome.success else " ".join(filter(None, [outcome.error, outcome.next_step]))
    if why:
        if arguments.json:
            print(json.dumps({"use_case": name, "success": False, "error": why}, indent=1, ensure_ascii=False))
        print(shortened(f"ft {arguments.command}: {why}"), file=sys.stderr)
        return 1
    found = shown(lake, standing_releases(lake, name)[0])
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        print(f"{found['release']} of {name}: {found['checkpoint']}, on {found['decision']}, by {found['released_by']}")
        print(f"  signature: {found['signature_problem'] or 'verified'}")
        before = found["previous"]
        print(
            f"  before: {before or 'nothing was released'}"
            + f"; back: ft rollback {name} --reason <why>" * bool(before)
        )
    return 0


def _refusal(environment: "Environment", use_case: "NamedUseCase", lake: "Lake") -> str:
    """Why the run would refuse what it would be handed, asked before it starts: a refusal is no failed run."""
    from ft_platform.errors import FtError
    from ft_platform.lake.versions import ArtifactVersion
    from ft_platform.orchestration.runs import last_made
    from ft_platform.people.may import Permissions
    from ft_platform.release.releasing import require_releasable

    made = last_made(environment, use_case.name, ("release_decision", "adapter_checkpoint"))
    decision, checkpoint = made.get("release_decision"), made.get("adapter_checkpoint")
    if not isinstance(decision, ArtifactVersion) or not isinstance(checkpoint, ArtifactVersion):
        return ""  # the run says what is missing
    try:
        permissions = Permissions(environment.people, {use_case.name: use_case})
        require_releasable(lake, use_case, decision, checkpoint, permissions)
    except FtError as error:
        return str(error)
    return ""


def shown(lake: Any, release: Any) -> dict[str, Any]:
    """A release as `--json` prints it."""
    from ft_platform.release.releasing import signature_problem

    record, problem = release.record, signature_problem(lake, release)
    return {
        "release": release.id,
        "number": record["number"],
        "checkpoint": release.checkpoint,
        "kind": record["kind"],
        "decision": record["decision"]["id"],
        "valid_until": record["decision"]["valid_until"],
        "approvals": record["approvals"],
        "waivers": record["waivers"],
        "evidence_sha256": record["evidence"]["sha256"],
        "previous": record["previous"],
        "back_to": record.get("back_to"),
        "reason": record.get("reason"),
        "released_by": record["released_by"],
        "released_at": record["released_at"],
        "withdrawn": dict(release.withdrawn) if release.withdrawn else None,
        "signature_ok": problem is None,
        "signature_problem": problem,
    }
