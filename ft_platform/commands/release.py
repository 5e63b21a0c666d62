"""ft release: release the checkpoint of the newest accepted decision."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

HELP = "Release the model of the newest accepted decision: a signed record that everybody who serves it relies on."
EXAMPLES = ["ft release complaint_routing --by ana.ruiz@example.org", "ft release complaint_routing --json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("--by", default="", help="who releases it (default: the account of the operating system)")
    parser.add_argument("--reason", default="", help="why it is released although it was withdrawn before")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    return made(arguments, {"released_by": arguments.by, "reason": arguments.reason})


def made(arguments: argparse.Namespace, config: Mapping[str, str]) -> int:
    """Runs the asset `release`, so that it stands in the graph, and shows what is released then.

    Args:
        config: of the asset. Texts reach it as environment variables: Dagster's database keeps none of them.
    """
    from ft_platform.commands import opened, shortened
    from ft_platform.lake.releases import standing_releases
    from ft_platform.orchestration.execution import run_use_case

    name = arguments.use_case
    environment, _, lake = opened(name)
    variables = {f"FT_RELEASE_{field.upper()}": text for field, text in config.items() if text}
    os.environ |= variables
    given = {field: {"env": f"FT_RELEASE_{field.upper()}"} for field, text in config.items() if text}
    outcome = run_use_case(name, None, ["release"], environment, config=given)
    if not outcome.success:
        why = " ".join(filter(None, [outcome.error, outcome.next_step]))
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
        print(f"  before: {before or 'nothing was released'}" + f"; back: ft rollback {name}" * bool(before))
    return 0


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
