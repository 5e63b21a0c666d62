"""What `ft init NAME` writes: files of `repository/files/`, with the name and the version of the platform put in."""

import re
import shutil
from pathlib import Path

from ft_platform import __version__
from ft_platform.errors import ConfigError

FILES = Path(__file__).parent / "files"
INSTANCE_SETTINGS = Path(__file__).parent.parent / "dagster.yaml"
WHERE = {"gitignore": ".gitignore", "project.toml": "pyproject.toml", "check.yml": ".github/workflows/check.yml"}
"""File -> its place in the repository, where it has another name there."""
NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}[a-z0-9]")


def write_repository(parent: Path, name: str) -> list[Path]:
    """Writes the repository into `parent/name`, which may be there already and hold other files. Returns what is
    written.

    Raises:
        ConfigError: its name cannot be that of a project, or one of the files is there already. Nothing is written.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            [f"a repository's name is 2 to 61 lower case letters, digits, `-` and `_`, a letter first, got {name!r}"]
        )
    folder = parent / name
    texts = {
        folder / WHERE.get(file.name, file.name): file.read_text(encoding="utf-8")
        .replace("{name}", name)
        .replace("{version}", __version__)
        for file in sorted(FILES.iterdir())
    }
    settings = folder / "dagster.yaml"
    if there := [path for path in (*texts, settings) if path.exists()]:
        raise ConfigError([f"{path.relative_to(parent)} is there already" for path in there][:4])
    texts[folder / "defs" / ".gitkeep"] = ""
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    shutil.copyfile(INSTANCE_SETTINGS, settings)
    return [*texts, settings]
