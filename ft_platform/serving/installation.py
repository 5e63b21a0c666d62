"""What an installation serves: its engine and its catalog, from the releases in its lake."""

from collections.abc import Sequence
from typing import Any

from ft_platform.errors import ConfigError, FtError
from ft_platform.lake.opening import open_lake
from ft_platform.lake.releases import Release
from ft_platform.lake.store import Lake
from ft_platform.models import base_model
from ft_platform.models.base_model import ResolvedModel
from ft_platform.models.characters import Characters
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.serving.catalog import Catalog
from ft_platform.serving.engine.words import BesideWords, WordEngine
from ft_platform.serving.lake_catalog import LakeCatalog
from ft_platform.serving.live import listed
from ft_platform.serving.protocol import Engine
from ft_platform.serving.registry_check import registry_check
from ft_platform.serving.rendering import base_of
from ft_platform.use_case.file import find_use_cases
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.base_model import WORDS_ONLY, BaseModelSettings, reads_words
from ft_platform.use_case.settings.environment import Environment


def engine_and_catalog(
    environment: Environment, use_cases: Sequence[str], release: str | None = None
) -> tuple[Engine, Catalog]:
    """The engine, not started, with the base model in memory, and the catalog of the released checkpoints of some use
    cases, or of all.

    Args:
        release: id of the only release that is served, of the only use case.

    Raises:
        ConfigError: nothing was released, or the use cases have several base models.
        MissingExtra: torch is not installed.
        BaseModelError: the base model cannot be had, is another than was released with, or cannot be served.
    """
    lake = open_lake(environment)
    names = list(use_cases) or [folder.name for folder in find_use_cases(environment.defs)]
    released = {name: found for name in names if (found := _released(environment, lake, name, asked=bool(use_cases)))}
    if not released:
        named = ", ".join(use_cases) or "any use case"
        raise ConfigError(
            [f"no release of {named} in {environment.lake_uri}"], "Release a model first: ft release USE_CASE"
        )
    settings = _base_model(environment, released)
    resolved = base_model.resolve_here(settings, environment)
    engine, tokenizer = _engine(settings, resolved)
    context = engine.state().context_tokens
    of = (environment, lake, list(released), tokenizer, resolved, context, release)
    return engine, LakeCatalog(*of, registry_check(environment))


def _engine(settings: BaseModelSettings, resolved: ResolvedModel) -> tuple[Engine, Any]:
    """The engine for models on a base model, and the tokenizer; of classifiers of words without torch."""
    if settings == WORDS_ONLY:
        return WordEngine(), Characters()
    from ft_platform.serving.engine.worker import Engine as ServingEngine
    from ft_platform.training.threads import pin_threads

    pin_threads()
    model, tokenizer = base_model.load(resolved, settings.dtype, settings.quantization)
    plain = Renderer(tokenizer, Task(kind="generation"))
    engine = ServingEngine(model, plain.text, end_of_turn=plain.end_of_turn, name=resolved.uri)
    return BesideWords(engine), tokenizer


def _released(environment: Environment, lake: Lake, name: str, *, asked: bool) -> Release | None:
    """A release of a use case that is served. Of one that nobody named, what cannot be read is told by the catalog."""
    try:
        return next(iter(listed(lake, environment.home, name).values()), None)
    except FtError:
        if asked:
            raise
        return None


def _base_model(environment: Environment, released: dict[str, Release]) -> BaseModelSettings:
    """The base model that all of them were released with; classifiers of words need none.

    Raises:
        ConfigError: there are several.
    """
    of: dict[str, list[str]] = {}
    for name, release in released.items():
        if reads_words(release.record["base_model"]):
            continue
        of.setdefault(release.record["base_model"]["sha256"], []).append(name)
    if len(of) > 1:
        groups = " | ".join(", ".join(names) for names in of.values())
        raise ConfigError(
            [f"one process serves one base model, and these were released with {len(of)}: {groups}"],
            f"Serve each group by itself: ft serve {' '.join(next(iter(of.values())))}",
        )
    first = next((name for names in of.values() for name in names), None)
    return base_of(environment, released[first]) if first else WORDS_ONLY
