"""monitoring_report: a day of requests to the released model, watched; and the sensor that makes it."""

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import dagster as dg

from ft_platform.assets.decorators import asset, asset_check, sensor
from ft_platform.assets.jobs import asset_job
from ft_platform.assets.report import shown
from ft_platform.assets.served_traffic import FIRST_DAY, PARTITIONS, SERVED_TRAFFIC
from ft_platform.assets.stage import KINDS, key, tags, with_typed_failures
from ft_platform.errors.vouched import vouch
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.redaction.metadata import vouched_metadata
from ft_platform.stages import MONITORING
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.hash import settings_hash

NO_ALARM = "no_alarm"
EVERY_SECONDS = 120
SHIPPED = timedelta(minutes=15)
"""After a day is over, until servers have shipped what they noted of it."""
PARTITION = "dagster/partition"
"""Tag of a run."""
TODAY_HOURS = 6
"""Between two reports of today: each stays in the lake."""
MOST_RUNS = 5
"""Of one tick, the oldest days first."""


def monitoring_report(use_case: NamedUseCase) -> list[Any]:
    """The asset, its job and its sensor."""
    asset, check = _asset(use_case), _no_alarm(use_case)
    job = asset_job(
        use_case,
        f"{use_case.name}_monitoring",
        selection=dg.AssetSelection.assets(asset.key),
        description=f"Watches a day of requests to {use_case.name}.",
    )
    return [asset, check, job, _sensor(use_case, job)]


def _asset(use_case: NamedUseCase) -> dg.AssetsDefinition:
    @asset(
        key=key(use_case, MONITORING),
        deps=[key(use_case, SERVED_TRAFFIC), key(use_case, "evaluation_report")],
        group_name=f"{use_case.name}_monitoring",  # its days would make every job of the use case one with days
        partitions_def=PARTITIONS,
        kinds=KINDS["report"],
        tags=tags(use_case, "shared"),
        owners=[use_case.settings.owners.of("data_science")],
        code_version=settings_hash({"watch": use_case.settings.monitoring.watch}),
        io_manager_key="versions",
    )
    @with_typed_failures
    def monitoring_report(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment]
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """A day of requests to the released model: service, inputs, outputs, accuracy, and what moved.

        Compared with the test split of its evaluation and the days before, with a stated rate of false alarms."""
        from ft_platform.monitoring.day_reports import FILE, DayReport
        from ft_platform.reporting.monitoring_report import verdict
        from ft_platform.reporting.publishing.monitoring import publish_monitoring

        version = publish_monitoring(lake, use_case, context.partition_key)
        report = DayReport.model_validate_json(lake.read_file(version, FILE))
        figures = report.figures["service"]
        scores: dict[str, Any] = {
            "score/estimated_accuracy": report.estimated_accuracy.value,
            "score/measured_accuracy": report.measured_accuracy.value,
        }
        return shown(
            lake,
            environment,
            use_case,
            version,
            rows=report.requests,
            verdict=vouch(verdict(report)["text"]),
            alarms=len(report.alarms),
            errors=figures["errors"],
            p95_seconds=figures["p95_seconds"],
            **scores,
        )

    return monitoring_report


def _no_alarm(use_case: NamedUseCase) -> dg.AssetChecksDefinition:
    description = "No measure of this day has an alarm that nobody acknowledged."

    @asset_check(asset=key(use_case, MONITORING), name=NO_ALARM, description=description)
    @with_typed_failures
    def no_alarm(context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
        from ft_platform.monitoring.day_reports import day_reports
        from ft_platform.reporting.monitoring_report import verdict

        day = context.run.tags.get(PARTITION)  # asked alone, it has none
        report = next(one for _, one in reversed(day_reports(lake, use_case.name)) if day in (None, one.day))
        names = [one.what for one in report.alarms]
        return dg.AssetCheckResult(
            passed=not names,
            severity=dg.AssetCheckSeverity.WARN,
            description=vouch(verdict(report)["text"]),
            metadata=vouched_metadata({"alarms": ", ".join(names) or "none"}),
        )

    return no_alarm


def _sensor(use_case: NamedUseCase, job: Any) -> dg.SensorDefinition:
    @sensor(
        name=f"{use_case.name}_monitoring",
        job=job,
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Makes {MONITORING} of {use_case.name}: of today every {TODAY_HOURS} hours, of a day that is over a"
            " quarter of an hour later, and again when feedback came."
        ),
    )
    def look(context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]) -> dg.SensorResult | dg.SkipReason:
        from ft_platform.errors import FtError
        from ft_platform.monitoring.traffic.tables import TrafficTables
        from ft_platform.reporting.publishing.monitoring import LATE_DAYS, feedback_by_day

        seen, now = json.loads(context.cursor or "{}"), datetime.now(UTC)
        first = max(FIRST_DAY, (now.date() - timedelta(LATE_DAYS)).isoformat())
        try:
            tables = TrafficTables(lake, use_case.name)
            rows = {day: count for day, count in tables.rows_of_days().items() if day >= first}
            opinions = sum(tables.rows_of_days("feedback").values())
            said = seen.get("said", {})
            if opinions != seen.get("opinions", 0):
                said = {day: len(found) for day, found in feedback_by_day(lake, use_case.name, list(rows)).items()}
        except FtError as error:
            return dg.SkipReason(str(error))
        there = {day: [count, said.get(day, 0)] for day, count in rows.items()}
        made = {day: found for day, found in seen.get("made", {}).items() if day in there}
        changed = [day for day in there if there[day] != made.get(day)]
        due = [day for day in changed if _is_due(day, now, seen.get("part", ""))][:MOST_RUNS]
        made |= {day: there[day] for day in due}
        part = _part(now) if now.date().isoformat() in due else seen.get("part", "")
        cursor = json.dumps({"made": made, "said": said, "opinions": opinions, "part": part})
        requests = [dg.RunRequest(partition_key=day) for day in due]
        return dg.SensorResult(run_requests=requests, cursor=cursor, skip_reason=None if due else "nothing new is due")

    return look


def _is_due(day: str, now: datetime, part: str) -> bool:
    if day == now.date().isoformat():
        return _part(now) != part
    over = datetime.combine(date.fromisoformat(day) + timedelta(1), time(), UTC)
    return now >= over + SHIPPED


def _part(moment: datetime) -> str:
    """The part of a day that a moment lies in."""
    return f"{moment.date().isoformat()} {moment.hour // TODAY_HOURS}"
