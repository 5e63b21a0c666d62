"""From the splits to the published `hyperparameter_search`."""

from typing import Any

from ft_platform.errors import MissingExtra, TrainingFailed
from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.tracking import finish_report, report_tracker
from ft_platform.training.experiments import study as studies
from ft_platform.training.experiments.inputs import experiment_inputs, study_id, working_folder
from ft_platform.training.experiments.search import make_trials, work
from ft_platform.training.experiments.study import STAGE
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def publish_search(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, log: Any
) -> ArtifactVersion:
    """The report of a search: an existing one, or a new one after all its trials. A search that was killed goes on.

    Args:
        splits: a version that passed the gate.

    Raises:
        MissingExtra: Optuna is not installed.
        TrainerRunning: the same search runs already.
        TrainingFailed: no trial came to an end.
    """
    draft = Draft(lake, use_case, STAGE, *experiment_inputs(use_case, STAGE, splits), [splits])
    if existing := draft.existing():
        return existing
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise MissingExtra("optuna", "search") from error
    from ft_platform.reporting.search_report import summary, write_search_report

    folder = working_folder(environment, STAGE, use_case, study_id(use_case, splits))
    with studies.owning(folder), report_tracker(environment, draft, log) as tracker:
        if killed := studies.recover(folder):
            log.info(f"the search continues: {killed} trials were killed and are repeated")
        tracker.parameters(use_case.settings.search.model_dump(mode="json"))
        make_trials(lake, environment, use_case, splits, folder, log)
        found = summary(studies.trials_of(studies.open_study(folder)), use_case)
        if found["best"] is None:
            kinds = sorted({str(trial["failed"]) for trial in found["trials"] if trial["failed"]})
            raise TrainingFailed(
                f"none of {len(found['trials'])} trials finished ({', '.join(kinds)})", "Narrow search.space"
            )
        with draft.folder() as place:
            write_search_report(place, draft, found)
            info = {"best": found["best"], "tracking": tracker.state()}
            report = draft.publish(place, counts=found["figures"], info=info)
        for trial in found["trials"]:
            if trial["validation_loss"] is not None:
                tracker.metrics(trial["number"], {"validation_loss": trial["validation_loss"]})
        finish_report(tracker, lake, report, {"best_validation_loss": found["best"]["validation_loss"]})
    return report


def help_with_search(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, task: int, log: Any
) -> None:
    """What the other tasks of a job array do while the first one is in `publish_search`: they make trials of its
    study."""
    folder = working_folder(environment, STAGE, use_case, study_id(use_case, splits))
    studies.recover(folder)  # what this task was at before it was taken off its machine
    work(lake, environment, use_case, splits, folder, task, log)
