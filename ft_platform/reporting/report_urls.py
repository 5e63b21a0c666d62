"""Addresses of HTML reports and pictures: what links in the UI are made of, and what the report server accepts."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from ft_platform.lake.versions import ArtifactVersion
from ft_platform.settings.environment import Environment
from ft_platform.settings.hosts import LOOPBACK
from ft_platform.stages import PAGES, STAGES

DEFAULT_PORT = 3001

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


def server_port(reports_url: str) -> int:
    """Port that the report server listens on by default: that of the address where it is this machine's, else
    `DEFAULT_PORT` (a proxy has the address)."""
    parts = urlsplit(reports_url)
    return (parts.port if parts.hostname in LOOPBACK else None) or DEFAULT_PORT


def report_url(environment: Environment, artifact: ArtifactVersion, page: str = "report.html") -> str:
    """Address of an HTML page or a picture of a report, for a browser.

    Args:
        environment: its `reports_url` is where browsers reach the report server.
        artifact: a report in the lake.
        page: file of the report.
    """
    return "/".join([environment.reports_url.rstrip("/"), artifact.use_case, artifact.name, artifact.artifact_id, page])


def home_url(environment: Environment, use_case: str) -> str:
    """Address of the home page of a use case, for a browser."""
    return f"{environment.reports_url.rstrip('/')}/{use_case}/"


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
