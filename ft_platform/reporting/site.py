"""The pages of the report server: an index, a home page for each use case, and the reports of the lake.

Only pages that the manifest of a report in the shared zone lists are there, and only if their bytes are those of the
manifest.
"""

import hashlib

from ft_platform.errors import CorruptVersion
from ft_platform.lake import Lake
from ft_platform.reporting.report_urls import REPORT_STAGES, ReportAddress, report_address, use_case_of_index


class Reports:
    """The reports of a lake as pages."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def page(self, path: str) -> bytes | None:
        """The HTML page at the path of a request, or None if there is none.

        Raises:
            CorruptVersion: its bytes or its manifest are not what was published.
        """
        if path == "/":
            return _index(
                "Reports", "use cases", [{"href": f"{name}/", "title": name, "note": ""} for name in self.use_cases()]
            )
        if use_case := use_case_of_index(path):
            links = self.links(use_case)
            return _index(f"Reports of {use_case}", "reports, the newest of each kind first", links) if links else None
        address = report_address(path)
        return self.report(address) if address else None

    def report(self, address: ReportAddress) -> bytes | None:
        """The bytes of one page of a report, or None if there is none."""
        use_case, stage, artifact_id, page = address
        artifact = self.lake.artifact(use_case, stage, artifact_id, verify=False)
        expected = self.lake.manifest(artifact).files.get(page) if artifact else None
        if artifact is None or expected is None:
            return None
        try:
            content = self.lake.read_file(artifact, page)
        except FileNotFoundError:
            content = b""
        if hashlib.sha256(content).hexdigest() != expected:
            raise CorruptVersion(
                f"{page} of {artifact_id} of {use_case} is not what its manifest says", f"Materialize {stage} again"
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

    def links(self, use_case: str) -> list[dict[str, str]]:
        """Every page of every report of a use case."""
        found = []
        for stage in REPORT_STAGES:
            for artifact in self.lake.artifacts(use_case, stage):
                manifest = self.lake.manifest(artifact)
                paths = [f"{stage}/{artifact.artifact_id}/{name}" for name in manifest.files]
                found += [
                    {"href": path, "title": f"{stage} {artifact.artifact_id}", "note": manifest.written_at}
                    for path in paths
                    if report_address(f"/{use_case}/{path}")
                ]
        return found


def _index(title: str, what: str, links: list[dict[str, str]]) -> bytes:
    from ft_platform.reporting.html import page

    return page("reports_index.html", title=title, what=what, links=links).encode()
