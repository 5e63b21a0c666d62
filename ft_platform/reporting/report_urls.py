"""Addresses of HTML reports and pictures: what links are made of, and what the portal answers."""

import re
from typing import NamedTuple

from ft_platform.lake.versions import ArtifactVersion
from ft_platform.stages import PAGES, STAGES
from ft_platform.use_case.settings.environment import PORTAL, REPORTS_URL, Environment

REPORT_STAGES = (*(stage.name for stage in STAGES.values() if stage.kind in ("checkpoint", "report")), *PAGES)

USE_CASE = r"(?P<use_case>[a-z][a-z0-9_]{1,60})"
ID = "[A-Za-z0-9][A-Za-z0-9_-]{0,99}"
INDEX = re.compile(f"/{USE_CASE}/")
COMPARISON = re.compile(f"/{USE_CASE}/compare/(?P<a>{ID})/(?P<b>{ID})")
PAGE = re.compile(
    rf"/{USE_CASE}/(?P<stage>{'|'.join(REPORT_STAGES)})/(?P<artifact_id>{ID})/(?P<page>[a-z][a-z0-9_]{{0,60}}\.(?:html|png))"
)
"""Neither `.` before the ending, nor `/` inside a part, nor `%` can match: there is no path that leads anywhere
else."""


class ReportAddress(NamedTuple):
    """Which page of which report."""

    use_case: str
    stage: str
    artifact_id: str
    page: str


def report_url(
    environment: Environment, artifact: ArtifactVersion, page: str = "report.html", *, in_dagster: bool = False
) -> str:
    """Address of an HTML page or a picture of a report, for a browser.

    Args:
        artifact: a report in the lake.
        page: file of the report.
        in_dagster: for a link on Dagster's pages.
    """
    parts = [artifact.use_case, artifact.name, artifact.artifact_id, page]
    return "/".join([_start(environment, in_dagster=in_dagster), *parts])


def home_url(environment: Environment, use_case: str, *, in_dagster: bool = False) -> str:
    """Address of the home page of a use case, for a browser."""
    return f"{_start(environment, in_dagster=in_dagster)}/{use_case}/"


def _start(environment: Environment, *, in_dagster: bool) -> str:
    """Links on Dagster's pages lead to the portal below them, by whatever name and port these are opened, unless the
    installation names another address."""
    return PORTAL if in_dagster and environment.reports_url == REPORTS_URL else environment.reports_url.rstrip("/")


def use_case_of_index(path: str) -> str | None:
    """The use case whose reports the path of a request asks for, or None."""
    found = INDEX.fullmatch(path)
    return found["use_case"] if found else None


def report_address(path: str) -> ReportAddress | None:
    """The page or picture that the path of a request names, as sent and not decoded; None for everything else."""
    found = PAGE.fullmatch(path)
    return ReportAddress(**found.groupdict()) if found else None


def compared_in(path: str) -> tuple[str, str, str] | None:
    """The use case and the two ids that the path of a request asks to compare, or None."""
    found = COMPARISON.fullmatch(path)
    return (found["use_case"], found["a"], found["b"]) if found else None
