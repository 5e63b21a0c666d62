"""ft explain: what a use case will do: its training in figures, and every setting with where it comes from."""

import argparse
import json
import sys
from typing import Any

from ft_platform.commands import changed_settings

LONGEST = 60
"""Characters of a value on the terminal; --json has all."""
HELP = (
    "Say what a use case will do: every setting with its default and meaning, and what its training takes (examples,"
    " tokens, steps, memory, time, cost)."
)
EXAMPLES = [
    "ft explain complaint_routing",
    "ft explain complaint_routing training",
    "ft explain complaint_routing training --settings",
    "ft explain complaint_routing training --json",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("section", nargs="?", help="one section of its file, e.g. training (default: all)")
    parser.add_argument("--settings", action="store_true", help="only the settings; measures nothing")
    changed_settings(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import load_use_case, parse_overrides, use_case_folder

    environment = load_environment()
    path = use_case_folder(environment.defs, arguments.use_case)
    use_case = load_use_case(path, parse_overrides(arguments.overrides), environment)
    sections = sections_of(use_case.settings)
    if arguments.section and arguments.section not in sections:
        raise ConfigError([f"a use case has no section {arguments.section!r}"], f"Name one of {', '.join(sections)}")
    chosen = {name: what for name, what in sections.items() if arguments.section in (None, name)}
    settings = {name: settings_of(use_case.section(name), name) for name in chosen}
    wanted = not arguments.settings and "training" in chosen
    plan, why_not = _plan(environment, use_case) if wanted else (None, "")
    recipe = plan.pop("recipe", {}) if plan else {}
    for row in settings.get("training", []):
        of_recipe = recipe.get(row["setting"])
        if of_recipe and of_recipe["chosen"]:
            row |= {"value": of_recipe["value"], "changed": of_recipe["value"] != row["default"]}
    if arguments.json:
        expected = plan.pop("expected", None) if plan else None
        found = {
            "use_case": use_case.name,
            "recipe": recipe or None,
            "expected": expected,
            "plan": plan,
            "no_plan": why_not,
        }
        told = {"settings": settings[arguments.section]} if arguments.section else {"sections": settings}
        print(json.dumps({**found, **told}, indent=1, ensure_ascii=False, default=str))
        return 0
    if not arguments.section:
        print(f"{use_case.name}: {use_case.settings.description}\n")
    if plan is not None:
        from ft_platform.commands.estimate import print_estimate

        print_estimate(plan | {"recipe": recipe})
        print()
    elif why_not:
        print(f"{why_not}\n")
    for name, rows in settings.items():
        if not arguments.section:
            print(f"{name}: {chosen[name]}")
        _print_settings(rows)
        print()
    print("* differs from the default")
    return 0


def sections_of(settings: Any) -> dict[str, str]:
    """The sections of a use case's file in its order: name -> what they are about."""
    from pydantic import BaseModel

    fields = type(settings).model_fields
    return {
        name: one.description or "" for name, one in fields.items() if isinstance(getattr(settings, name), BaseModel)
    }


def settings_of(section: Any, name_of_section: str = "training") -> list[dict[str, Any]]:
    """Every field of a section of the YAML: its value, its default, whether the YAML sets it, and what it means. Names
    of data files, words to look for and queries are withheld, as in Dagster's UI."""
    from ft_platform.redaction.settings import shown_settings

    found = []
    # Of a training with `recipe: auto` the dump has only what is set.
    plain = {name: _plain(getattr(section, name)) for name in type(section).model_fields}
    plain |= section.model_dump(mode="json")
    values = shown_settings({name_of_section: plain})[name_of_section]
    for name, field in type(section).model_fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        value, default = values[name], _plain(default)
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


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def _plan(environment: Any, use_case: Any) -> tuple[dict[str, Any] | None, str]:
    """The figures of the newest splits, measured now unless an equal training was measured here within a week; or why
    there are none."""
    from ft_platform.commands.estimate import newest_splits
    from ft_platform.errors import VersionRefused
    from ft_platform.lake.opening import open_lake
    from ft_platform.training.estimates import further_seeds, kept, measure

    try:
        splits = newest_splits(open_lake(environment), use_case)
    except VersionRefused as error:
        return None, str(error)
    profile = environment.profile(use_case.settings.compute.profile)
    estimate = kept(environment, use_case, splits, profile)
    if estimate is None:
        print("Measuring a few steps of the training on this machine ...", file=sys.stderr, flush=True)
        estimate = measure(environment, use_case, splits, profile, seconds=10.0)
    return estimate.to_dict() | further_seeds(estimate, use_case) | {"profile": use_case.settings.compute.profile}, ""


def _print_settings(settings: list[dict[str, Any]]) -> None:
    width = max(len(row["setting"]) for row in settings)
    for row in settings:
        origin = f"default {_shown(row['default'])}" if row["changed"] else "default"
        mark = "*" if row["changed"] else " "
        print(f"{mark} {row['setting']:<{width}}  {_shown(row['value']):<14} ({origin})  {row['meaning']}")


def _shown(value: Any) -> str:
    if value is None or value == {} or value == []:
        return "none"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
