"""The link to the profile of a table version, for the metadata of the asset that wrote it."""

from typing import Any

from ft_platform.assets.stage import report_link
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def profile_link(lake: Lake, environment: Environment, use_case: NamedUseCase, version: TableVersion) -> dict[str, Any]:
    """Link and place of the profile: counts, lengths, balance, and what changed. It is written if there is none of this
    content yet."""
    from ft_platform.reporting.profile_page import publish_profile

    page = publish_profile(lake, use_case, version)
    return report_link(environment, page, lake.manifest(page))
