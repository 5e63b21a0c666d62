"""What the course of a training shows: a rate that is too high, a stop that came too early or too late."""

import math
from typing import Any

import numpy as np

from ft_platform.evaluation.diagnosis.facts import METRICS, Facts, Finding


def rate_too_high(facts: Facts) -> Finding | None:
    """Training made things worse from the start: every validation loss is clearly above that before the first step, or
    the training loss of the last third of the steps is above that of the first third (Mann-Whitney). Where the
    validation metric rose, the rate is not to blame."""
    if len(facts.validations) < 2:
        return None
    first, *later = facts.validations
    if any(facts.metric_rose(first, one) for one in later):
        return None
    before, lowest = first["validation_loss"], min(one["validation_loss"] for one in later)
    rate = facts.training["training"]["learning_rate"]
    if lowest - before > facts.z * facts.loss_error(before):
        what = f"The validation loss was {before:.3f} before training and never below {lowest:.3f} after it began"
    elif rise := _rise([one["loss"] for one in facts.training["curve"] if "loss" in one], 1 - facts.confidence):
        what = f"The training loss rose from {rise[0]:.3f} in the first third of the steps to {rise[1]:.3f} in the last"
    else:
        return None
    norms = _rise(
        [one["gradient_norm"] for one in facts.training["curve"] if "gradient_norm" in one], 1 - facts.confidence
    )
    more = f", and the gradients grew from {norms[0]:.3g} to {norms[1]:.3g}" if norms else ""
    return Finding(
        "rate_too_high",
        f"{what}{more}: the learning rate of {rate:g} is too high.",
        "Train again with half of it.",
        facts.run(f"training.learning_rate={rate / 2:.3g}"),
    )


def _rise(values: list[float], alpha: float) -> tuple[float, float] | None:
    """Means of the first and of the last third, where the last is higher by more than chance."""
    from scipy.stats import mannwhitneyu

    third = len(values) // 3
    if third < 1:
        return None
    first, last = values[:third], values[-third:]
    if mannwhitneyu(last, first, alternative="greater").pvalue > alpha:
        return None
    return float(np.mean(first)), float(np.mean(last))


def still_learning(facts: Facts) -> Finding | None:
    """The last weights are the kept ones, and a training twice as long would bring more than validation records can be
    wrong by.

    The gain is that of as many validations again, if each brings as large a share of the one before as the last one did
    (Aitken's extrapolation). A metric counts where it rose by more than its standard error at the last validation.
    Where `training.max_steps` cut the training, any fall at its end counts. With differential privacy the last weights
    are always kept, and more steps cost privacy: nothing is said."""
    training, settings = facts.training, facts.training["training"]
    if training["stopped_early"] or len(facts.validations) < 2 or training.get("differential_privacy"):
        return None
    before, last = facts.validations[-2:]
    if training["metrics"]["best_step"] != last["step"]:
        return None
    losses = [one["validation_loss"] for one in facts.validations]
    gain = _further_fall(losses)
    cut = _cut_by_max_steps(training)
    if facts.metric and facts.metric_rose(before, last):
        told = f"{METRICS[facts.metric]} on validation records still rose from {before[facts.metric]:.3f} to"
        told += f" {last[facts.metric]:.3f}"
    elif gain > (0 if cut else facts.loss_error(losses[-1])):
        told = f"the validation loss still fell from {losses[-2]:.3f} to {losses[-1]:.3f}"
        told += f", and training twice as long may lower it by {gain:.3f} more"
    else:
        return None
    steps = int(training["planned_steps"])
    why = f", at training.max_steps={settings['max_steps']}" if cut else ""
    return Finding(
        "still_learning",
        f"Training ended while it was still learning (step {steps}{why}): at the last validation {told}.",
        "Train it further, for as many steps again. The file stays as it is, so the result can be released.",
        f"ft run {facts.name} --set training.continue_from={facts.checkpoint}",
    )


def _further_fall(losses: list[float]) -> float:
    """How much lower the loss would get by as many validations again. Two losses tell no course: then as much as at
    the last one."""
    last = losses[-2] - losses[-1]
    if last <= 0:
        return 0.0
    if len(losses) < 3 or (previous := losses[-3] - losses[-2]) <= 0:
        return last
    ratio = min(last / previous, 1.0)
    return last * sum(ratio**ahead for ahead in range(1, len(losses)))


def _cut_by_max_steps(training: Any) -> bool:
    settings = training["training"]
    per_epoch = math.ceil(training["counts"]["train"]["rows"] / settings["batch_rows"])
    return bool(settings["max_steps"]) and settings["max_steps"] < round(settings["epochs"] * per_epoch)


def over_trained(facts: Facts) -> Finding | None:
    """After the kept step the validation loss rose by more than its records can be wrong by, and the metric did not
    rise."""
    training = facts.training
    kept = next((one for one in facts.validations if one["step"] == training["metrics"]["best_step"]), None)
    if kept is None or not kept["step"]:
        return None
    last = facts.validations[-1]
    if kept is last or facts.metric_rose(kept, last):
        return None
    low, high = kept["validation_loss"], last["validation_loss"]
    if high - low <= facts.z * facts.loss_error(low):
        return None
    trained = training["metrics"].get("train_loss")
    beside = f" while the training loss went down to {trained:.3f}" if trained is not None and trained < low else ""
    epochs = training["training"]["epochs"] * kept["step"] / training["planned_steps"]
    return Finding(
        "over_trained",
        f"It trained for too long: after step {int(kept['step'])}, which was kept, the validation loss rose from"
        f" {low:.3f} to {high:.3f}{beside}.",
        "More training records help most; with these, train for fewer epochs.",
        facts.run(f"training.epochs={epochs:.2g}"),
    )
