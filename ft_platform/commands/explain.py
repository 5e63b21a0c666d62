"""ft explain: what a training will do, in figures, and where each of its settings comes from."""

import argparse
import json
import sys
from typing import Any

HELP = "Say what a training will do: examples, tokens, steps, memory, time, cost, and every setting with its default."
EXAMPLES = [
    "ft explain complaint_routing training",
    "ft explain complaint_routing training --settings",
    "ft explain complaint_routing training --json",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("section", choices=["training"], help="what is to be explained")
    parser.add_argument("--settings", action="store_true", help="the settings only; measures nothing")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        dest="overrides",
        help="change one setting; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.environment import load_environment
    from ft_platform.use_case.file import load_use_case, parse_overrides, use_case_folder

    environment = load_environment()
    use_case = load_use_case(
        use_case_folder(environment.defs, arguments.use_case), parse_overrides(arguments.overrides), environment
    )
    settings = settings_of(use_case.settings.training)
    plan, why_not = (None, "") if arguments.settings else _plan(environment, use_case)
    if arguments.json:
        print(
            json.dumps(
                {"use_case": use_case.name, "settings": settings, "plan": plan, "no_plan": why_not},
                indent=1,
                ensure_ascii=False,
                default=str,
            )
        )
        return 0
    if plan is not None:
        from ft_platform.commands.estimate import print_estimate

        print_estimate(plan)
        print()
    elif why_not:
        print(f"{why_not}\n")
    _print_settings(settings)
    return 0


def settings_of(section: Any) -> list[dict[str, Any]]:
    """Every field of a section of the YAML: its value, its default, whether the YAML sets it, and what it means."""
    found = []
    for name, field in type(section).model_fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        value = getattr(section, name)
        found.append(
            {
                "setting": name,
                "value": value,
                "default": default,
                "changed": value != default,
                "from_yaml": name in section.model_fields_set,
                "meaning": field.description,
            }
        )
    return found


def _plan(environment: Any, use_case: Any) -> tuple[dict[str, Any] | None, str]:
    """The figures of the newest splits, measured now unless an equal training was measured here within a week; or why
    there are none."""
    from ft_platform.commands.estimate import newest_splits
    from ft_platform.errors import VersionRefused
    from ft_platform.lake import open_lake
    from ft_platform.training.estimates import further_seeds, kept, measure

    try:
        splits = newest_splits(open_lake(environment), use_case)
    except VersionRefused as error:
        return None, str(error)
    profile = environment.profile(use_case.settings.compute.profile)
    estimate = kept(environment, use_case, splits, profile)
    if estimate is None:
        print("A few steps of the training are measured on this machine ...", file=sys.stderr, flush=True)
        estimate = measure(environment, use_case, splits, profile, seconds=10.0)
    return estimate.to_dict() | further_seeds(estimate, use_case) | {"profile": use_case.settings.compute.profile}, ""


def _print_settings(settings: list[dict[str, Any]]) -> None:
    width = max(len(row["setting"]) for row in settings)
    for row in settings:
        origin = f"default {row['default']}" if row["changed"] else "default"
        mark = "*" if row["changed"] else " "
        print(f"{mark} {row['setting']:<{width}}  {_shown(row['value']):<14} ({origin})  {row['meaning']}")
    print("\n* differs from the default")


def _shown(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
