"""Files of published reports, as their manifests say they are, and pages as they are served."""

import hashlib
import json
from typing import Any, NamedTuple

from ft_platform.errors import CorruptVersion
from ft_platform.evaluation.files import METRICS
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, Version
from ft_platform.reporting.report_urls import report_address


class Page(NamedTuple):
    """What is served.

    Attributes:
        shown_by: whose pages may embed it, on a server of its own. A picture is for Dagster's UI, which lies at another
            port. Browsers do not count ports of one address as one site, so any page may show a picture whose address
            it knows; none can read it.
    """

    content: bytes
    kind: str = "text/html"
    shown_by: str = "same-origin"


def intact_file(lake: Lake, artifact: ArtifactVersion | None, file: str) -> bytes | None:
    """A file of a report, or None where there is none.

    Raises:
        CorruptVersion: its bytes are not those of the manifest, or are gone.
    """
    expected = lake.file_hashes(artifact).get(file) if artifact else None
    if artifact is None or expected is None:
        return None
    try:
        content = lake.read_file(artifact, file)
    except FileNotFoundError:
        content = b""
    if hashlib.sha256(content).hexdigest() != expected:
        raise _corrupt(artifact, file, "does not match its manifest")
    return content


def _corrupt(artifact: ArtifactVersion, file: str, why: str) -> CorruptVersion:
    return CorruptVersion(
        f"{file} of {artifact.artifact_id} of {artifact.use_case} {why}", f"Materialize {artifact.name} again"
    )


def intact_json(lake: Lake, artifact: ArtifactVersion | None, file: str) -> Any:
    """What a JSON file of a report says, or None where there is none. Raises as `intact_file`."""
    content = intact_file(lake, artifact, file)
    if artifact is None or content is None:
        return None
    try:
        return json.loads(content)
    except ValueError:
        raise _corrupt(artifact, file, "is not JSON") from None


def page_of(lake: Lake, artifact: ArtifactVersion) -> str | None:
    """Address of the page of an artifact, from the home page of its use case."""
    files = [file for file in lake.manifest(artifact).files if file.endswith(".html")]
    paths = [f"{artifact.name}/{artifact.artifact_id}/{file}" for file in files]
    return next((path for path in paths if report_address(f"/{artifact.use_case}/{path}")), None)


def portal_address(lake: Lake, version: Version | None) -> str:
    """Address of the page of a report, from the index of reports; empty where there is none."""
    path = page_of(lake, version) if isinstance(version, ArtifactVersion) else None
    return f"{version.use_case}/{path}" if version and path else ""


def headline(lake: Lake, evaluation: ArtifactVersion | None) -> dict[str, Any]:
    """`{"metric", "value"}` of an evaluation report; None where there is none. Raises as `intact_file`."""
    figures = intact_json(lake, evaluation, METRICS)
    if not figures:
        return {"metric": None, "value": None}
    main = figures["main_metric"]
    return {"metric": main, "value": figures["systems"][FINE_TUNED][main]["value"]}
