"""The environment of this process.

Settings come from `ft_environment.yaml` (`environment_file` says which), and each can be set by an environment
variable, which wins. Paths in the file are relative to its folder, those of variables to the working directory.
"""

import os
import secrets
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ft_platform.errors import ConfigError
from ft_platform.use_case.policy_fields import require_known_fields
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.environment_file import environment_file
from ft_platform.use_case.settings.file_names import LONGEST_GOT
from ft_platform.use_case.yaml_file import YamlFile, read_yaml

RELATIVE = (
    "home",
    "lake_root",
    "key_file",
    "vault_key_file",
    "vault_public_key_file",
    "signing_key_file",
    "seals_folder",
    "cache",
    "defs",
)
"""Paths of the file that are relative to its folder."""

WORDS = {
    "extra_forbidden": "there is no such setting",
    "invalid_key": "there is no such setting",
    "path_type": "must be a path",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
}
"""Kinds of mistakes that pydantic tells in the words of a programmer."""


def load_environment() -> Environment:
    """The environment of this process.

    Raises:
        ConfigError: the file is not there or cannot be read, or it or a variable has unknown or wrong settings; with
            the line, or the variable.
    """
    found_file, here = environment_file(), Path.cwd()
    folder, file = (found_file.parent, read_yaml(found_file)) if found_file else (here, YamlFile())
    path = found_file.relative_to(here) if found_file and found_file.is_relative_to(here) else found_file
    problems = [f"{text} ({path}:{line})" for line, text in file.problems]
    if not isinstance(file.value, (dict, type(None))):
        problems.append(f"the file must be a mapping of settings ({path}:1)")
    if problems:
        raise ConfigError(problems)
    values: dict[str, Any] = dict(file.value or {})
    for name in ("home", "key_file", "vault_key_file", "vault_public_key_file", "cache", "defs"):
        if "\0" in str(values.get(name, "")):
            problems.append(f"{name} must be a path, which has no NUL ({path}:{file.line_of((name,))})")
    variables = {
        "FT_HOME": "home",
        "FT_LAKE_ROOT": "lake_root",
        "FT_LAKE_KEYS": "lake_keys",
        "FT_RESTRICTED_GROUP": "restricted_group",
        "FT_KEY_FILE": "key_file",
        "FT_KEY_PROVIDER": "key_provider",
        "FT_VAULT_KEY_PROVIDER": "vault_key_provider",
        "FT_VAULT_KEY_FILE": "vault_key_file",
        "FT_VAULT_PUBLIC_KEY_FILE": "vault_public_key_file",
        "FT_SIGNING_KEY_PROVIDER": "signing_key_provider",
        "FT_SIGNING_KEY_FILE": "signing_key_file",
        "FT_SEALS_FOLDER": "seals_folder",
        "FT_TRACKING_URI": "tracking_uri",
        "FT_TRACKERS": "trackers",
        "FT_REGISTRY_PREFIX": "registry_prefix",
        "FT_WANDB_MODE": "wandb_mode",
        "FT_WANDB_ENTITY": "wandb_entity",
        "FT_UNPINNED_BASE_MODELS": "unpinned_base_models",
        "FT_CACHE": "cache",
        "FT_REPORTS_URL": "reports_url",
        "FT_WEB_HOSTS": "web_hosts",
        "FT_DEFS": "defs",
    }
    for name in RELATIVE:
        if isinstance(value := values.get(name), str) and "://" not in value:
            values[name] = str(folder / value)
    set_by = {field: name for name, field in variables.items() if os.environ.get(name)}
    values |= {field: os.environ[name] for field, name in set_by.items()}
    if not isinstance(values.setdefault("home", str(folder / ".ft")), str):
        problems.append(f"home must be a path ({path}:{file.line_of(('home',))})")
    if not problems:
        values["home"] = Path(values["home"]).absolute()
        try:
            environment = Environment.model_validate(values)
            require_known_fields(environment.policy)
            return environment.with_duties()
        except ValidationError as error:
            for found in error.errors(include_url=False, include_input=False):
                field = str(found["loc"][0]) if found["loc"] else ""
                where = f"variable {set_by[field]}" if field in set_by else f"{path}:{file.line_of(found['loc'])}"
                setting = ".".join(str(part)[:LONGEST_GOT] for part in found["loc"]).replace("\n", "\\n")
                said = WORDS.get(found["type"], found["msg"].removeprefix("Value error, "))
                problems.append(f"{setting}: {said} ({where})".removeprefix(": "))
        except ValueError as error:
            problems.append(f"policy: {error} ({path}:{file.line_of(('policy',))})")
    raise ConfigError(problems)


def create_pseudonym_key(environment: Environment) -> bool:
    """Creates the key file, readable by its owner only, if keys are kept in a file and there is none yet. Returns
    whether it did."""
    path = environment.key_path
    if environment.pseudonym_key_provider != "file" or path.exists():
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
    folder = os.open(path.parent, os.O_RDONLY)  # the key opens what others write next: its name must be there as long
    os.fsync(folder)
    os.close(folder)
    return True
