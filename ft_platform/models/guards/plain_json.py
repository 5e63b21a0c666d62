"""JSON files of a model, read so that every reader would understand the same."""

import json
from pathlib import Path
from typing import Any, NoReturn

from ft_platform.errors import BaseModelError

MOST_BYTES = 256 << 20
"""A tokenizer.json of 256,000 entries has 35 MB (Gemma 3)."""

DEPTH = 32
"""Lists and mappings in one another. Configurations of models on the hub have up to 6."""


def refused(
    name: str, reason: str, next_step: str = "Use a model from a source you trust, or correct the file"
) -> NoReturn:
    """Raises BaseModelError for a file of a model."""
    raise BaseModelError(f"{name} is refused: {reason}", next_step)


def read_json(path: Path, most_bytes: int = MOST_BYTES) -> Any:
    """The value in a file.

    Raises:
        BaseModelError: it is too large, not UTF-8, not JSON, nested too deeply, has a key twice or a number that is
            none.
    """
    size = path.stat().st_size
    if size > most_bytes:
        refused(path.name, f"it has {size:,} bytes, more than {most_bytes:,}")
    return parse_json(path.read_bytes(), path.name)


def parse_json(content: bytes, name: str) -> Any:
    """As `read_json`, from bytes."""
    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=_without_repeated_keys, parse_constant=_no_number)
    except RecursionError:
        refused(name, f"it is nested deeper than {DEPTH} levels")
    except _Ambiguous as problem:
        refused(name, str(problem))
    except ValueError:
        refused(name, "it is not JSON in UTF-8", "Download the model again")
    if _is_deeper(value, DEPTH):
        refused(name, f"it is nested deeper than {DEPTH} levels")
    return value


def read_object(path: Path, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """As `read_json`; the value must be a mapping."""
    value = read_json(path, most_bytes)
    if not isinstance(value, dict):
        refused(path.name, "it must be a mapping of names to values")
    return value


class _Ambiguous(Exception):
    """No ValueError, so that it is told from broken JSON."""


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Ambiguous(f"the key {twice[:40]!r} is there twice, and readers differ in which value they take")
    return made


def _no_number(text: str) -> NoReturn:
    raise _Ambiguous(f"it has {text}, which is not JSON")


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            inner
            for one in level
            if isinstance(one, (list, dict))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return any(isinstance(one, (list, dict)) for one in level)
