"""Entry point of the code location: every use case in `defs/`, the shared resources and the sensors."""

import dagster as dg

from ft_platform.orchestration.audit_log import note_files
from ft_platform.orchestration.loading import load_definitions
from ft_platform.orchestration.shared import prepared_environment


@dg.definitions
def defs() -> dg.Definitions:
    """One graph per use case.

    Raises:
        ConfigError: the instance would store texts of records.
        FtError: a file of settings has changed, and the audit log cannot be told.
    """
    environment = prepared_environment()
    note_files(environment)
    return load_definitions(environment)
