"""The link to the profile of a table version, for the metadata of the asset that wrote it."""

import dagster as dg

from ft_platform.environment import Environment
from ft_platform.lake import Lake, TableVersion
from ft_platform.reporting.report_urls import report_url
from ft_platform.use_case import NamedUseCase


def profile_link(lake: Lake, environment: Environment, use_case: NamedUseCase, version: TableVersion) -> dict[str, dg.MetadataValue]:
    """Link and place of the profile; it is written if there is none of this content yet."""
    from ft_platform.reporting.profile_page import REPORT, publish_profile

    artifact = publish_profile(lake, use_case, version)
    return {"profile": dg.MetadataValue.url(report_url(environment, artifact, REPORT)), "profile_file": dg.MetadataValue.path(f"{artifact.uri}/{REPORT}")}
