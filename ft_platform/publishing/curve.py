"""From the splits to the published `learning_curve`."""

import time
from typing import Any

from ft_platform.experiments.curve import trainings_for_curve
from ft_platform.experiments.curve_figures import curve_figures
from ft_platform.experiments.curve_results import RESULTS, STAGE
from ft_platform.experiments.inputs import experiment_inputs, working_folder
from ft_platform.experiments.study import owning
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.settings.environment import Environment
from ft_platform.stages import STAGES
from ft_platform.tracking import finish_report, parent_tags, tracker_for
from ft_platform.use_case.named import NamedUseCase


def publish_curve(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, log: Any
) -> ArtifactVersion:
    """The learning curve: an existing one, or a new one after all its trainings. One that was killed goes on with the
    next training.

    Args:
        splits: a version that passed the gate.
        log: a logger.

    Raises:
        DataError: there are too few training records for the shares.
        TrainerRunning: the same curve is being made.
        NanLoss, OutOfMemory: as in training.
    """
    from ft_platform.reporting.curve_report import write_curve_report

    artifact_id, inputs = experiment_inputs(use_case, STAGE, splits)
    if existing := lake.intact_artifact(use_case.name, STAGE, artifact_id):
        return existing
    started = time.monotonic()
    folder = working_folder(environment, STAGE, use_case, artifact_id)
    with owning(folder), tracker_for(environment, use_case, STAGE, artifact_id, parent_tags([splits]), log) as tracker:
        tracker.parameters(use_case.settings.learning_curve.model_dump(mode="json"))
        trainings = trainings_for_curve(lake, environment, use_case, splits, folder / RESULTS, log)
        settings = use_case.settings
        found = curve_figures(trainings, settings.learning_curve, settings.training.seed)
        with lake.scratch(use_case.name, STAGE) as place:
            write_curve_report(place, lake, use_case, artifact_id, splits, found)
            report = lake.publish(
                use_case.name,
                STAGE,
                artifact_id,
                place,
                parents=[splits],
                settings_hash=STAGES[STAGE].settings_hash(use_case),
                input_hash=inputs,
                counts={
                    "trainings": len(trainings),
                    "train_rows": found["points"][-1]["rows"],
                    "validation_rows": found["validation_rows"],
                },
                info={"doubling": found["doubling"], "tracking": tracker.state()},
                seconds=time.monotonic() - started,
            )
        for point in found["points"]:
            tracker.metrics(point["rows"], {"validation_loss": point["loss"]["value"]})
        finish_report(tracker, lake, report, {"gain_of_twice_the_data": found["doubling"]["gain"]["value"]})
    return report
