"""served_traffic: what the released model was asked, day by day, and the sensor that ships it from the servers."""

import json
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from ft_platform.assets.decorators import sensor
from ft_platform.assets.stage import key, tags
from ft_platform.lake.store import Lake
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

SERVED_TRAFFIC = "served_traffic"
EVERY_SECONDS = 60
READ_SECONDS = 20.0
"""For logs in one tick: Dagster ends a tick after 60 seconds, and other sensors wait for it."""
FIRST_DAY = "2026-01-01"
PARTITIONS = dg.DailyPartitionsDefinition(FIRST_DAY, timezone="UTC", end_offset=1)


def served_traffic(use_case: NamedUseCase) -> list[Any]:
    """The external asset, a partition per day, and its sensor."""
    spec = dg.AssetSpec(
        key(use_case, SERVED_TRAFFIC),
        deps=[[use_case.name, "deployment", target] for target in use_case.settings.serving.targets],
        description=(
            "Requests to the released model, a partition per day: one record each, without its text. Texts are kept"
            " only as monitoring.capture says. A sensor ships them from the servers of this machine, and reads"
            " monitoring.logs."
        ),
        group_name=use_case.name,
        kinds={"delta"},
        partitions_def=PARTITIONS,
        tags=tags(use_case, "restricted", "external"),
        owners=[use_case.settings.owners.of("data_science")],
    )
    return [spec, _sensor(use_case, spec.key)]


def _sensor(use_case: NamedUseCase, asset: dg.AssetKey) -> dg.SensorDefinition:
    @sensor(
        name=f"{use_case.name}_traffic",
        asset_selection=dg.AssetSelection.assets(asset),
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Ships what servers noted to the lake, reads monitoring.logs, and deletes what {use_case.name} keeps no"
            " longer."
        ),
    )
    def look(
        context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment]
    ) -> dg.SensorResult | dg.SkipReason:
        from ft_platform.errors import FtError
        from ft_platform.monitoring.traffic.logs import in_words, read_logs
        from ft_platform.monitoring.traffic.shipping import ship, spool_path, tidy
        from ft_platform.monitoring.traffic.tables import TrafficTables

        seen = json.loads(context.cursor or "{}")
        today = datetime.now(UTC).date().isoformat()
        try:
            ship(lake, spool_path(environment))
            for one in read_logs(lake, environment, use_case, READ_SECONDS):
                if one["damaged"] or one["problem"]:
                    context.log.warning(in_words(one))
            if seen.get("cleared") != today:
                tidy(lake, use_case.name, use_case.settings.monitoring)
        except FtError as error:
            return dg.SkipReason(str(error))
        days = TrafficTables(lake, use_case.name).rows_of_days()
        changed = {day: rows for day, rows in days.items() if seen.get("days", {}).get(day) != rows}
        cursor = json.dumps({"cleared": today, "days": days})
        if not changed:
            context.update_cursor(cursor)
            return dg.SkipReason("no new request")
        events = [
            dg.AssetMaterialization(
                asset, partition=day, metadata={"requests": rows}, tags={"dagster/data_version": str(rows)}
            )
            for day, rows in sorted(changed.items())
            if day >= FIRST_DAY
        ]
        return dg.SensorResult(asset_events=events, cursor=cursor)

    return look
