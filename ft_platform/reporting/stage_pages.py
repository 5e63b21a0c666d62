"""The HTML pages of stages that are on the way to the evaluation report: the alternatives to fine-tuning, and the
training."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ft_platform.evaluation.metric import metrics_of
from ft_platform.lake.draft import Draft
from ft_platform.reporting.evaluation_report import loss_of, metric_table, picture_alts, training_sentence
from ft_platform.reporting.report_page import write_report_page
from ft_platform.training.time_taken import TITLE
from ft_platform.use_case.settings.base_model import reads_words

OF_WORDS = ("method", "objective", "max_length", "window_days", "replay_share")
"""Settings that a classifier of words reads."""
FIGURES = {
    "validation_loss_before": "validation loss before training, per answer token or label",
    "validation_loss": "validation loss of the adapter that was kept",
    "validation_macro_f1_before": "macro-F1 on the validation records before training",
    "validation_macro_f1": "macro-F1 on them of the adapter that was kept",
    "validation_macro_precision": "mean precision over the labels, of the same",
    "validation_macro_recall": "mean recall over the labels, of the same",
    "validation_preferred_before": "share of validation pairs in the right order before training",
    "validation_preferred": "share of them in the right order with the adapter that was kept",
    "train_loss": "training loss at the last step",
    "best_step": "optimizer step of the adapter that was kept",
    "share_of_what_was_learned": "share of what was learned in it; the rest are the weights before the first step",
    "steps": "optimizer steps",
    "tokens": "tokens computed",
    "tokens_per_second": "tokens per second",
    "seconds": TITLE,
    "peak_memory_gib": "most memory in use, GiB",
    "epsilon": "epsilon of differential privacy",
    "delta": "delta of differential privacy",
    "noise_multiplier": "noise of differential privacy, in units of the norm that gradients are clipped to",
    "gpu_utilization_percent": "utilization of the GPU, percent of the time, mean",
    "gpu_power_watts": "power draw of the GPU, watts, mean",
}
"""Figures of a training in words; others are shown by their name."""


def write_base_report(folder: Path, draft: Draft, figures: Mapping[str, Any]) -> None:
    """`report.html` of a base evaluation: every system without training, on the same test records."""
    settings = draft.use_case.settings
    write_report_page(
        folder,
        draft,
        "base_evaluation.html",
        title=f"Alternatives to a trained model for {draft.use_case.name}",
        test_rows=figures["test_rows"],
        left_out=figures["left_out"],
        confidence=settings.evaluation.confidence,
        bootstrap_samples=settings.evaluation.bootstrap_samples,
        systems=metric_table(figures["systems"], metrics_of(settings.task.kind)),
        pictures={path.stem: path.read_bytes() for path in sorted(folder.glob("*.png"))},
        alts=picture_alts(figures, list(figures["systems"])[-1]),
    )


def write_training_report(folder: Path, draft: Draft) -> None:
    """`report.html` of a checkpoint, from its `training.json` and `loss_curve.png`."""
    training = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    write_report_page(
        folder,
        draft,
        "training_report.html",
        title=f"Training of {draft.use_case.name}",
        training=training_sentence(training),
        sides=training["counts"],
        figures=[(FIGURES.get(name, name.replace("_", " ")), value) for name, value in training["metrics"].items()],
        settings={
            name: value
            for name, value in training["training"].items()
            if name != "recipe" and (name in OF_WORDS or not reads_words(training["base_model"]))
        },
        recipe={name: one["why"] for name, one in training["recipe"].items() if one["chosen"]},
        base_model=None if reads_words(training["base_model"]) else training["base_model"],
        machine={
            "device": training["device"],
            "threads": training["threads"],
            "kernels": training["kernels"],
            "batching": training["batching"],
            **training["environment"],
        },
        loss=loss_of(training),
        loss_curve=(folder / "loss_curve.png").read_bytes(),
    )
