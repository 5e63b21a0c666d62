"""The platform as others get it: the wheel, installed into a bare environment that borrows everything else from this
one."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from ft_platform_tests.conftest import REPOSITORY


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel.

    Attributes:
        wheel: the file that was installed.
        bin: folder of its commands.
        site: its site-packages.
    """

    wheel: Path
    bin: Path
    site: Path

    def run(self, command: str, folder: Path, code: int = 0, seconds: int = 300) -> str:
        """What a shell command prints in a folder, with the commands of the environment first on the PATH."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("FT_", "DAGSTER_", "PYTHON"))}
        variables = {
            **kept,
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": str(self.bin.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "200",
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        assert done.returncode == code, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout + done.stderr


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, built without a network."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed; it is in the extra dev")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=120)
    [wheel] = folder.glob("*.whl")
    return wheel


def install(folder: Path) -> Installed:
    """Builds and installs the wheel, and nothing else."""
    wheel = build_wheel(folder / "dist")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder / "venv")}))
    options = ["--no-deps", "--no-index", "--no-compile", "--quiet", "--ignore-installed"]
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(folder / "venv"), "install", *options, str(wheel)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    # Behind its own packages come those of this environment, without its .pth files: one leads to this checkout.
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    (site / "borrowed.pth").write_text("\n".join(borrowed))
    for name, module in {"dg": "dagster_dg_cli.cli", "dagster": "dagster._cli"}.items():  # commands of what is borrowed
        command = folder / "venv" / "bin" / name
        # Processes that are spawned import it again.
        command.write_text(
            f"#!{folder}/venv/bin/python\nfrom {module} import main\nif __name__ == '__main__':\n    main()\n"
        )
        command.chmod(0o755)
    return Installed(wheel, folder / "venv" / "bin", site)
