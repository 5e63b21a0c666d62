"""From an evaluation to the published `fairness_report`."""

import json
from typing import Any

from ft_platform.evaluation.fairness import LOG, STAGE, all_figures, parent_of
from ft_platform.evaluation.inputs import fairness_inputs
from ft_platform.evaluation.mitigation_figures import evaluation_before
from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.tracking import (
    figure_metrics,
    finish_report,
    report_tracker,
)
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def publish_fairness(
    lake: Lake,
    use_case: NamedUseCase,
    evaluation_report: ArtifactVersion,
    environment: Environment | None = None,
    log: Any = LOG,
) -> ArtifactVersion:
    """The artifact `fairness_report` of an evaluation: an existing one, or a new one with figures, pictures and a page.

    Args:
        evaluation_report: a version that passed the gate (`lake.gate.require_usable`).
        environment: whose tracker the figures go to; None: to none.

    Raises:
        MissingExtra: a tracking URI is set, but MLflow is not installed.
    """
    from ft_platform.reporting.fairness_report import write_fairness_report

    before = evaluation_before(lake, use_case, evaluation_report)
    draft = Draft(lake, use_case, STAGE, *fairness_inputs(use_case, evaluation_report, before), [evaluation_report])
    if existing := draft.existing():
        return existing
    checkpoint = parent_of(lake, evaluation_report, "adapter_checkpoint")
    assert isinstance(checkpoint, ArtifactVersion)
    with report_tracker(environment, draft, log, checkpoint) as tracker:
        tracker.parameters(use_case.settings.fairness.model_dump(mode="json"))
        found = all_figures(lake, use_case, evaluation_report, before)
        with draft.folder() as folder:
            (folder / "fairness.json").write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
            write_fairness_report(folder, draft, found)
            report = draft.publish(
                folder,
                counts={"test_rows": found["test_rows"], "features": len(found["features"])},
                info={"within_max_gap": found["within_max_gap"], "tracking": tracker.state()},
            )
        finish_report(tracker, lake, report, _metrics(found))
        return report


def _metrics(found: dict[str, Any]) -> dict[str, float]:
    """Differences between groups by feature, for the tracker. The groups, which are values of the data, are only in the
    report."""
    values: dict[str, float] = {"test_rows": found["test_rows"], "within_max_gap": float(found["within_max_gap"])}
    for name, swap in found["swaps"].items():
        values |= figure_metrics(f"swap_{name}/flip_rate", swap["flip_rate"]) if swap["flip_rate"] else {}
    for feature, compared in found["features"].items():
        if compared["amplification"]["value"] is not None:
            figure = {name: compared["amplification"][name] for name in ("value", "low", "high")}
            values |= figure_metrics(f"{feature}/amplification", figure)
        for name, difference in compared["differences"].items():
            values |= figure_metrics(f"{feature}/{name}_difference", difference)
        if compared["demographic_parity"]:
            values[f"{feature}/demographic_parity_difference"] = compared["demographic_parity"]["value"]
        if compared["equalized_odds"]:
            values[f"{feature}/equalized_odds_difference"] = compared["equalized_odds"]["value"]
    return values
