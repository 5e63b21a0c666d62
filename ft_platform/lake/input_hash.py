"""Whether a stage has made its result already: equal inputs, equal hash."""

from collections.abc import Iterable

from ft_platform.lake.versions import Version
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash


def input_hash(use_case: NamedUseCase, name: str, parents: Iterable[Version], **extra: str) -> str:
    """Hash of all that a stage's result depends on: parents' content, settings, code version and what `extra` names."""
    return settings_hash(
        {"stage": STAGES[name].settings_hash(use_case), "parents": [p.content_hash for p in parents], **extra}
    )
