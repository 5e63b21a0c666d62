"""A request and what is known of it as it is answered: told in the log and the metrics, and noted."""

import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ft_platform.lake.manifest import now
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.serving.api.noting import Note, digest
from ft_platform.serving.api_keys import ApiKey
from ft_platform.serving.engine.requests import Sharing
from ft_platform.serving.rollout.under_way import UnderWay

EXCHANGE = "ft_platform.exchange"
"""Its name in the scope of a request."""


@dataclass(frozen=True)
class Tried:
    """What a rollout means for a request.

    Attributes:
        by_candidate: the candidate answers it.
        in_share: it does, or, in a shadow, it is asked as well.
    """

    rollout: UnderWay
    by_candidate: bool
    in_share: bool


@dataclass
class Exchange:
    """A request and what is told about it.

    Attributes:
        key: with which it came; None where none is needed.
        route: path of a route of ours; empty for any other path, which is whatever a client sends.
        model: name of a served model, or empty.
        release, checkpoint: behind the model.
        unguarded: no guardrail of the model does anything.
        acted: guardrail -> what it did.
        ignored: fields of the request that did nothing.
        at: when it came.
        tried: the rollout that it belongs to.
        is_shadow: it repeats an answered request to the candidate of a rollout.
        is_drawn: its answers may differ when it is asked again.
    """

    id: str
    method: str
    key: ApiKey | None = None
    route: str = ""
    model: str = ""
    release: str = ""
    checkpoint: str = ""
    status: int = 0
    code: str = ""
    tokens: dict[str, int] = field(default_factory=dict)
    unguarded: bool = False
    acted: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    at: str = field(default_factory=partial(now, "milliseconds"))
    note: Note = field(default_factory=Note)
    is_noted: bool = False
    tried: Tried | None = None
    is_shadow: bool = False
    is_drawn: bool = False

    @property
    def use_case(self) -> str:
        return self.model.partition("@")[0]

    def sharing(self, renderer: Renderer) -> Sharing:
        """What of its prompts may have been computed for whom. Without keys, this machine is one caller."""
        return Sharing(self.key.id if self.key else "", tuple(renderer.prefix_ids()))

    def may_ask(self, use_case: str) -> bool:
        return self.key is None or self.key.allows(use_case)

    def records(self) -> dict[str, dict[str, Any]]:
        """What is noted of it, by kind (`traffic.tables`)."""
        note = self.note
        about = {"request_id": self.id, "at": self.at, "release": self.release, "checkpoint": self.checkpoint}
        request = {
            **about,
            "model": self.model,
            "route": self.route,
            "status": self.status,
            "code": self.code,
            "key": digest(self.key.id) if self.key else None,
            "seconds": round(time.monotonic() - self.started, 6),
            "first_seconds": note.first_seconds and round(note.first_seconds, 6),
            **{f"{kind}_tokens": count for kind, count in self.tokens.items()},
            "characters": note.characters,
            "guardrails": [f"{name}:{did}" for name, did in self.acted.items()],
            "answers": note.answers,
            "captured": note.conversations is not None,
            "share": note.share,
            "trial": note.is_trial,
        }
        if note.conversations is None:
            return {"requests": request}
        return {"requests": request, "texts": {**about, **note.kept(), "answers": note.texts}}
