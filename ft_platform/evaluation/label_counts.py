"""Counts behind classification metrics: per label true positives, support and predictions."""

from typing import Any

import numpy as np

from ft_platform.evaluation.outputs import LabelOutputs


def label_statistics(outputs: LabelOutputs) -> np.ndarray:
    """One-hot rows whose sums are true positives, support and predictions per label. Shape `(rows, 3 * labels)`."""
    truth, predicted = outputs.codes()
    count = len(outputs.labels)
    rows = np.arange(len(outputs))
    result = np.zeros((len(outputs), 3 * count))
    hit = truth == predicted
    result[rows[hit], truth[hit]] = 1
    result[rows, count + truth] = 1
    result[rows, 2 * count + predicted] = 1
    return result


def precision_recall_f1(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall, F1 and support per label. Each of shape `(..., labels)`.

    A quotient without a denominator is 0, as with `zero_division=0` in scikit-learn.
    """
    hits, support, predictions = np.split(sums, 3, axis=-1)
    precision = hits / np.maximum(predictions, 1)
    recall = hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(predictions + support, 1)
    return precision, recall, f1, support


def mean_over_present(per_label: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Mean over the labels that occur. Shapes `(..., labels)` -> `(...)`.

    A label that a resample happens to miss is left out of that resample: counting it as 0 would pull every interval of
    a use case with rare labels below its own value.
    """
    present = support > 0
    return (per_label * present).sum(axis=-1) / np.maximum(present.sum(axis=-1), 1)


def per_label_table(outputs: LabelOutputs) -> dict[str, dict[str, float | int]]:
    """`{label: {"precision", "recall", "f1", "support"}}` of every label that occurs or was predicted."""
    sums = label_statistics(outputs).sum(axis=0)
    precision, recall, f1, support = precision_recall_f1(sums)
    predictions = np.split(sums, 3)[2]
    return {
        label: {
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1[i]),
            "support": int(support[i]),
        }
        for i, label in enumerate(outputs.labels)
        if support[i] or predictions[i]
    }


def confusion_matrix(outputs: LabelOutputs) -> list[list[int]]:
    """Rows: true label, columns: predicted label, both in the order of `outputs.labels`."""
    truth, predicted = outputs.codes()
    matrix: Any = np.zeros((len(outputs.labels), len(outputs.labels)), int)
    np.add.at(matrix, (truth, predicted), 1)
    return matrix.tolist()
