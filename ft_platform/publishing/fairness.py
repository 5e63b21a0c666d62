"""From an evaluation to the published `fairness_report`."""

import json
import time
from typing import Any

from ft_platform.evaluation.fairness import LOG, STAGE, all_figures, parent_of
from ft_platform.evaluation.inputs import fairness_inputs
from ft_platform.evaluation.mitigation_figures import evaluation_before
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.settings.environment import Environment
from ft_platform.stages import STAGES
from ft_platform.tracking import Tracker, figure_metrics, finish_report, parent_tags, tracker_for, training_run
from ft_platform.use_case.named import NamedUseCase


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
        log: a logger.

    Raises:
        MissingExtra: a tracking URI is set, but MLflow is not installed.
    """
    before = evaluation_before(lake, use_case, evaluation_report)
    artifact_id, inputs = fairness_inputs(use_case, evaluation_report, before)
    existing = lake.intact_artifact(use_case.name, STAGE, artifact_id)
    if existing:
        return existing
    checkpoint = parent_of(lake, evaluation_report, "adapter_checkpoint")
    assert isinstance(checkpoint, ArtifactVersion)
    tags = parent_tags([evaluation_report, checkpoint])
    with tracker_for(environment, use_case, STAGE, artifact_id, tags, log, training_run(lake, checkpoint)) as tracker:
        tracker.parameters(use_case.settings.fairness.model_dump(mode="json"))
        return _publish(lake, use_case, artifact_id, inputs, evaluation_report, before, tracker)


def _publish(
    lake: Lake,
    use_case: NamedUseCase,
    artifact_id: str,
    inputs: str,
    evaluation_report: ArtifactVersion,
    before: ArtifactVersion | None,
    tracker: Tracker,
) -> ArtifactVersion:
    from ft_platform.reporting.fairness_report import write_fairness_report

    started = time.monotonic()
    found = all_figures(lake, use_case, evaluation_report, before)
    with lake.scratch(use_case.name, STAGE) as folder:
        folder.mkdir(parents=True)
        (folder / "fairness.json").write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
        write_fairness_report(folder, lake, use_case, artifact_id, evaluation_report, found)
        report = lake.publish(
            use_case.name,
            STAGE,
            artifact_id,
            folder,
            parents=[evaluation_report],
            settings_hash=STAGES[STAGE].settings_hash(use_case),
            input_hash=inputs,
            counts={"test_rows": found["test_rows"], "features": len(found["features"])},
            info={"within_max_gap": found["within_max_gap"], "tracking": tracker.state()},
            seconds=time.monotonic() - started,
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
            values |= figure_metrics(
                f"{feature}/amplification", {name: compared["amplification"][name] for name in ("value", "low", "high")}
            )
        for name, difference in compared["differences"].items():
            values |= figure_metrics(f"{feature}/{name}_difference", difference)
        if compared["demographic_parity"]:
            values[f"{feature}/demographic_parity_difference"] = compared["demographic_parity"]["value"]
        if compared["equalized_odds"]:
            values[f"{feature}/equalized_odds_difference"] = compared["equalized_odds"]["value"]
    return values
