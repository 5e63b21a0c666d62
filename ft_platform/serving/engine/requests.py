"""What is asked of the engine and what it answers. Imports no torch, so that a web server can import it anywhere."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Sampling:
    """How an answer is written.

    Attributes:
        max_tokens: most tokens of the answer, its end of turn included.
        temperature: 0 takes the likeliest token; else logits are divided by it.
        top_p: draw among the fewest tokens that hold this share of the probability, in (0, 1].
        seed: equal seeds draw equal tokens, whatever else is in the batch; None: another draw each time.
        stop: texts at whose first occurrence the answer ends; they are not shown.
        logprobs: None: none; n: of each token its own log-probability and those of the n likeliest, of the model's
            distribution before temperature, `top_p` and constraints.
        prompt_logprobs: the same of every token of the prompt but its first (`Finished.prompt_logprobs`).
        choices: the answer is one of these texts.
        schema: the answer is JSON of this JSON schema, if it does not end by its length.
        frequency_penalty, presence_penalty: taken from the logit of a token for each time that it was written, and
            once if it was.
        logit_bias: token id -> what is added to its logit.
    """

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    choices: tuple[str, ...] = ()
    schema: dict[str, Any] | None = None
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Sharing:
    """Whose computed tokens a prompt may start from. What it costs tells a caller how its prompt begins elsewhere, so
    what one caller wrote is computed again for another one.

    Attributes:
        caller: shares everything with itself.
        public: first tokens of prompts that no caller wrote, and all share.
    """

    caller: str = ""
    public: tuple[int, ...] = ()


@dataclass(frozen=True)
class Generation:
    """An answer to be written: by which model (an adapter, or the base model's name), after which token ids."""

    model: str
    prompt: tuple[int, ...]
    sampling: Sampling
    sharing: Sharing = Sharing()


@dataclass(frozen=True)
class TokenLogprob:
    """Log-probability of a token in nats, and of the likeliest tokens as (text, log-probability), best first."""

    token: int
    text: str
    logprob: float
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Piece:
    """The next part of an answer.

    Attributes:
        tokens: new token ids, without the end of turn.
        text: what may be shown now: whole characters only, held back while a stop text may be starting. The texts of
            all pieces make the answer.
        logprobs: one for each token, where asked for.
    """

    tokens: tuple[int, ...]
    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class Decision:
    """The likeliest label.

    Attributes:
        probability: in [0, 1]; None where the label was written without one.
        entropy: of all labels, in nats.
    """

    label: str
    probability: float | None = None
    entropy: float | None = None


@dataclass(frozen=True)
class Finished:
    """The last event of a request.

    Attributes:
        reason: "stop" (end of turn, a stop text, or a constraint that is fulfilled), "length" or "error".
        prompt_tokens: of the prompt; `cached_tokens` of them were not computed again.
        completion_tokens: written, the end of turn included.
        message: what went wrong, for "error"; holds no text of the request.
        decision: the likeliest label, where labels were scored.
        prompt_logprobs: of the tokens of the prompt after its first, where asked for.
    """

    reason: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    message: str = ""
    decision: Decision | None = None
    prompt_logprobs: tuple[TokenLogprob, ...] = ()


Event = Piece | Finished


@dataclass(frozen=True)
class Scores:
    """How likely each label is.

    Attributes:
        labels: as of the adapter.
        log_probabilities: in nats, one row for each prompt and one number for each label. Of a label head they sum to
            one; of labels that are written out they need not, for the model may write something else.
        prompt_tokens, cached_tokens: of all prompts.
    """

    labels: tuple[str, ...]
    log_probabilities: tuple[tuple[float, ...], ...]
    prompt_tokens: int
    cached_tokens: int


@dataclass(frozen=True)
class Adapter:
    """A checkpoint to serve.

    Attributes:
        name: what requests call it.
        folder: with `adapter_model.safetensors`, and `label_head.safetensors` where it has a head.
        labels: in the order of the head, or of a classification whose labels are written out; else none.
    """

    name: str
    folder: Path
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """Requests and tokens of keys and values at this moment.

    Attributes:
        running, waiting: prompts of `scores` count one each.
        cache_tokens: reserved by running requests.
        kept_tokens: of finished requests, kept for others that start alike; given up when room is needed.
        capacity_tokens: of both together.
        context_tokens: most tokens of prompt and answer.
        models: names that may be asked for.
    """

    running: int
    waiting: int
    cache_tokens: int
    kept_tokens: int
    capacity_tokens: int
    context_tokens: int
    models: tuple[str, ...]


@dataclass
class Handle:
    """Takes a request back: its memory is free before the next pass, and no event follows but one that is on its
    way."""

    cancel: Callable[[], None] = field(repr=False)


class Full(Exception):
    """The waiting line is full.

    Attributes:
        retry_after: seconds until a place is expected to be free, from how fast the last places became free.
    """

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"the waiting line is full; a place is expected in {retry_after:.1f} seconds")
        self.retry_after = retry_after


class UnknownModel(Exception):
    """No model of this name is loaded, or it cannot do what is asked (scores without labels)."""


class TooLong(Exception):
    """Prompt and answer need more tokens than the context of the model or the cache has."""
