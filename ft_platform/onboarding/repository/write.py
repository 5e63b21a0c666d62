"""What `ft init NAME` writes: files of `repository/files/`, with the name and the version of the platform put in, and
for a target its folders of `infra/` with its profiles."""

import re
import shutil
from pathlib import Path

import yaml

from ft_platform import __version__
from ft_platform.errors import ConfigError

FILES = Path(__file__).parent / "files"
INSTANCE_SETTINGS = Path(__file__).parents[2] / "dagster.yaml"
WHERE = {"gitignore": ".gitignore", "project.toml": "pyproject.toml", "check.yml": ".github/workflows/check.yml"}
"""File -> its place in the repository, where it has another name there."""
ENVIRONMENT = "ft_environment.yaml"
INFRA = next(filter(Path.is_dir, (Path(__file__).parent / "infra", Path(__file__).parents[3] / "infra")), FILES)
"""In a wheel beside this file, in a checkout at its root."""
TARGETS = {
    "aws": ("aws_batch", "aws", "aws_sagemaker", "buckets"),
    "azure": ("azure", "kubernetes"),
    "databricks": ("databricks",),
    "gcp": ("gcp", "kubernetes"),
    "kubernetes": ("kubernetes",),
    "slurm": ("slurm",),
}
"""Where an installation shall run -> folders of `infra/`; the first has its settings."""
NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}[a-z0-9]")


def write_repository(parent: Path, name: str, target: str | None = None) -> list[Path]:
    """Writes the repository into `parent/name`, which may be there already and hold other files. Returns what is
    written.

    Args:
        target: of `TARGETS`; its files go to `infra/`, and its settings into `ft_environment.yaml`.

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
    for source in TARGETS[target] if target else ():
        for file in sorted(path for path in (INFRA / source).rglob("*") if path.is_file()):
            texts[folder / "infra" / source / file.relative_to(INFRA / source)] = file.read_text(encoding="utf-8")
    if target:
        own = texts.pop(folder / "infra" / TARGETS[target][0] / ENVIRONMENT)
        texts[folder / ENVIRONMENT] = _joined(texts[folder / ENVIRONMENT], own)
    settings = folder / "dagster.yaml"
    if there := [path for path in (*texts, settings) if path.exists()]:
        raise ConfigError([f"{path.relative_to(parent)} is there already" for path in there][:4])
    texts[folder / "defs" / ".gitkeep"] = ""
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    shutil.copyfile(INSTANCE_SETTINGS, settings)
    return [*texts, settings]


def _joined(common: str, own: str) -> str:
    """Settings of an installation, and after them those of its target: what these set is not shown twice."""
    there = "|".join(yaml.safe_load(own))
    kept = [line for line in common.splitlines() if not re.match(rf"(?:# )?(?:{there}):", line)]
    return "\n".join([*kept, "", own])
