"""ft rollback: go back to an earlier release."""

import argparse
import sys

HELP = (
    "Go back to an earlier release. It gets the traffic within seconds where it had it before; then it is recorded as a"
    " new release, and compared with its evaluation."
)
EXAMPLES = [
    'ft rollback complaint_routing --reason "Routes mortgage complaints to cards since Monday"',
    'ft rollback complaint_routing --to release-0a1b2c3d4e5f --reason "Incident 4711"',
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("--to", help="id of a release (default: the newest earlier one with another checkpoint)")
    parser.add_argument("--reason", required=True, help="why, in 10 characters or more; no personal data")
    parser.add_argument("--by", default="", help="who goes back (default: the account of the operating system)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    switched = _switched(arguments)
    from ft_platform.assets.order import PREVIOUS  # Dagster takes seconds, and the traffic does not wait for it
    from ft_platform.commands.release import made

    if code := made(arguments, arguments.to or PREVIOUS):
        return _told(code, arguments.use_case, switched)
    return _told(_deployed(arguments.use_case), arguments.use_case, switched)


def _switched(arguments: argparse.Namespace) -> dict[str, str]:
    """Gives the traffic back before anything is run, and says so. Target -> the release that has it, or why not."""
    from ft_platform.commands import opened
    from ft_platform.monitoring.rollout.going_back import switch_back
    from ft_platform.release.releasing import earlier_release

    environment, use_case, lake = opened(arguments.use_case)
    earlier = earlier_release(lake, use_case, arguments.to)
    found = switch_back(lake, environment, use_case, earlier, reason=arguments.reason, by=arguments.by)
    for target, now in found.items():
        is_release = now.startswith("release-")
        words = f"{now} has the traffic; next it is compared with its evaluation" if is_release else now
        print(f"{target}: {words}", file=sys.stderr, flush=True)
    return {target: now for target, now in found.items() if now.startswith("release-")}


def _told(code: int, name: str, switched: dict[str, str]) -> int:
    """The exit code; where something failed after the switch, also what has the traffic."""
    for target, release in switched.items() if code else ():
        print(
            f"ft rollback: {release} keeps the traffic of {target}, and what was to follow failed. Look at it:"
            f" ft parity {name}. To leave it too: ft withdraw {name} {release} --reason <why>",
            file=sys.stderr,
        )
    return code


def _deployed(name: str) -> int:
    """At every target that something was deployed to."""
    from ft_platform.commands import opened
    from ft_platform.commands.deploy import deployed
    from ft_platform.lake.deployments import deployed_to

    _, use_case, lake = opened(name)
    targets = deployed_to(lake, name, use_case.settings.serving.targets)
    return deployed(name, targets)[0] if targets else 0
