"""Runs the contracts of the back ends and of the stores of a lake and notes what they came to: `python -m
ft_platform_tests.compute.contract [NAME...]`. Those that are not named keep what was noted of them."""

import subprocess
import sys

from ft_platform.use_case.settings.compute_profile import BACKENDS
from ft_platform.use_case.settings.file_names import file_names
from ft_platform_tests.compute.contract.results import write_table
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.lake.object_store.stores import STORES


def main(names: list[str]) -> int:
    """The exit code of pytest."""
    known = [*file_names(BACKENDS), *STORES]
    if wrong := sorted(set(names) - set(known)):
        sys.exit(f"there is no back end or store {', '.join(wrong)}; there are {', '.join(known)}")
    names = names or known
    files = ["ft_platform_tests/compute/test_contract.py"] if set(names) - set(STORES) else []
    files += ["ft_platform_tests/lake/test_object_store.py"] if set(names) & set(STORES) else []
    plugin = "ft_platform_tests.compute.contract.results"
    tests = ["-m", "scenario", "-k", " or ".join(names), *files]
    code = subprocess.run([sys.executable, "-m", "pytest", "-p", plugin, *tests], cwd=REPOSITORY).returncode
    write_table(REPOSITORY)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
