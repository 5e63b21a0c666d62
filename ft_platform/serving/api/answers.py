"""Asks the engine for answers, and sends them whole or as server-sent events."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ft_platform.serving.api.errors import ApiError, json_bytes, json_response
from ft_platform.serving.api.events import Events
from ft_platform.serving.api.exchange import Exchange
from ft_platform.serving.api.labels import answers_by_scores, start_label
from ft_platform.serving.api.services import Services, refused_by_engine
from ft_platform.serving.api.shapes import Answer, Echo, Shape, usage
from ft_platform.serving.catalog import ServedModel
from ft_platform.serving.engine.requests import (
    Decision,
    Event,
    Finished,
    Generation,
    Handle,
    Piece,
    Sampling,
    Sharing,
    TokenLogprob,
)
from ft_platform.serving.guardrails.model import ABSTAINED, AnswerGuard
from ft_platform.serving.protocol import Engine

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Question:
    """One answer that a client wants.

    Attributes:
        abstain_below: probability below which a label is not shown.
    """

    prompt: tuple[int, ...]
    sampling: Sampling
    abstain_below: float = 0.0


async def begin(services: Services, exchange: Exchange, model: ServedModel, questions: Sequence[Question]) -> Events:
    """Begins all answers, or none.

    Raises:
        ApiError: the engine does not take one of them.
    """
    limits = services.limits
    sharing = exchange.sharing(model.renderer)
    events = Events(len(questions), limits.waiting_pieces, limits.request_seconds)
    try:
        for number, question in enumerate(questions):
            start = partial(_start, services.engine, model, question, sharing, events.taker(number))
            events.add(await services.begun(start))
    except BaseException as error:
        events.cancel()
        if isinstance(error, Exception):
            raise refused_by_engine(error, model) from None
        raise
    return events


def _start(
    engine: Engine, model: ServedModel, question: Question, sharing: Sharing, on_event: Callable[[Event], None]
) -> Handle:
    if answers_by_scores(model, question.sampling):
        logprobs, least = question.sampling.logprobs, question.abstain_below
        return start_label(engine, model, question.prompt, sharing, logprobs, least, on_event)
    return engine.generate(Generation(model.weights, question.prompt, question.sampling, sharing), on_event)


class Answering:
    """The answers to one request.

    Args:
        guards: one for each answer.
        per_prompt: how many in a row share their prompt.
        echoes: prompts that are repeated, one for each answer; none: they are not.
    """

    def __init__(
        self,
        services: Services,
        exchange: Exchange,
        model: ServedModel,
        shape: Shape,
        events: Events,
        guards: Sequence[AnswerGuard],
        per_prompt: int,
        echoes: Sequence[Echo] = (),
    ) -> None:
        self._services, self._exchange, self._model = services, exchange, model
        self._shape, self._events = shape, events
        self._per_prompt, self._guards = per_prompt, guards
        self._answers = [Answer(echo=echo) for echo in echoes or [None] * len(guards)]

    def _note(self, number: int, event: Event) -> None:
        if not self._services.shelf.may_answer(self._model):
            raise self._services.no_more()
        answer = self._answers[number]
        if isinstance(event, Finished):
            answer.finished, answer.abstained = event, event.reason == ABSTAINED
            if event.reason == "error":
                raise self._failed(event)
            if all(one.finished for one in self._answers):
                self._finish()
            return
        if not any(one.pieces for one in self._answers):
            first = self._exchange.note.first_seconds = time.monotonic() - self._exchange.started
            self._services.metrics.first_token.labels(self._model.name).observe(first)
        answer.pieces.append(event)

    def _failed(self, end: Finished) -> ApiError:
        # The engine compiles a schema when its turn comes; its message may quote the schema, so it is not handed on.
        if end.message.startswith("schema"):
            return ApiError(400, "this JSON Schema cannot be kept to", "invalid_schema", "response_format")
        if end.message.startswith("logit_bias"):
            return ApiError(400, "it names a token that this model does not have", "invalid_value", "logit_bias")
        if end.message.startswith("a token id"):
            return ApiError(400, "it has a token that this model does not have", "invalid_value", "prompt")
        if not self._services.shelf.may_answer(self._model):
            return self._services.no_more()
        return ApiError(500, "the answer could not be written", "engine_failed")

    def _finish(self) -> None:
        used = usage(self._answers, self._per_prompt)
        self._exchange.tokens = {
            "prompt": used["prompt_tokens"],
            "cached": used["prompt_tokens_details"]["cached_tokens"],
            "completion": used["completion_tokens"],
        }
        self._services.remember(self._exchange, self._model, len(self._answers))

    async def whole(self, prompt_token_ids: Sequence[int] | None = None) -> Response:
        """All answers at once, with the prompt where it is given.

        Raises:
            ApiError: one of them failed, or took too long.
        """
        with self._events:
            async for number, event in self._events:
                self._note(number, event)
        for answer, guard in zip(self._answers, self._guards, strict=True):
            await self._guard(answer, guard)
            self._note_answer(answer, guard.let_go if answer.text else "")
        asked = {} if prompt_token_ids is None else {"prompt_token_ids": prompt_token_ids}
        return json_response({**self._shape.whole(self._answers, self._per_prompt), **asked})

    def _note_answer(self, answer: Answer, text: str) -> None:
        assert answer.finished
        end = answer.finished
        decision = end.decision or (Decision(text) if text in self._model.labels else None)
        self._exchange.note.answer(text, end.reason, decision, answer.abstained)

    async def _guard(self, answer: Answer, guard: AnswerGuard) -> None:
        assert answer.finished
        text, reason = await self._services.apart(partial(guard.whole, answer.text, answer.finished.reason))
        self._exchange.acted.update(guard.acted)
        # Log-probabilities say which tokens the model wrote.
        is_whole = bool(text) and guard.let_go == answer.text
        answer.pieces[:] = [Piece((), text, tuple(answer.logprobs) if is_whole else ())]
        answer.finished = replace(answer.finished, reason=reason)

    def stream(self, include_usage: bool) -> "EventStream":
        return EventStream(self, include_usage)

    async def send(self, send: Send, include_usage: bool) -> None:
        """Sends each part as it comes, and an error as the last event."""

        async def say(value: dict[str, Any]) -> None:
            await send(
                {"type": "http.response.body", "body": b"data: " + json_bytes(value) + b"\n\n", "more_body": True}
            )

        told = [_Told(guard) for guard in self._guards]
        of_request = list(self._exchange.acted)
        try:
            with self._events:
                for number in range(len(self._answers)):
                    if opening := self._shape.opening():
                        await say(self._shape.part(number, opening))
                async for number, event in self._events:
                    self._note(number, event)
                    guard, before, reason = self._guards[number], told[number].length, ""
                    if isinstance(event, Finished):
                        text, reason = await self._services.apart(partial(guard.end, event.reason))
                    elif guard.is_idle:
                        text = guard.push(event.text)
                    else:
                        text = await self._services.apart(partial(guard.push, event.text))
                    piece = told[number].part(event, text)
                    if piece.text or piece.logprobs:
                        await say(self._shape.part(number, self._shape.delta(piece, before)))
                        self._answers[number].pieces[:] = [Piece((), "", ())]  # sent, so no longer held
                    if isinstance(event, Finished) and reason:
                        self._answers[number].finished = replace(event, reason=reason)
                        self._exchange.acted.update(guard.acted)
                        acted = [*of_request, *guard.acted]
                        await say(self._shape.part(number, self._shape.ending(), reason, acted))
            for answer, guard in zip(self._answers, self._guards, strict=True):
                self._note_answer(answer, guard.let_go)
            if include_usage:
                await say(self._shape.last(usage(self._answers, self._per_prompt)))
        except ApiError as error:
            self._exchange.code = error.code
            if error.code == "too_slow":
                self._services.metrics.gone.labels("too_slow").inc()
            await say(error.body)
        await send({"type": "http.response.body", "body": DONE, "more_body": False})


class _Told:
    """Parts of an answer as a client is told them: log-probabilities once all the text of their part was shown, and
    none from where a guard changed the text.

    Attributes:
        length: characters of the parts whose log-probabilities were told.
    """

    def __init__(self, guard: AnswerGuard) -> None:
        self._guard, self._waiting = guard, deque[Piece]()
        self._shown = self.length = 0

    def part(self, event: Event, text: str) -> Piece:
        """Args: text: what may be shown after the event."""
        if isinstance(event, Piece):
            self._waiting.append(event)
        self._shown += len(text)
        logprobs: list[TokenLogprob] = []
        if self._guard.changed:
            self._waiting.clear()
        while self._waiting and self.length + len(self._waiting[0].text) <= self._shown:
            told = self._waiting.popleft()
            logprobs += told.logprobs
            self.length += len(told.text)
        return Piece((), text, tuple(logprobs))


class EventStream:
    """A response of server-sent events."""

    def __init__(self, answering: Answering, include_usage: bool) -> None:
        self._answering, self._include_usage = answering, include_usage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
        # nginx would keep parts back otherwise.
        headers.append((b"x-accel-buffering", b"no"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._answering.send(send, self._include_usage)
