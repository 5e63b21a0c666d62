"""From an evaluation to the published `seed_variation`."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow.parquet as pq

from ft_platform.evaluation.files import PREDICTIONS
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.tracking import figure_metrics, finish_report, report_tracker
from ft_platform.training.experiments.inputs import (
    experiment_inputs,
    recipe_id,
    require_several,
    seeds_of,
    working_folder,
)
from ft_platform.training.experiments.seed_results import FIGURES, STAGE
from ft_platform.training.experiments.seeds import measured
from ft_platform.training.experiments.study import owning
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def publish_seed_variation(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    evaluation: ArtifactVersion,
    log: Any,
) -> ArtifactVersion:
    """The artifact `seed_variation` of an evaluation: an existing one, or a new one after the trainings that are
    missing. One that was killed goes on with the next seed.

    Args:
        splits, evaluation: versions that passed the gate.

    Raises:
        ConfigError: `seed_variation.seeds` is 1.
        VersionRefused: the checkpoint was trained with another base model or renderer, or evaluated on other test
            records.
        TrainingFailed: two seeds gave the same weights.
        TrainerRunning: the same seeds are being trained.
        BudgetExceeded, NanLoss, OutOfMemory: as in training.
    """
    require_several(use_case)
    draft = Draft(lake, use_case, STAGE, *experiment_inputs(use_case, STAGE, splits, evaluation), [splits, evaluation])
    if existing := draft.existing():
        return existing
    from ft_platform.reporting.seed_report import write_seed_report

    recipe = recipe_id(use_case, splits)
    folder = working_folder(environment, STAGE, use_case, recipe)
    with owning(folder), report_tracker(environment, draft, log) as tracker:
        tracker.parameters({"seeds": seeds_of(use_case), **use_case.settings.training.model_dump(mode="json")})
        found, further = measured(lake, environment, use_case, splits, evaluation, folder, log)
        with draft.folder() as place:
            (place / FIGURES).write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
            pq.write_table(further, place / PREDICTIONS)
            write_seed_report(place, draft, found)
            counts = {"seeds": len(found["seeds"]), "test_rows": found["test_rows"]}
            report = draft.publish(place, counts=counts, info={"recipe": recipe, "tracking": tracker.state()})
        for file in folder.glob("*.parquet"):  # the published table holds them
            file.unlink()
        finish_report(tracker, lake, report, _metrics(found))
    return report


def _metrics(found: Mapping[str, Any]) -> dict[str, float]:
    """The main metric and the gains over the other systems, for the tracker."""
    main = found["main_metric"]
    values = {**figure_metrics(main, found["metrics"][main]), f"{main}_sd": found["metrics"][main]["sd"]}
    for system, gains in found["differences"].items():
        values |= figure_metrics(f"{FINE_TUNED}_minus_{system}/{main}", gains[main])
    return values
