"""The routes that ask a model, and those that say what there is."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

from ft_platform.evaluation.abstaining import ALWAYS
from ft_platform.serving.api.answer_forms import label_form
from ft_platform.serving.api.answers import Answering, Question, begin
from ft_platform.serving.api.bodies import (
    MOST_IGNORED,
    ChatBody,
    ClassifyBody,
    CompletionBody,
    FeedbackBody,
    ResponseFormat,
)
from ft_platform.serving.api.errors import ApiError, json_response
from ft_platform.serving.api.exchange import Exchange
from ft_platform.serving.api.labels import decision_of, label_scores, labelled, probabilities
from ft_platform.serving.api.noting import Rights, digest
from ft_platform.serving.api.openapi import description, page
from ft_platform.serving.api.rollouts import Rollouts
from ft_platform.serving.api.services import Services, exchange_of, parsed
from ft_platform.serving.api.shapes import ChatShape, CompletionShape, Echo, Shape
from ft_platform.serving.catalog import ServedModel
from ft_platform.serving.engine.requests import Sampling
from ft_platform.serving.guardrails.abstaining import NAME as ABSTAINING
from ft_platform.serving.guardrails.model import Guarded
from ft_platform.serving.rollout.under_way import CANDIDATE

PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


FEEDBACK_SECONDS = 5.0
NOT_OF_LABELS = ("max_tokens", "max_completion_tokens", "stop", "frequency_penalty", "presence_penalty", "logit_bias")
NOT_OF_HEADS = ("temperature", "top_p", "seed")
"""Labels of a head are not drawn."""


class Routes:
    """The routes of one server."""

    def __init__(self, services: Services, rollouts: Rollouts, home: Response) -> None:
        self.services, self._rollouts, self._home = services, rollouts, home

    async def chat(self, request: Request) -> ASGIApp:
        body = await parsed(request, ChatBody)
        conversation = [record for message in body.messages for record in message.to_records()]
        model = self._model(request, body, [conversation])
        _note_question(exchange_of(request), model, body, [conversation] * body.n)
        guarded = await self._guarded(request, body, model, [conversation])
        prompts = await self.services.prompts(model, [one.messages for one in guarded])
        return await self._answered(request, body, model, prompts, guarded, ChatShape)

    async def completions(self, request: Request) -> ASGIApp:
        """A model for labels labels the text; any other goes on with it."""
        body = await parsed(request, CompletionBody)
        services = self.services
        exchange = exchange_of(request)
        asked = services.model(exchange, body.model)
        given = await services.apart(lambda: [_text(asked, prompt) for prompt in body.prompts])
        texts = [[{"role": "user", "content": text}] for text in given]
        model = self._model(request, body, texts)
        _require_completed(body, model)
        _note_question(exchange_of(request), model, body, [text for text in texts for _ in range(body.n)])
        guarded = await self._guarded(request, body, model, texts)
        if model.labels:
            prompts = await services.prompts(model, [one.messages for one in guarded])
        else:
            longest = model.context_tokens
            content = model.renderer.text.content
            read = [one.messages[0]["content"] for one in guarded]
            if read != given and (body.has_ids or (body.echo and body.logprobs is not None)):
                exchange.acted.clear()
                what = "a prompt whose personal data is replaced can be given as text only, and not be scored"
                raise ApiError(400, what, "personal_data", "prompt")
            ids = body.prompts if body.has_ids else read
            prompts = await services.apart(
                lambda: [tuple(content(one, longest) if isinstance(one, str) else one) for one in ids]
            )
            prompts = services.fitting(model, prompts)
        return await self._answered(request, body, model, prompts, guarded, CompletionShape, given)

    def _model(
        self,
        request: Request,
        body: ChatBody | CompletionBody | ClassifyBody,
        conversations: Sequence[Sequence[dict[str, str]]],
    ) -> ServedModel:
        """The model that answers. While a new release is tried, a caller stays with one of the two."""
        exchange = exchange_of(request)
        if exchange.is_shadow:
            return self.services.model(exchange, f"{body.model}@{CANDIDATE}")
        named = body.user or body.metadata.subject or exchange.note.rights.subject
        started = next((one["content"] for one in conversations[0] if one["role"] == "user"), "")
        return self._rollouts.model(exchange, self.services.model(exchange, body.model), named or started)

    async def _guarded(
        self,
        request: Request,
        body: ChatBody | CompletionBody,
        model: ServedModel,
        conversations: Sequence[Sequence[dict[str, str]]],
    ) -> list[Guarded]:
        return await self.services.guarded(exchange_of(request), model, conversations, body.response_format.type)

    async def _answered(
        self,
        request: Request,
        body: ChatBody | CompletionBody,
        model: ServedModel,
        prompts: Sequence[tuple[int, ...]],
        guarded: Sequence[Guarded],
        shape: type[Shape],
        texts: Sequence[str] = (),
    ) -> ASGIApp:
        exchange, count = exchange_of(request), len(prompts) * body.n
        if count > self.services.limits.answers:
            raise ApiError(
                400, f"at most {self.services.limits.answers} answers can be asked for at once", "too_many", "n"
            )
        self.services.charge(exchange, count)
        exchange.is_drawn = body.temperature > 0
        exchange.ignored = sorted(_ignored(body, model))[:MOST_IGNORED]
        questions = [
            Question(prompt, _sampling(body, model, prompt, number), _abstain_below(exchange, model, one))
            for prompt, one in zip(prompts, guarded, strict=True)
            for number in range(body.n)
        ]
        guards = [one.answer() for one in guarded for _ in range(body.n)]
        for guard in guards:
            guard.form = form_of_labels(body.response_format, model)
        events = await begin(self.services, exchange, model, questions)
        form = shape(exchange.id, model.name, body.alternatives is not None)
        ids = prompts[0] if isinstance(body, ChatBody) and body.return_token_ids else None
        echoes = []
        if isinstance(body, CompletionBody) and body.echo:
            first_token = [model.renderer.text.text_of(prompt[0]) for prompt in prompts]
            echoes = [Echo(*one) for one in zip(texts, first_token, strict=True) for _ in range(body.n)]
        answering = Answering(self.services, exchange, model, form, events, guards, body.n, echoes)
        return answering.stream(body.stream_options.include_usage) if body.stream else await answering.whole(ids)

    async def classify(self, request: Request) -> ASGIApp:
        body = await parsed(request, ClassifyBody)
        exchange, services = exchange_of(request), self.services
        conversations = body.conversations
        model = self._model(request, body, conversations)
        if not model.labels:
            raise ApiError(400, "this model has no labels; ask /v1/chat/completions", "no_labels", "model")
        if len(conversations) > services.limits.texts:
            raise ApiError(400, f"at most {services.limits.texts} texts can be sent at once", "too_many", "input")
        services.charge(exchange, len(conversations))
        _note_question(exchange, model, body, conversations)
        exchange.ignored = sorted(body.unread())[:MOST_IGNORED]
        guarded = await services.guarded(exchange, model, conversations)
        prompts = await services.prompts(model, [one.messages for one in guarded])
        scores = await label_scores(services, exchange, model, prompts)
        read, cached = scores.prompt_tokens, scores.cached_tokens
        told = [{"prompt_token_ids": prompt} if body.return_token_ids else {} for prompt in prompts]
        exchange.tokens = {"prompt": read, "cached": cached}
        services.remember(exchange, model, len(prompts))
        found = [
            labelled(scores.labels, row, _abstain_below(exchange, model, one))
            for row, one in zip(scores.log_probabilities, guarded, strict=True)
        ]
        for one, row in zip(found, scores.log_probabilities, strict=True):
            decision = decision_of(scores.labels, probabilities(row))
            exchange.note.answer(decision.label, "stop", decision, one["abstained"])
        if any(one["abstained"] for one in found):
            exchange.acted[ABSTAINING] = "told"
        return json_response(
            {
                "id": exchange.id,
                "object": "list",
                "model": model.name,
                "release": model.release,
                "data": [
                    {"index": number, **one, **prompt}
                    for number, (one, prompt) in enumerate(zip(found, told, strict=True))
                ],
                "usage": {
                    "prompt_tokens": read,
                    "completion_tokens": 0,
                    "total_tokens": read,
                    "prompt_tokens_details": {"cached_tokens": cached},
                },
            }
        )

    async def feedback(self, request: Request) -> Response:
        body = await parsed(request, FeedbackBody)
        exchange = exchange_of(request)
        key_id = exchange.key.id if exchange.key else None
        answered = self.services.answered.get(body.request_id)
        if answered is not None and (answered.key_id != key_id or body.index >= answered.answers):
            raise no_answer()
        if answered is None and not body.model:
            raise no_answer()
        model = answered.model if answered else self.services.model(exchange, body.model)
        exchange.model = model.name
        if body.correct_label is not None and body.correct_label not in model.labels:
            raise ApiError(400, "this is no label of the model", "unknown_label", "correct_label")
        if (body.answer or body.comment) and not model.settings.monitoring.capture.share:
            raise ApiError(400, "texts of this use case are not kept (monitoring.capture)", "texts_not_kept")
        given = {
            **body.model_dump(exclude={"correct_label", "model"}),
            "label": body.correct_label,
            "feedback_id": uuid.uuid4().hex,
            "at": exchange.at,
            "key": key_id and digest(key_id),
            "by": body.by and digest(body.by),
            "release": answered.model.release if answered else None,
            "checkpoint": answered.model.checkpoint if answered else None,
        }
        if not await self._kept(self.services.notes.append(model.use_case, {"feedback": given})):
            raise ApiError(503, "feedback cannot be kept at the moment", "feedback_not_kept", retry_after=10)
        self.services.metrics.feedback.labels(model.name, body.rating or "corrected").inc()
        return json_response({"object": "feedback", "request_id": body.request_id})

    async def _kept(self, kept: "Future[bool]") -> bool:
        """Whether it is on the disk in time; a client that asks again repeats an opinion, and does not double it."""
        try:
            async with asyncio.timeout(FEEDBACK_SECONDS):
                return await asyncio.shield(asyncio.wrap_future(kept))
        except TimeoutError:
            return False

    async def models(self, request: Request) -> Response:
        exchange = exchange_of(request)
        shown = [model for model in self.services.shelf.models() if exchange.may_ask(model.use_case)]
        return json_response({"object": "list", "data": [_described(model) for model in shown]})

    async def one_model(self, request: Request) -> Response:
        return json_response(_described(self.services.model(exchange_of(request), request.path_params["name"])))

    async def home(self, _request: Request) -> Response:
        return self._home

    async def health(self, _request: Request) -> Response:
        """Whether the process answers."""
        return json_response({"status": "ok", "started": self.services.started})

    async def ready(self, _request: Request) -> Response:
        """Whether a model is served."""
        if self.services.shelf.models():
            return json_response({"status": "ready"})
        why = "no model is served" if self.services.shelf.is_fresh() else "the catalog cannot be read"
        raise ApiError(503, why, "not_ready", retry_after=3)

    async def metrics(self, _request: Request) -> Response:
        return Response(self.services.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, _request: Request) -> Response:
        return json_response(description())

    async def docs(self, _request: Request) -> Response:
        return HTMLResponse(page(), headers={"Content-Security-Policy": PAGE_POLICY})


def _note_question(
    exchange: Exchange,
    model: ServedModel,
    body: ChatBody | CompletionBody | ClassifyBody,
    conversations: Sequence[Sequence[dict[str, str]]],
) -> None:
    said = body.metadata
    exchange.note.rights = Rights(said.subject, said.consent, said.purpose).over(exchange.note.rights)
    exchange.note.ask(exchange.id, model.settings, conversations, said.model_extra or {})


def no_answer() -> ApiError:
    return ApiError(404, "no answer of this server to this key has this id", "answer_not_found", "request_id")


def _abstain_below(exchange: Exchange, model: ServedModel, guarded: Guarded) -> float:
    if exchange.unguarded and not model.suggests:
        return 0.0
    return ALWAYS if guarded.is_unlike_the_records else model.abstain_below


def form_of_labels(wanted: ResponseFormat, model: ServedModel) -> Callable[[str], str] | None:
    """What writes a label in the form that the client wants; None: as it is.

    Raises:
        ApiError: the labels have no place in the client's schema.
    """
    if not model.labels or wanted.wanted is None:
        return None
    form = label_form(wanted.wanted, model.labels)
    if form is None:
        labels = f"{', '.join(model.labels[:10])}{', ...' * (len(model.labels) > 10)}"
        what = f"the labels of this model ({labels}) do not fit into this schema"
        why = "they fit into an object with one property that takes each of them"
        raise ApiError(400, f"{what}; {why}", "invalid_schema", "response_format")
    return form


def _sampling(body: ChatBody | CompletionBody, model: ServedModel, prompt: tuple[int, ...], number: int) -> Sampling:
    """Raises:
    ApiError: prompt and answer do not fit.
    """
    room = model.context_tokens - len(prompt)
    if body.longest is not None and body.longest > room and not model.labels:
        message = f"the prompt has {len(prompt)} tokens, so that at most {room} are left for the answer"
        raise ApiError(400, message, "context_length_exceeded", "max_tokens")
    longest = model.settings.evaluation.max_new_tokens if body.longest is None else body.longest
    echoes = isinstance(body, CompletionBody) and body.echo
    return Sampling(
        max_tokens=model.label_tokens if model.labels else min(longest, room),
        temperature=body.temperature,
        top_p=body.top_p,
        # Answers to the same prompt with the same seed would be the same.
        seed=None if body.seed is None else (body.seed + number) % 2**63,
        stop=() if model.labels else body.stops,
        logprobs=body.alternatives,
        prompt_logprobs=body.alternatives if echoes else None,
        choices=model.labels,
        schema=None if model.labels else body.response_format.wanted,
        frequency_penalty=0.0 if model.labels else body.frequency_penalty,
        presence_penalty=0.0 if model.labels else body.presence_penalty,
        logit_bias=() if model.labels else tuple((int(token), bias) for token, bias in body.logit_bias.items()),
    )


def _ignored(body: ChatBody | CompletionBody, model: ServedModel) -> set[str]:
    """Names of fields that do nothing to this answer."""
    found = body.unread()
    if model.labels:
        without = NOT_OF_LABELS + (NOT_OF_HEADS if model.kind == "label_head" else ())
        found |= {name for name in without if name in body.model_fields_set and _is_changed(body, name)}
    elif isinstance(body, ChatBody) and body.messages[-1].role == "assistant":
        found.add(f"messages.{len(body.messages) - 1}")
    return found


def _is_changed(body: ChatBody | CompletionBody, name: str) -> bool:
    value = getattr(body, name)
    return value != type(body).model_fields[name].get_default(call_default_factory=True)


def _text(model: ServedModel, prompt: str | list[int]) -> str:
    """What a prompt says: guardrails read texts."""
    if isinstance(prompt, str):
        return prompt
    return model.renderer.text.tokenizer.decode(prompt, skip_special_tokens=False)


def _require_completed(body: CompletionBody, model: ServedModel) -> None:
    """Raises:
    ApiError: the model, or a stream, does not do what is asked.
    """
    for param, asks in (("echo", body.echo), ("prompt", body.has_ids), ("max_tokens", body.max_tokens == 0)):
        if asks and model.labels:
            raise ApiError(400, "this model only answers texts, and with labels", "invalid_value", param)
    if body.echo and body.stream:
        raise ApiError(400, "prompts are not repeated in streams", "invalid_value", "echo")


def _described(model: ServedModel) -> dict[str, Any]:
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "ft-platform",
        "use_case": model.use_case,
        "release": model.release,
        "checkpoint": model.checkpoint,
        "kind": model.kind,
        "labels": list(model.labels),
        "abstain_below": model.abstain_below,
        "max_model_len": model.context_tokens,
    }
