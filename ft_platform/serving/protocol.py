"""What the server asks of an engine, and what clients and server tell one another beside OpenAI's API."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ft_platform.serving.engine.requests import Event, Full, Generation, Handle, Scores, Sharing, State

UNGUARDED = "X-FT-Guardrails"
"""Header of a request that asks for an answer without guardrails (`off`), to compare with the evaluation."""
TRIAL = "X-FT-Trial"
"""Header of a request (`on`) that only tries a model: it is noted as such, and its text is not kept."""
TRIAL_ID = "ft-trial-"
"""How the id of such a request begins where it has an id in place of headers (`InferenceId` of SageMaker)."""
ACTED = "X-FT-Guardrail"
"""Header of an answer: the guardrails that did something."""
IGNORED = "X-FT-Ignored"
"""Header of an answer: fields of its request that did nothing."""

WITHHELD = "content_filter"
"""`finish_reason` of OpenAI's API for an answer that is not shown."""


def acted(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The guardrails that did something, from the headers of an answer."""
    return tuple(filter(None, headers.get(ACTED, "").split(", ")))


class Engine(Protocol):
    """Runs the models. All methods may be called from any thread; events come from a thread of the engine."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Ends what is under way with an error."""
        ...

    def load(self, adapter: Any) -> None: ...

    def unload(self, name: str) -> None:
        """Refuses requests for it from now on."""
        ...

    def generate(self, request: Generation, on_event: Callable[[Event], None]) -> Handle:
        """Queues an answer.

        Raises:
            Full, UnknownModel, TooLong: at once.
        """
        ...

    def scores(
        self,
        model: str,
        prompts: Sequence[Sequence[int]],
        on_done: Callable[[Scores | Exception], None],
        sharing: Sharing = ...,
    ) -> Handle:
        """Queues prompts whose labels are scored.

        Raises:
            Full, UnknownModel, TooLong: at once.
        """
        ...

    def refusal(self) -> Full | None:
        """Why one more request would be refused, if it would."""
        ...

    def state(self) -> State: ...
