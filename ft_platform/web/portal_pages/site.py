"""The pages of the portal about one use case: a home page, and the reports of the lake with their pictures.

Only pages and pictures that the manifest of a report in the shared zone lists are there, and only if their bytes are
those of the manifest.
"""

from collections.abc import Callable, Mapping

from ft_platform.lake.recent import RecentLake
from ft_platform.lake.store import Lake
from ft_platform.reporting.html import page
from ft_platform.reporting.published import Page, intact_file
from ft_platform.reporting.report_urls import ReportAddress, report_address, use_case_of_index
from ft_platform.reporting.use_case_state import state_of
from ft_platform.use_case.named import NamedUseCase
from ft_platform.web.portal_pages.home import home_page, newer_than

BODY = b"<body>\n"


class Reports:
    """The reports of a lake as pages.

    Args:
        load: the use cases of the installation as their files are now, by name.
        in_dagster: Dagster's pages lie one level above these.
    """

    def __init__(
        self, lake: Lake, load: Callable[[], Mapping[str, NamedUseCase]] = dict, *, in_dagster: bool = False
    ) -> None:
        self.lake, self.load, self._recent = lake, load, RecentLake(lake)
        self.in_dagster = in_dagster

    def page(self, path: str) -> Page | None:
        """The page or picture at the path of a request, or None if there is none.

        Raises:
            CorruptVersion: its bytes or its manifest are not what was published.
        """
        if use_case := use_case_of_index(path):
            file = self.load().get(use_case)
            self._recent.refresh(use_case)
            found = home_page(self._recent, use_case, file, in_dagster=self.in_dagster)
            return Page(found.encode()) if found else None
        address = report_address(path)
        content = self.report(address) if address else None
        if address is None or content is None:
            return None
        if address.page.endswith(".png"):
            return Page(content, "image/png", "cross-origin")
        return Page(self._with_way_home(address, content))

    def _with_way_home(self, address: ReportAddress, content: bytes) -> bytes:
        """A report with links to the home page of its use case, and to the newer report that replaces it, and with what
        the use case is now. They are added here, because the same page also lies in evidence packs."""
        name = address.use_case
        self._recent.refresh(name)
        now = " ".join(state_of(self._recent, name, self.load().get(name)).all_words)
        way = page("way_home.html", use_case=name, newer=newer_than(self._recent, address), now=now)
        return content.replace(BODY, BODY + way.encode(), 1)

    def report(self, address: ReportAddress) -> bytes | None:
        """The bytes of one page or picture of a report, or None if there is none. Raises as `intact_file`."""
        use_case, stage, artifact_id, file = address
        artifact = self.lake.artifact(use_case, stage, artifact_id, verify=False)
        return intact_file(self.lake, artifact, file)
