"""Pictures of a version as the UI shows them: links to the portal.

A picture inside the event would wait behind a click: the UI shows Markdown of less than 1,000 characters only."""

from collections.abc import Mapping

import dagster as dg

from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.reporting.report_urls import report_url
from ft_platform.reporting.table_pictures import publish_pictures
from ft_platform.use_case.settings.environment import Environment

ENDING = ".png"


def pictures_of(lake: Lake, environment: Environment, artifact: ArtifactVersion) -> dict[str, dg.MetadataValue]:
    """Every picture of a checkpoint or report."""
    addresses = {
        name.removesuffix(ENDING): report_url(environment, artifact, name, in_dagster=True)
        for name in lake.manifest(artifact).files
        if name.endswith(ENDING)
    }
    return {f"plot/{name}": dg.MetadataValue.md(f"![plot]({address})") for name, address in addresses.items()}


def pictures_of_table(
    lake: Lake, environment: Environment, version: TableVersion, pictures: Mapping[str, bytes]
) -> dict[str, dg.MetadataValue]:
    """Pictures of a table, which are published for that.

    Args:
        pictures: name -> PNG.
    """
    return pictures_of(lake, environment, publish_pictures(lake, version, pictures))
