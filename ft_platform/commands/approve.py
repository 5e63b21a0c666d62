"""ft approve: an owner approves the newest decision for release."""

import argparse
import json

from ft_platform.commands import opened

HELP = "Approve the newest release decision as one of the owners, list approvals, or take one back."
EXAMPLES = [
    "ft approve complaint_routing --by ana.ruiz@example.org",
    "ft approve complaint_routing --list",
    "ft approve complaint_routing --revoke approval-0a1b2c3d4e5f --by ana.ruiz@example.org",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("--by", default="", help="e-mail address of the person, one of `owners`")
    parser.add_argument("--decision", help="id of the decision (default: the newest)")
    parser.add_argument("--list", action="store_true", help="list the approvals only")
    parser.add_argument("--revoke", metavar="ID", help="take this approval back")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError, DataError
    from ft_platform.release import approvals

    _, use_case, lake = opened(arguments.use_case)
    if not arguments.list and not arguments.by.strip():
        raise ConfigError(["--by is needed: who approves"], f"Owners stand in `owners` of {use_case.name}")
    decision = next(
        (
            one
            for one in lake.artifacts(use_case.name, "release_decision")
            if arguments.decision in (None, one.artifact_id)
        ),
        None,
    )
    if decision is None and not arguments.revoke:
        raise DataError(f"{use_case.name} has no such decision", f"Run: ft run {use_case.name}")
    if arguments.revoke:
        approvals.revoke(lake, use_case, arguments.revoke, by=arguments.by)
    elif not arguments.list and decision:
        approvals.approve(lake, use_case, decision, by=arguments.by)
    lacking = approvals.missing(use_case, approvals.in_force(lake, use_case, decision)) if decision else {}
    found = [{**one.to_dict(), "revoked": revoked} for one, revoked in approvals.approvals(lake, use_case)]
    if arguments.json:
        said = {"use_case": use_case.name, "approvals": found, "missing": lacking}
        print(json.dumps(said, indent=1, ensure_ascii=False))
        return 0
    for one in found:
        ended = " (revoked)" if one["revoked"] else ""
        print(f"{one['id']}{ended}  {one['decision']}, by {one['approved_by']} ({', '.join(one['roles'])})")
    missing = "; ".join(f"{role} ({', '.join(persons) or 'no person is named'})" for role, persons in lacking.items())
    print(f"still needed: {missing}" if missing else f"next: ft release {use_case.name}")
    return 0
