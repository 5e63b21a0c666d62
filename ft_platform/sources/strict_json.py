"""JSON as RFC 8259 has it: what Python's reader lets pass without a word is an error here."""

import json
from typing import Any

from ft_platform.sources.file_format import OpenFile


class NotStrict(ValueError):
    """JSON that another reader would understand otherwise. The message holds no value.

    Attributes:
        next_step: what to do about it.
    """

    def __init__(self, problem: str, next_step: str) -> None:
        super().__init__(problem)
        self.next_step = next_step


class StrictJson:
    """Reads JSON values of one file. Numbers stay as they are written (`1.50`).

    Args:
        file: whose settings say what `NaN` and `Infinity` are, and how deep lists and mappings may go.
    """

    def __init__(self, file: OpenFile) -> None:
        self._depth = file.budget.limits.nesting_depth
        self._mapped = frozenset(file.mapped)
        constant = _refuse_constant if file.settings.not_a_number == "refuse" else lambda _: None
        self._decoder = json.JSONDecoder(
            parse_int=str, parse_float=str, parse_constant=constant, object_pairs_hook=self._object
        )

    def value_at(self, text: str, place: int) -> tuple[Any, int]:
        """The value that begins at a place, and where it ends.

        Raises:
            json.JSONDecodeError: broken, or cut.
            NotStrict: a key is there twice, a number is none, or it is nested too deeply.
        """
        try:
            value, end = self._decoder.raw_decode(text, place)
        except RecursionError:
            raise self._too_deep() from None
        if text.count("[", place, end) + text.count("{", place, end) > self._depth and depth_of(value) > self._depth:
            raise self._too_deep()
        return value, end

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            keys = [key for key, _ in pairs]
            named = sorted({repr(key) for key in keys if key in self._mapped and keys.count(key) > 1})
            raise NotStrict(
                f"has {', '.join(named) or 'a key'} twice in one object",
                "Export it again: readers differ in which value they take",
            )
        return made

    def _too_deep(self) -> NotStrict:
        return NotStrict(
            f"is nested too deeply: more than {self._depth} lists and mappings in one another",
            "If that is right, raise source.limits.nesting_depth",
        )


def depth_of(value: Any) -> int:
    """How many lists and mappings are in one another; 0 for a plain value."""
    depth, level = 0, [value]
    while containers := [one for one in level if isinstance(one, (list, dict))]:
        depth += 1
        level = [inner for one in containers for inner in (one.values() if isinstance(one, dict) else one)]
    return depth


def _refuse_constant(_: str) -> Any:
    raise NotStrict(
        "has NaN or Infinity, which is not JSON", "Export null instead, or set source.not_a_number: missing"
    )
