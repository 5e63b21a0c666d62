"""retention_report: what was deleted because its period is over, with the job and the schedule that delete it."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from ft_platform.assets.decorators import asset
from ft_platform.assets.jobs import asset_job
from ft_platform.assets.stage import key, tags, with_typed_failures
from ft_platform.errors.vouched import vouch
from ft_platform.lake.store import Lake
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

DELETE_CRON = "47 2 * * *"
"""Every day at 02:47 UTC, half an hour after the sweep."""
RETRIES = dg.RetryPolicy(max_retries=3, delay=600)
"""A table that is being written is free some minutes later."""


def retention_report(use_case: NamedUseCase) -> list[Any]:
    """The asset, its job and its schedule; nothing where no period is set. Who sets one has asked for it: the schedule
    is on."""
    if not use_case.settings.retention.on:
        return []
    asset = _asset(use_case)
    job = asset_job(
        use_case,
        f"{use_case.name}_retention_delete",
        selection=dg.AssetSelection.assets(asset.key),
        description=f"Deletes rows and versions of {use_case.name} that are beyond the periods of `retention`.",
    )
    schedule = dg.ScheduleDefinition(
        name=f"{use_case.name}_retention_delete",
        job=job,
        cron_schedule=DELETE_CRON,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    return [asset, job, schedule]


def _asset(use_case: NamedUseCase) -> dg.AssetsDefinition:
    @asset(
        key=key(use_case, "retention_report"),
        # Of its own, so that neither "Materialize all" nor `ft run` deletes anything.
        group_name=f"{use_case.name}_retention",
        tags=tags(use_case, "shared"),
        owners=[use_case.settings.owners.of("compliance")],
        retry_policy=RETRIES,
    )
    @with_typed_failures
    def retention_report(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment]
    ) -> dg.MaterializeResult[Any]:
        """What was deleted because its period is over: counts by reason, versions, and what stays.

        A legal hold keeps everything. Where more than `retention.max_share` of the rows would go, nothing is deleted
        and the run fails, until a compliance officer confirms it."""
        from ft_platform.erasure.retention import delete_due
        from ft_platform.people.person import at_this_machine
        from ft_platform.people.started import starter
        from ft_platform.redaction.metadata import vouched_metadata

        person = starter(context.run.run_id, context.run.tags, lake.signing.keys) if lake.signing else None
        today = datetime.now(UTC).date()
        made = delete_due(lake, environment, use_case, person or at_this_machine(), today)
        return dg.MaterializeResult(metadata=vouched_metadata(_shown(made)))

    return retention_report


def _shown(made: dict[str, Any] | None) -> dict[str, Any]:
    if made is None:
        return {"rows_deleted": 0}
    return {
        "rows_deleted": made["rows"],
        "records": dg.MetadataValue.json(made["records"]),
        "versions": len(made["versions"]),
        "versions_kept": len(made["kept"]),
        "checkpoints_refused": len(made["checkpoints"]),
        "report": vouch(made["id"]),
    }
