"""The audit log of a web server, opened for its first entry: one to which nobody signs in needs no lake."""

from functools import cache

from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log.opening import audit_log_of
from ft_platform.people.noted import Noting
from ft_platform.use_case.settings.environment import Environment


def audit_log_once_needed(environment: Environment) -> Noting:
    """The log of an installation."""
    log = cache(lambda: audit_log_of(open_lake(environment)))
    return lambda noted: log()(noted)
