"""ft withdraw: take a release out of use."""

import argparse
import json

from ft_platform.commands import opened

HELP = "Take a release out of use, with a reason: it is served no more, and its record stays."
EXAMPLES = ['ft withdraw complaint_routing release-0a1b2c3d4e5f --reason "A leak was reported by a customer"']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("release", help="id of the release (ft releases)")
    parser.add_argument("--reason", required=True, help="why, in 10 characters or more; no personal data")
    parser.add_argument("--by", default="", help="who withdraws it (default: the account of the operating system)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import FtError
    from ft_platform.lake.releases import standing_releases
    from ft_platform.release.releasing import withdraw
    from ft_platform.serving.upkeep import take_away_withdrawn
    from ft_platform.tracking.registry import show_releases

    environment, use_case, lake = opened(arguments.use_case)
    gone = withdraw(lake, use_case, arguments.release, reason=arguments.reason, by=arguments.by)
    show_releases(environment, lake, use_case.name)
    try:
        served = take_away_withdrawn(lake, environment, use_case)
    except FtError as error:
        raise FtError(f"{gone.id} is withdrawn, and yet: {error.message}", error.next_step) from error
    stands = next((one.id for one in standing_releases(lake, use_case.name)), None)
    found = {"release": gone.id, "withdrawn": dict(gone.withdrawn or {}), "champion": stands, "served": served}
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return 0
    print(f"{gone.id} of {use_case.name} is withdrawn")
    print(f"  released now: {stands}" if stands else "  nothing is released now")
    for target, now in served.items():
        print(f"  {target}: {now or 'nothing'} has the traffic now")
    return 0
