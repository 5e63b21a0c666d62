"""The engine of classifiers of words (`models.text_classifier`): no base model, no batches, no waiting line. An answer
takes a fraction of a millisecond, so it is computed by whoever asks.

`BesideWords` serves them in the process of another engine, so that such a release can take the place of a fine-tuned
one without a gap."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from ft_platform.errors import BaseModelError
from ft_platform.models.guards.own_files import TERMS
from ft_platform.models.text_classifier import TextClassifier
from ft_platform.serving.engine.requests import (
    Adapter,
    Event,
    Full,
    Generation,
    Handle,
    Scores,
    Sharing,
    State,
    UnknownModel,
)
from ft_platform.serving.protocol import Engine

CONTEXT = 1 << 23
"""Characters of a prompt: more than `evaluation.max_prompt_tokens` allows of any text."""


@dataclass(frozen=True)
class _Model:
    classifier: TextClassifier
    labels: tuple[str, ...]


class WordEngine:
    """Scores labels (`serving.protocol.Engine`); prompts are characters (`models.characters`)."""

    def __init__(self) -> None:
        self._models: dict[str, _Model] = {}

    def start(self) -> None:
        """There is nothing to start."""

    def stop(self) -> None:
        self._models = {}

    def load(self, adapter: Adapter) -> None:
        """Raises:
        BaseModelError: its files are damaged, or are for other labels.
        """
        classifier = TextClassifier.load(adapter.folder)
        if len(classifier.intercept) != len(adapter.labels):
            raise BaseModelError(
                f"{adapter.name} scores {len(classifier.intercept)} labels, got {len(adapter.labels)} labels",
                "Load it with the labels it was trained on",
            )
        self._models = {**self._models, adapter.name: _Model(classifier, adapter.labels)}

    def unload(self, name: str) -> None:
        self._model(name)
        self._models = {known: one for known, one in self._models.items() if known != name}

    def generate(self, request: Generation, on_event: Callable[[Event], None]) -> NoReturn:
        raise UnknownModel(f"{request.model} scores labels and writes nothing")

    def scores(
        self,
        model: str,
        prompts: Sequence[Sequence[int]],
        on_done: Callable[[Scores | Exception], None],
        sharing: Sharing = Sharing(),
    ) -> Handle:
        found = self._model(model)
        rows = found.classifier.of_prompts(prompts).tolist()
        on_done(Scores(found.labels, tuple(map(tuple, rows)), sum(map(len, prompts)), 0))
        return Handle(lambda: None)

    def refusal(self) -> None:
        """It is never full."""

    def state(self) -> State:
        return State(0, 0, 0, 0, 0, CONTEXT, tuple(self._models))

    def _model(self, name: str) -> _Model:
        known = self._models
        if name not in known:
            raise UnknownModel(f"no model {name!r} is loaded, there are {', '.join(known)}")
        return known[name]


class BesideWords:
    """An engine for models on a base model, and classifiers of words beside them, by what each checkpoint holds
    (`serving.protocol.Engine`)."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._words = engine, WordEngine()

    def start(self) -> None:
        self._engine.start()

    def stop(self) -> None:
        self._engine.stop()
        self._words.stop()

    def load(self, adapter: Adapter) -> None:
        """Raises:
        BaseModelError: as of the engine that it is for.
        """
        (self._words if (adapter.folder / TERMS).is_file() else self._engine).load(adapter)

    def unload(self, name: str) -> None:
        self._of(name).unload(name)

    def generate(self, request: Generation, on_event: Callable[[Event], None]) -> Handle:
        return self._of(request.model).generate(request, on_event)

    def scores(
        self,
        model: str,
        prompts: Sequence[Sequence[int]],
        on_done: Callable[[Scores | Exception], None],
        sharing: Sharing = Sharing(),
    ) -> Handle:
        return self._of(model).scores(model, prompts, on_done, sharing)

    def refusal(self) -> Full | None:
        return self._engine.refusal()

    def state(self) -> State:
        state = self._engine.state()
        return replace(state, models=(*state.models, *self._words.state().models))

    def _of(self, name: str) -> Engine:
        return self._words if name in self._words.state().models else self._engine
