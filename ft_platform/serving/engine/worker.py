"""The engine: one thread that owns the model and computes the next tokens of all requests together, again and again."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ft_platform.errors import BaseModelError, MissingExtra
from ft_platform.process.hooks import place_of_error
from ft_platform.serving.engine.attention import Part
from ft_platform.serving.engine.batch import ServedModel, longest_context
from ft_platform.serving.engine.constrained import Constraints, Unfulfillable
from ft_platform.serving.engine.requests import (
    Adapter,
    Event,
    Full,
    Generation,
    Handle,
    Scores,
    Sharing,
    State,
    TooLong,
    UnknownModel,
)
from ft_platform.serving.engine.rows import LabelScores, Row, Writing
from ft_platform.serving.engine.schedule import CPU_ANSWERS, MOST_ROWS, Schedule
from ft_platform.serving.engine.stacked_lora import LoadedAdapter, read_adapter

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Model:
    """What a name stands for; `label_ids` are empty where the labels are those of a head."""

    adapter: LoadedAdapter | None
    labels: tuple[str, ...] = ()
    label_ids: tuple[tuple[int, ...], ...] = ()


class Engine:
    """Writes answers and scores labels with one base model and any number of adapters.

    Guaranteed: attention, sampling, stop texts and constraints of a request do not depend on what else is in the batch.
    Matrix products do in their last bits, since kernels are chosen by the number of tokens: greedy answers are the same
    unless two tokens are as likely as rounding tells them apart (float32 about 1e-6, bfloat16 about 1e-2 of a logit).

    Args:
        model: causal LM of `base_model.load`; it is changed, and belongs to the engine.
        text: `TextTokens` of its tokenizer (`Renderer.text`).
        end_of_turn: ids that end an answer (`Renderer.end_of_turn`).
        name: what requests call the base model without an adapter.
        cache_tokens: tokens of keys and values in memory, of all requests together.
        max_waiting: requests that may wait for room; one more is refused with `Full`.

    Raises:
        BaseModelError: this architecture cannot be served.
    """

    def __init__(
        self,
        model: Any,
        text: Any,
        *,
        end_of_turn: Sequence[int],
        name: str = "base",
        cache_tokens: int = 16_384,
        max_waiting: int = 64,
    ) -> None:
        self._served = ServedModel(model, cache_tokens)
        self._text, self._end_of_turn = text, tuple(end_of_turn)
        self._vocabulary = model.config.get_text_config().vocab_size
        self._constraints = Constraints(text, self._end_of_turn, self._vocabulary)
        self._longest = min(longest_context(model.config) or cache_tokens, cache_tokens)
        self._base, self._models = name, {name: _Model(None)}
        self._max_waiting = max_waiting
        answers = CPU_ANSWERS if next(model.parameters()).device.type == "cpu" else MOST_ROWS
        self._schedule = Schedule(self._served.cache, max_waiting, answers)
        self._changed = threading.Condition()
        self._stopping = self._unswept = False
        self._threads = torch.get_num_threads()
        self._thread = threading.Thread(target=self._work, name="serving-engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the running and waiting requests with an error, and the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def load(self, adapter: Adapter) -> None:
        """Loads an adapter while others are served, or another one in place of the one of this name: requests that were
        accepted before are finished by the one they were accepted for.

        Raises:
            BaseModelError: it is for another base model, hostile, or no plain LoRA; the name is the base model's; or
                labels are missing.
        """
        if adapter.name == self._base:
            raise BaseModelError(f"{adapter.name} is the name of the base model", "Choose another name")
        loaded = read_adapter(self._served.model, adapter.folder)
        if loaded.head is not None and not len(adapter.labels) == len(loaded.head) <= self._vocabulary:
            raise BaseModelError(
                f"adapter {adapter.name} has a head for {len(loaded.head)} labels, got {len(adapter.labels)} labels",
                "Load it with the labels it was trained on",
            )
        written = loaded.head is None
        ids = [(*self._text.content(label.strip()), *self._end_of_turn) for label in adapter.labels if written]
        with self._changed:
            self._models[adapter.name] = _Model(loaded, adapter.labels, tuple(ids))
            self._unswept = True
            self._changed.notify()

    def unload(self, name: str) -> None:
        """Refuses new requests for an adapter from now on. It waits for none and cancels none: those accepted before
        are finished, and with the last of them the memory is free.

        Raises:
            UnknownModel: no adapter of this name is loaded.
        """
        with self._changed:
            if name == self._base:
                raise UnknownModel(f"{name} is the base model, which stays loaded")
            self._model(name)
            del self._models[name]
            self._unswept = True
            self._changed.notify()

    def generate(self, request: Generation, on_event: Callable[[Event], None]) -> Handle:
        """Queues an answer. Thread-safe.

        Args:
            on_event: called from the engine's thread with pieces and one `Finished`; it must return soon.

        Raises:
            Full, UnknownModel, TooLong: at once; nothing is queued.
        """
        with self._changed:
            model = self._model(request.model)
        if model.adapter and model.adapter.head is not None:
            raise UnknownModel(f"{request.model} scores labels and writes nothing")
        problem = self._problem([request.prompt]) or ("" if request.sampling.max_tokens >= 0 else "max_tokens below 0")
        if any(not 0 <= token < self._vocabulary for token, _ in request.sampling.logit_bias):
            problem = problem or f"logit_bias: a token id is not in [0, {self._vocabulary})"
        constraint = None
        try:
            constraint = self._constraints.of(request.sampling)
        except (Unfulfillable, MissingExtra) as error:
            problem = problem or str(error)
        row = Writing(request, model.adapter, self._text, self._end_of_turn[-1], constraint, on_event)
        return self._queue([row], problem)

    def scores(
        self,
        model: str,
        prompts: Sequence[Sequence[int]],
        on_done: Callable[[Scores | Exception], None],
        sharing: Sharing = Sharing(),
    ) -> Handle:
        """Queues prompts whose labels are scored. Thread-safe.

        Args:
            on_done: called once, from the engine's thread.

        Raises:
            Full, UnknownModel, TooLong: at once; nothing is queued.
        """
        with self._changed:
            found = self._model(model)
        if found.adapter is None or not found.labels:
            raise UnknownModel(f"{model} was loaded without labels")
        job = LabelScores(found.adapter, found.labels, found.label_ids, prompts, on_done, sharing)
        return self._queue(job.rows, self._problem(prompts))

    def refusal(self) -> Full | None:
        """Why one more request would be refused, if it would."""
        with self._changed:
            return self._schedule.full(1)

    def state(self) -> State:
        with self._changed:
            cache = self._served.cache
            return State(
                running=len(self._schedule.running),
                waiting=len(self._schedule.waiting),
                cache_tokens=cache.reserved,
                kept_tokens=cache.kept_tokens,
                capacity_tokens=cache.tokens,
                context_tokens=self._longest,
                models=tuple(self._models),
            )

    def _model(self, name: str) -> _Model:
        if name not in self._models:
            raise UnknownModel(f"no model {name!r} is loaded, there are {', '.join(self._models)}")
        return self._models[name]

    def _problem(self, prompts: Sequence[Sequence[int]]) -> str:
        """Why prompts cannot be computed, or nothing."""
        if not prompts or not all(prompts):
            return "a prompt has no tokens"
        known = all(0 <= token < self._vocabulary for prompt in prompts for token in prompt)
        return "" if known else f"a token id is not in [0, {self._vocabulary})"

    def _queue(self, rows: Sequence[Row], problem: str) -> Handle:
        if (longest := max((row.room for row in rows), default=0)) > self._longest:
            raise TooLong(f"{longest:,} tokens of prompt and answer, at most {self._longest:,} fit")
        if len(rows) > self._max_waiting:
            raise TooLong(f"{len(rows):,} prompts in one request, at most {self._max_waiting:,} may wait")

        def cancel() -> None:
            with self._changed:
                self._schedule.cancel(rows)
                self._changed.notify()

        for row in rows:
            row.problem = problem
        with self._changed:
            if self._stopping:
                raise RuntimeError("the engine was stopped")
            self._schedule.add(rows)
            self._unswept = True  # the adapter may have been unloaded since its name was looked up
            self._changed.notify()
        return Handle(cancel)

    def _work(self) -> None:
        torch.set_num_threads(self._threads)  # each thread has its own number
        with torch.inference_mode():
            while self._wait():
                if chosen := self._schedule.chosen():
                    self._pass(chosen)
            for row in [*self._schedule.running, *self._schedule.waiting]:
                self._tell(row, "the engine was stopped")

    def _wait(self) -> bool:
        """Waits for work, and lets requests in that there is room for. False when the engine is to stop."""
        schedule = self._schedule
        with self._changed:
            while not (schedule.running or schedule.waiting or self._stopping or self._unswept):
                self._changed.wait()
            refused = schedule.admit()
            if self._unswept:
                self._sweep()
        for row in refused:
            self._tell(row, row.problem)
        return not self._stopping

    def _sweep(self) -> None:
        """Lets go of what belongs to adapters that nobody can use any more."""
        rows = [*self._schedule.running, *self._schedule.waiting]
        known = {model.adapter for model in self._models.values()}
        used = known | {row.adapter for row in rows}
        self._unswept = used != known  # again when they are done
        self._served.cache.forget(used)
        self._served.lora.keep(used)

    def _pass(self, chosen: list[tuple[Row, Part]]) -> None:
        """One pass, and what follows for each row."""
        try:
            outputs = self._served.run([part for _, part in chosen])
        except Exception as error:  # whatever torch raises; its text may quote a request; the next may be fine
            LOG.error(f"a pass failed: {place_of_error(error)}")
            for row, _ in chosen:
                self._end(row, f"the pass failed: {type(error).__name__}")
            return
        for (row, part), own in zip(chosen, outputs.split([len(part.keep) for _, part in chosen]), strict=True):
            row.done += len(part.segment.ids)
            if len(own) and not row.cancelled:
                self._take(row, own)

    def _take(self, row: Row, outputs: torch.Tensor) -> None:
        try:
            if row.take(outputs):
                self._end(row)
        except Exception as error:
            self._end(row, str(error) if isinstance(error, ValueError) else type(error).__name__)

    def _end(self, row: Row, problem: str = "") -> None:
        """Takes a row out of the batch; with a problem, nothing of it is kept and whoever asked is told."""
        with self._changed:
            self._schedule.leave(row, computed=not problem)
        if problem:
            self._tell(row, problem)

    @staticmethod
    def _tell(row: Row, problem: str) -> None:
        """Whoever asked may be gone, and the others go on."""
        try:
            if not row.cancelled:
                row.fail(problem)
        except Exception as error:
            LOG.error(f"a callback failed: {type(error).__name__}")
