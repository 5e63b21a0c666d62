"""What the last run of a use case found, as plain values: the funnel of rows, every system's scores, times, the report."""

import json
from pathlib import Path
from typing import Any

from ft_platform.environment import Environment
from ft_platform.errors import DataError
from ft_platform.lake import Lake
from ft_platform.use_case import NamedUseCase

REPORT = "report.html"
SAMPLE = "sample://"


def last_run_file(environment: Environment, name: str) -> Path:
    """Where a run leaves its outcome for `ft results`."""
    return environment.home / "runs" / f"{name}.json"


def last_run(environment: Environment, name: str) -> dict[str, Any] | None:
    """The outcome of the last run on this installation, or None if there was none."""
    path = last_run_file(environment, name)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def collect_results(environment: Environment, use_case: NamedUseCase) -> dict[str, Any]:
    """Results of the last run.

    `{"use_case", "systems": {system: {metric: {"value", "low", "high"}}}, "test_rows", "funnel", "trained", "reused",
    "seconds", "report"}`, and `planted` where the source is a sample. A run that did not evaluate has no systems.

    Raises:
        DataError: the use case was never run here, or its last run failed.
    """
    name = use_case.name
    run = last_run(environment, name)
    if run is None:
        raise DataError(f"{name} was never run on this installation", f"Run: ft run {name}")
    if not run["success"]:
        raise DataError(f"the last run of {name} failed", f"Run it again: ft run {name}")
    from ft_platform.reporting.funnel import funnel

    lake = Lake(environment.lake_uri, environment.storage_options())
    found = {
        "use_case": name,
        "systems": {},
        "test_rows": None,
        "funnel": funnel(lake, name),
        "trained": run["trained"],
        "reused": run["reused"],
        "seconds": run["seconds"],
        "report": None,
    }
    if "evaluation_report" in run["seconds"]:
        found |= _evaluated(lake, name, run.get("evaluation_report"))
    if use_case.settings.source.uri.startswith(SAMPLE) and _is_from_sample(lake, name, environment):
        from ft_platform.samples.truth import score_planted

        found["planted"] = score_planted(lake, use_case, environment)
    return found


def _is_from_sample(lake: Lake, name: str, environment: Environment) -> bool:
    """Whether the newest records were read from generated files: a run with `--set source.uri=...` read others."""
    raw = next(lake.manifests(name, "raw_records"), None)
    folder = str((environment.home / "samples").absolute())
    return bool(raw and any(uri.startswith(folder) for uri in raw.info.get("files", {})))


def _evaluated(lake: Lake, name: str, report_id: str | None) -> dict[str, Any]:
    """Scores of the report that the run made or used again; of the newest one where the run did not note it."""
    report = lake.artifact(name, "evaluation_report", report_id) if report_id else next(iter(lake.artifacts(name, "evaluation_report")), None)
    if report is None:
        raise DataError(f"the evaluation report of the last run of {name} is not in the lake any more", f"Run: ft run {name}")
    metrics = json.loads(lake.read_file(report, "metrics.json"))
    return {"systems": metrics["systems"], "test_rows": metrics["test_rows"], "report": f"{report.uri}/{REPORT}"}
