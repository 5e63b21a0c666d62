"""An evaluation as a program would have left it, with answers that a test chooses: no model is loaded. Persons are
fictitious."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ft_platform.evaluation.outputs import LabelOutputs, Outputs, TextOutputs
from ft_platform.evaluation.predictions import predictions_table
from ft_platform.evaluation.records import side_of
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.records.schemas import splits_schema
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.evaluation.tiny_case import attributes_for, rows_for
from ft_platform_tests.tiny_models import usable_splits

XSS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(1)>",
    "\u2028</SCRIPT ><svg onload=alert(1)>",
    "{{ DATA }} {{ SCRIPT }} ${alert(1)} `alert(1)`",
)
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", '=HYPERLINK("http://example.org","x")')


@dataclass
class JudgedCase:
    """Everything that a review or a judge looks at."""

    environment: Environment
    lake: Lake
    use_case: NamedUseCase
    splits: TableVersion
    evaluation: ArtifactVersion


def judged_case(
    home: Path,
    fine_tuned: Callable[[int], str],
    few_shot: Callable[[int], str],
    kind: str = "generation",
    rows: int = 60,
    **attributes: Any,
) -> JudgedCase:
    """An evaluation whose answers are functions of the place of the test record.

    Args:
        rows: records in all; a fifth of them is in the test split.
    """
    environment = Environment(home=home, defs=home / "defs", tracking_uri="none")
    settings = {**attributes_for(home / "no_model", kind), **attributes}
    write_use_case(environment.defs, "complaints", settings)
    use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(settings))
    lake = open_lake(environment)
    splits = usable_splits(lake, use_case, rows_for(kind, rows), splits_schema(use_case))
    return JudgedCase(environment, lake, use_case, splits, evaluated(lake, use_case, splits, fine_tuned, few_shot))


def evaluated(
    lake: Lake,
    use_case: NamedUseCase,
    splits: TableVersion,
    fine_tuned: Callable[[int], str],
    few_shot: Callable[[int], str],
    name: str = "eval-1",
) -> ArtifactVersion:
    """A published evaluation with these answers, and what stands before it."""
    side = side_of(use_case, lake.read_table(splits), "test")
    answers = {"base_few_shot": few_shot, "fine_tuned": fine_tuned}
    outputs: dict[str, Outputs] = {}
    for system, answer in answers.items():
        given = [answer(place) for place in range(len(side))]
        if use_case.settings.task.kind == "classification":
            outputs[system] = LabelOutputs(sorted({*side.answers, *given}), side.answers, given)
        else:
            outputs[system] = TextOutputs(side.answers, given, np.ones(len(side)), np.ones(len(side)))
    base = publish(lake, use_case, "base_evaluation", "base-1", [splits])
    checkpoint = publish(lake, use_case, "adapter_checkpoint", "checkpoint-1", [splits])

    def fill(folder: Path) -> None:
        pq.write_table(predictions_table(use_case, side, outputs), folder / "predictions.parquet")
        (folder / "metrics.json").write_text(
            json.dumps(
                {
                    "systems": {"fine_tuned": {}},
                    "differences": {},
                    "main_metric": "chrf",
                    "per_1000_requests": {},
                    "test_rows": len(side),
                }
            )
        )

    return publish(lake, use_case, "evaluation_report", name, [splits, base, checkpoint], fill)


def publish(
    lake: Lake,
    use_case: NamedUseCase,
    stage: str,
    name: str,
    parents: list[TableVersion | ArtifactVersion],
    fill: Callable[[Path], None] | None = None,
) -> ArtifactVersion:
    with lake.scratch(use_case.name, stage) as folder:
        folder.mkdir(parents=True)
        (folder / "name.txt").write_text(name)
        if fill:
            fill(folder)
        return lake.publish(
            use_case.name,
            stage,
            name,
            folder,
            parents=parents,
            settings_hash=STAGES[stage].settings_hash(use_case),
            input_hash=name,
        )
