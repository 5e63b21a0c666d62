"""Asks the engine for answers, and sends them whole or as server-sent events."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ft_platform.serving.api.errors import ApiError, json_bytes, json_response
from ft_platform.serving.api.events import Events
from ft_platform.serving.api.guard import Exchange
from ft_platform.serving.api.labels import answers_by_scores, start_label
from ft_platform.serving.api.services import Services, refused_by_engine, withdrawn
from ft_platform.serving.api.shapes import Answer, Shape, usage
from ft_platform.serving.catalog import ServedModel
from ft_platform.serving.engine.requests import Event, Finished, Generation, Handle, Piece, Sampling
from ft_platform.serving.protocol import Engine

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Question:
    """One answer that a client wants."""

    prompt: tuple[int, ...]
    sampling: Sampling


async def begin(services: Services, model: ServedModel, questions: Sequence[Question]) -> Events:
    """Begins all answers, or none.

    Raises:
        ApiError: the engine does not take one of them.
    """
    limits = services.limits
    events = Events(len(questions), limits.waiting_pieces, limits.request_seconds)
    try:
        for number, question in enumerate(questions):
            start = partial(_start, services.engine, model, question, events.taker(number))
            events.add(await services.begun(start))
    except BaseException as error:
        events.cancel()
        if isinstance(error, Exception):
            raise refused_by_engine(error, model) from None
        raise
    return events


def _start(engine: Engine, model: ServedModel, question: Question, on_event: Callable[[Event], None]) -> Handle:
    if answers_by_scores(model, question.sampling):
        return start_label(engine, model, question.prompt, question.sampling.logprobs, on_event)
    return engine.generate(Generation(model.weights, question.prompt, question.sampling), on_event)


class Answering:
    """The answers to one request.

    Args:
        count: how many answers.
        per_prompt: how many in a row share their prompt.
    """

    def __init__(
        self,
        services: Services,
        exchange: Exchange,
        model: ServedModel,
        shape: Shape,
        events: Events,
        count: int,
        per_prompt: int,
    ) -> None:
        self._services, self._exchange, self._model = services, exchange, model
        self._shape, self._events = shape, events
        self._per_prompt = per_prompt
        self._answers = [Answer() for _ in range(count)]

    def _note(self, number: int, event: Event) -> None:
        if not self._services.shelf.may_answer(self._model):
            raise withdrawn()
        answer = self._answers[number]
        if isinstance(event, Finished):
            answer.finished = event
            if event.reason == "error":
                raise self._failed(event)
            if all(one.finished for one in self._answers):
                self._finish()
            return
        if not any(one.pieces for one in self._answers):
            first = time.monotonic() - self._exchange.started
            self._services.metrics.first_token.labels(self._model.name).observe(first)
        answer.pieces.append(event)

    def _failed(self, end: Finished) -> ApiError:
        # The engine compiles a schema when its turn comes; its message may quote the schema, so it is not handed on.
        if end.message.startswith("schema"):
            return ApiError(400, "this JSON Schema cannot be kept to", "invalid_schema", "response_format")
        if not self._services.shelf.may_answer(self._model):
            return withdrawn()
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
        asked = {} if prompt_token_ids is None else {"prompt_token_ids": prompt_token_ids}
        return json_response({**self._shape.whole(self._answers, self._per_prompt), **asked})

    def stream(self, include_usage: bool) -> "EventStream":
        return EventStream(self, include_usage)

    async def send(self, send: Send, include_usage: bool) -> None:
        """Sends each part as it comes, and an error as the last event."""

        async def say(value: dict[str, Any]) -> None:
            await send(
                {"type": "http.response.body", "body": b"data: " + json_bytes(value) + b"\n\n", "more_body": True}
            )

        lengths = [0] * len(self._answers)
        try:
            with self._events:
                for number in range(len(self._answers)):
                    if opening := self._shape.opening():
                        await say(self._shape.part(number, opening))
                async for number, event in self._events:
                    self._note(number, event)
                    if isinstance(event, Finished):
                        await say(self._shape.part(number, self._shape.ending(), event.reason))
                    elif event.text or event.logprobs:
                        await say(self._shape.part(number, self._shape.delta(event, lengths[number])))
                        lengths[number] += len(event.text)
                        self._answers[number].pieces[:] = [Piece((), "", ())]  # sent, so no longer held
            if include_usage:
                await say(self._shape.last(usage(self._answers, self._per_prompt)))
        except ApiError as error:
            self._exchange.code = error.code
            if error.code == "too_slow":
                self._services.metrics.gone.labels("too_slow").inc()
            await say(error.body)
        await send({"type": "http.response.body", "body": DONE, "more_body": False})


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
