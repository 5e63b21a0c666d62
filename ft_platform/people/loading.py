"""Permissions of an installation, from its settings and the files of its use cases."""

from ft_platform.errors import FtError
from ft_platform.people.may import Permissions
from ft_platform.settings.environment import Environment
from ft_platform.use_case.file import find_use_cases, load_use_case
from ft_platform.use_case.named import NamedUseCase


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
    return Permissions(environment.people, use_cases_of(environment))
