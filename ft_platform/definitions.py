"""Entry point of the code location: every use case in `defs/`, the shared resources and the sensors."""

import os

import dagster as dg

from ft_platform.environment import load_environment
from ft_platform.errors import ConfigError
from ft_platform.orchestration.loading import load_definitions, prepare_variables
from ft_platform.process.hooks import install_hooks
from ft_platform.redaction.settings_file import instance_problems


@dg.definitions
def defs() -> dg.Definitions:
    """One graph per use case.

    Raises:
        ConfigError: the instance would store texts of records.
    """
    install_hooks()
    prepare_variables()
    environment = load_environment()
    if os.environ.get("DAGSTER_HOME") and (problems := instance_problems(environment.dagster_home)):
        raise ConfigError(problems)
    return load_definitions(environment)
