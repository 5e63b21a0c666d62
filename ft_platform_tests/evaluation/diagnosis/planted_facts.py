"""Facts in which nothing is wrong, and the same with one fault."""

from typing import Any

import numpy as np

from ft_platform.evaluation.diagnosis.facts import Facts
from ft_platform.evaluation.diagnosis.wrong_labels import LabelOpinion
from ft_platform.evaluation.label_counts import confusion_matrix, per_label_table
from ft_platform.evaluation.outputs import LabelOutputs

LABELS: tuple[str, ...] = ("card", "loan", "rare")
ROWS = 400
LOSSES = (1.10, 0.60, 0.52, 0.51, 0.51)
"""Validation losses before training and after each epoch of a training that has learned what it can."""


def curve(losses: tuple[float, ...] = LOSSES, trained: tuple[float, ...] = (), **metrics: tuple[float, ...]) -> Any:
    """Ten steps between two validations."""
    points: list[dict[str, float]] = [{"step": 0, "validation_loss": losses[0]}]
    for step in range(1, 10 * (len(losses) - 1) + 1):
        train = trained[(step - 1) * len(trained) // (10 * (len(losses) - 1))] if trained else 1 / step
        points.append({"step": step, "loss": train, "gradient_norm": 1.0})
        if step % 10 == 0:
            points[-1]["validation_loss"] = losses[step // 10]
    validated = [one for one in points if "validation_loss" in one]
    for name, values in metrics.items():
        for one, value in zip(validated, values, strict=True):
            one[name] = value
    return points


def training(points: Any = None, best_step: int = 40, rows: int = 600, validation: int = 200, **settings: Any) -> Any:
    points = points or curve()
    steps = int(points[-1]["step"])
    chosen = {"learning_rate": 4e-4, "epochs": 4.0, "max_steps": None, "batch_rows": 60, "max_length": 512, **settings}
    counts = {"train": {"rows": rows, "truncated": 0}, "validation": {"rows": validation, "truncated": 0}}
    return {
        "curve": points,
        "planned_steps": steps,
        "stopped_early": False,
        "training": chosen,
        "counts": counts,
        "differential_privacy": None,
        "metrics": {"best_step": best_step, "train_loss": points[-1]["loss"]},
    }


def predicted(right: float | dict[str, float], rows: int = ROWS, seed: int = 0) -> LabelOutputs:
    """Labels of test records, of which a system gets a share right, for each label."""
    rng = np.random.default_rng(seed)
    truth = [LABELS[2] if number % 10 == 0 else LABELS[number % 2] for number in range(rows)]
    shares: dict[str, float] = right if isinstance(right, dict) else dict.fromkeys(LABELS, right)
    said = [
        label if rng.random() < shares[label] else LABELS[(LABELS.index(label) + 1 + rng.integers(2)) % 3]
        for label in truth
    ]
    return LabelOutputs(list(LABELS), truth, said)


def shuffled(rows: int = ROWS, seed: int = 0) -> LabelOutputs:
    found = predicted(1.0, rows)
    said = [str(label) for label in np.random.default_rng(seed).permutation(found.truth)]
    return LabelOutputs(list(LABELS), found.truth, said)


def figures(tuned: LabelOutputs, baseline: LabelOutputs) -> dict[str, Any]:
    systems = {"fine_tuned": tuned, "tfidf_logreg": baseline, "majority": baseline}

    def right(one: LabelOutputs) -> float:
        return float(np.mean([a == b for a, b in zip(one.truth, one.predicted, strict=True)]))

    return {
        "systems": {name: {"accuracy": {"value": right(one)}} for name, one in systems.items()},
        "confusion": {name: confusion_matrix(one) for name, one in systems.items()},
        "per_class": {name: per_label_table(one) for name, one in systems.items()},
        "test_rows": len(tuned),
    }


def opinion(wrong: float, surest: int = 150) -> LabelOpinion:
    from ft_platform.evaluation.proportions import share

    places = np.arange(60)
    return LabelOpinion(
        labels=list(LABELS),
        places=places,
        suggested=["card"] * len(places),
        confidence=np.linspace(0.9, 0.5, len(places)),
        wrong=share(wrong * surest, surest, 0.95),
        surest=surest,
    )


def facts(**changed: Any) -> Facts:
    tuned = changed.pop("tuned", predicted(0.85))
    baseline = changed.pop("baseline", predicted(0.8, seed=1))
    hits = np.array([a == b for a, b in zip(tuned.truth, tuned.predicted, strict=True)], float)
    given = {
        "name": "letters",
        "figures": figures(tuned, baseline),
        "checkpoint": "ckpt-diagnosed",
        "training": training(),
        "confidence": 0.95,
        "scores": hits,
        "shortened": np.zeros(len(hits), bool),
        "longest": (300, 3),
        "limits": (512, 512, 96),
        "labels": {"card": 270, "loan": 270, "rare": 60},
        "opinion": opinion(0.02),
        "sides": (4, 4),
    }
    return Facts(**{**given, **changed})
