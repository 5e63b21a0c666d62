"""source sensor: notices new or changed files of a source and reports them as a new version of the external asset `source`."""

import hashlib
import json

import dagster as dg

from ft_platform.environment import Environment
from ft_platform.errors import FtError
from ft_platform.use_case import NamedUseCase


def source_sensor(use_case: NamedUseCase) -> dg.SensorDefinition:
    """Reports a source change once. What runs then is the automation conditions' decision, by content."""
    running = use_case.settings.retraining.mode == "on_data_change"
    key = dg.AssetKey([use_case.name, "source"])

    @dg.sensor(
        name=f"{use_case.name}_source",
        asset_selection=dg.AssetSelection.assets(key),
        minimum_interval_seconds=use_case.settings.retraining.poll_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description=f"Looks for new or changed files of {use_case.name} by content hash. On by default where retraining.mode is on_data_change.",
    )
    def sensor(context: dg.SensorEvaluationContext, environment: dg.ResourceParam[Environment]) -> dg.SensorResult | dg.SkipReason:
        from ft_platform.sources.ingest import fingerprint

        try:
            files = fingerprint(use_case.settings.source, environment)
        except FtError as error:
            return dg.SkipReason(str(error))
        version = hashlib.sha256(json.dumps(sorted(files.items())).encode()).hexdigest()[:32]
        if context.cursor == version:
            return dg.SkipReason(f"{len(files)} file(s), content unchanged")
        event = dg.AssetMaterialization(key, metadata={"files": len(files)}, tags={"dagster/data_version": version})
        return dg.SensorResult(asset_events=[event], cursor=version)

    return sensor
