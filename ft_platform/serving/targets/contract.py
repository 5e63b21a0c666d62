"""What every target of a deployment does. `serving.deploying` calls it in this order: deploy, wait, (parity), switch,
delete what is no longer needed. A roll back is a switch to what was there before."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from ft_platform.errors import EndpointFailed
from ft_platform.serving.exporting.matrix import Form, Kind

State = Literal["absent", "starting", "ready", "paused", "failed"]


@dataclass(frozen=True)
class Model:
    """A release as a target is given it.

    Attributes:
        release: its id, unlike that of any other release of this use case.
        kind: how it answers.
        labels: empty for open answers.
        exported: form -> a folder with the model in it, signed, with `export.json` beside the files. Made when it is
            asked for the first time; merged weights are proven equal before.
        context_tokens: longest prompt with its answer, in tokens.
    """

    use_case: str
    release: str
    kind: Kind
    labels: tuple[str, ...]
    exported: Callable[[Form], Path]
    context_tokens: int

    @property
    def name(self) -> str:
        """A name for places that keep models of several use cases and releases."""
        return model_name(self.use_case, self.release)


def model_name(use_case: str, release: str) -> str:
    """`Model.name` of a release."""
    return f"{use_case}-{release}".replace("_", "-")


@dataclass(frozen=True)
class Endpoint:
    """Where one release answers.

    Attributes:
        url: base address, without `/v1`.
        model: its name there.
        key: what is sent as bearer token; never shown.
        ours: it is the platform's own server, with `/v1/classify`; else only OpenAI's routes are there.
        extra: fields that every request needs beside OpenAI's, e.g. the chat template.
        send: path and body of a request -> the JSON of its answer, where it is not asked with a bearer token
            (SageMaker signs requests). Raises as the methods of a target do.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    ours: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    send: Callable[[str, Mapping[str, Any]], Any] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Status:
    """What is at a target now, as the target says, not as was last asked for.

    Attributes:
        state: of the release with traffic; `absent`: none has.
        live: the release with traffic.
        others: releases that are there and have none.
        replicas: machines or processes that run, 0 when scaled to zero; None where it cannot be told.
        message: what a person should know, e.g. why it failed.
        endpoint: where clients ask the release with traffic; its address stays the same after a switch.
        started: changes whenever what answers was started again; None: it cannot be told.
    """

    state: State
    live: str | None = None
    others: tuple[str, ...] = ()
    replicas: int | None = None
    message: str = ""
    endpoint: Endpoint | None = None
    started: str | None = None

    def answers_at(self) -> Endpoint:
        """`endpoint`.

        Raises:
            EndpointFailed: no release has the traffic.
        """
        if self.endpoint is None:
            raise EndpointFailed(f"no release has the traffic: {self.message or self.state}")
        return self.endpoint


class Target(Protocol):
    """One place where releases answer. Every method may be called again after a process was killed in the middle: it
    finds what is there already and makes no second of it. Each has a limit of time, and raises `EndpointFailed` (or
    `EndpointUnavailable`, where trying again may help) with what the other side said, without its secrets."""

    def deploy(self, model: Model) -> None:
        """Puts a release beside what answers now, without traffic. Nothing is left of it when this fails, above all
        nothing that costs money."""
        ...

    def wait(self, model: Model, seconds: float, on_wait: Callable[[str], None]) -> Endpoint:
        """Until it answers. Nothing that costs money is left of the release when this fails, unless it has traffic.

        Args:
            on_wait: is told now and then what it waits for.

        Raises:
            EndpointFailed: it failed, or is not ready in time.
        """
        ...

    def switch(self, release: str) -> None:
        """Gives a release that is there all the traffic; no request is lost."""
        ...

    def delete(self, release: str) -> None:
        """Takes a release away with everything that was made for it. Nothing there: nothing to do."""
        ...

    def status(self) -> Status: ...

    def cost_per_day(self) -> float | None:
        """In the currency of the target's settings, for what runs now; None: unknown."""
        ...
