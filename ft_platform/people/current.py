"""Permissions that follow the files which say who may do what."""

from collections.abc import Callable

from ft_platform.environment import load_environment
from ft_platform.people.loading import permissions_of
from ft_platform.people.may import Permissions
from ft_platform.settings.environment import Environment
from ft_platform.settings.environment_file import environment_file
from ft_platform.use_case.file import FILE_NAME, find_use_cases


class CurrentPermissions:
    """Who may do what now, for a server: read again whenever a file changed that says so.

    Args:
        load: reads the environment.
    """

    def __init__(self, load: Callable[[], Environment] = load_environment) -> None:
        self._load, self._environment = load, load()
        self._state: list[tuple[str, int, int]] = []
        self._permissions = Permissions()

    def __call__(self) -> Permissions:
        """The permissions.

        Raises:
            ConfigError: the settings of the installation are wrong.
        """
        files = [environment_file(), *(folder / FILE_NAME for folder in find_use_cases(self._environment.defs))]
        found = [(str(file), file.stat()) for file in files if file]
        state = [(name, stat.st_ctime_ns, stat.st_size) for name, stat in found]
        if state != self._state:
            self._environment = self._load()
            self._permissions = permissions_of(self._environment)
            self._state = state
        return self._permissions
