"""What the routes share: models, rendering, engine, figures, and which answers were given."""

import asyncio
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import ValidationError
from starlette.requests import Request

from ft_platform.lake.manifest import now
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.models.rendering.text_tokens import CHARACTERS_PER_TOKEN
from ft_platform.models.rendering.turns import BrokenToolCall, NotRendered, ToolsNotSupported
from ft_platform.serving.api.bodies import Body
from ft_platform.serving.api.errors import ApiError, engine_full, invalid_body
from ft_platform.serving.api.exchange import EXCHANGE, Exchange
from ft_platform.serving.api.limits import Limits
from ft_platform.serving.api.metrics import Metrics
from ft_platform.serving.api.noting import NoNotes, Notes
from ft_platform.serving.api_keys import ApiKeys, RateExceeded
from ft_platform.serving.catalog import ServedModel, Shelf
from ft_platform.serving.engine.requests import Full, Handle, TooLong, UnknownModel
from ft_platform.serving.guardrails.model import Guarded
from ft_platform.serving.guardrails.refusal import Refused
from ft_platform.serving.protocol import Engine

B = TypeVar("B", bound=Body)
T = TypeVar("T")

IN_WORDS = {"tool_call": "assistant", "tool": "user"}
REMEMBERED = 50_000
"""Answers that feedback can be given on; those longest ago are forgotten."""


@dataclass(frozen=True)
class Answered:
    """Who asked which model, for feedback."""

    model: ServedModel
    key_id: str | None
    answers: int


@dataclass
class Services:
    """Everything of one server that a route needs."""

    engine: Engine
    shelf: Shelf
    keys: ApiKeys
    metrics: Metrics
    limits: Limits
    notes: Notes = field(default_factory=NoNotes)
    started: str = field(default_factory=now)
    answered: OrderedDict[str, Answered] = field(default_factory=OrderedDict)
    # One thread: tokenizers are no faster with two, and not all may be used by two.
    _texts: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "texts"))

    def model(self, exchange: Exchange, name: str) -> ServedModel:
        """The model that is asked for.

        Raises:
            ApiError: the key is not for it, there is none, the registry contradicts its release, or nobody can say
                whether it may still be served.
        """
        if not exchange.may_ask(name.partition("@")[0]):
            raise ApiError(403, "this key is not for this model", "wrong_key", "model")
        if not self.shelf.is_fresh():
            raise unchecked()
        found = self.shelf.find(name)
        if found is None and self.shelf.is_listed(name):
            raise not_loaded()
        if found is None and self.shelf.withheld(name) == "not_deployed":
            what = f"this model is deployed nowhere here; its operator can deploy it: ft deploy {name}"
            raise ApiError(404, what, "model_not_deployed", "model")
        if found is None and (why := self.shelf.withheld(name)):
            raise not_loaded() if why == "registry_is_asked" else disagreed()
        if found is None and self.shelf.has_left(name):
            raise ApiError(404, "this model is no longer served", "model_withdrawn", "model")
        if found is None:
            raise ApiError(404, "there is no such model; GET /v1/models lists them", "model_not_found", "model")
        exchange.model, exchange.release, exchange.checkpoint = found.name, found.release, found.checkpoint
        return found

    def charge(self, exchange: Exchange, answers: int) -> None:
        """The first of several answers was paid for with the request.

        Raises:
            ApiError: the key has used up its requests.
        """
        if exchange.key is None or answers <= 1:
            return
        try:
            self.keys.charge(exchange.key, answers - 1)
        except RateExceeded as error:
            raise ApiError(
                429, "this key has used up its requests", "rate_limit", retry_after=error.retry_after
            ) from None

    async def guarded(
        self,
        exchange: Exchange,
        model: ServedModel,
        conversations: Sequence[Sequence[dict[str, str]]],
        form: str = "text",
    ) -> list[Guarded]:
        """What the model reads in place of each conversation, and what guards its answers.

        Args:
            form: of the answer, which the client asks for (`ResponseFormat.type`).

        Raises:
            ApiError: a guardrail refuses one of them, or one is too long.
        """
        require_readable(model, conversations)
        if exchange.unguarded:
            return [Guarded(one) for one in conversations]
        try:
            found = await self.apart(lambda: [model.guardrails.request(one, form) for one in conversations])
        except Refused as refused:
            exchange.acted[refused.guardrail] = "refused"
            raise ApiError(400, refused.message, refused.guardrail) from None
        for one in found:
            exchange.acted.update(one.acted)
        return found

    async def prompts(
        self, model: ServedModel, conversations: Sequence[Sequence[dict[str, str]]]
    ) -> list[tuple[int, ...]]:
        """Token ids of prompts. Of models for labels, long texts are shortened, as in their evaluation.

        Raises:
            ApiError: a conversation is too long, or has no question.
        """
        if not all(map(_asks_something, conversations)):
            raise ApiError(400, "there is no text to answer", "no_question")
        longest = model.settings.evaluation.max_prompt_tokens if model.labels else None
        try:
            found = await self.apart(lambda: [prompt_of(model.renderer, one, longest) for one in conversations])
        except NotRendered:
            raise ApiError(
                400, "there is no question to answer: the last message must be a user's", "no_question"
            ) from None
        return self.fitting(model, found)

    def fitting(self, model: ServedModel, prompts: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Raises:
        ApiError: one is empty or too long.
        """
        if not all(prompts):
            raise ApiError(400, "the prompt is empty", "invalid_value")
        if max(map(len, prompts)) >= model.context_tokens:
            raise too_long(model)
        return prompts

    async def apart(self, work: Callable[[], T]) -> T:
        """Runs something that takes a while beside the loop."""

        def guarded() -> T:
            try:
                return work()
            except Exception:
                raise
            except BaseException as error:  # a panic of a native library, which would end the loop; its text is dropped
                raise RuntimeError(type(error).__name__) from None

        return await asyncio.get_running_loop().run_in_executor(self._texts, guarded)

    async def begun(self, start: Callable[[], Handle]) -> Handle:
        """Begins something at the engine, which may compile a schema for it. If the client leaves meanwhile, it is
        cancelled as soon as it has begun."""
        starting = asyncio.ensure_future(self.apart(start))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(lambda done: None if done.exception() else done.result().cancel())
            raise

    def remember(self, exchange: Exchange, model: ServedModel, answers: int) -> None:
        """Feedback may be given on this request from now on."""
        if exchange.is_shadow:
            return
        self.answered[exchange.id] = Answered(model, exchange.key.id if exchange.key else None, answers)
        while len(self.answered) > REMEMBERED:
            self.answered.popitem(last=False)

    def no_more(self) -> ApiError:
        """What ends an answer under way that may not be written any more."""
        if not self.shelf.is_fresh():
            return unchecked()
        return ApiError(503, "this model is no longer served", "model_withdrawn", "model")


def exchange_of(request: Request) -> Exchange:
    return request.scope[EXCHANGE]


async def parsed(request: Request, kind: type[B]) -> B:
    """The body of a request.

    Raises:
        ApiError: it is not what it must be.
    """
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        raise invalid_body(error) from None


def prompt_of(
    renderer: Renderer, conversation: Sequence[dict[str, str]], longest: int | None = None
) -> tuple[int, ...]:
    """Token ids of a prompt. Where the template has no place for calls of tools, or they are incomplete, calls are told
    as the model's own words, and results as the user's.

    Raises:
        NotRendered: there is no question.
    """
    try:
        return tuple(renderer.prompt_ids(conversation, longest))
    except (ToolsNotSupported, BrokenToolCall):
        told = [{**message, "role": IN_WORDS.get(message["role"], message["role"])} for message in conversation]
        return tuple(renderer.prompt_ids(told, longest))


def require_readable(model: ServedModel, conversations: Sequence[Sequence[dict[str, str]]]) -> None:
    """Raises:
    ApiError: a conversation is so long that it need not be tokenized to know that it does not fit.
    """
    most = model.context_tokens * CHARACTERS_PER_TOKEN
    if not model.labels and any(sum(len(message["content"]) for message in one) > most for one in conversations):
        raise too_long(model)


def _asks_something(conversation: Sequence[dict[str, str]]) -> bool:
    """Whether a user says more than spaces and letters that nobody sees. A model would answer nothing at all, too."""
    said = (letter for message in conversation if message["role"] == "user" for letter in message["content"])
    return any(unicodedata.category(letter)[0] not in "ZC" for letter in said)


def too_long(model: ServedModel) -> ApiError:
    message = f"prompt and answer must have less than {model.context_tokens} tokens together"
    return ApiError(400, message, "context_length_exceeded", "messages")


def unchecked() -> ApiError:
    message = "whether models may still be served cannot be checked at the moment"
    return ApiError(503, message, "catalog_unavailable", "model", retry_after=5)


def not_loaded() -> ApiError:
    return ApiError(503, "this model is not loaded at the moment", "model_not_loaded", "model", retry_after=3)


def disagreed() -> ApiError:
    message = "the model registry contradicts what is released, so this model is not served; its operator must decide"
    return ApiError(503, message, "registry_disagrees", "model", retry_after=30)


def refused_by_engine(error: Exception, model: ServedModel) -> Exception:
    """What an engine raises, for the client; anything else as it is."""
    if isinstance(error, Full):
        return engine_full(error.retry_after)
    if isinstance(error, UnknownModel):
        return not_loaded()
    return too_long(model) if isinstance(error, TooLong) else error
