"""From the splits to the published `canary_audit`."""

from typing import Any

from ft_platform.errors import ConfigError
from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.tracking import figure_metrics, finish_report, report_tracker
from ft_platform.training.experiments.inputs import experiment_inputs
from ft_platform.training.privacy_attacks.canary_audit import LOG, STAGE, measured
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def publish_canary_audit(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, log: Any = LOG
) -> ArtifactVersion:
    """The artifact `canary_audit` of these splits: an existing one, or a new one after a training of its own.

    Args:
        splits: a version that passed the gate.

    Raises:
        ConfigError: the objective learns no text that a secret could stand in.
        BudgetExceeded, DataError, NanLoss, OutOfMemory: nothing was published.
    """
    from ft_platform.reporting.canary_report import write_canary_report

    draft = Draft(lake, use_case, STAGE, *experiment_inputs(use_case, STAGE, splits), [splits])
    if existing := draft.existing():
        return existing
    if use_case.settings.training.objective != "sft":
        raise ConfigError(
            [
                "canary_audit plants secrets in what `training.objective: sft` learns, got"
                f" {use_case.settings.training.objective}"
            ],
            "Set training.objective: sft",
        )
    with report_tracker(environment, draft, log) as tracker:
        tracker.parameters(use_case.settings.attacks.canaries.model_dump(mode="json"))
        found = measured(lake, environment, use_case, splits)
        with draft.folder() as folder:
            write_canary_report(folder, draft, found)
            counts = {"train_rows": found["train_rows"], "planted_rows": found["planted_rows"]}
            report = draft.publish(folder, counts=counts, info={"tracking": tracker.state()})
        values = {
            name: value
            for copies, figure in found["exposure_bits"].items()
            for name, value in figure_metrics(f"exposure_{copies}", figure).items()
        }
        finish_report(tracker, lake, report, {**values, **figure_metrics("exposure_control", found["control_bits"])})
    return report
