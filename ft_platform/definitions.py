"""Entry point of the code location: every use case in `defs/`, the shared resources and the sensors."""

import dagster as dg

from ft_platform.orchestration.loading import load_definitions
from ft_platform.orchestration.shared import prepared_environment


@dg.definitions
def defs() -> dg.Definitions:
    """One graph per use case.

    Raises:
        ConfigError: the instance would store texts of records.
    """
    return load_definitions(prepared_environment())
