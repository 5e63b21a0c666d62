"""What a mitigation costs and brings: quality and gaps before and after it, on the same test records."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ft_platform.evaluation.amplification import gap_change, gap_of
from ft_platform.evaluation.comparison import paired_difference
from ft_platform.evaluation.fairness_outputs import MITIGATED, SWAPS
from ft_platform.evaluation.files import read_predictions
from ft_platform.evaluation.groups import group_values
from ft_platform.evaluation.intervals import figure
from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.outputs import LabelOutputs
from ft_platform.evaluation.predictions import rows_of, systems_in
from ft_platform.evaluation.proportions import mean
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.swap_figures import swap_figures
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.fairness import IN_TRAINING

QUALITY = {"classification": ("accuracy", "macro_f1"), "generation": ("rouge_l",)}
BEFORE, AFTER = "before", "mitigated"
NOTHING_BEFORE = (
    "no evaluation of these splits with the same settings and without mitigation is in the lake: run with"
    " fairness.mitigation: none first"
)


def evaluation_before(lake: Lake, use_case: NamedUseCase, evaluation: ArtifactVersion) -> ArtifactVersion | None:
    """The newest evaluation that a mitigation in training can be compared with: the same splits, settings and training,
    but none in it."""
    if use_case.settings.fairness.mitigation not in IN_TRAINING:
        return None
    wanted = _made_from(lake, evaluation)
    for other in lake.artifacts(use_case.name, "evaluation_report"):
        if other.artifact_id == evaluation.artifact_id:
            continue
        found = _made_from(lake, other)
        if {**found, "mitigation": None} == {**wanted, "mitigation": None} and found["mitigation"] == "none":
            lake.verify_artifact(other)
            return other
    return None


def _made_from(lake: Lake, evaluation: ArtifactVersion) -> dict[str, Any]:
    """What an evaluation rests on, except the weights."""
    manifest = lake.manifest(evaluation)
    parents = {parent.name: parent for parent in manifest.parents}
    checkpoint = version_of_parent(lake, evaluation.use_case, parents["adapter_checkpoint"])
    assert isinstance(checkpoint, ArtifactVersion)
    folder = lake.artifact(checkpoint.use_case, checkpoint.name, checkpoint.artifact_id, verify=False)
    told = json.loads(lake.read_file(checkpoint, "training.json")) if folder else {}
    hashes = {name: parents[name].content_hash for name in ("splits", "base_evaluation")}
    return {
        "settings": manifest.settings_hash,
        **hashes,
        **{name: told.get(name) for name in ("task", "training", "base_model")},
        "mitigation": told.get("mitigation", {}).get("mitigation"),
    }


def read_beside(lake: Lake, evaluation: ArtifactVersion, name: str) -> pa.Table | None:
    """A further table of an evaluation, or None where its settings asked for none."""
    return pq.read_table(lake.open_file(evaluation, name)) if name in lake.manifest(evaluation).files else None


def mitigation_figures(
    lake: Lake, use_case: NamedUseCase, evaluation: ArtifactVersion, before: ArtifactVersion | None
) -> dict[str, Any] | None:
    """Before and after of the chosen mitigation; None where none is chosen.

    Args:
        before: of `evaluation_before`; used for mitigations in training.

    Returns:
        `{"chosen", "where", "feature", "label", "status", "compared_with", "systems": {system: {"quality", "gap",
        "quality_gap", "swaps"}}, "change": {"quality", "gap", "quality_gap"}}`. `gap`: largest difference between
        groups of how often `label` is given, for labels; for texts of ROUGE-L.
        `quality_gap`: of accuracy. `change`: after minus before on the same records, with intervals; below 0 is a
            smaller gap.
    """
    fairness = use_case.settings.fairness
    if fairness.mitigation == "none":
        return None
    in_training = fairness.mitigation in IN_TRAINING
    where = "training" if in_training else "outputs"
    told = {"chosen": fairness.mitigation, "where": where, "feature": fairness.treated_feature, "label": None}
    found = {**told, "compared_with": before.artifact_id if before else None, "systems": {}, "change": {}}
    tuned = rows_of(read_predictions(lake, evaluation), FINE_TUNED)
    if not in_training:
        beside = read_beside(lake, evaluation, MITIGATED)
        assert beside is not None  # the settings asked for it, and the gate compared them
        systems = {BEFORE: tuned, **{system: rows_of(beside, system) for system in systems_in(beside)}}
        return {**found, **compared(use_case, systems), "status": "measured"}
    if before is None:
        return {**found, "status": NOTHING_BEFORE}
    earlier = rows_of(read_predictions(lake, before), FINE_TUNED)
    result = {**found, **compared(use_case, {BEFORE: earlier, AFTER: tuned}), "status": "measured"}
    for system, version in ((BEFORE, before), (AFTER, evaluation)):
        result["systems"][system]["swaps"] = swap_figures(use_case, read_beside(lake, version, SWAPS))
    return result


def compared(use_case: NamedUseCase, systems: Mapping[str, pa.Table]) -> dict[str, Any]:
    """Quality and gaps of systems on the same records, and what the mitigated one changes.

    Args:
        systems: `before` and `mitigated`, and others between; columns of predictions.

    Returns:
        `{"label", "systems", "change"}` of `mitigation_figures`.

    Raises:
        ValueError: the systems answered other records.
    """
    ids = [table["record_id"].to_pylist() for table in systems.values()]
    if any(other != ids[0] for other in ids):
        raise ValueError("systems of a mitigation are compared on the same records only")
    kind, fairness, evaluation = use_case.settings.task.kind, use_case.settings.fairness, use_case.settings.evaluation
    feature = fairness.treated_feature
    values = group_values(fairness, systems[BEFORE], [feature]) if feature else np.array([], dtype=object)
    groups = [group for group in sorted(set(values)) if (values == group).sum() >= fairness.min_group_rows]
    label = _label(use_case, systems[BEFORE], values, groups) if kind == "classification" and len(groups) > 1 else None
    quality = {name: _quality_numbers(table, kind) for name, table in systems.items()}
    gap = {
        name: _given(table, label) if label is not None else numbers
        for (name, table), numbers in zip(systems.items(), quality.values(), strict=True)
    }
    found: dict[str, Any] = {
        "label": label,
        "systems": {},
        "change": {"quality": _quality_change(use_case, systems), "gap": None, "quality_gap": None},
    }
    for name, table in systems.items():
        own: dict[str, Any] = {"quality": _quality(use_case, table), "gap": None, "quality_gap": None}
        if len(groups) > 1:
            own["gap"] = gap_of(gap[name], values, groups, evaluation)
            own["quality_gap"] = gap_of(quality[name], values, groups, evaluation)
        found["systems"][name] = own
    if len(groups) > 1:
        found["change"]["gap"] = gap_change(gap[BEFORE], gap[AFTER], values, groups, evaluation)
        found["change"]["quality_gap"] = gap_change(quality[BEFORE], quality[AFTER], values, groups, evaluation)
    return found


def _label(use_case: NamedUseCase, rows: pa.Table, values: np.ndarray, groups: list[str]) -> str:
    """The label whose rates are looked at: the one that the settings name, or that with the largest difference
    before."""
    if use_case.settings.fairness.mitigation_label:
        return use_case.settings.fairness.mitigation_label
    predicted = np.array(rows["predicted"].to_pylist(), dtype=object)
    labels = sorted(set(predicted))
    rates = np.array([[np.mean(predicted[values == group] == label) for label in labels] for group in groups])
    return labels[int((rates.max(axis=0) - rates.min(axis=0)).argmax())]


def _given(rows: pa.Table, label: str) -> np.ndarray:
    return np.array([value == label for value in rows["predicted"].to_pylist()], float)


def _quality_numbers(rows: pa.Table, kind: str) -> np.ndarray:
    if kind == "classification":
        return np.array(
            [
                truth == said
                for truth, said in zip(rows["label"].to_pylist(), rows["predicted"].to_pylist(), strict=True)
            ],
            float,
        )
    return np.asarray(rows["rouge_l"].to_pylist(), float)


def _outputs(rows: pa.Table, labels: list[str]) -> LabelOutputs:
    return LabelOutputs(labels, rows["label"].to_pylist(), rows["predicted"].to_pylist())


def _quality(use_case: NamedUseCase, rows: pa.Table) -> dict[str, Any]:
    if use_case.settings.task.kind == "generation":
        return {"rouge_l": mean(_quality_numbers(rows, "generation"), use_case.settings.evaluation.confidence)}
    labels = sorted({*rows["label"].to_pylist(), *rows["predicted"].to_pylist()})
    return {
        name: figure(metric(name), _outputs(rows, labels), use_case.settings.evaluation)
        for name in QUALITY["classification"]
    }


def _quality_change(use_case: NamedUseCase, systems: Mapping[str, pa.Table]) -> dict[str, Any]:
    before, after = systems[BEFORE], systems[AFTER]
    if use_case.settings.task.kind == "generation":
        return {
            "rouge_l": mean(
                _quality_numbers(after, "generation") - _quality_numbers(before, "generation"),
                use_case.settings.evaluation.confidence,
            )
        }
    labels = sorted(
        {label for table in (before, after) for column in ("label", "predicted") for label in table[column].to_pylist()}
    )
    later, earlier = _outputs(after, labels), _outputs(before, labels)
    return {
        name: paired_difference(metric(name), later, earlier, use_case.settings.evaluation)
        for name in QUALITY["classification"]
    }
