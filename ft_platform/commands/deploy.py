"""ft deploy: a release gets the traffic of a target."""

import argparse
import json
import sys

HELP = "Deploy the newest release to a target. It gets the traffic only if it answers there as it was evaluated."
EXAMPLES = [
    "ft deploy complaint_routing",
    "ft deploy complaint_routing --target production --json",
    "ft deploy complaint_routing --release release-0a1b2c3d4e5f",
    "ft deploy complaint_routing --target production --remove",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("--target", help="name in serving.targets (default: the only one)")
    parser.add_argument("--release", default="", help="id of a release (default: the newest that stands)")
    parser.add_argument("--remove", action="store_true", help="take everything of the use case away from the target")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.commands import opened
    from ft_platform.errors import ConfigError

    name = arguments.use_case
    _, use_case, lake = opened(name)
    targets = use_case.settings.serving.targets
    if arguments.target not in (None, *targets) or (arguments.target is None and len(targets) != 1):
        raise ConfigError([f"serving.targets of {name} has {', '.join(targets) or 'none'}"], "Name one with --target")
    target = arguments.target or next(iter(targets))
    if arguments.remove:
        return _removed(name, target, arguments.json)
    code, error = deployed(name, [target], arguments.release)
    if code:
        if arguments.json:
            print(json.dumps({"use_case": name, "target": target, "success": False, "error": error}, indent=1))
        return code
    from ft_platform.lake.deployments import deployments

    record = deployments(lake, name, target)[0].record
    if arguments.json:
        print(json.dumps(dict(record), indent=1, ensure_ascii=False))
        return 0
    parity, load = record["parity"], record["load"]
    if rules := record.get("rollout"):
        print(
            f"{record['release']} is tried ({rules['mode']}) on {rules['share']:.0%} of the traffic: ft rollout {name}"
        )
    else:
        print(f"{record['release']} answers at {record['endpoint']} as {record['model']}")
    equal, alone, busiest = parity["decisions_equal"]["value"], load[0], load[-1]
    ties = f", and {parity['ties']:,} are ties that rounding decides" if parity["ties"] else ""
    print(f"  compared with its evaluation: {equal:.1%} of {parity['asked']:,} decisions are equal{ties}")
    print(
        f"  a request takes {alone['median_seconds']:.3f} seconds alone, {busiest['median_seconds']:.3f} beside"
        f" {busiest['concurrent'] - 1} others"
    )
    print(f"  try it: ft ask {name} <text> --url {record['endpoint']}")
    if record["kind"] == "local":
        print("  stop the server that it started: ft serve --stop")
    if record["previous"]:
        print(f"  back to {record['previous']}: ft rollback {name} --reason <why>")
    return 0


def _removed(name: str, target: str, as_json: bool) -> int:
    from ft_platform.commands import opened
    from ft_platform.serving.upkeep import take_away

    environment, use_case, lake = opened(name)
    gone = take_away(lake, environment, use_case, target)
    if as_json:
        print(json.dumps({"use_case": name, "target": target, "removed": gone}, indent=1))
    else:
        print(f"{target} serves no release of {name} any more ({', '.join(gone) or 'it served none'})")
    return 0


def deployed(use_case: str, targets: list[str], release: str = "") -> tuple[int, str]:
    """Runs the assets of these targets, and says what failed: exit code and message.

    Args:
        release: its id; default the newest that stands.
    """
    from ft_platform.assets.order import Order
    from ft_platform.commands import shortened
    from ft_platform.commands.terminal import ProgressView
    from ft_platform.orchestration.execution import run_use_case
    from ft_platform.process import progress

    with ProgressView(sys.stderr) as view, progress.listening(view.update):
        outcome = run_use_case(use_case, None, [f"deployment/{one}" for one in targets], order=Order(release))
    if outcome.success:
        return 0, ""
    why = " ".join(filter(None, [outcome.error, outcome.next_step]))
    print(shortened(f"ft deploy: {why}"), file=sys.stderr)
    return 1, why
