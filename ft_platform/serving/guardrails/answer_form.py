"""An answer that is not what the task asks for: no label, or no JSON of the task's fields."""

from collections.abc import Callable, Sequence
from typing import Any

from ft_platform.evaluation.json_answers import meets_schema, read_object

NAME = "invalid_answer"


class AnswerForm:
    """Shows an answer once it is whole and what it must be.

    Args:
        is_valid: judges a whole answer.
    """

    name = NAME

    def __init__(self, is_valid: Callable[[str], bool]) -> None:
        self.changed = self.withheld = False
        self._is_valid = is_valid
        self._held = ""

    def push(self, text: str) -> str:
        self._held += text
        return ""

    def rest(self) -> str:
        self.changed = self.withheld = not self._is_valid(self._held)
        return "" if self.withheld else self._held


def a_label(labels: Sequence[str]) -> Callable[[str], bool]:
    """Judges answers that are labels."""
    return lambda answer: answer in labels


def json_of(schema: dict[str, Any] | None) -> Callable[[str], bool]:
    """Judges answers in JSON, as the evaluation does.

    Args:
        schema: `Task.schema_of_answers`; None: any object.
    """

    def is_valid(answer: str) -> bool:
        found = read_object(answer)
        return found is not None if schema is None else meets_schema(found, schema)

    return is_valid
