"""A model behind an OpenAI-compatible endpoint as a prompted alternative: the messages that the base model gets
zero-shot, one request per test record.

Anonymized test records only are sent: `require_shared` refuses others, and the host must be allowed by the installation
(`models/endpoint.py`)."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ft_platform.errors import VersionRefused
from ft_platform.lake.versions import TableVersion
from ft_platform.models.endpoint import Endpoint
from ft_platform.use_case.settings.evaluation import PromptedEndpoint

PREFIX = "endpoint_"
UNREADABLE = "(no label)"
"""What counts as predicted where an answer names no label, or several: never right."""
EDGES = " \t\n\r\"'`*_.,:;!?()[]{}<>“”‘’„«»"


@dataclass
class Asked:
    """Answers of an endpoint.

    Attributes:
        answers: one per test record.
        prompt_tokens, completion_tokens: as the endpoint counts them; None where it did not for every answer.
    """

    answers: list[str] = field(default_factory=list)
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0


def require_shared(splits: TableVersion) -> None:
    """Raises VersionRefused for a table of the zone that holds personal data: nothing of it may leave the platform."""
    if splits.zone != "shared":
        problem = f"{splits.id} lies in the zone {splits.zone}: its records are not sent to an endpoint"
        raise VersionRefused(problem, "Evaluate splits, which are made of anonymized records")


def ask(
    settings: PromptedEndpoint,
    conversations: Sequence[Sequence[dict[str, str]]],
    max_tokens: int,
    on_rows: Callable[[int], None] = lambda done: None,
) -> Asked:
    """One answer for each conversation, one request after the other.

    Raises:
        ConfigError: the host is not allowed, or the variable of the key is not set.
        EndpointFailed, EndpointUnavailable: it refuses, sends something else than an answer, or does not answer in
            bounded time and tries. Nothing is
            counted then: an endpoint that failed has no score.
    """
    endpoint = Endpoint(settings.url, settings.model, settings.api_key_env, settings.timeout_seconds)
    asked = Asked()
    for number, messages in enumerate(conversations, 1):
        reply = endpoint.chat(messages, max_tokens)
        asked.answers.append(reply.answer.strip())
        asked.prompt_tokens = _sum(asked.prompt_tokens, reply.usage.get("prompt_tokens"))
        asked.completion_tokens = _sum(asked.completion_tokens, reply.usage.get("completion_tokens"))
        on_rows(number)
    return asked


def _sum(so_far: int | None, count: int | None) -> int | None:
    return None if so_far is None or count is None else so_far + count


def described(settings: PromptedEndpoint, asked: Asked, unreadable: int | None) -> dict[str, Any]:
    """What a reader wants to know: `{"model", "host", "prompt_tokens", "completion_tokens", "unreadable",
    "money_per_1000", "currency"}`.

    Money per 1,000 requests follows from the tokens that the endpoint counted; None without them or without prices.
    """
    money = None
    read, written = settings.price_per_1000_input_tokens, settings.price_per_1000_output_tokens
    sent, got = asked.prompt_tokens, asked.completion_tokens
    if read is not None and written is not None and sent is not None and got is not None:
        total = sent * read + got * written
        # Price is per 1,000 tokens and the figure per 1,000 requests: the two cancel out.
        money = round(total / len(asked.answers), 6)
    return {
        "model": settings.model,
        "host": settings.host,
        "prompt_tokens": asked.prompt_tokens,
        "completion_tokens": asked.completion_tokens,
        "unreadable": unreadable,
        "money_per_1000": money,
        "currency": settings.currency,
    }


def label_in(answer: str, labels: Sequence[str]) -> str:
    """The label that an answer gives, or `UNREADABLE`.

    An answer that is a label (whatever its case, quotes and marks) gives it. Otherwise exactly one label must stand in
    it as words of their own; a label that is part of a longer one found there does not count (`loan` in `student
    loan`).
    """
    plain = _plain(answer)
    for label in labels:
        if _plain(label) == plain:
            return label
    found = [
        label for label in labels if _plain(label) and re.search(rf"(?<!\w){re.escape(_plain(label))}(?!\w)", plain)
    ]
    longest = [
        label for label in found if not any(label != other and _plain(label) in _plain(other) for other in found)
    ]
    return longest[0] if len(longest) == 1 else UNREADABLE


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(EDGES)
