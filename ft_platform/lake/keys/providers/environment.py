"""Keys in an environment variable, set by whatever starts the process: a container engine, a scheduler, a secret
store's agent."""

import os
from pathlib import Path

from ft_platform.errors import KeyMissing
from ft_platform.lake.keys.providers import need_no_argument


class EnvironmentKeys:
    """A variable of this process. It cannot be changed from here: `ft keys rotate` prints what to do."""

    def __init__(self, variable: str) -> None:
        self.where = f"the variable {variable}"
        self._variable = variable

    def read(self) -> str | None:
        return os.environ.get(self._variable) or None

    def write(self, text: str) -> None:
        raise KeyMissing(
            f"keys in {self.where} cannot be changed from here",
            'Set it where it is managed to {"keys": {"1": "<the key of today>", "2": "<64 new hex digits>"}}; create'
            " digits with: openssl rand -hex 32",
        )


def provider(argument: str, file: Path, variable: str) -> EnvironmentKeys:
    need_no_argument("environment", argument)
    return EnvironmentKeys(variable)
