"""Permissions of an installation, from its settings and the files of its use cases."""

from ft_platform.people.may import Permissions
from ft_platform.settings.environment import Environment
from ft_platform.use_case.readable import use_cases_of


def permissions_of(environment: Environment) -> Permissions:
    """Who may do what. A use case whose file cannot be read has no owners, so nobody but those with a role in the whole
    installation may do anything there."""
    return Permissions(environment.people, use_cases_of(environment))
