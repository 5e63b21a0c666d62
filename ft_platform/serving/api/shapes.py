"""Answers in the two forms of OpenAI's API: whole, and as parts of a stream."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ft_platform.serving.api.errors import LOWEST_LOGPROB
from ft_platform.serving.engine.requests import Finished, Piece, TokenLogprob


@dataclass(frozen=True)
class Echo:
    """A prompt that is repeated before its answer, and the text of its first token."""

    text: str
    first: str


@dataclass
class Answer:
    """One answer as far as it has come.

    Attributes:
        abstained: the model was too unsure of its label.
        echo: the prompt, where it is repeated.
    """

    pieces: list[Piece] = field(default_factory=list)
    finished: Finished | None = None
    abstained: bool = False
    echo: Echo | None = None

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    @property
    def logprobs(self) -> list[TokenLogprob]:
        return [one for piece in self.pieces for one in piece.logprobs]


def usage(answers: Sequence[Answer], answers_per_prompt: int) -> dict[str, Any]:
    """Tokens of a request; a prompt that several answers share counts once."""
    ends = [answer.finished for answer in answers if answer.finished]
    prompts = ends[::answers_per_prompt]
    read, cached = sum(end.prompt_tokens for end in prompts), sum(end.cached_tokens for end in prompts)
    written = sum(end.completion_tokens for end in ends)
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


class Shape:
    """What both forms share.

    Attributes:
        kind: `object` of a whole answer.
        part_kind: `object` of a part.
    """

    kind = part_kind = ""

    def __init__(self, answer_id: str, model: str, logprobs: bool) -> None:
        self.logprobs = logprobs
        self._head = {"id": answer_id, "created": int(time.time()), "model": model}

    def whole(self, answers: Sequence[Answer], answers_per_prompt: int) -> dict[str, Any]:
        choices = [
            {"index": number, **self.content(answer), "finish_reason": answer.finished and answer.finished.reason}
            for number, answer in enumerate(answers)
        ]
        return {**self._head, "object": self.kind, "choices": choices, "usage": usage(answers, answers_per_prompt)}

    def part(
        self, number: int, content: dict[str, Any], reason: str | None = None, acted: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Args: acted: guardrails that did something, in a field that OpenAI's API does not have."""
        choice = {"index": number, "logprobs": None, **content, "finish_reason": reason}
        told = {"x_ft_guardrail": list(acted)} if acted else {}
        return {**self._head, "object": self.part_kind, "choices": [choice], **told}

    def last(self, used: dict[str, Any]) -> dict[str, Any]:
        """The event that `include_usage` asks for."""
        return {**self._head, "object": self.part_kind, "choices": [], "usage": used}

    def content(self, answer: Answer) -> dict[str, Any]:
        """Of a whole answer."""
        raise NotImplementedError

    def opening(self) -> dict[str, Any] | None:
        """Of the first part of an answer, before it has a token."""
        return None

    def delta(self, piece: Piece, before: int) -> dict[str, Any]:
        """Of a part; `before`: characters of the answer before it."""
        raise NotImplementedError

    def ending(self) -> dict[str, Any]:
        """Of the part that tells why an answer ended."""
        raise NotImplementedError


class ChatShape(Shape):
    """`/v1/chat/completions`."""

    kind, part_kind = "chat.completion", "chat.completion.chunk"

    def content(self, answer: Answer) -> dict[str, Any]:
        message = {"role": "assistant", "content": answer.text, "refusal": None}
        return {"message": message, "logprobs": self._logprobs(answer.logprobs)}

    def opening(self) -> dict[str, Any] | None:
        return {"delta": {"role": "assistant", "content": ""}}

    def delta(self, piece: Piece, before: int) -> dict[str, Any]:
        return {"delta": {"content": piece.text}, "logprobs": self._logprobs(piece.logprobs)}

    def ending(self) -> dict[str, Any]:
        return {"delta": {}}

    def _logprobs(self, found: Sequence[TokenLogprob]) -> dict[str, Any] | None:
        if not self.logprobs:
            return None
        tokens = [
            {**_token(one.text, one.logprob), "top_logprobs": [_token(*alternative) for alternative in one.top]}
            for one in found
        ]
        return {"content": tokens, "refusal": None}


class CompletionShape(Shape):
    """`/v1/completions`."""

    kind = part_kind = "text_completion"

    def content(self, answer: Answer) -> dict[str, Any]:
        if answer.echo is None:
            return {"text": answer.text, "logprobs": self._logprobs(answer.logprobs, 0)}
        scored = answer.finished.prompt_logprobs if answer.finished else ()
        found = self._logprobs([TokenLogprob(-1, answer.echo.first, 0.0, ()), *scored, *answer.logprobs], 0)
        if found:  # nothing comes before the first token
            found["token_logprobs"][0] = found["top_logprobs"][0] = None
        return {"text": answer.echo.text + answer.text, "logprobs": found}

    def delta(self, piece: Piece, before: int) -> dict[str, Any]:
        return {"text": piece.text, "logprobs": self._logprobs(piece.logprobs, before)}

    def ending(self) -> dict[str, Any]:
        return {"text": ""}

    def _logprobs(self, found: Sequence[TokenLogprob], before: int) -> dict[str, Any] | None:
        if not self.logprobs:
            return None
        offsets = []
        for one in found:
            offsets.append(before)
            before += len(one.text)
        return {
            "tokens": [one.text for one in found],
            "token_logprobs": [_finite(one.logprob) for one in found],
            "top_logprobs": [{text: _finite(value) for text, value in one.top} for one in found],
            "text_offset": offsets,
        }


def _token(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": _finite(logprob), "bytes": list(text.encode("utf-8", "surrogatepass"))}


def _finite(logprob: float) -> float:
    return max(logprob, LOWEST_LOGPROB) if logprob == logprob else LOWEST_LOGPROB
