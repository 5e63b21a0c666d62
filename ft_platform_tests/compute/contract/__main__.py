"""Runs the contract of the back ends and notes what it came to: `python -m ft_platform_tests.compute.contract
[NAME...]`. Back ends that are not named keep what was noted of them."""

import subprocess
import sys

from ft_platform.settings.environment import BACKENDS
from ft_platform.settings.file_names import file_names
from ft_platform_tests.compute.contract.results import write_table
from ft_platform_tests.conftest import REPOSITORY


def main(names: list[str]) -> int:
    """The exit code of pytest."""
    if wrong := sorted(set(names) - set(file_names(BACKENDS))):
        sys.exit(f"there is no back end {', '.join(wrong)}; there are {', '.join(file_names(BACKENDS))}")
    plugin = "ft_platform_tests.compute.contract.results"
    file = "ft_platform_tests/compute/test_contract.py"
    names = names or file_names(BACKENDS)
    tests = ["-m", "scenario", "-k", " or ".join(names)]
    code = subprocess.run([sys.executable, "-m", "pytest", "-p", plugin, *tests, file], cwd=REPOSITORY).returncode
    write_table(REPOSITORY)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
