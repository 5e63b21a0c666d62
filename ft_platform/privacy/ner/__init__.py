"""Named-entity recognition: names of persons, places and organizations in free text. `built_in` is always on; one file
per engine beside it, chosen by `privacy.ner`."""

import importlib
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

from ft_platform.privacy.spans import Span
from ft_platform.process.code_hash import files_hash
from ft_platform.use_case.settings.privacy import Privacy

NONE = "none"
WEIGHTS = Path(__file__).parent / "built_in" / "names.safetensors"
"""Of the built-in network."""
PRIVACY = Path(__file__).parent.parent
"""Everything that decides what is replaced: recognizers, word lists, weights, operators."""


class Ner(Protocol):
    """Finds PERSON, LOCATION and ORGANIZATION in pieces of text. Equal pieces give equal spans, whatever the batch.

    The file of an engine has a function `engine(model) -> Ner`, which gets `privacy.ner_model`, and `PACKAGES`, whose
    versions decide what it finds."""

    def find(self, pieces: Sequence[str]) -> list[list[Span]]: ...


@cache
def load_ner(name: str, model: str | None = None) -> Ner | None:
    """The engine of this name, loaded once per process, or None for `none`.

    Raises:
        ConfigError: the model cannot be loaded or finds no persons.
        MissingExtra: the engine's package is not installed.
    """
    return None if name == NONE else importlib.import_module(f"{__name__}.{name}").engine(model)


@cache
def _identity(name: str, model: str | None) -> str:
    packages: list[str] = [] if name == NONE else [*importlib.import_module(f"{__name__}.{name}").PACKAGES]
    parts = [f"built-in {files_hash(PRIVACY)}", *(f"{package} {_version(package)}" for package in packages)]
    if model:
        parts.append(f"{model} {files_hash(Path(model)) if Path(model).is_dir() else _version(model)}")
    return ", ".join(parts)


def identity(privacy: Privacy) -> str:
    """The platform's own recognizers by the hash of their files, the engine beside them with its version, and of a
    model in a folder a hash of its files: with another identity texts are read again, so no record stays as an older
    rule left it."""
    return _identity(privacy.ner, privacy.ner_model)


def _version(package: str) -> str:
    try:
        return version(package)
    except (PackageNotFoundError, ValueError):
        return "?"


def hub_name(model: str) -> tuple[str, str | None]:
    """`org/name@commit` -> `org/name` and `commit`; a folder stays whole."""
    if Path(model).is_dir():
        return model, None
    name, _, revision = model.partition("@")
    return name, revision or None
