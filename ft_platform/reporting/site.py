"""The pages of the report server: an index, a home page for each use case, and the reports of the lake with their
pictures.

Only pages and pictures that the manifest of a report in the shared zone lists are there, and only if their bytes are
those of the manifest.
"""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from ft_platform.errors import CorruptVersion
from ft_platform.lake.store import Lake
from ft_platform.release.standing import newest_standing
from ft_platform.reporting.home import home_page, newer_than
from ft_platform.reporting.html import page
from ft_platform.reporting.report_urls import ReportAddress, report_address, use_case_of_index

BODY = b"<body>\n"


class Page(NamedTuple):
    """What is served.

    Attributes:
        shown_by: whose pages may embed it. A picture is for Dagster's UI, which lies at another port. Browsers do not
            count ports of one address as one site, so any page may show a picture whose address it knows; none can
            read it.
    """

    content: bytes
    kind: str = "text/html"
    shown_by: str = "same-origin"


class Reports:
    """The reports of a lake as pages.

    Args:
        describe: says what a use case does, in a sentence, or nothing.
    """

    def __init__(self, lake: Lake, describe: Callable[[str], str] = lambda name: "") -> None:
        self.lake, self.describe = lake, describe

    def page(self, path: str) -> Page | None:
        """The page or picture at the path of a request, or None if there is none.

        Raises:
            CorruptVersion: its bytes or its manifest are not what was published.
        """
        if path == "/":
            return _index("Use cases", "use cases", [self._entry(name) for name in self.use_cases()])
        if use_case := use_case_of_index(path):
            found = home_page(self.lake, use_case, self.describe(use_case))
            return Page(found.encode()) if found else None
        address = report_address(path)
        content = self.report(address) if address else None
        if address is None or content is None:
            return None
        if address.page.endswith(".png"):
            return Page(content, "image/png", "cross-origin")
        return Page(self._with_way_home(address, content))

    def _entry(self, name: str) -> dict[str, str]:
        standing = newest_standing(self.lake, name)
        return {"href": f"{name}/", "title": name, "note": standing.words if standing else "no release decision yet"}

    def _with_way_home(self, address: ReportAddress, content: bytes) -> bytes:
        """A report with links to the home page of its use case, and to the newer report that replaces it. They are
        added here, because the same page also lies in evidence packs, where they would lead nowhere."""
        newer = newer_than(self.lake, address)
        way = page("way_home.html", use_case=address.use_case, newer=newer)
        return content.replace(BODY, BODY + way.encode(), 1)

    def report(self, address: ReportAddress) -> bytes | None:
        """The bytes of one page or picture of a report, or None if there is none."""
        use_case, stage, artifact_id, file = address
        artifact = self.lake.artifact(use_case, stage, artifact_id, verify=False)
        expected = self.lake.manifest(artifact).files.get(file) if artifact else None
        if artifact is None or expected is None:
            return None
        try:
            content = self.lake.read_file(artifact, file)
        except FileNotFoundError:
            content = b""
        if hashlib.sha256(content).hexdigest() != expected:
            raise CorruptVersion(
                f"{file} of {artifact_id} of {use_case} does not match its manifest", f"Materialize {stage} again"
            )
        return content

    def use_cases(self) -> list[str]:
        """Use cases that have a folder in the shared zone."""
        folder = f"{self.lake.root}/shared"
        self.lake.fs.invalidate_cache()
        if not self.lake.fs.exists(folder):
            return []
        names = [path.rstrip("/").rsplit("/", 1)[-1] for path in self.lake.fs.ls(folder, detail=False)]
        return sorted(name for name in names if use_case_of_index(f"/{name}/"))


def _index(title: str, what: str, links: list[dict[str, str]]) -> Page:
    return Page(page("reports_index.html", title=title, what=what, links=links).encode())
