"""ft compare: two checkpoints of a use case beside each other."""

import argparse
import json
from typing import Any

from ft_platform.commands import opened

HELP = "Compare two checkpoints: figures with intervals and paired differences, answers, settings and data that differ."
EXAMPLES = [
    "ft compare complaint_routing",
    "ft compare complaint_routing ckpt-3f9c0a1b2d4e ckpt-8e761964aa3b --json",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument(
        "versions",
        nargs="*",
        metavar="A B",
        help="checkpoints or evaluations; the first characters are enough (default: what is released, or else the"
        " checkpoint before, and the newest)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError
    from ft_platform.lake.snapshot import Snapshot
    from ft_platform.web.portal_pages.comparison import compare, side, usual_pair

    if len(arguments.versions) not in (0, 2):
        raise ConfigError([f"expected two checkpoints or none, got {len(arguments.versions)}"])
    _, use_case, lake = opened(arguments.use_case)
    lake = Snapshot(lake)
    pair = arguments.versions or usual_pair(lake, use_case.name)
    found = compare(lake, use_case, *(side(lake, use_case.name, wanted) for wanted in pair))
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        _print(found)
    return 0


def _print(found: dict[str, Any]) -> None:
    from ft_platform.reporting.formats import number
    from ft_platform.web.portal_pages.comparison import answers_in_words, records_in_words, shown

    print(f"a: {found['a']['checkpoint']}\nb: {found['b']['checkpoint']}\n\n{found['verdict']['text']}")
    for one in found["metrics"]:
        values = (number(one[name] and one[name]["value"]) for name in ("a", "b"))
        by = one["difference"]
        change = f"{by['value']:+.3f} ({by['low']:+.3f} to {by['high']:+.3f})" if by else "not compared"
        print(f"  {one['title']}: {', '.join(values)}; difference {change}")
    for sentence in [*records_in_words(found), *answers_in_words(found)]:
        print(sentence)
    print("\nSettings that differ:" if found["settings"] else "\nNo setting differs.")
    for one in found["settings"]:
        print(f"  {one['name']}: {shown(one['a'])} -> {shown(one['b'])}")
    other = [one for one in found["data"]["stages"] if not one["same"]]
    print("Data that differ:" if other else "They were trained on the same data.")
    for one in other:
        print(f"  {one['stage']}: {' -> '.join(_version(one[name]) for name in ('a', 'b'))}")


def _version(one: dict[str, Any] | None) -> str:
    return f"{one['id']} ({one['rows']:,} rows)" if one else "none"
