"""Whether an exported model answers as its checkpoint does: the evidence that a merged or quantized form brings.

Both are asked the test records of the checkpoint by the code of the evaluation, the exported one as it was read from
disk. Both compute in float32, so that what differs are the weights, and not how a processor rounds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ft_platform.errors import ExportRefused
from ft_platform.evaluation.evaluate import REFERENCE_TOKENS, Evaluator
from ft_platform.evaluation.intervals import Figure, interval, resampled_sums
from ft_platform.evaluation.proportions import share
from ft_platform.evaluation.systems.generation import answer_losses, generate
from ft_platform.process import progress

LEAST_EQUAL = 0.999
LARGEST_DIFFERENCE = {"float32": 0.01}
"""Most nats by which a log-probability may differ, where a form rounds nothing. The other forms round weights: what
that may do is what their decisions and their perplexity say."""
MOST_OFF = 0.1
"""How far the exported weights of a layer may be from those of the checkpoint rounded to the form, as a share of what
training changed (norms). Sums in another order round a few weights the other way: 0.00 to 0.01 was seen. Half of the
change, or twice, is 0.5 to 1, another adapter above 1."""
MOST_OFF_BASE = 1e-4
"""The same for tensors that training left alone, as a share of the tensor."""


@dataclass(frozen=True)
class Answers:
    """What a model says to the test records.

    Attributes:
        decisions: its label, or the whole answer that it writes. Shape `(records,)`.
        scores: log-probabilities in nats, of every label, or of the reference answer. Shape `(records, labels or 1)`.
        losses: negative log-probability of the reference answer in nats, NaN where it is no label of the training.
            Shape `(records,)`.
        tokens: of the reference answer. Shape `(records,)`.
    """

    decisions: list[str]
    scores: np.ndarray
    losses: np.ndarray
    tokens: np.ndarray


def answers_of(evaluator: Evaluator, what: str) -> Answers:
    """Asks the model of an evaluator.

    Args:
        what: the word for it in the progress.
    """
    prompts, renderer = evaluator.records.prompts, evaluator.renderer
    rows = len(prompts)

    def tick(done: int) -> None:
        progress.report("export", done, 2 * rows, "examples", model=what)

    references = [ids[:REFERENCE_TOKENS] for ids in evaluator.records.references]
    if evaluator.classification:
        scores = evaluator.label_scores(prompts, tick).double().numpy()
        if evaluator.settings.label_answers == "generated":
            decisions, _ = evaluator.predicted_labels(prompts, lambda done: tick(rows + done))
        else:
            decisions = [renderer.labels[number] for number in scores.argmax(axis=1)]
        places = {label: number for number, label in enumerate(renderer.labels)}
        told = enumerate(evaluator.test.answers)
        losses = [-scores[row, places[label]] if label in places else math.nan for row, label in told]
        return Answers(decisions, scores, np.array(losses), np.array([len(ids) for ids in references]))
    decisions = generate(
        evaluator.model, evaluator.tokenizer, prompts, renderer.end_of_turn, evaluator.settings.max_new_tokens, tick
    )
    losses, tokens = answer_losses(evaluator.model, prompts, references, lambda done: tick(rows + done))
    return Answers(decisions, -losses[:, None], losses, tokens)


def perplexity(answers: Answers, samples: int, seed: int, confidence: float) -> Figure:
    """Perplexity per token of the reference answers, with the percentile interval of resampled records.

    Raises:
        ExportRefused: no reference answer can be scored.
    """
    known = np.isfinite(answers.losses) & (answers.tokens > 0)
    if not known.any():
        raise ExportRefused("no test record has an answer that the checkpoint can score", "Check splits.test_fraction")
    statistics = np.stack([answers.losses[known], answers.tokens[known]], axis=1)
    sums = resampled_sums(statistics, samples, seed)
    total = statistics.sum(axis=0)
    return interval(float(np.exp(total[0] / total[1])), np.exp(sums[:, 0] / sums[:, 1]), confidence)


def compared(checkpoint: Answers, exported: Answers, form: str, evaluator: Evaluator) -> dict[str, Any]:
    """The evidence.

    Args:
        form: dtype or quantization of the exported weights.

    Returns:
        `status`: `equal`; `different`; or `too_few_records`, where nothing differs too much and so few records cannot
        show that `LEAST_EQUAL` of all decisions are equal. `ok`: not different. `problems`: why it is different.
        `records`, `equal_decisions` with its interval, `max_logprob_difference` in nats, `perplexity` of both with
        intervals.
    """
    settings = evaluator.settings
    rows = len(checkpoint.decisions)
    equal = sum(a == b for a, b in zip(checkpoint.decisions, exported.decisions, strict=True))
    decided = share(equal, rows, settings.confidence)
    gap = np.abs(checkpoint.scores - exported.scores)
    difference = float(gap.max()) if np.isfinite(exported.scores).all() else math.inf
    drawn = (settings.bootstrap_samples, settings.seed, settings.confidence)
    before, now = (perplexity(answers, *drawn) for answers in (checkpoint, exported))
    problems = []
    if decided["value"] < LEAST_EQUAL:
        problems.append(f"{rows - equal} of {rows} decisions are not those of the checkpoint")
    if difference > LARGEST_DIFFERENCE.get(form, math.inf) or not math.isfinite(difference):
        problems.append(f"a log-probability differs by {difference:.3g}")
    if not before["low"] <= now["value"] <= before["high"]:
        told = f"{now['value']:.4g}, outside of {before['low']:.4g} to {before['high']:.4g} of the checkpoint"
        problems.append(f"perplexity {told}")
    shown = decided["low"] >= LEAST_EQUAL
    return {
        "status": "different" if problems else "equal" if shown else "too_few_records",
        "ok": not problems,
        "problems": problems,
        "records": rows,
        "records_needed": records_needed(settings.confidence),
        "equal_decisions": decided,
        "max_logprob_difference": difference,
        "perplexity": {"checkpoint": before, "export": now},
        "decision": "label" if evaluator.classification else "whole greedy answer",
        "arithmetic": "float32",
    }


def records_needed(confidence: float) -> int:
    """Records of which every decision must be equal to show that `LEAST_EQUAL` of all are (Wilson's interval)."""
    rows = 1000
    while share(rows, rows, confidence)["low"] < LEAST_EQUAL:
        rows += 1
    return rows


def require_same_weights(model: Any, folder: Path, rounded: Callable[[str, Any], Any]) -> dict[str, Any]:
    """Compares weights on disk with those that the checkpoint computes with, whatever the test records show.

    Args:
        model: the checkpoint as it is evaluated, float32: base model with adapter, or all weights.
        folder: safetensors folder of the exported model.
        rounded: name and tensor -> the tensor after it was stored in this form.

    Returns:
        `layers` that training changed, and the smallest and largest share of the change that is left after rounding
        (`arrived`); weights in bfloat16 that are changed by less than half of their last digit stay as they were.

    Raises:
        ExportRefused: a tensor is missing, or is not that of the checkpoint.
    """
    from safetensors import safe_open

    opened = [safe_open(file, framework="pt") for file in sorted(folder.glob("*.safetensors"))]
    where = {name: file for file in opened for name in file.keys()}  # noqa: SIM118
    arrived: dict[str, float] = {}
    wrong: dict[str, str] = {}
    for name, weight, change in effective_weights(model):
        if name not in where:
            if name.endswith("lm_head.weight") and model.config.tie_word_embeddings:
                continue
            raise ExportRefused(f"the exported weights have no {name}", "Export it again")
        found = where[name].get_tensor(name).float()
        if found.shape != weight.shape:
            raise ExportRefused(f"{name} has shape {tuple(found.shape)}, expected {tuple(weight.shape)}")
        if change is None or not bool(change.any()):
            off = float((found - rounded(name, weight)).norm() / weight.norm().clamp(min=1e-30))
            if not off <= MOST_OFF_BASE:
                wrong[name] = f"differs from the base model by {off:.2g} of its size"
            continue
        expected = rounded(name, weight + change)
        arrived[name] = float(((found - weight) * change).sum() / (change * change).sum())
        if not float((found - expected).norm() / change.norm()) <= MOST_OFF:
            wrong[name] = f"has {arrived[name]:.2f} times the change of the training"
    if wrong:
        name = next(iter(wrong))
        raise ExportRefused(
            f"{len(wrong)} of the exported tensors are not those of the checkpoint: {name} {wrong[name]}",
            "Export it again; if it is refused again, report it",
        )
    return {"layers": len(arrived), "arrived": [min(arrived.values(), default=1.0), max(arrived.values(), default=1.0)]}


def effective_weights(model: Any) -> Any:
    """Name, weight without the adapter, and what the adapter adds to it (None: nothing), of every parameter of a
    checkpoint.

    The change is read from what the layer computes, not from its settings: it is asked for the unit vectors.
    """
    import torch
    from peft.tuners.lora import LoraLayer

    inner = model.get_base_model() if hasattr(model, "peft_config") else model
    adapted = {name: module for name, module in inner.named_modules() if isinstance(module, LoraLayer)}
    for name, parameter in inner.named_parameters():
        owner = next((one for one in adapted if name.startswith(f"{one}.")), None)
        if owner is None:
            yield name, parameter.detach().float().cpu(), None
        elif name == f"{owner}.base_layer.weight" and isinstance(adapted[owner].base_layer, torch.nn.Linear):
            layer: Any = adapted[owner]
            weight = parameter.detach()
            with torch.no_grad():
                unit = torch.eye(weight.shape[1], device=weight.device, dtype=weight.dtype)
                change = (layer(unit) - layer.base_layer(unit)).T
            yield f"{owner}.weight", weight.float().cpu(), change.float().cpu()
        elif name.startswith(f"{owner}.base_layer."):
            yield name.replace(".base_layer.", "."), parameter.detach().float().cpu(), None
