"""From the splits to the published `hyperparameter_search`."""

import time
from typing import Any

from ft_platform.errors import MissingExtra, TrainingFailed
from ft_platform.experiments import study as studies
from ft_platform.experiments.inputs import experiment_inputs, study_id, working_folder
from ft_platform.experiments.search import make_trials
from ft_platform.experiments.study import STAGE
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.settings.environment import Environment
from ft_platform.stages import STAGES
from ft_platform.tracking import finish_report, parent_tags, tracker_for
from ft_platform.use_case.named import NamedUseCase


def publish_search(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, log: Any
) -> ArtifactVersion:
    """The report of a search: an existing one, or a new one after all its trials. A search that was killed goes on.

    Args:
        splits: a version that passed the gate.
        log: a logger.

    Raises:
        MissingExtra: Optuna is not installed.
        TrainerRunning: the same search runs already.
        TrainingFailed: no trial came to an end.
    """
    artifact_id, inputs = experiment_inputs(use_case, STAGE, splits)
    if existing := lake.intact_artifact(use_case.name, STAGE, artifact_id):
        return existing
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise MissingExtra("optuna", "search") from error
    from ft_platform.reporting.search_report import summary, write_search_report

    started = time.monotonic()
    folder = working_folder(environment, STAGE, use_case, study_id(use_case, splits))
    with (
        studies.owning(folder),
        tracker_for(environment, use_case, STAGE, artifact_id, parent_tags([splits]), log) as tracker,
    ):
        if killed := studies.recover(folder):
            log.info(f"the search continues: {killed} trials were killed and are repeated")
        tracker.parameters(use_case.settings.search.model_dump(mode="json"))
        make_trials(lake, environment, use_case, splits, folder)
        found = summary(studies.trials_of(studies.open_study(folder)), use_case)
        if found["best"] is None:
            kinds = sorted({str(trial["failed"]) for trial in found["trials"] if trial["failed"]})
            raise TrainingFailed(
                f"none of {len(found['trials'])} trials finished ({', '.join(kinds)})", "Narrow search.space"
            )
        with lake.scratch(use_case.name, STAGE) as place:
            write_search_report(place, lake, use_case, artifact_id, splits, found)
            report = lake.publish(
                use_case.name,
                STAGE,
                artifact_id,
                place,
                parents=[splits],
                settings_hash=STAGES[STAGE].settings_hash(use_case),
                input_hash=inputs,
                counts=found["figures"],
                info={"best": found["best"], "tracking": tracker.state()},
                seconds=time.monotonic() - started,
            )
        for trial in found["trials"]:
            if trial["validation_loss"] is not None:
                tracker.metrics(trial["number"], {"validation_loss": trial["validation_loss"]})
        finish_report(tracker, lake, report, {"best_validation_loss": found["best"]["validation_loss"]})
    return report
