"""Prints the scorecard: per area how many attacks were tried, how many held, and which broke."""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from ft_platform_tests.attacks.area import all_areas, score


def main(words: list[str] | None = None) -> int:
    """Runs the attacks. 0: all held."""
    areas = all_areas()
    breakable = {name: area.name for area in areas.values() for name in area.defences}
    parser = argparse.ArgumentParser(prog="python -m ft_platform_tests.attacks", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="draws the cases; equal seeds, equal cases (default 0)")
    parser.add_argument("--size", type=int, default=20, help="cases to draw at most of each kind (default 20)")
    parser.add_argument(
        "--only", nargs="+", choices=sorted(areas), metavar="AREA", help=f"these areas only: {', '.join(areas)}"
    )
    parser.add_argument(
        "--break",
        dest="broken",
        choices=sorted(breakable),
        metavar="NAME",
        help=f"switch one defence off: {', '.join(breakable)}",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(words)
    chosen = arguments.only or ([breakable[arguments.broken]] if arguments.broken else list(areas))
    found = {}
    with tempfile.TemporaryDirectory(prefix="attacks-") as folder:
        for name in chosen:
            off = arguments.broken if breakable.get(arguments.broken) == name else ""
            found[name] = score(areas[name], arguments.seed, Path(folder) / name, arguments.size, off).to_dict()
            if not arguments.json:
                one = found[name]
                print(
                    f"{name:<24} tried {one['tried']:>6,}  held {one['held']:>6,}  broken {len(one['broken']):>4,}",
                    flush=True,
                )
                print("".join(f"    {line}\n" for line in one["broken"]), end="", flush=True)
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    return 1 if any(one["broken"] for one in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
