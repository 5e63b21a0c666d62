"""From the splits to the published `canary_audit`."""

import time
from typing import Any

from ft_platform.errors import ConfigError
from ft_platform.experiments.inputs import experiment_inputs
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.privacy_attacks.canary_audit import LOG, STAGE, measured
from ft_platform.settings.environment import Environment
from ft_platform.stages import STAGES
from ft_platform.tracking import figure_metrics, finish_report, parent_tags, tracker_for
from ft_platform.use_case.named import NamedUseCase


def publish_canary_audit(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, log: Any = LOG
) -> ArtifactVersion:
    """The artifact `canary_audit` of these splits: an existing one, or a new one after a training of its own.

    Args:
        splits: a version that passed the gate.
        log: a logger.

    Raises:
        ConfigError: the objective learns no text that a secret could stand in.
        BudgetExceeded, DataError, NanLoss, OutOfMemory: nothing was published.
    """
    from ft_platform.reporting.canary_report import write_canary_report

    artifact_id, inputs = experiment_inputs(use_case, STAGE, splits)
    if existing := lake.intact_artifact(use_case.name, STAGE, artifact_id):
        return existing
    if use_case.settings.training.objective != "sft":
        raise ConfigError(
            [
                "canary_audit plants secrets in what `training.objective: sft` learns, got"
                f" {use_case.settings.training.objective}"
            ]
        )
    started = time.monotonic()
    with tracker_for(environment, use_case, STAGE, artifact_id, parent_tags([splits]), log) as tracker:
        tracker.parameters(use_case.settings.attacks.canaries.model_dump(mode="json"))
        found = measured(lake, environment, use_case, splits)
        with lake.scratch(use_case.name, STAGE) as folder:
            write_canary_report(folder, lake, use_case, artifact_id, splits, found)
            report = lake.publish(
                use_case.name,
                STAGE,
                artifact_id,
                folder,
                parents=[splits],
                settings_hash=STAGES[STAGE].settings_hash(use_case),
                input_hash=inputs,
                counts={"train_rows": found["train_rows"], "planted_rows": found["planted_rows"]},
                info={"tracking": tracker.state()},
                seconds=time.monotonic() - started,
            )
        values = {
            name: value
            for copies, figure in found["exposure_bits"].items()
            for name, value in figure_metrics(f"exposure_{copies}", figure).items()
        }
        finish_report(tracker, lake, report, {**values, **figure_metrics("exposure_control", found["control_bits"])})
    return report
