"""Runs the tests of components, notes what they came to, and writes the table of the docs."""

import argparse
import subprocess
import sys

from ft_platform_tests.components import COMPONENTS
from ft_platform_tests.components.results import write_table
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.tiers import COMPONENTS as TIER


def main(words: list[str] | None = None) -> int:
    """The exit code of pytest."""
    parser = argparse.ArgumentParser(prog="python -m ft_platform_tests.components", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(COMPONENTS)}")
    parser.add_argument("--table", action="store_true", help="run nothing: write the table")
    arguments = parser.parse_args(words)
    if wrong := sorted(set(arguments.names) - set(COMPONENTS)):
        parser.error(f"there is no component {wrong[0]}; there are {', '.join(COMPONENTS)}")
    code = 0
    if not arguments.table:
        tier = " or ".join(f"components(name='{name}')" for name in arguments.names) or TIER
        words = ["-p", "ft_platform_tests.components.plugin", "-n", "2", "--dist", "loadgroup", "-m", tier]
        command = [sys.executable, "-m", "pytest", *words]
        code = subprocess.run(command, cwd=REPOSITORY).returncode
    write_table(REPOSITORY)
    return code


if __name__ == "__main__":
    sys.exit(main())
