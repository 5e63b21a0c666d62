"""What repairs did: to the figures of a test split, and to a model that learned from repaired records."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow.compute as pc

from ft_platform.errors import DataError
from ft_platform.evaluation.annotation.overlay import repaired_in
from ft_platform.evaluation.effect import effect_between
from ft_platform.evaluation.evaluate import Evaluated
from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.outputs import LabelOutputs
from ft_platform.evaluation.pairs import splits_behind
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.use_case.named import NamedUseCase

METRICS = ("accuracy", "macro_f1")


def figures_of_repairs(lake: Lake, splits: TableVersion, evaluated: Evaluated) -> dict[str, Any] | None:
    """Of test records that experts repaired; None where there are none.

    Returns:
        `{"field", "test_records", "systems": {system: {metric: {"before", "after"}}}}`: by the labels of the source,
        and by the repaired ones. No systems where answers were repaired: those of the source are not kept.
    """
    side = evaluated.records.side
    ids = side.rows["record_id"].to_pylist()
    rows = repaired_in(lake, splits).filter(pc.field("record_id").isin(ids)).to_pylist()
    if not rows:
        return None
    field = rows[0]["field"]
    found: dict[str, Any] = {"field": field, "test_records": len(rows), "systems": {}}
    if field == "label":
        source = {row["record_id"]: row["before"] for row in rows}
        old = [source.get(one, label) for one, label in zip(ids, side.answers, strict=True)]
        for system, outputs in evaluated.outputs.items():
            if isinstance(outputs, LabelOutputs):
                labels = [*outputs.labels, *sorted(set(old) - set(outputs.labels))]
                both = {"before": replace(outputs, labels=labels, truth=old), "after": outputs}
                found["systems"][system] = {
                    name: {when: metric(name).value(one) for when, one in both.items()} for name in METRICS
                }
    return found


@dataclass(frozen=True)
class _Evaluated:
    """An evaluation, the recipe of its checkpoint, the sides of its records, and how many of them were repaired."""

    evaluation: ArtifactVersion
    recipe: str
    sides: dict[str, str]
    repaired: int
    repaired_test: int


def repair_effect(lake: Lake, use_case: NamedUseCase) -> dict[str, Any]:
    """What `effect_between` says of the newest checkpoint that learned from repaired records and the newest one of the
    same recipe and records without any repair, with `repaired_rows` and `repaired_test_rows`. Both are judged by the
    repaired test records.

    Raises:
        DataError: there is no such pair.
    """
    found = list(_evaluated(lake, use_case))
    for one in (one for one in found if one.repaired):
        for other in (other for other in found if not other.repaired):
            if one.recipe == other.recipe and one.sides == other.sides:
                told = {"repaired_rows": one.repaired, "repaired_test_rows": one.repaired_test}
                return {**effect_between(lake, use_case, one.evaluation, other.evaluation), **told}
    raise DataError(
        f"{use_case.name} has no two evaluations of the same recipe on the same records, with and without repairs",
        f"Run: ft run {use_case.name}, before repairs are handed in and after",
    )


def _evaluated(lake: Lake, use_case: NamedUseCase) -> Iterator[_Evaluated]:
    for evaluation in lake.artifacts(use_case.name, "evaluation_report"):
        parents = {parent.name: parent for parent in lake.manifest(evaluation).parents}
        checkpoint = version_of_parent(lake, use_case.name, parents["adapter_checkpoint"])
        splits = version_of_parent(lake, use_case.name, parents["splits"])
        assert isinstance(splits, TableVersion)
        rows = splits_behind(lake, evaluation).select(["record_id", "split"]).to_pylist()
        repaired = repaired_in(lake, splits)["split"].to_pylist()
        yield _Evaluated(
            evaluation,
            lake.manifest(checkpoint).settings_hash,
            {row["record_id"]: row["split"] for row in rows},
            len(repaired),
            repaired.count("test"),
        )
