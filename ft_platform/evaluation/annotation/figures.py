"""What repairs did: to the figures of a test split, and to a model that learned from repaired records."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow.compute as pc

from ft_platform.errors import DataError
from ft_platform.evaluation.annotation.overlay import repaired_in
from ft_platform.evaluation.annotation.unlabelled_overlay import ever_given
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

    def differs_by(self, other: "_Evaluated", given: Collection[str]) -> int | None:
        """How many records more it has, all of them labelled by experts; None: they differ in others, or in the
        recipe."""
        more = self.sides.keys() - other.sides.keys()
        rest = {record: side for record, side in self.sides.items() if record not in more}
        return len(more) if self.recipe == other.recipe and rest == other.sides and more <= set(given) else None


@dataclass(frozen=True)
class Pair:
    """Two evaluations of the same recipe, on the same records but for what experts did.

    Attributes:
        told: `{"repaired_rows", "repaired_test_rows", "labelled_rows"}`: records that experts repaired, of them those
            for testing, and records that experts gave their label.
    """

    changed: ArtifactVersion
    before: ArtifactVersion
    told: dict[str, int]


def newest_pair(lake: Lake, use_case: NamedUseCase) -> Pair | None:
    """The newest evaluation of a checkpoint that learned what experts did, and the newest one of the same recipe and
    records without any of it; None: there are no such two."""
    found = list(_evaluated(lake, use_case))
    given = ever_given(lake, use_case)
    for one in found:
        for other in found:
            more = one.differs_by(other, given) if not other.repaired else None
            if more is not None and (more or one.repaired):
                told = {"repaired_rows": one.repaired, "repaired_test_rows": one.repaired_test, "labelled_rows": more}
                return Pair(one.evaluation, other.evaluation, told)
    return None


def repair_effect(lake: Lake, use_case: NamedUseCase) -> dict[str, Any]:
    """What `effect_between` says of `newest_pair`, with `Pair.told`. Both are judged by the repaired test records.

    Raises:
        DataError: there is no such pair.
    """
    if pair := newest_pair(lake, use_case):
        return {**effect_between(lake, use_case, pair.changed, pair.before), **pair.told}
    raise DataError(
        f"{use_case.name} has no two evaluations of the same recipe on the same records, with and without repairs",
        f"Run: ft run {use_case.name}, before repairs are handed in and after",
    )


def _evaluated(lake: Lake, use_case: NamedUseCase) -> Iterator[_Evaluated]:
    """Newest first."""
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
