"""Answers in JSON: read strictly, compared with the schema of the use case and with the reference field by field.

Strictly: the whole answer is one JSON object (RFC 8259), without words or code fences around it, without a key that
stands twice, without `NaN`. A program that takes the answer could do nothing with less.
"""

import json
from typing import Any

from ft_platform.errors import DataError


def read_object(answer: str) -> dict[str, Any] | None:
    """The object that an answer is, or None."""
    try:
        found = json.loads(answer, object_pairs_hook=_without_twins, parse_constant=_refused)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _refused(constant: str) -> Any:
    raise ValueError


def meets_schema(answer: dict[str, Any] | None, schema: dict[str, Any]) -> bool:
    """Whether an answer is what `use_case.settings.answer_fields.answer_schema` says."""
    if answer is None or set(schema["required"]) - set(answer) or set(answer) - set(schema["properties"]):
        return False
    return all(_is(value, schema["properties"][name]) for name, value in answer.items())


def _is(value: Any, schema: dict[str, Any]) -> bool:
    if "anyOf" in schema:
        return any(_is(value, one) for one in schema["anyOf"])
    kind = schema["type"]
    if kind == "array":
        return isinstance(value, list) and all(_is(entry, schema["items"]) for entry in value)
    if kind == "string":
        return isinstance(value, str) and value in schema.get("enum", [value])
    if kind == "null":
        return value is None
    if kind == "boolean" or isinstance(value, bool):
        return kind == "boolean" and isinstance(value, bool)
    return isinstance(value, int) or (isinstance(value, float) and (kind == "number" or value.is_integer()))


def field_counts(reference: str, answer: str) -> tuple[int, int, int]:
    """Fields that answer and reference have with the same value, fields of the answer, fields of the reference.

    A field that is `null` is none. Texts are equal up to white space, numbers by value, lists in whatever order. An
    answer that is no object has no fields.

    Raises:
        DataError: the reference is no object.
    """
    expected = read_object(reference)
    if expected is None:
        raise DataError(
            "a reference answer is not a JSON object", "Check record.answer, or set task.answer_format to text"
        )
    found = _stated(read_object(answer) or {})
    expected = _stated(expected)
    same = sum(name in expected and _comparable(value) == _comparable(expected[name]) for name, value in found.items())
    return same, len(found), len(expected)


def _stated(value: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in value.items() if one is not None}


def _comparable(value: Any) -> Any:
    """A form in which equal values are equal; `True` is not 1."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, str):
        return ("text", " ".join(value.split()))
    if isinstance(value, list):
        return ("list", sorted(map(repr, map(_comparable, value))))
    if isinstance(value, dict):
        return ("object", sorted((name, repr(_comparable(one))) for name, one in value.items()))
    return ("number", float(value)) if isinstance(value, (int, float)) and abs(value) < 2**53 else ("other", value)


def require_json_references(references: list[str]) -> None:
    """Raises DataError if not every reference answer is a JSON object; says how many, and shows none."""
    wrong = sum(read_object(reference) is None for reference in references)
    if wrong:
        raise DataError(
            f"{wrong:,} of {len(references):,} reference answers of the test split are not JSON objects, as"
            " task.answer_format says",
            "Check record.answer, or set task.answer_format to text",
        )
