"""Pictures of attacks on a checkpoint, as PNG bytes. They hold rates and losses, never a record's text."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ft_platform.reporting.figure import COLOURS, drawing
from ft_platform.training.privacy_attacks.curves import roc
from ft_platform.training.privacy_attacks.true_positives import LOW
from ft_platform.training.privacy_attacks.verdict import TITLES

STYLES = {"loss": "--", "calibrated": "-"}
BINS = 24


def roc_plot(
    scores: Mapping[str, tuple[np.ndarray, np.ndarray]],
    areas: Mapping[str, float],
) -> bytes:
    """ROC curve of every attack; the vertical line is 1 % false positives.

    Args:
        scores: attack -> scores of training and of other records.
        areas: attack -> area under its curve.
    """
    with drawing(6.4, 4.2) as (figure, axes, buffer):
        axes.plot([0, 1], [0, 1], linestyle=":", color="grey", label="chance")
        for number, (name, (members, others)) in enumerate(scores.items()):
            label = f"{TITLES[name]}: {areas[name]:.2f}"
            axes.plot(*roc(members, others), color=COLOURS[number], linestyle=STYLES[name], label=label)
        axes.axvline(LOW, color="black", linewidth=0.6)
        axes.set(
            xlim=(0, 1),
            ylim=(0, 1.02),
            xlabel="share of other records mistaken for training records",
            ylabel="share of training records found",
        )
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return buffer.getvalue()


def losses_plot(losses: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> bytes:
    """Loss of training and other records, by who never read them and by the fine-tuned model: where the two columns of
    a picture differ, membership shows.

    Args:
        losses: title -> mean loss of each training and of each other record.
    """
    with drawing(7.2, 3.4) as (figure, axes, buffer):
        axes.remove()
        for (title, (train, others)), one in zip(losses.items(), figure.subplots(1, 2, sharey=True), strict=True):
            bins = np.histogram_bin_edges(np.concatenate([train, others]), BINS)
            one.hist(train, bins=bins, color=COLOURS[0], alpha=0.6, density=True, label="training records")
            one.hist(others, bins=bins, density=True, histtype="step", color=COLOURS[5], linewidth=1.6, label="others")
            one.set(xlabel="loss", ylabel="density", title=title)
        handles = figure.axes[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return buffer.getvalue()


def epochs_plot(found: Mapping[str, Any]) -> bytes:
    """Training and validation loss by epoch, and where the kept adapter was taken.

    Args:
        found: of `training.privacy_attacks.overfitting.overfitting`.
    """
    with drawing(6.4, 3.6) as (figure, axes, buffer):
        for name, colour, marker, title in (
            ("train_loss", COLOURS[4], "", "training"),
            ("validation_loss", COLOURS[5], "o", "validation"),
        ):
            points = [point for point in found["curve"] if name in point]
            epochs, losses = [point["epoch"] for point in points], [point[name] for point in points]
            axes.plot(epochs, losses, color=colour, marker=marker, label=title)
        axes.axvline(found["kept_epoch"], linestyle=":", color="grey", label=f"kept: epoch {found['kept_epoch']:.2g}")
        axes.set(xlabel="epoch", ylabel="loss per answer token", ylim=(0, None))
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return buffer.getvalue()


def exposure_plot(copies: Mapping[str, Sequence[float]], controls: Sequence[float], most: float) -> bytes:
    """Exposure of every planted secret by its number of copies, beside secrets that were never planted.

    Args:
        copies: number of copies -> exposure of each secret in bits.
        controls: of the secrets that were never planted.
        most: exposure of a secret that is the likeliest of all codes.
    """
    groups = {"never": controls, **copies}
    with drawing(6.4, 3.6) as (_, axes, buffer):
        axes.axhline(most, linestyle=":", color="grey")
        axes.text(len(groups) - 0.6, most, "given away", va="bottom", ha="right", fontsize=8)
        for place, (_, bits) in enumerate(groups.items()):
            spread = np.linspace(-0.18, 0.18, len(bits)) if len(bits) > 1 else [0.0]
            axes.scatter([place + shift for shift in spread], bits, color=COLOURS[4 if place == 0 else 0], s=22)
            axes.hlines(float(np.mean(bits)), place - 0.3, place + 0.3, color=COLOURS[5])
        axes.set_xticks(range(len(groups)), list(groups))
        axes.set(xlabel="copies of the secret in the training records", ylabel="exposure, bits", ylim=(0, most * 1.1))
    return buffer.getvalue()
