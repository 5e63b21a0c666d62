"""Labels as answers: the likeliest of those that a model scores, with its probability, as in the evaluation."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from ft_platform.serving.api.errors import ApiError
from ft_platform.serving.api.exchange import Exchange
from ft_platform.serving.api.services import Services, refused_by_engine
from ft_platform.serving.catalog import ServedModel
from ft_platform.serving.engine.requests import (
    Decision,
    Event,
    Finished,
    Handle,
    Piece,
    Sampling,
    Scores,
    Sharing,
    TokenLogprob,
)
from ft_platform.serving.guardrails.model import ABSTAINED
from ft_platform.serving.protocol import Engine


def answers_by_scores(model: ServedModel, sampling: Sampling) -> bool:
    """Whether the likeliest label is the answer, as in the evaluation, instead of one that the model writes."""
    written = sampling.temperature > 0 or model.settings.evaluation.label_answers == "generated"
    return model.kind == "label_head" or (model.kind == "written_label" and not written)


def probabilities(scores: Sequence[float]) -> np.ndarray:
    """Softmax over the labels. Shape `(labels,)`."""
    shifted = np.exp(np.asarray(scores, dtype=np.float64) - np.max(scores))
    return shifted / shifted.sum()


def decision_of(labels: Sequence[str], found: np.ndarray) -> Decision:
    """The likeliest label, with its probability. Shape `(labels,)`."""
    best, positive = int(found.argmax()), found[found > 0]
    return Decision(labels[best], float(found[best]), float(-(positive * np.log(positive)).sum()))


def start_label(
    engine: Engine,
    model: ServedModel,
    prompt: tuple[int, ...],
    sharing: Sharing,
    logprobs: int | None,
    abstain_below: float,
    on_event: Callable[[Event], None],
) -> Handle:
    """Answers with the likeliest label as if it was written, or ends with `ABSTAINED`. It counts as one token, with the
    log-probability that it has among the labels."""

    def on_done(scores: Scores | Exception) -> None:
        if isinstance(scores, Exception):
            on_event(Finished("error", len(prompt), 0, 0))
            return
        found = probabilities(scores.log_probabilities[0])
        order = np.argsort(-found, kind="stable")
        ended = partial(Finished, decision=decision_of(scores.labels, found))
        if found[order[0]] < abstain_below:
            on_event(ended(ABSTAINED, scores.prompt_tokens, scores.cached_tokens, 1))
            return
        told = np.log(np.maximum(found, np.finfo(float).tiny))
        top = [(scores.labels[place], float(told[place])) for place in order]
        tokens = () if logprobs is None else (TokenLogprob(-1, *top[0], tuple(top[:logprobs])),)
        on_event(Piece((), top[0][0], tokens))
        on_event(ended("stop", scores.prompt_tokens, scores.cached_tokens, 1))

    return engine.scores(model.weights, [prompt], on_done, sharing)


async def label_scores(
    services: Services, exchange: Exchange, model: ServedModel, prompts: Sequence[tuple[int, ...]]
) -> Scores:
    """Scores of every label after each prompt.

    Raises:
        ApiError: the engine does not take them, fails, or is too slow.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Scores | Exception] = loop.create_future()

    def settle(scores: Scores | Exception) -> None:
        if not done.done():
            done.set_result(scores)

    def on_done(scores: Scores | Exception) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(settle, scores)

    try:
        sharing = exchange.sharing(model.renderer)
        handle = await services.begun(partial(services.engine.scores, model.weights, prompts, on_done, sharing))
    except Exception as error:
        raise refused_by_engine(error, model) from None
    try:
        async with asyncio.timeout(services.limits.request_seconds):
            scores = await done
    except TimeoutError:
        raise ApiError(504, "the labels took too long", "timeout", retry_after=1) from None
    finally:
        handle.cancel()
    if isinstance(scores, Exception):
        known = refused_by_engine(scores, model)
        raise known if isinstance(known, ApiError) else ApiError(500, "labels could not be scored", "engine_failed")
    return scores


def labelled(labels: Sequence[str], scores: Sequence[float], abstain_below: float) -> dict[str, Any]:
    """What `/v1/classify` tells about a text."""
    found = probabilities(scores)
    best = int(found.argmax())
    return {
        "label": labels[best],
        "probability": float(found[best]),
        "probabilities": {label: float(value) for label, value in zip(labels, found, strict=True)},
        "abstained": bool(found[best] < abstain_below),
    }
