"""What `ft loop` played, as Dagster's UI shows it: the asset `<use_case>/loop` with its picture."""

from typing import Any

import dagster as dg

from ft_platform.assets.pictures import pictures_of
from ft_platform.errors.vouched import vouch
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.orchestration.instance import told as told_home
from ft_platform.redaction.instance import guard
from ft_platform.redaction.metadata import vouched_metadata
from ft_platform.reporting.loop_summary import closed, summary
from ft_platform.reporting.report_urls import report_url
from ft_platform.stages import LOOP
from ft_platform.use_case.settings.environment import Environment


def show_loop(lake: Lake, environment: Environment, version: ArtifactVersion, told: dict[str, Any]) -> None:
    """Materializes the asset in the instance of the installation."""
    metadata = {
        "verdict": vouch(summary(told)[0]),
        "closed": closed(told),
        "days": len(told["days"]),
        "retrainings": len(told["starts"]),
        "report": dg.MetadataValue.url(report_url(environment, version, in_dagster=True)),
        **pictures_of(lake, environment, version),
    }
    key = dg.AssetKey([version.use_case, LOOP])
    with told_home(environment.dagster_home), dg.DagsterInstance.get() as instance:
        guard(instance)
        instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=vouched_metadata(metadata)))
