"""Where keys are kept. One file per provider, found by folder; `FT_KEY_PROVIDER` and `FT_VAULT_KEY_PROVIDER` name one.

A setting is `<name>` or `<name>:<argument>`, e.g. `file`, `aws_secrets_manager:ft/pseudonym-keys`.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from ft_platform.errors import ConfigError


class KeyProvider(Protocol):
    """Reads and writes the text of one key ring (`lake.keys.key_ring`).

    Attributes:
        where: the place, for messages; never the key.
    """

    where: str

    def read(self) -> str | None:
        """The text, or None if there is no key yet.

        Raises:
            KeyMissing: the place exists and cannot be read.
        """
        ...

    def write(self, text: str) -> None:
        """Replaces the text, whole or not at all.

        Raises:
            KeyMissing: the place cannot be written from here.
            DiskFull: it has no room.
        """
        ...


@dataclass(frozen=True)
class KeyPlace:
    """Names where a key ring is kept, without holding it: it may be pickled and logged.

    Attributes:
        provider: `<name>` or `<name>:<argument>`.
        file: file of the providers that use one.
        variable: environment variable of the providers that use one.
    """

    provider: str
    file: Path
    variable: str

    def open(self) -> KeyProvider:
        """The provider.

        Raises:
            ConfigError: there is no such provider, or its argument is wrong.
            MissingExtra: its package is not installed.
        """
        name, _, argument = self.provider.partition(":")
        if name not in provider_names():
            close = get_close_matches(name, provider_names(), n=1)
            hint = f", did you mean {close[0]}?" if close else ""
            raise ConfigError(
                [f"{name!r} is not a key provider{hint}"], f"Key providers are: {', '.join(provider_names())}"
            )
        return importlib.import_module(f"{__name__}.{name}").provider(argument, self.file, self.variable)


def provider_names() -> list[str]:
    """Every name that a setting may hold."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def need_no_argument(name: str, argument: str) -> None:
    if argument:
        raise ConfigError([f"key provider {name!r} takes no argument, got {name}:{argument}"])


def need_argument(name: str, argument: str, what: str) -> str:
    if not argument:
        raise ConfigError([f"key provider {name!r} needs {what}: `{name}:<{what}>`"])
    return argument
