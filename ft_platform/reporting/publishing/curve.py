"""From the splits to the published `learning_curve`."""

from typing import Any

from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.tracking import finish_report, report_tracker
from ft_platform.training.experiments.curve import trainings_for_curve
from ft_platform.training.experiments.curve_figures import curve_figures
from ft_platform.training.experiments.curve_results import RESULTS, STAGE
from ft_platform.training.experiments.inputs import experiment_inputs, working_folder
from ft_platform.training.experiments.study import owning
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def publish_curve(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, log: Any
) -> ArtifactVersion:
    """The learning curve: an existing one, or a new one after all its trainings. One that was killed goes on with the
    next training.

    Args:
        splits: a version that passed the gate.

    Raises:
        DataError: there are too few training records for the shares.
        TrainerRunning: the same curve is being made.
        NanLoss, OutOfMemory: as in training.
    """
    from ft_platform.reporting.curve_report import write_curve_report

    draft = Draft(lake, use_case, STAGE, *experiment_inputs(use_case, STAGE, splits), [splits])
    if existing := draft.existing():
        return existing
    folder = working_folder(environment, STAGE, use_case, draft.id)
    with owning(folder), report_tracker(environment, draft, log) as tracker:
        tracker.parameters(use_case.settings.learning_curve.model_dump(mode="json"))
        trainings = trainings_for_curve(lake, environment, use_case, splits, folder / RESULTS, log)
        settings = use_case.settings
        found = curve_figures(trainings, settings.learning_curve, settings.training.seed)
        with draft.folder() as place:
            write_curve_report(place, draft, found)
            report = draft.publish(
                place,
                counts={
                    "trainings": len(trainings),
                    "train_rows": found["points"][-1]["rows"],
                    "validation_rows": found["validation_rows"],
                },
                info={"doubling": found["doubling"], "tracking": tracker.state()},
            )
        for point in found["points"]:
            tracker.metrics(point["rows"], {"validation_loss": point["loss"]["value"]})
        finish_report(tracker, lake, report, {"gain_of_twice_the_data": found["doubling"]["gain"]["value"]})
    return report
