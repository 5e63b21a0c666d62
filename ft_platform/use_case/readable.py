"""The use cases of an installation whose files can be read."""

from ft_platform.errors import FtError
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
