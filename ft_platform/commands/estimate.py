"""ft estimate: memory, time and money of a training before it starts."""

import argparse
import json
import sys
from typing import Any

from ft_platform.commands import changed_settings

HELP = (
    "Measure a few training steps, and estimate how much memory, time and money the whole training needs. Measures"
    " one process on this machine; if the profile has several, a note says so."
)
EXAMPLES = [
    "ft estimate complaint_routing",
    "ft estimate complaint_routing --compute gpu_large --json",
    "ft estimate complaint_routing --set training.rank=64 --set training.epochs=1",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument(
        "--compute",
        metavar="PROFILE",
        help="compute profile for price and memory limit (default: that of the use case)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=20.0,
        help="how long to measure steps; a few always run, however long they take (default: %(default)s)",
    )
    changed_settings(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.costs.memory_needs import require_memory
    from ft_platform.lake.opening import open_lake
    from ft_platform.training.estimates import further_seeds, measure
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import load_use_case, parse_overrides, use_case_folder

    environment = load_environment()
    overrides = parse_overrides(arguments.overrides) | (
        {"compute.profile": arguments.compute} if arguments.compute else {}
    )
    use_case = load_use_case(use_case_folder(environment.defs, arguments.use_case), overrides, environment)
    profile = environment.profile(use_case.settings.compute.profile)
    splits = newest_splits(open_lake(environment), use_case)
    print("Measuring a few steps of the training on this machine ...", file=sys.stderr, flush=True)
    estimate = measure(environment, use_case, splits, profile, arguments.seconds)
    found: dict[str, Any] = (
        estimate.to_dict()
        | further_seeds(estimate, use_case)
        | {"use_case": use_case.name, "profile": use_case.settings.compute.profile}
    )
    print(json.dumps(found, indent=1)) if arguments.json else print_estimate(found)
    require_memory(found["memory_gib"], profile, use_case, found["device"])
    return 0


def newest_splits(lake: Any, use_case: Any) -> Any:
    """The newest splits of a use case.

    Raises:
        VersionRefused: there are none.
    """
    from ft_platform.errors import VersionRefused

    splits = lake.latest(use_case.name, "splits")
    if splits is None:
        stages = "raw_records permitted_records cleaned_records quarantined_records anonymized_records splits"
        raise VersionRefused(
            f"{use_case.name} has no splits yet, so the amount of training data is unknown",
            f"Run: ft run {use_case.name} --select {stages}",
        )
    return splits


def print_estimate(found: dict[str, Any]) -> None:
    """The figures for people, each with its band."""
    memory, seconds = found["memory_band"], found["seconds_band"]
    money = f"{_money(found)}, profile {found['profile']}"
    energy = "unknown: the profile has no `watts`" if found["kwh"] is None else f"{found['kwh']:.3f} kWh"
    lines = {
        "examples": f"{found['examples']:,} to train on, {found['validation_examples']:,} to validate with",
        "tokens": (
            f"{found['tokens']:,} in {found['steps']:,} optimizer steps; {found['validations']} validations of"
            f" {found['validation_tokens']:,}"
        ),
        "trainable": f"{found['trainable_parameters']:,} parameters",
        "memory": (
            f"{found['memory_gib']:.2f} GiB  ({memory[0]:.2f} to {memory[1]:.2f}), of which: "
            + ", ".join(f"{name} {size:.3f}" for name, size in found["parts_gib"].items())
        ),
        "time": (
            f"{_time(found['seconds'])}  ({_time(seconds[0])} to {_time(seconds[1])}), less if `patience` ends it"
            f" early; {found['tokens_per_second']:.0f} tokens/s"
        ),
        "cost": money + (f", {found['gpu_hours']:.2f} GPU-hours" if found["gpu_hours"] else ""),
        "energy": energy,
        "measured": f"{found['timed_steps']} steps on this machine ({found['device']}), rows {found['batching']}",
    }
    if not found["steps"]:  # a regression on words is solved while the training is prepared
        lines = {name: text for name, text in lines.items() if name not in ("tokens", "trainable", "measured")}
        lines["time"] = f"{_time(found['seconds'])}  ({_time(seconds[0])} to {_time(seconds[1])}), without steps"
    if found["differential_privacy"]:
        from ft_platform.training.privacy_budget import PrivacyBudget

        lines["privacy"] = PrivacyBudget(**found["differential_privacy"]).in_words()
    if found.get("expected"):
        from ft_platform.training.expected import Expected

        lines["expected"] = Expected(**found["expected"]).in_words()
    if further := found.get("further_seeds"):
        seconds = further["seconds_band"]
        lines["seeds"] = (
            f"{further['trainings']} more trainings for seed_variation: {_time(further['seconds'])}"
            f" ({_time(seconds[0])} to {_time(seconds[1])}), {_money(further)}, without their evaluations"
        )
    if found.get("few_steps"):
        lines["steps"] = found["few_steps"]
    if found.get("note"):
        lines["note"] = found["note"]
    for name, text in lines.items():
        print(f"{name:<10} {text}")
    for name, one in found.get("recipe", {}).items():
        if one["chosen"]:
            print(f"{'recipe':<10} {name} {one['value']}: {one['why']}")


def _money(found: dict[str, Any]) -> str:
    if found["cost"] is None:
        return "not known: the compute profile has no price"
    low, high = found["cost_band"]
    return f"{found['cost']:.2f} {found['currency']}  ({low:.2f} to {high:.2f})"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
