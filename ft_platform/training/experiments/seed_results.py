"""The trainings with further seeds that are made, and what their models answered: in published reports, and in files
that survive a kill at any point."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ft_platform.evaluation.files import read_predictions
from ft_platform.evaluation.predictions import rows_of
from ft_platform.lake.files import fsync_path
from ft_platform.lake.store import Lake
from ft_platform.use_case.named import NamedUseCase

STAGE = "seed_variation"
FIGURES = "seeds.json"
DETAILS = b"training"
"""Where a file of answers keeps what is known of its training."""


@dataclass(frozen=True)
class SeedTraining:
    """One training of the recipe.

    Attributes:
        adapter_sha256: of the files with weights: equal for equal weights.
    """

    seed: int
    adapter_sha256: str
    validation_loss: float


@dataclass(frozen=True)
class Answered:
    """A training, and what its model answered to the test records (`evaluation.predictions`)."""

    training: SeedTraining
    predictions: pa.Table


def keep(folder: Path, answered: Answered) -> None:
    """Writes a seed's answers with what is known of its training into one file, aside and renamed: after a kill it is
    there whole or not at all."""
    path = folder / f"{answered.training.seed}.parquet"
    aside = path.with_suffix(".new")
    pq.write_table(
        answered.predictions.replace_schema_metadata({DETAILS: json.dumps(asdict(answered.training)).encode()}), aside
    )
    fsync_path(aside)
    aside.replace(path)


def made(lake: Lake, use_case: NamedUseCase, recipe: str, folder: Path) -> dict[int, Answered]:
    """Seed -> what was made before by this recipe: in published reports, and of an unfinished one on this machine."""
    found: dict[int, Answered] = {}
    for report in lake.artifacts(use_case.name, STAGE):
        if lake.manifest(report).info.get("recipe") == recipe and lake.intact_artifact(
            use_case.name, STAGE, report.artifact_id
        ):
            answers = read_predictions(lake, report)
            for one in json.loads(lake.read_file(report, FIGURES))["seeds"][1:]:
                found[one["seed"]] = Answered(SeedTraining(**one), rows_of(answers, f"seed_{one['seed']}"))
    for file in sorted(folder.glob("*.parquet")):
        table = pq.read_table(file)
        training = SeedTraining(**json.loads((table.schema.metadata or {})[DETAILS]))
        found[training.seed] = Answered(training, table.replace_schema_metadata(None))
    return found
