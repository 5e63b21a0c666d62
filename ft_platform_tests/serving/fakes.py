"""An engine that writes what it is told, models for it, and the server around both."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from ft_platform.models.rendering.renderer import Renderer
from ft_platform.reporting.playground import playground
from ft_platform.serving.api.app import build_app
from ft_platform.serving.api.guard import Guard
from ft_platform.serving.api.limits import Limits
from ft_platform.serving.api.server import ApiServer
from ft_platform.serving.api_keys import ApiKeys
from ft_platform.serving.catalog import GivenModels, Kind, ServedModel
from ft_platform.serving.engine.requests import (
    Adapter,
    Event,
    Finished,
    Full,
    Generation,
    Handle,
    Piece,
    Scores,
    Sharing,
    State,
    TokenLogprob,
    UnknownModel,
)
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.tiny_models import tiny_tokenizer

LABELS = ("Card", "Loan", "Mortgage")
WORDS = ("The ", "card ", "is ", "blocked ", "now.")


@cache
def settings(kind: Kind, label_answers: str = "scored") -> UseCase:
    """A use case of the kind, whose answers are shown as they come."""
    attributes = minimal_attributes("file:///none.csv") | {"evaluation": {"label_answers": label_answers}}
    if kind == "open_answer":
        attributes |= {"task": {"kind": "generation", "instruction": "Answer the customer."}}
        attributes["record"] = {"id": "id", "text": "text", "answer": "answer", "consent": "consent"}
        attributes["splits"], attributes["fairness"] = {}, {}
    attributes["serving"] = {"guardrails": {"answer_scan": "pass"}}
    return UseCase.model_validate(attributes)


@cache
def served(
    name: str = "support", kind: Kind = "open_answer", release: str = "release-1", label_answers: str = "scored"
) -> ServedModel:
    """A model with the tiny tokenizer, one token for each byte."""
    labels = () if kind == "open_answer" else LABELS
    of = settings(kind, label_answers)
    renderer = Renderer(tiny_tokenizer(), of.task, labels)
    return ServedModel(
        name, release, f"checkpoint-of-{release}", of, renderer, kind, labels, 2000, Path("/nowhere"), abstain_below=0.5
    )


class FakeEngine:
    """Writes `words`, one for each token, in threads of its own.

    Attributes:
        pace: seconds before each token.
        full: seconds after which to try again; None: there is room.
        fails_after: tokens after which an answer fails.
        endless: goes on until it is cancelled.
        message: of an answer's end.
        breaks: raised by `generate` and `scores`.
    """

    def __init__(self, words: Sequence[str] = WORDS) -> None:
        self.words, self.pace, self.endless = words, 0.0, False
        self.full: float | None = None
        self.fails_after: int | None = None
        self.message = ""
        self.breaks: Exception | None = None
        self.scored: list[float] = [-1.0, -3.0, -4.0]
        self.loaded: dict[str, Adapter] = {}
        self.asked: list[Generation] = []
        self.prompts: list[tuple[int, ...]] = []
        self.sharings: list[Sharing] = []
        self.cancelled = 0
        self.running = 0
        self.started = False

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self.started = False

    def load(self, adapter: Adapter) -> None:
        if adapter.folder.name == "broken":
            raise RuntimeError("broken")
        self.loaded[adapter.name] = adapter

    def unload(self, name: str) -> None:
        self.loaded.pop(name, None)

    def state(self) -> State:
        return State(self.running, 0, 10, 7, 4096, 2000, tuple(self.loaded))

    def refusal(self) -> Full | None:
        return Full(self.full) if self.full is not None else None

    def _take(self, model: str) -> None:
        if self.breaks:
            raise self.breaks
        if full := self.refusal():
            raise full
        if model not in self.loaded:
            raise UnknownModel

    def generate(self, request: Generation, on_event: Callable[[Event], None]) -> Handle:
        self._take(request.model)
        self.asked.append(request)
        self.sharings.append(request.sharing)
        ended = threading.Event()

        def cancel() -> None:
            if not ended.is_set():
                self.cancelled += 1
                ended.set()

        threading.Thread(target=self._write, args=(request, on_event, ended), daemon=True).start()
        return Handle(cancel)

    def _write(self, request: Generation, on_event: Callable[[Event], None], ended: threading.Event) -> None:
        self.running += 1
        sampling, written, reason = request.sampling, 0, "stop"
        words = [sampling.choices[0]] if sampling.choices else ['{"a":', " 1}"] if sampling.schema else self.words
        try:
            while not ended.is_set():
                if written >= len(words) and not self.endless:
                    break
                if written == sampling.max_tokens or written == self.fails_after:
                    reason = "length" if written == sampling.max_tokens else "error"
                    break
                if self.pace:
                    time.sleep(self.pace)
                word = words[written % len(words)]
                if any(stop in word for stop in sampling.stop):
                    break
                top = ((word, -0.1), ("other", float("-inf")))
                told = (
                    () if sampling.logprobs is None else (TokenLogprob(written, word, -0.1, top[: sampling.logprobs]),)
                )
                on_event(Piece((written,), word, told))
                written += 1
            if not ended.is_set():
                ended.set()
                on_event(Finished(reason, len(request.prompt), 4, written, self.message))
        finally:
            self.running -= 1

    def scores(
        self,
        model: str,
        prompts: Sequence[Sequence[int]],
        on_done: Callable[[Scores | Exception], None],
        sharing: Sharing = Sharing(),
    ) -> Handle:
        self._take(model)
        self.sharings.append(sharing)
        self.prompts += [tuple(prompt) for prompt in prompts]
        found = Scores(self.loaded[model].labels, (tuple(self.scored),) * len(prompts), sum(map(len, prompts)), 4)
        threading.Thread(target=on_done, args=(found,), daemon=True).start()
        return Handle(lambda: None)


def withholding(engine: FakeEngine) -> None:
    """From now on its answers end as those that a guardrail withholds."""
    begin, engine.words = engine.generate, ()

    def generate(request: Generation, on_event: Callable[[Event], None]) -> Handle:
        def ended(event: Event) -> None:
            on_event(replace(event, reason="content_filter") if isinstance(event, Finished) else event)

        return begin(request, ended)

    engine.generate = generate  # pyright: ignore[reportAttributeAccessIssue]


class Kept:
    """Notes in memory.

    Attributes:
        of: use case -> records of each request, by kind.
        refuses: nothing is kept.
    """

    off, lost = "", 0

    def __init__(self) -> None:
        self.of: list[tuple[str, Mapping[str, Mapping[str, Any]]]] = []
        self.refuses = False

    def append(self, use_case: str, records: Mapping[str, Mapping[str, Any]]) -> "Future[bool]":
        if not self.refuses:
            self.of.append((use_case, records))
        done: Future[bool] = Future()
        done.set_result(not self.refuses)
        return done

    def waiting(self) -> int:
        return len(self.of)

    def kind(self, kind: str) -> list[Mapping[str, Any]]:
        return [records[kind] for _, records in self.of if kind in records]


def every_kind() -> list[ServedModel]:
    """One model of each kind."""
    return [served(), served("complaints", "label_head"), served("claims", "written_label")]


def app_of(
    engine: FakeEngine, models: Sequence[ServedModel] | None = None, keys: ApiKeys | None = None, **options: Any
) -> Guard:
    options.setdefault("notes", Kept())
    catalog = GivenModels(every_kind() if models is None else models)
    return build_app(engine, catalog, keys or ApiKeys(None), home=playground(), **options)


@contextmanager
def asking(engine: FakeEngine, **options: Any) -> Iterator[TestClient]:
    """Asks the application without sockets."""
    app = app_of(engine, **options)
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        wait_until(
            lambda: len(engine.loaded) >= len(options.get("models", every_kind())) and client.get("/ready").is_success
        )
        yield client


@contextmanager
def running(app: Guard, limits: Limits | None = None, **options: Any) -> Iterator[ApiServer]:
    """The application behind real sockets, in a thread."""
    server = ApiServer(app, "127.0.0.1", 0, limits=limits, **options)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield server
    finally:
        server.stop()
        thread.join(20)
        assert not thread.is_alive()


def wait_until(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Raises:
    AssertionError: it does not hold in time.
    """
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)
