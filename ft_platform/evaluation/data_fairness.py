"""The records of a use case compared between groups, before any model: who is in them, with which labels, and how good
their texts are.

Covered: representation on every side of the split, label shares, missing values, lengths, texts that say little,
replaced personal data, repeated texts. Not covered: records that never reached the splits; why they were removed is
known in the restricted zone only, where features stand as the source has them and not as anonymization left them.
"""

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.evaluation.group_rates import compare_rates, counted
from ft_platform.evaluation.groups import group_values
from ft_platform.evaluation.outputs import LabelOutputs
from ft_platform.evaluation.proportions import mean, share
from ft_platform.records.columns import SIDES, answers, user_texts
from ft_platform.use_case.named import NamedUseCase

SHORT_WORDS = 5
"""A text with fewer words says little."""


def data_columns(use_case: NamedUseCase) -> list[str]:
    """Columns of `splits` that the figures are made of."""
    features = [f"feature_{name}" for name in use_case.settings.fairness.sensitive_features]
    return ["record_id", "messages", "label", "split", "text_characters", "entities", "group_id", *features]


def data_fairness(use_case: NamedUseCase, splits: pa.Table) -> dict[str, Any]:
    """Comparison of groups in the data, for every sensitive feature.

    A group with fewer than `fairness.min_group_rows` records has no figures beside its size.

    Args:
        splits: columns of `data_columns`.

    Returns:
        `{feature: {"rows", "missing", "groups": {group: {"rows", "enough_evidence", "share", "sides", "labels",
        "answer_missing", "characters", "words", "short", "personal_data", "repeated"}}, "label_gap", "status"}}`.
        `sides`: side -> share of its records that are of the
        group. `labels`: label -> share among the group. `label_gap`: largest difference of a label's share between two
        groups, as in `group_rates`, or None with fewer than two groups (`status` says which), or for a task without
        labels.
    """
    quality = _quality(use_case, splits)
    return {name: _feature(use_case, splits, name, quality) for name in use_case.settings.fairness.sensitive_features}


def _quality(use_case: NamedUseCase, splits: pa.Table) -> dict[str, np.ndarray]:
    """What is measured of each record. Shapes `(rows,)`."""
    texts = user_texts(splits["messages"])
    words = np.array([len(text.split()) for text in texts])
    told = (
        splits["label"].to_pylist() if use_case.settings.task.kind == "classification" else answers(splits["messages"])
    )
    sizes = Counter(splits["group_id"].to_pylist())
    replaced = [sum(count for _, count in found or []) > 0 for found in splits["entities"].to_pylist()]
    return {
        "characters": splits["text_characters"].to_numpy(zero_copy_only=False).astype(float),
        "words": words.astype(float),
        "short": words < SHORT_WORDS,
        "answer_missing": np.array([not (answer or "").strip() for answer in told], bool),
        "personal_data": np.array(replaced, bool),
        "repeated": np.array(
            [group is not None and sizes[group] > 1 for group in splits["group_id"].to_pylist()], bool
        ),
    }


def _feature(use_case: NamedUseCase, splits: pa.Table, name: str, quality: dict[str, np.ndarray]) -> dict[str, Any]:
    settings, rows = use_case.settings, splits.num_rows
    confidence = settings.evaluation.confidence
    stated = splits[f"feature_{name}"].to_pylist()
    values = group_values(settings.fairness, splits, [name])
    sides = np.array(splits["split"].to_pylist(), dtype=object)
    labels = np.array(splits["label"].to_pylist(), dtype=object)
    sizes = {group: int((values == group).sum()) for group in sorted(set(values))}
    groups: dict[str, Any] = {}
    for group, size in sizes.items():
        enough_evidence = size >= settings.fairness.min_group_rows
        groups[group] = {"rows": size, "enough_evidence": enough_evidence, "share": share(size, rows, confidence)}
        if groups[group]["enough_evidence"]:
            groups[group] |= _described(
                values == group, sides, labels, quality, settings.task.kind == "classification", confidence
            )
    compared = [group for group in groups if groups[group]["enough_evidence"]]
    gap = None
    if settings.task.kind == "classification" and len(compared) > 1:
        gap = _label_gap(use_case, {group: [label for label in labels[values == group] if label] for group in compared})
    return {
        "rows": rows,
        "missing": share(sum(value is None or value == "" for value in stated), rows, confidence),
        "groups": groups,
        "label_gap": gap,
        "status": "compared" if len(compared) > 1 else "not_enough_evidence",
    }


def _described(
    own: np.ndarray,
    sides: np.ndarray,
    labels: np.ndarray,
    quality: dict[str, np.ndarray],
    labelled: bool,
    confidence: float,
) -> dict[str, Any]:
    size = int(own.sum())
    found: dict[str, Any] = {side: int((sides == side).sum()) for side in SIDES}
    represented = {
        side: share(int((own & (sides == side)).sum()), total, confidence) for side, total in found.items() if total
    }
    counts = Counter(label for label in labels[own] if label)
    return {
        "sides": represented,
        "labels": (
            {label: share(count, size, confidence) for label, count in sorted(counts.items())} if labelled else {}
        ),
        **{name: mean(quality[name][own], confidence) for name in ("characters", "words")},
        **{
            name: share(int(quality[name][own].sum()), size, confidence)
            for name in ("short", "answer_missing", "personal_data", "repeated")
        },
    }


def _label_gap(use_case: NamedUseCase, labels: dict[str, list[str]]) -> dict[str, Any] | None:
    """The labels compared as if a model had given them."""
    every = sorted({label for found in labels.values() for label in found})
    if not all(labels.values()):
        return None
    settings = use_case.settings.evaluation
    groups = counted({group: LabelOutputs(every, found, found) for group, found in labels.items()}, settings)
    return compare_rates(every, groups, settings.confidence)["demographic_parity"]
