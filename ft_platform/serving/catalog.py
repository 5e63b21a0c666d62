"""Which models are served: what a catalog lists now, loaded into the engine, and nothing for longer than that.

Covered: a checkpoint that no name is listed for any more is unloaded at the next refresh; when a catalog cannot be
read, hangs or fails, nothing is served after `TRUSTED_SECONDS`. A name that is listed with another checkpoint leads to
the old one until the new one is loaded, if the old one is still listed under another name: no request is refused by a
switch.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

from ft_platform.models.rendering.renderer import Renderer
from ft_platform.process.hooks import place_of_error
from ft_platform.serving.engine.requests import Adapter, UnknownModel
from ft_platform.serving.guardrails.model import ModelGuardrails
from ft_platform.serving.protocol import Engine
from ft_platform.serving.rollout.under_way import UnderWay
from ft_platform.use_case.schema import UseCase

LOG = logging.getLogger(__name__)

REFRESH_SECONDS = 3.0
TRUSTED_SECONDS = 8.0
"""Age from which a listing is not believed any more. With a refresh every 3 seconds, what is withdrawn is not served
for longer than 10 seconds, even if the lake hangs."""

Kind = Literal["label_head", "written_label", "open_answer"]
Withheld = Literal["registry_disagrees", "registry_is_asked", "not_deployed"]
"""Why a release is not served although the lake says so: because of the registry, or since it was taken away."""


@dataclass(frozen=True)
class ServedModel:
    """A released checkpoint, as clients ask for it.

    Attributes:
        name: `complaint_routing` or `complaint_routing@previous`.
        kind: whether labels are scored by a head, or by the words of the model, or there are none.
        labels: in the order of the engine's scores; empty for `open_answer`.
        context_tokens: longest prompt with its answer, in tokens.
        folder: files of the checkpoint, for the engine.
        abstain_below: probability in [0, 1] below which a label is not to be relied on; above 1: none is.
        created: time of the release, Unix seconds.
        suggests: the release claims no more, so that it abstains also where guardrails are left out.
    """

    name: str
    release: str
    checkpoint: str
    settings: UseCase
    renderer: Renderer
    kind: Kind
    labels: tuple[str, ...] = ()
    context_tokens: int = 4096
    folder: Path = Path()
    abstain_below: float = 0.0
    created: int = 0
    suggests: bool = False

    @property
    def use_case(self) -> str:
        return self.name.partition("@")[0]

    @property
    def weights(self) -> str:
        """Name of its weights in the engine: equal for names that lead to one checkpoint."""
        return f"{self.use_case}/{self.checkpoint}"

    @cached_property
    def label_tokens(self) -> int:
        """Tokens of the longest label with its end of turn."""
        return max(len(self.renderer.answer_ids(label)) for label in self.labels)

    @cached_property
    def guardrails(self) -> ModelGuardrails:
        """Made once, in less than a second."""
        return ModelGuardrails(self.settings, self.renderer, self.use_case, self.release)

    def called(self, name: str) -> "ServedModel":
        """The same model under another name, with what was made for it."""
        made = copy(self)
        object.__setattr__(made, "name", name)
        return made

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.name, self.release, self.checkpoint


class Catalog(Protocol):
    """Where the models to serve are listed. May read the lake; where that takes more than about 5 seconds, nothing is
    served from time to time, because nobody knows what may be."""

    def models(self) -> list[ServedModel]:
        """Every model that may be served now, each after its checkpoint was verified."""
        ...

    def find(self, name: str) -> ServedModel | None: ...

    def withheld(self) -> dict[str, Withheld]:
        """Names that lead to no model although there is a release, as `models` last found it."""
        ...

    def rollouts(self) -> dict[str, UnderWay]:
        """Name of a model -> the rollout of its candidate, as `models` last found it."""
        ...


class GivenModels:
    """A catalog of given models, which may be changed."""

    def __init__(self, models: Iterable[ServedModel] = ()) -> None:
        self.given = list(models)
        self.rolling: dict[str, UnderWay] = {}

    def models(self) -> list[ServedModel]:
        return list(self.given)

    def find(self, name: str) -> ServedModel | None:
        return next((model for model in self.given if model.name == name), None)

    def withheld(self) -> dict[str, Withheld]:
        return {}

    def rollouts(self) -> dict[str, UnderWay]:
        return dict(self.rolling)


class Shelf:
    """The models of a catalog that are loaded, refreshed in threads of its own between `start` and `stop`.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, catalog: Catalog, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._catalog, self._engine, self._clock = catalog, engine, clock
        self._listed: dict[str, ServedModel] = {}
        self._served: dict[str, ServedModel] = {}
        self._withheld: dict[str, Withheld] = {}
        self._rollouts: dict[str, UnderWay] = {}
        self._loaded: set[str] = set()  # weights
        self._prepared: set[tuple[str, str, str]] = set()
        self._refused: set[tuple[str, str, str]] = set()
        self._left: set[str] = set()
        self._read_at: float | None = None
        self._lock = threading.Lock()
        self._stopped, self._changed = threading.Event(), threading.Event()
        # Loading takes as long as it takes; meanwhile what is withdrawn must still be noticed.
        self._threads = [
            threading.Thread(target=work, name=f"catalog-{work.__name__.strip('_')}", daemon=True)
            for work in (self._keep_fresh, self._keep_loaded)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._changed.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(REFRESH_SECONDS)

    def models(self) -> list[ServedModel]:
        """What is served; nothing while the listing is too old."""
        return list(self._served.values()) if self.is_fresh() else []

    def find(self, name: str) -> ServedModel | None:
        return self._served.get(name) if self.is_fresh() else None

    def may_answer(self, model: ServedModel) -> bool:
        """Whether an answer of this model may still be written: its weights are listed under some name."""
        return self.is_fresh() and any(one.weights == model.weights for one in self._listed.values())

    def is_listed(self, name: str) -> bool:
        """Whether a model of this name would be served if it was loaded."""
        return name in self._listed

    def withheld(self, name: str) -> Withheld | None:
        """Why a release of this name is not served; None: nothing keeps it."""
        return self._withheld.get(name)

    def rollout(self, name: str) -> UnderWay | None:
        """The rollout of the candidate of a model."""
        return self._rollouts.get(name)

    def has_left(self, name: str) -> bool:
        """Whether a model of this name was served before and is not any more."""
        return name in self._left

    def is_fresh(self) -> bool:
        return self._read_at is not None and self._clock() - self._read_at <= TRUSTED_SECONDS

    def refresh(self) -> None:
        """Reads the catalog once, and takes away what has left it."""
        asked_at = self._clock()
        listed = {model.name: model for model in self._catalog.models()}
        withheld, self._rollouts = self._catalog.withheld(), self._catalog.rollouts()
        with self._lock:
            weights = {model.weights for model in listed.values()}
            gone = self._loaded - weights
            # Nobody finds them from here on; only then are they taken from the engine.
            self._listed, self._loaded, self._withheld = listed, self._loaded & weights, withheld
            self._refused &= {model.identity for model in listed.values()}
            self._serve()
        for name in gone:
            with suppress(UnknownModel):
                self._engine.unload(name)
        self._read_at = asked_at  # not the time after it: a slow catalog tells what was so when it was asked
        self._changed.set()

    def load_missing(self) -> None:
        """Loads what is listed and not there yet. A checkpoint that cannot be loaded is tried again when it changes."""
        for model in list(self._listed.values()):
            if self._is_ready(model) or model.identity in self._refused:
                continue
            missing = model.weights not in self._loaded
            try:
                _ = model.guardrails  # without them it is not served
                if missing:
                    self._engine.load(Adapter(model.weights, model.folder, model.labels))
            except Exception as error:  # one broken checkpoint must not end the others
                with self._lock:
                    self._refused.add(model.identity)
                LOG.error(f"{model.name} cannot be loaded: {place_of_error(error)}, checkpoint {model.checkpoint}")
                continue
            with self._lock:
                still = any(one.weights == model.weights for one in self._listed.values())
                if still and (missing or model.weights in self._loaded):  # else they were unloaded meanwhile
                    self._loaded = self._loaded | {model.weights}
                    self._prepared.add(model.identity)
                    self._serve()
            if missing and not still:  # withdrawn while it was loaded
                self._engine.unload(model.weights)

    def _is_ready(self, model: ServedModel) -> bool:
        return model.weights in self._loaded and model.identity in self._prepared

    def _serve(self) -> None:
        """Leads each listed name to its model, or to the one before while that may answer and the new one is not
        there."""
        before, now = self._served, {}
        for name, model in self._listed.items():
            if self._is_ready(model):
                now[name] = model
            elif name in before and before[name].weights in self._loaded:
                now[name] = before[name]
        self._served, self._left = now, (self._left | before.keys()) - now.keys()
        for name in sorted(before.keys() - now.keys()):
            LOG.info(f"{name} is no longer served: release {before[name].release}")
        for name, model in now.items():
            if before.get(name) != model:
                LOG.info(f"{name} is served: release {model.release}, checkpoint {model.checkpoint}")

    def _keep_fresh(self) -> None:
        while not self._stopped.is_set():
            try:
                self.refresh()
            except Exception as error:  # whatever a lake raises: `is_fresh` says how long the last listing is good for
                LOG.warning(f"the catalog cannot be read: {place_of_error(error)}")
            self._stopped.wait(REFRESH_SECONDS)

    def _keep_loaded(self) -> None:
        while self._changed.wait() and not self._stopped.is_set():
            self._changed.clear()
            self.load_missing()
