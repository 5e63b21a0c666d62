"""The whole of it: a bundle of this checkout is installed where there is no network, and `make demo` runs to its
decision there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ft_platform_tests.conftest import REPOSITORY

pytestmark = [pytest.mark.integration, pytest.mark.slow]
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_demo_runs_from_a_bundle_to_its_decision_without_a_network(tmp_path: Path, no_network) -> None:
    """Half an hour, an index of packages and 5 GB of disk; FT_BUNDLE names a bundle that was made before."""
    bundle = Path(os.environ.get("FT_BUNDLE") or tmp_path / "bundle")
    if not bundle.exists():
        variables = {name: value for name, value in os.environ.items() if not name.startswith("FT_")}
        command = [sys.executable, "-m", "ft_platform.cli", "bundle", str(bundle)]
        variables |= {"FT_HOME": str(tmp_path / "home"), "PYTHONPATH": str(REPOSITORY)}
        subprocess.run(command, cwd=REPOSITORY, env=variables, check=True, timeout=3600)
    variables = {name: os.environ[name] for name in KEPT if name in os.environ} | {"PYTHON": sys.executable}
    there = tmp_path / "there"
    done = no_network(["bash", str(bundle / "install.sh"), str(there)], variables, 3600)
    assert done.returncode == 0, done.stderr[-3000:]
    done = no_network(["make", "-C", str(there), "demo"], variables, 3600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "accepted" in done.stdout and "Asked over HTTP" in done.stdout
    assert "install:" not in done.stderr, "all was installed before"
