"""ft rollback: go back to an earlier release."""

import argparse

HELP = "Release again what an earlier release has, with a reason. Takes seconds: nothing is trained or measured."
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
    from ft_platform.commands.release import made
    from ft_platform.orchestration.order import PREVIOUS

    if code := made(arguments, arguments.to or PREVIOUS):
        return code
    return _deployed(arguments.use_case)


def _deployed(name: str) -> int:
    """At every target that something was deployed to."""
    from ft_platform.commands import opened
    from ft_platform.commands.deploy import deployed
    from ft_platform.lake.deployments import deployed_to

    _, use_case, lake = opened(name)
    targets = deployed_to(lake, name, use_case.settings.serving.targets)
    return deployed(name, targets)[0] if targets else 0
