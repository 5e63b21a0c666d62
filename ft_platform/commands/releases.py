"""ft releases: what was released, newest first."""

import argparse
import json
import sys

from ft_platform.commands import opened, use_case_and_json

HELP = "List the releases of a use case, newest first: checkpoint, decision, signature, and which one stands."
EXAMPLES = [
    "ft releases complaint_routing",
    "ft releases complaint_routing --json",
    "ft releases complaint_routing --sync",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    use_case_and_json(parser)
    parser.add_argument(
        "--sync", action="store_true", help="first set versions and aliases in MLflow's Model Registry right"
    )


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.commands.release import shown
    from ft_platform.lake.releases import releases, unusable
    from ft_platform.lake.snapshot import Snapshot
    from ft_platform.people.audit_log.opening import note
    from ft_platform.reporting.use_case_state import state_of
    from ft_platform.tracking.registry import disagreement, remedy, show_releases

    environment, use_case, lake = opened(arguments.use_case)
    lake = Snapshot(lake)
    found = [{**shown(lake, one), "unusable": unusable(lake, one) or None} for one in releases(lake, use_case.name)]
    state = state_of(lake, use_case.name, use_case)
    champion = state.release.id if state.release else None
    if arguments.sync:
        note(lake, use_case, "release", "set versions and aliases in the registry")
    synced = show_releases(environment, lake, use_case.name) if arguments.sync else {}
    if isinstance(synced, str):
        print(f"ft releases: the registry was not set right: {synced}", file=sys.stderr)
        return 1
    differs = disagreement(environment, lake, use_case.name)
    if arguments.json:
        about = {"use_case": use_case.name, "state": state.name, "state_words": state.words}
        said = {**about, "champion": champion, "releases": found, "disagreement": differs}
        print(json.dumps(said, indent=1, ensure_ascii=False))
        return 0
    if found:
        print(state.words)
    for one in found:
        became = f"withdrawn by {one['withdrawn']['by']}: {one['withdrawn']['reason']}" if one["withdrawn"] else ""
        became = became or (f"may not be used: {one['unusable']}" if one["unusable"] else "")
        became = became or ("released now" if one["release"] == champion else "replaced")
        back = f", back to {one['back_to']}: {one['reason']}" if one["back_to"] else ""
        print(f"{one['number']:>3}  {one['release']}  {one['checkpoint']}  {one['released_at']}  {became}{back}")
        if one["signature_problem"]:
            print(f"     signature: {one['signature_problem']}")
    if differs:
        print(f"{differs}. {remedy(use_case.name)}")
    if not found:
        print(f"{use_case.name} has no releases; next: ft release {use_case.name}")
    return 0
