"""What the last run of a use case found, as plain values: the funnel of rows, every system's scores, times, the
report."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ft_platform.errors import DataError
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.release.standing_now import standing_now
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

if TYPE_CHECKING:
    from ft_platform.lake.versions import ArtifactVersion, TableVersion
    from ft_platform.orchestration.runs import RunOutcome

REPORT = "report.html"
BRIEF = "decision_brief.html"
EVALUATION = "evaluation_report"
DECISION = "release_decision"
PAGES = ("fairness_report", "roi_report", "model_card", DECISION)
"""Stages whose artifacts are about an evaluation report."""


def collect_results(
    environment: Environment, use_case: NamedUseCase, outcome: "RunOutcome | None" = None
) -> dict[str, Any]:
    """Results of one run: by default of the newest on this installation's Dagster instance, whoever started it.

    `funnel` and `planted` are of the versions that the run made or used again, and of those behind them. `{"use_case",
    "run_id", "systems": {system: {metric: {"value", "low", "high"}}}, "differences" (fine-tuned minus system, the same
    shape), "main_metric", "per_1000_requests", "test_rows", "method", "funnel", "trained", "reused",
    "seconds", "report", "diagnosis" (`evaluation.diagnosis`), "data_report", "decision", "unfinished_run",
    "warnings"}`, `planted` where the records are a sample, and `human_review` (`evaluation.review.figures`) where
    experts judged the answers. The scores are those of the evaluation report that the run made or used again, or that
    its fairness report, model card or decision is about;
    another run has no systems. `decision` is what the run's release decision says: `{"decision", "checkpoint", "words",
    "simpler", "tested", "answers", "broken": {rule: why}, "waived", "brief"}`, or None; `words` say it beside how the
    run ended, as `ft list` does: `succeeded, release refused`.
    `unfinished_run` is the id of a newer run that has not ended, or None.

    Args:
        outcome: of the run to show.

    Raises:
        DataError: the use case was never run here, or its last run failed or was stopped.
    """
    name = use_case.name
    unfinished = None
    if outcome is None:
        from ft_platform.orchestration.runs import last_runs

        last = last_runs(environment, [name])[name]
        outcome, unfinished = last.outcome, last.unfinished
    run = _ended_well(outcome, unfinished, name)
    from ft_platform.lake.provenance import tables_behind
    from ft_platform.records.lost_rows import loss_warnings
    from ft_platform.reporting.funnel import funnel, funnel_of

    lake = open_lake(environment)
    # Another run may have written newer versions beside this one. Only a run of assets that are no stages names none.
    tables = tables_behind(lake, run.versions.values())
    found = {
        "use_case": name,
        "run_id": run.run_id,
        "systems": {},
        "differences": {},
        "test_rows": None,
        "funnel": (
            funnel_of({stage: lake.manifest(table) for stage, table in tables.items()})
            if tables
            else funnel(lake, name)
        ),
        "trained": run.trained,
        "reused": run.reused,
        "seconds": run.seconds,
        "report": None,
        "diagnosis": None,
        "data_report": _data_report(lake, name, run.artifacts.get("data_report")),
        "decision": _decided(lake, use_case, run.artifacts.get(DECISION)),
        "unfinished_run": unfinished,
    }
    found["warnings"] = loss_warnings(found["funnel"])
    if report_id := _report_of(lake, name, run.artifacts):
        found |= _evaluated(lake, name, report_id)
    if sample := _sample_read(lake, name, environment, tables.get("raw_records")):
        from ft_platform.sources.samples.truth import score_planted

        found["planted"] = score_planted(lake, use_case, environment, sample, tables)
    return found


def for_programs(found: dict[str, Any]) -> dict[str, Any]:
    """Results as `--json` prints them: `{"decision": "accepted", "refused" or None, "trained", "seconds", "systems",
    "gain_over_prompting": {"value", "low", "high", "metric", "over"} or None, ...}` and all that `collect_results` has,
    with the decision as `release` and the seconds of each stage as `stage_seconds`."""
    from ft_platform.reporting.verdict import gain_over_prompting

    decision, seconds = found["decision"], found["seconds"]
    return {
        **found,
        "decision": decision["decision"] if decision else None,
        "release": decision,
        "seconds": seconds.get("total"),
        "stage_seconds": {stage: taken for stage, taken in seconds.items() if stage != "total"},
        "gain_over_prompting": gain_over_prompting(found),
    }


def _ended_well(outcome: "RunOutcome | None", unfinished: str | None, name: str) -> "RunOutcome":
    if outcome is None:
        if unfinished:
            raise DataError(f"the first run of {name}, {unfinished}, has not ended", "Look at it in the UI: ft ui")
        raise DataError(f"{name} was never run on this installation", f"Run: ft run {name}")
    if outcome.stopped and not outcome.success:
        raise DataError(f"the last run of {name} was stopped", f"Run it again: ft run {name}")
    if not outcome.success:
        raise DataError(f"the last run of {name} failed", f"Run it again: ft run {name}")
    return outcome


def _sample_read(lake: Lake, name: str, environment: Environment, records: "TableVersion | None") -> Path | None:
    """The generated file that the records of a run, or the newest ones, were read from, whatever source the use case's
    file names now."""
    raw = lake.manifest(records) if records else next(lake.manifests(name, "raw_records"), None)
    samples = (environment.home / "samples").absolute()
    return next((Path(uri) for uri in (raw.info.get("files", {}) if raw else {}) if samples in Path(uri).parents), None)


def _report_of(lake: Lake, name: str, artifacts: dict[str, str]) -> str | None:
    """Id of the evaluation report that a run made, used again, or wrote a page about."""
    if EVALUATION in artifacts:
        return artifacts[EVALUATION]
    for stage in PAGES:
        page = lake.artifact(name, stage, artifacts[stage], verify=False) if stage in artifacts else None
        parents = lake.manifest(page).parents if page else []
        if report := next((parent.id for parent in parents if parent.name == EVALUATION), None):
            return report
    return None


def _data_report(lake: Lake, name: str, report_id: str | None) -> str | None:
    """Page of the data report that the run made or used again."""
    found = lake.artifact(name, "data_report", report_id, verify=False) if report_id else None
    return f"{found.uri}/{REPORT}" if found else None


def _decided(lake: Lake, use_case: NamedUseCase, decision_id: str | None) -> dict[str, Any] | None:
    decision = lake.artifact(use_case.name, DECISION, decision_id) if decision_id else None
    if decision is None:
        return None
    found = json.loads(lake.read_file(decision, "decision.json"))
    broken = {rule["rule"]: rule["why"] for rule in found["rules"] if not rule["passed"] and not rule["waiver"]}
    waived = [waiver["rule"] for waiver in found["waivers"]]
    standing = standing_now(lake, use_case, decision_id=decision_id)
    words = f"succeeded, {standing.words if standing else 'no release decision'}"
    told = {"decision": found["decision"], "checkpoint": found["checkpoint"], "words": words}
    # Decisions from before it was said have no such keys.
    told |= {name: found.get(name) for name in ("simpler", "tested", "answers")}
    return {**told, "broken": broken, "waived": waived, "brief": f"{decision.uri}/{BRIEF}"}


def _method(lake: Lake, report: "ArtifactVersion") -> str | None:
    """How the evaluated checkpoint was trained; None where it is gone, or is older than methods."""
    parent = next((one for one in lake.manifest(report).parents if one.name == "adapter_checkpoint"), None)
    checkpoint = lake.artifact(report.use_case, parent.name, parent.id, verify=False) if parent else None
    if checkpoint is None or "training.json" not in lake.file_hashes(checkpoint):
        return None
    return json.loads(lake.read_file(checkpoint, "training.json")).get("training", {}).get("method")


def _evaluated(lake: Lake, name: str, report_id: str) -> dict[str, Any]:
    report = lake.artifact(name, EVALUATION, report_id)
    if report is None:
        raise DataError(
            f"the evaluation report of the last run of {name} is no longer in the lake", f"Run: ft run {name}"
        )
    metrics = json.loads(lake.read_file(report, "metrics.json"))
    compared = {
        name: metrics[name] for name in ("systems", "differences", "main_metric", "per_1000_requests", "test_rows")
    }
    found = {**compared, "report": f"{report.uri}/{REPORT}", "diagnosis": metrics.get("diagnosis")}
    found["method"] = _method(lake, report)
    from ft_platform.evaluation.review.figures import read_review, reviews_of

    if review := next(iter(reviews_of(lake, report)), None):
        found["human_review"] = {"review": review.id, **read_review(lake, review)}
    return found
