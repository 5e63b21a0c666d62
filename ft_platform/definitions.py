"""Entry point of the code location: every use case in `defs/`, the shared resources and the sensors."""

import gc

import dagster as dg

from ft_platform.orchestration.audit_log import note_files
from ft_platform.orchestration.erasure_watch import erasure_watch
from ft_platform.orchestration.loading import load_definitions, nothing_collected
from ft_platform.orchestration.needs_watch import needs_watch
from ft_platform.orchestration.own_run import own_use_case
from ft_platform.orchestration.shared import prepared_environment


@dg.definitions
def defs() -> dg.Definitions:
    """One graph per use case; in the process of a run only that of its use case.

    Raises:
        ConfigError: the instance would store texts of records.
    """
    environment, own = prepared_environment(), own_use_case()
    with nothing_collected():
        watches = dg.Definitions(sensors=[*needs_watch(environment), erasure_watch(environment)])
        loaded = load_definitions(environment, only=own)
        made = dg.Definitions.merge(loaded, note_files(environment), watches)
        _ = made.get_repository_def().asset_graph  # what Dagster asks for next; it stays in `made`
        if own is None:
            # All of it is described to the web server next. With Python's 700, a third of that is looking for garbage.
            gc.set_threshold(100_000, 50, 100)
        gc.freeze()  # all of it stays as long as the process, and need not be looked through for what can be collected
    return made
