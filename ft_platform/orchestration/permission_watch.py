"""What watches permission between two runs: a sensor on the consent ledger and a daily sweep over all versions."""

import hashlib
import json
from typing import Any

import dagster as dg

from ft_platform.assets.decorators import sensor
from ft_platform.assets.jobs import asset_job
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import NOT_TAINTED
from ft_platform.use_case.named import NamedUseCase

SWEEP_CRON = "17 2 * * *"
"""Every day at 02:17 UTC: after midnight, when days of expiry have passed, and off the full hour."""


def permission_watch(use_case: NamedUseCase) -> dg.Definitions:
    """The job that looks for records which may not be used any more, its daily schedule and, with a ledger, its sensor.

    Empty where neither a ledger nor a date can end a permission between two runs.
    """
    from ft_platform.governance.judge import depends_on_the_day

    has_ledger = bool(use_case.settings.governance.consent_ledger)
    if not has_ledger and not depends_on_the_day(use_case):
        return dg.Definitions()
    check = dg.AssetCheckKey(dg.AssetKey([use_case.name, "permitted_records"]), NOT_TAINTED)
    job = asset_job(
        use_case,
        f"{use_case.name}_retention_sweep",
        selection=dg.AssetSelection.checks(check),
        description=(f"Marks versions and checkpoints of {use_case.name} with records that may no longer be used."),
    )
    schedule = dg.ScheduleDefinition(
        name=f"{use_case.name}_retention_sweep",
        job=job,
        cron_schedule=SWEEP_CRON,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    sensors = [ledger_sensor(use_case, job)] if has_ledger else []
    return dg.Definitions(jobs=[job], schedules=[schedule], sensors=sensors)


def ledger_sensor(use_case: NamedUseCase, sweep: Any) -> dg.SensorDefinition:
    """Reports a changed ledger once and starts the sweep. Whether stages run then is the automation conditions'
    decision."""
    key = dg.AssetKey([use_case.name, "consent_ledger"])
    permitted = dg.AssetKey([use_case.name, "permitted_records"])

    @sensor(
        name=f"{use_case.name}_consent_ledger",
        job=sweep,
        minimum_interval_seconds=use_case.settings.retraining.poll_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Looks for a changed consent ledger of {use_case.name} by content.",
    )
    def look(context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]) -> dg.SensorResult | dg.SkipReason:
        from ft_platform.errors import FtError
        from ft_platform.governance.ledger import pin_ledger

        try:
            pinned = pin_ledger(use_case, lake.storage_options)
        except FtError as error:
            return dg.SkipReason(str(error))
        assert pinned is not None
        seen, changes = _cursor(context.cursor)
        if seen == pinned.content:
            return dg.SkipReason("the ledger is unchanged")
        version = hashlib.sha256(pinned.content.encode()).hexdigest()[:32]
        event = dg.AssetMaterialization(key, tags={"dagster/data_version": version})
        made_before = context.instance.get_latest_materialization_event(permitted) is not None
        # A ledger that is again what it once was is a change too: by content alone, Dagster would take its run for one
        # that was made.
        runs = [dg.RunRequest(run_key=f"{changes + 1}:{pinned.content}")] if made_before else []
        cursor = json.dumps({"content": pinned.content, "changes": changes + 1})
        return dg.SensorResult(asset_events=[event], run_requests=runs, cursor=cursor)

    return look


def _cursor(cursor: str | None) -> tuple[str, int]:
    """Content of the ledger that was reported last, and how many changes were."""
    try:
        seen = json.loads(cursor or "{}")
        return seen.get("content", ""), int(seen.get("changes", 0))
    except (ValueError, AttributeError):
        return "", 0
