"""The artifact `roi_report` of an evaluation, with its figures, pictures and page."""

import json

from ft_platform.errors import FtError, VersionRefused
from ft_platform.lake.draft import Draft
from ft_platform.lake.gate import problems_with
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.monitoring.business.inputs import STAGE, collect_inputs, roi_inputs
from ft_platform.monitoring.business.measurements import measurement_parts, read_measurements
from ft_platform.monitoring.business.realized import evaluation_of
from ft_platform.monitoring.business.requests import load_test_of
from ft_platform.monitoring.business.roi import roi
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

FIGURES = "roi.json"


def publish_roi(
    lake: Lake, environment: Environment, use_case: NamedUseCase, evaluation_report: ArtifactVersion
) -> ArtifactVersion:
    """An existing report of these inputs, or a new one.

    Args:
        evaluation_report: a version that passed the gate (`lake.gate.require_usable`).

    Raises:
        SourceError, DataError, TransientError: a file of measurements cannot be read or used; nothing was published.
    """
    from ft_platform.reporting.roi_report import write_roi_report

    inputs = roi_inputs(lake, environment, use_case, evaluation_report)
    draft = Draft(lake, use_case, STAGE, *inputs, [evaluation_report])
    if existing := draft.existing():
        return existing
    # Rows of measurements may be about persons: what is unpacked of them lies in the restricted zone, and only figures
    # leave this function.
    with lake.scratch(use_case.name, STAGE, zone="restricted") as private:
        private.mkdir(mode=0o700)
        measured = read_measurements(use_case.settings.business, environment, private)
    found = roi(collect_inputs(lake, environment, use_case, evaluation_report, measured))
    with draft.folder() as folder:
        (folder / FIGURES).write_text(
            json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8"
        )
        write_roi_report(folder, draft, evaluation_report, found)
        counts = {"test_rows": found["test_rows"], "measurements": sum(one["rows"] for one in found["measurements"])}
        info = {
            "status": {name: figure["status"] for name, figure in found["figures"].items()},
            "deployment": found["requests"]["deployment"],
        }
        return draft.publish(folder, counts=counts, info=info)


def newest_roi(lake: Lake, use_case: NamedUseCase) -> tuple[ArtifactVersion, dict]:
    """The newest report of a use case, and its figures.

    Raises:
        VersionRefused: there is none.
        CorruptVersion: its bytes are not what the manifest says.
    """
    report = next(iter(lake.artifacts(use_case.name, STAGE)), None)
    if report is None:
        raise VersionRefused(f"{use_case.name} has no {STAGE}", f"Run: ft run {use_case.name}")
    lake.verify_artifact(report)
    return report, json.loads(lake.read_file(report, FIGURES))


def outdated(
    lake: Lake, environment: Environment, use_case: NamedUseCase, report: ArtifactVersion, found: dict
) -> list[str]:
    """Why the next run would make another report than this one, as sentences: settings, what it was made from, files of
    measurements, a deployment since.

    Args:
        found: figures of the report.
    """
    problems = problems_with(lake, use_case, report)
    try:
        now = [sha256 for _, sha256 in measurement_parts(use_case.settings.business, environment)]
    except FtError as error:
        return [*problems, str(error)]
    if now != [one["sha256"] for one in found["measurements"]]:
        problems.append(
            f"the files of business.measurements have changed since {report.id}. Run: ft run {use_case.name}"
        )
    evaluation = evaluation_of(lake, report)
    deployed, used = load_test_of(lake, evaluation), lake.manifest(report).info.get("deployment")
    if deployed and (used is None or used["id"] != deployed.version.artifact_id):
        problems.append(
            f"{deployed.version.artifact_id} was measured since {report.id} was made. Run: ft run {use_case.name}"
            f" --select {STAGE}"
        )
    return problems
