"""A checkpoint for TensorFlow: a SavedModel, written by KerasHub in a process of its own, which also answers the test
records from the files on disk."""

import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ft_platform.errors import ExportRefused
from ft_platform.evaluation.evaluate import REFERENCE_TOKENS, Evaluator
from ft_platform.evaluation.systems.endpoint import label_in
from ft_platform.evaluation.systems.generation import answer_losses, continuations
from ft_platform.models.guards.tensor_files import read_header
from ft_platform.process import progress
from ft_platform.serving.exporting.equivalence import Answers, compared
from ft_platform.serving.exporting.keras_process import MOST_OFF_LOGIT, run_keras, tensorflow_python
from ft_platform.serving.exporting.keras_support import TASKS, problem, readable

HEAD = "lm_head.weight"


def require_convertible(config: dict[str, Any]) -> None:
    """Refuses a base model before anything is computed.

    Raises:
        ExportRefused: KerasHub would make another model of it.
        MissingExtra: there is no TensorFlow.
    """
    if why := problem(config):
        raise ExportRefused(why, "Use --as merged, which transformers and vLLM load")
    tensorflow_python()


def convert(folder: Path, made: Path, *, label_head: bool) -> dict[str, Any]:
    """Writes a transformers folder in float32 as `model/1`, and returns the versions that did it.

    Args:
        folder: its `config.json` is changed into what KerasHub reads.
        label_head: its output layer scores labels.
    """
    place = folder / "config.json"
    config = json.loads(place.read_text(encoding="utf-8"))
    place.write_text(json.dumps(readable(config, label_head=label_head)), encoding="utf-8")
    labels = 0
    if label_head:
        labels = next(head[HEAD].shape[0] for f in folder.glob("*.safetensors") if HEAD in (head := read_header(f)))
    asked = {"folder": str(folder), "out": str(made), "task": TASKS[config["model_type"]]}
    return run_program("convert", {**asked, "epsilon": config["rms_norm_eps"], "labels": labels})["versions"]


def run_program(step: str, arguments: dict[str, Any], rows: int = 0) -> dict[str, Any]:
    """Runs a step of `keras_program` and returns what it says.

    Args:
        rows: how many it will report as done.

    Raises:
        ExportRefused: it failed.
        MissingExtra: there is no TensorFlow.
    """

    def tick(done: int) -> None:
        progress.report("export", rows + done, 2 * rows, "examples", model="exported")

    def failed(told: str) -> ExportRefused:
        return ExportRefused(f"KerasHub failed to {step} the model: {told}", "Use --as merged")

    return run_keras(step, arguments, failed, private=step != "convert", tick=tick if rows else None)


@dataclass(frozen=True)
class Texts:
    """Token ids of whole texts, of which the first `starts` are the question."""

    ids: Sequence[Sequence[int]]
    starts: Sequence[int]


@dataclass(frozen=True)
class Asked:
    """What an exported model says.

    Attributes:
        last: logits after each text that is all question. Shape `(questions, outputs)`.
        scores: of each text, log-probabilities of the tokens behind its question, in nats.
        best: of each text, which token was likeliest at each of these places.
    """

    last: np.ndarray
    scores: list[np.ndarray]
    best: list[np.ndarray]


def ask(made: Path, texts: Texts, rows: int) -> Asked:
    """Asks the model of an exported folder, in another process, as it is on disk.

    What it is asked are records: it lies beside the folder meanwhile, where the next export removes what a killed one
    left.
    """
    lengths = np.array([len(ids) for ids in texts.ids])
    starts = np.array(texts.starts)
    with tempfile.TemporaryDirectory(prefix=f"{made.name.rpartition('-')[0]}-", dir=made.parent) as out:
        given = Path(out) / "texts.npz"
        np.savez(given, ids=np.concatenate([np.array(ids) for ids in texts.ids]), lengths=lengths, starts=starts)
        run_program("answer", {"model": str(made / "model" / "1"), "texts": str(given), "out": out}, rows)
        last, scores, best = (np.load(Path(out) / f"{name}.npy") for name in ("last", "scores", "best"))
    ends = np.cumsum(lengths - starts)[:-1]
    return Asked(last, np.split(scores, ends), np.split(best, ends))


def equivalence(made: Path, evaluator: Evaluator) -> dict[str, Any]:
    """Evidence that the model on disk gives the logits of the checkpoint after each test record, and decides alike.

    A greedy answer is compared token by token: the exported model would write it if, at each of its places, the same
    token is likeliest to it.

    Args:
        evaluator: with the checkpoint as its model.
    """
    from ft_platform.models.kernels.packed_forward import last_outputs
    from ft_platform.models.label_head import head_of

    prompts, renderer = evaluator.records.prompts, evaluator.renderer
    references = [ids[:REFERENCE_TOKENS] for ids in evaluator.records.references]
    writes = not evaluator.classification or evaluator.settings.label_answers == "generated"
    scored_by_head = head_of(evaluator.model) is not None
    labels = [renderer.answer_ids(label) for label in renderer.labels] if evaluator.classification else []

    logits = last_outputs(evaluator.model, prompts).numpy()
    written = _written(evaluator) if writes else []
    tails = [] if scored_by_head else [labels] * len(prompts) if labels else [[ids] for ids in references]
    texts = Texts(
        [*prompts]
        + [[*prompt, *tail] for prompt, some in zip(prompts, tails, strict=False) for tail in some]
        + [[*prompt, *tail] for prompt, tail in zip(prompts, written, strict=False)],
        [len(prompt) for prompt in prompts]
        + [len(prompt) for prompt, some in zip(prompts, tails, strict=False) for _ in some]
        + [len(prompt) for prompt, _ in zip(prompts, written, strict=False)],
    )
    asked = ask(made, texts, len(texts.ids))
    behind = len(texts.ids) - len(written)
    if scored_by_head:
        scores = _log_softmax(asked.last)
    else:
        sums = [float(one.sum()) for one in asked.scores[len(prompts) : behind]]
        scores = np.array(sums).reshape(len(prompts), -1)
    found = [_as_written(tail, best) for tail, best in zip(written, asked.best[behind:], strict=True)]
    before = _answers(evaluator, _scores(evaluator, prompts, references), written)
    after = _answers(evaluator, scores, found)
    told = compared(before, after, "float32", evaluator)
    return with_logits(told, logits, asked.last)


def with_logits(told: dict[str, Any], checkpoint: np.ndarray, exported: np.ndarray) -> dict[str, Any]:
    """The evidence with the largest difference of a logit; another shape, or more than `MOST_OFF_LOGIT`, is another
    model."""
    same = checkpoint.shape == exported.shape and bool(np.isfinite(exported).all())
    off = float(np.abs(checkpoint - exported).max()) if same else math.inf
    problems = [*told["problems"]]
    if not off <= MOST_OFF_LOGIT:
        problems.append(f"a logit differs by {off:.3g}, more than {MOST_OFF_LOGIT}")
    status = told["status"] if problems == told["problems"] else "different"
    size = float(np.abs(checkpoint).max())
    return {
        **told,
        "status": status,
        "ok": not problems,
        "problems": problems,
        "max_logit_difference": off,
        "largest_logit": size,
    }


def _written(evaluator: Evaluator) -> list[list[int]]:
    """Token ids of the greedy answers, with their end where they ended."""
    most, stop = evaluator.settings.max_new_tokens, evaluator.renderer.end_of_turn[-1]
    found = continuations(evaluator.model, evaluator.records.prompts, stop, most)
    return [[*ids, stop] if len(ids) < most else ids for ids in found]


def _as_written(ids: Sequence[int], best: np.ndarray) -> list[int]:
    """What the exported model would write, up to the first token that is another one."""
    other = np.flatnonzero(np.array(ids) != best)
    return [int(one) for one in (best[: other[0] + 1] if len(other) else best)]


def _scores(evaluator: Evaluator, prompts: Sequence[Sequence[int]], references: Sequence[Sequence[int]]) -> np.ndarray:
    """Log-probabilities by the checkpoint: of all labels, or of the reference answer."""

    def tick(done: int) -> None:
        progress.report("export", done, 2 * len(prompts), "examples", model="checkpoint")

    if evaluator.classification:
        return evaluator.label_scores(prompts, tick).double().numpy()
    return -answer_losses(evaluator.model, prompts, references, tick)[0][:, None]


def _answers(evaluator: Evaluator, scores: np.ndarray, written: Sequence[Sequence[int]]) -> Answers:
    """Decisions, log-probabilities and losses of one of the two models."""
    renderer, stop = evaluator.renderer, evaluator.renderer.end_of_turn[-1]
    decisions = [
        evaluator.tokenizer.decode([one for one in ids if one != stop], skip_special_tokens=True).strip()
        for ids in written
    ]
    losses = -scores[:, 0]
    if evaluator.classification:
        decisions = [label_in(one, renderer.labels) for one in decisions]
        decisions = decisions or [renderer.labels[number] for number in scores.argmax(axis=1)]
        places = {label: number for number, label in enumerate(renderer.labels)}
        told = enumerate(evaluator.test.answers)
        losses = np.array([-scores[row, places[label]] if label in places else math.nan for row, label in told])
    tokens = [len(ids[:REFERENCE_TOKENS]) for ids in evaluator.records.references]
    return Answers(decisions, scores, losses, np.array(tokens))


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
