"""ft catalog: shows tables of the lake in Unity Catalog, now."""

import argparse
import json

HELP = "Show the tables of the lake in the Unity Catalog of the environment, as the sensor does, and say what is shown."
EXAMPLES = ["ft catalog", "ft catalog --json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from ft_platform.errors import ConfigError
    from ft_platform.orchestration.catalog_watch import look
    from ft_platform.use_case.environment import load_environment

    environment = load_environment()
    if environment.unity_catalog is None:
        raise ConfigError(
            ["no Unity Catalog shows tables of this lake"], "Name it: `unity_catalog` in ft_environment.yaml"
        )
    found = look(environment)
    if arguments.json:
        print(json.dumps([asdict(one) for one in found], indent=1))
    else:
        print("\n".join(one.line() for one in found) or "No table is to be shown")
    return 1 if any(one.state == "failed" for one in found) else 0
