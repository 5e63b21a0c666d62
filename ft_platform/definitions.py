"""Entry point of the code location: every use case in `defs/`, the shared resources and the sensors."""

import dagster as dg

from ft_platform.environment import load_environment
from ft_platform.loading import load_definitions, prepare_variables
from ft_platform.redaction.hooks import install_hooks


@dg.definitions
def defs() -> dg.Definitions:
    """One graph per use case."""
    install_hooks()
    prepare_variables()
    return load_definitions(load_environment())
