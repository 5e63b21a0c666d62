"""Where things live and run: lake, key, base models, tracker and compute profiles. Departments never name these.

Settings come from `ft_environment.yaml` (in the working directory, or named by `FT_ENVIRONMENT`), and each can be set by an
environment variable, which wins.
"""

import os
import secrets
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ft_platform.errors import ConfigError, KeyMissing

STORAGE_VARIABLES = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ALLOW_HTTP")


class ComputeProfile(BaseModel):
    """Where a program runs. A use case names a profile, never a back end."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backend: Literal["local"] = Field(default="local", description="Back end: a file in `ft_platform/compute/`.")
    environment: dict[str, str] = Field(default_factory=dict, description="Environment variables of the program.")


class Environment(BaseModel):
    """One installation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: Path = Field(description="Folder of this installation. Variable FT_HOME, default `.ft`.")
    lake_root: str = Field(default="", description="Root of the lake: folder or `s3://bucket/prefix`. Variable FT_LAKE_ROOT, default `<home>/lake`.")
    key_file: Path | None = Field(default=None, description="File with the pseudonym key. Variable FT_KEY_FILE, default `<home>/vault/pseudonym.key`.")
    tracking_uri: str = Field(default="", description="MLflow tracking URI, or `none`. Variable FT_TRACKING_URI, default sqlite in `<home>`.")
    cache: Path | None = Field(default=None, description="Cache of converted base models. Variable FT_CACHE, default `<home>/cache`.")
    defs: Path = Field(default=Path(__file__).parent / "defs", description="Folder of the use cases. Variable FT_DEFS.")
    profiles: dict[str, ComputeProfile] = Field(default_factory=lambda: {"local": ComputeProfile()}, description="Compute profiles by name.")

    @property
    def lake_uri(self) -> str:
        return self.lake_root or str(self.home / "lake")

    @property
    def key_path(self) -> Path:
        return self.key_file or self.home / "vault" / "pseudonym.key"

    @property
    def cache_path(self) -> Path:
        return self.cache or self.home / "cache"

    @property
    def mlflow_uri(self) -> str:
        return self.tracking_uri or f"sqlite:///{self.home}/mlflow.db"

    @property
    def dagster_home(self) -> Path:
        return Path(os.environ["DAGSTER_HOME"]) if os.environ.get("DAGSTER_HOME") else self.home / "dagster"

    def storage_options(self) -> dict[str, str]:
        """Object-store settings that are present as environment variables."""
        return {name: os.environ[name] for name in STORAGE_VARIABLES if os.environ.get(name)}

    def profile(self, name: str) -> ComputeProfile:
        if name not in self.profiles:
            raise ConfigError([f"compute.profile {name!r} is not a profile of this environment; there are {sorted(self.profiles)}"])
        return self.profiles[name]

    def to_variables(self) -> dict[str, str]:
        """Environment variables that give a program the same environment."""
        return {
            "FT_HOME": str(self.home),
            "FT_LAKE_ROOT": self.lake_uri,
            "FT_KEY_FILE": str(self.key_path),
            "FT_TRACKING_URI": self.mlflow_uri,
            "FT_CACHE": str(self.cache_path),
            "FT_DEFS": str(self.defs),
        }


def load_environment() -> Environment:
    """The environment of this process.

    Raises:
        ConfigError: the file has unknown or wrong settings.
    """
    path = Path(os.environ.get("FT_ENVIRONMENT", "ft_environment.yaml"))
    values: dict[str, Any] = {}
    if path.exists():
        values = yaml.safe_load(path.read_text()) or {}
    elif "FT_ENVIRONMENT" in os.environ:
        raise ConfigError([f"FT_ENVIRONMENT names {path}, which does not exist"])
    variables = {
        "FT_HOME": "home",
        "FT_LAKE_ROOT": "lake_root",
        "FT_KEY_FILE": "key_file",
        "FT_TRACKING_URI": "tracking_uri",
        "FT_CACHE": "cache",
        "FT_DEFS": "defs",
    }
    values |= {field: os.environ[name] for name, field in variables.items() if os.environ.get(name)}
    values["home"] = Path(values.get("home", ".ft")).absolute()
    try:
        return Environment(**values)
    except ValidationError as error:
        raise ConfigError([f"{path}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]) from error


def read_pseudonym_key(environment: Environment) -> bytes:
    """The secret that pseudonyms are made with, from the variable FT_PSEUDONYM_KEY (hex) or the key file.

    Raises:
        KeyMissing: there is none, or it is shorter than 32 bytes. There is no fallback.
    """
    text = os.environ.get("FT_PSEUDONYM_KEY") or (environment.key_path.read_text() if environment.key_path.exists() else "")
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        raise KeyMissing("the pseudonym key is not hexadecimal", "Set FT_PSEUDONYM_KEY or FT_KEY_FILE to the key of this installation") from None
    if len(key) < 32:
        raise KeyMissing(f"no pseudonym key of at least 32 bytes in FT_PSEUDONYM_KEY or {environment.key_path}", "Create one once with: ft init")
    return key


def create_pseudonym_key(environment: Environment) -> bool:
    """Creates the key file, readable by its owner only, if there is no key yet. Returns whether it did."""
    path = environment.key_path
    if os.environ.get("FT_PSEUDONYM_KEY") or path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
    return True
