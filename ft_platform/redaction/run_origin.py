"""Where a run belongs that a command executes in its own process: `ft run`, `dg launch`.

Dagster notes the code location of runs that it launches. Without it a run stands on no page but "Runs": neither in the
timeline of the overview nor beside its job."""

import dagster as dg
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

LOCATION = "ft_platform"
"""Name of the code location, as in workspace.yaml."""

CODE_LOCATION_TAG = "dagster/code_location"


def with_origin(run: dg.DagsterRun) -> dg.DagsterRun:
    """The same run; where nothing says which code location it is of, it is of this one."""
    if run.remote_job_origin is not None:
        return run
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), SINGLETON_REPOSITORY_NAME)
    return run.with_job_origin(repository.get_job_origin(run.job_name)).with_tags(
        {**run.tags, CODE_LOCATION_TAG: LOCATION}
    )
