"""Permissions of an installation, from its settings and the files of its use cases."""

from collections.abc import Callable

from ft_platform.errors import FtError
from ft_platform.lake.opening import open_lake
from ft_platform.people.access import GrantsInForce
from ft_platform.people.may import Permissions
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.file import FILE_NAME, find_use_cases, load_use_case
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.environment_file import environment_file


def use_cases_of(environment: Environment) -> dict[str, NamedUseCase]:
    """Name -> use case. One whose file is wrong is not there; `ft check` says why."""
    found = {}
    for folder in find_use_cases(environment.defs):
        try:
            found[folder.name] = load_use_case(folder, environment=environment)
        except FtError:
            continue
    return found


def permissions_of(environment: Environment) -> Permissions:
    """Who may do what. A use case whose file cannot be read has no owners, so nobody but those with a role in the whole
    installation may do anything there."""
    granted = GrantsInForce(lambda: open_lake(environment) if environment.seals_path.exists() else None)
    return Permissions(environment.people, use_cases_of(environment), granted)


def environment_now(environment: Environment) -> Callable[[], Environment]:
    """Reads the environment of a server again: from its file, where it stands in one, also if that is gone by now.

    Args:
        environment: as it was when the server started.
    """
    stood_in_a_file = environment_file() is not None
    return lambda: load_environment() if stood_in_a_file or environment_file() else environment


class CurrentPermissions:
    """Who may do what now, for a server: read again whenever a file changed that says so.

    Args:
        load: reads the environment.
    """

    def __init__(self, load: Callable[[], Environment] = load_environment) -> None:
        self._load, self._environment = load, load()
        self._state: list[tuple[str, int, int]] | None = None
        self._permissions = Permissions()

    def __call__(self) -> Permissions:
        """The permissions.

        Raises:
            ConfigError: the settings of the installation are wrong or cannot be read. What they were before counts no
                more.
        """
        files = [environment_file(), *(folder / FILE_NAME for folder in find_use_cases(self._environment.defs))]
        try:
            found = [(str(file), file.stat()) for file in files if file]
        except OSError:
            return permissions_of(self._load())
        state = [(name, stat.st_ctime_ns, stat.st_size) for name, stat in found]
        if state != self._state:
            self._environment = self._load()
            self._permissions = permissions_of(self._environment)
            self._state = state
        return self._permissions
