"""What pydantic found wrong with a use case, as sentences: field, expected, got, the closest right name."""

import copy
import difflib
import re
from datetime import date
from typing import Any

from pydantic import ValidationError

from ft_platform.use_case.fields import UseCaseField, fields
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.yaml_file import Place, yaml_scalar

Problem = tuple[Place, str]
ROUNDS = 5
LONGEST_GOT = 60
MISSING = object()
NO_TEXT = ("a number", "a whole number", "`true` or `false`")
"""Kinds of fields that hold no text."""
NO_KIND = ("union_tag_invalid", "union_tag_not_found")
TOO_LONG = ("too_long", "string_too_long")


def schema_problems(
    attributes: dict[str, Any], from_environment: dict[Place, list[str]]
) -> tuple[UseCase | None, list[Problem]]:
    """The use case, or every problem of it.

    Pydantic checks how fields fit together only once each field is right by itself. So the wrong fields are taken out
    (which gives them their defaults) and the rest is checked again, until nothing new is found.
    """
    values = copy.deepcopy(attributes)
    problems: list[Problem] = []
    suspects: set[str] = set()
    for _ in range(ROUNDS):
        try:
            settings = UseCase.model_validate(values, strict=True)
        except ValidationError as error:
            found = _sentences(error, values, from_environment)
            known = {place for place, _ in problems}
            problems += [
                (place, text) for place, text, _ in found if place not in known and not _follows_from(text, suspects)
            ]
            wrong = [place for place, _, removable in found if removable]
            suspects |= {
                word
                for place, text, _ in found
                for word in (*map(str, place[-1:]), *re.findall(r"did you mean (\S+)\?", text))
            }
            if not [place for place in wrong if _take_out(values, place)]:
                return None, problems
        else:
            return (None if problems else settings), problems
    return None, problems


def _sentences(
    error: ValidationError, values: dict[str, Any], from_environment: dict[Place, list[str]]
) -> list[tuple[Place, str, bool]]:
    """(place, sentence, whether taking the place out can help), one for each place."""
    sentences: dict[tuple[Place, str], tuple[Place, str, bool]] = {}
    for detail in error.errors(include_url=False):
        kind = detail["type"]
        place = _place_in(values, detail["loc"], keep_last=kind in ("missing", "extra_forbidden"))
        if kind == "invalid_key":
            place = (*_place_in(values, detail["loc"][:-1], keep_last=False), detail["input"])
            name = "null" if detail["input"] is None else _name_in(values, place)
            text = f"{dotted(place[:-1]) or 'attributes'} has the key {name}, which is no name of a field: remove it"
        elif kind == "value_error":
            text = _about_fit(place, detail["msg"].removeprefix("Value error, "))
            place = _place_named_in(text, place, values)
        else:
            text = _sentence(kind, place, detail, values, from_environment)
        key = (place, kind if kind in ("value_error", "missing") else "one for each place")
        if (
            key not in sentences or kind in TOO_LONG
        ):  # of the options of a union, the one that has the right type says more
            sentences[key] = (place, text, kind not in ("value_error", "missing"))
    return list(sentences.values())


def _sentence(
    kind: str, place: Place, detail: Any, values: dict[str, Any], from_environment: dict[Place, list[str]]
) -> str:
    path = dotted(place)
    if kind == "extra_forbidden":
        return _unknown(place, values)
    if kind in NO_KIND:
        return _no_kind(place, values)
    known = field_at(place, values)
    if kind == "missing":
        return f"{path} is required" + (f": {known.description}" if known else "")
    if detail["loc"][-1] == "[key]":
        return f"{dotted(place[:-1])}: the name {_name_in(values, place)} must be {_expected_key(detail)}"
    expected = _expected(kind, known, detail)
    value = _at(values, place)
    hint = ": put it in quotes" if expected == "text" and isinstance(value, (bool, int, float, date)) else ""
    if isinstance(value, str) and known and known.kind in NO_TEXT and not isinstance(yaml_scalar(value), str):
        hint = ": write it without quotes"
    return f"{path} must be {expected}, got {_got(value, place, from_environment)}{hint}"


def field_at(place: Place, values: dict[str, Any]) -> UseCaseField | None:
    """The field of the schema that stands at a place of the file."""
    return fields().get(schema_path(place)) or (_of_kind(place[:-1], values).get(str(place[-1])) if place else None)


def _of_kind(place: Place, values: dict[str, Any]) -> dict[str, UseCaseField]:
    """The fields of an entry that says in `kind` which it has; none if it is no such entry."""
    entry, mapping = _at(values, place), fields().get(schema_path(place[:-1]))
    return mapping.kinds.get(str(entry.get("kind")), {}) if mapping and isinstance(entry, dict) else {}


def _no_kind(place: Place, values: dict[str, Any]) -> str:
    kinds = list(fields()[schema_path(place[:-1])].kinds)
    there = _at(values, (*place, "kind"))
    if there is MISSING:
        return f"{dotted(place)}.kind is required: one of {', '.join(kinds)}"
    hint = did_you_mean(str(there), kinds)
    return f"{dotted(place)}.kind must be one of {', '.join(kinds)}, got {_got(there, place, {})}{hint}"


def _unknown(place: Place, values: dict[str, Any]) -> str:
    """A field that is not in the schema, with the closest one of its section or, failing that, of any section."""
    section = schema_path(place[:-1])
    beside = [f.name for f in fields().values() if f.path == ".".join(filter(None, [section, f.name]))]
    beside = beside or list(_of_kind(place[:-1], values))
    close = difflib.get_close_matches(str(place[-1]), beside, n=1, cutoff=0.7)
    elsewhere = [path for path, f in fields().items() if f.name == place[-1] and "[]" not in path]
    hint = (
        f"; did you mean {close[0]}?"
        if close
        else f"; did you mean {elsewhere[0]}?"
        if elsewhere
        else f"; there are {', '.join(beside)}"
    )
    return f"{dotted(place)} is not a field of {section.removesuffix('[]') or 'a use case'}{hint}"


def _about_fit(place: Place, message: str) -> str:
    return f"{dotted(place)}: {message}" if place else message


def _expected(kind: str, known: UseCaseField | None, detail: Any) -> str:
    context = detail.get("ctx", {})
    if kind == "greater_than":
        return f"greater than {context['gt']:g}"
    if kind == "less_than":
        return f"less than {context['lt']:g}"
    if kind == "greater_than_equal":
        return f"at least {context['ge']:g}"
    if kind == "less_than_equal":
        return f"at most {context['le']:g}"
    if kind == "finite_number":
        return "a finite number"
    if kind in ("string_too_short", "string_too_long"):
        bound = context.get("min_length", context.get("max_length"))
        return f"{'at least' if 'min_length' in context else 'at most'} {bound} characters long"
    if kind == "too_long":
        return f"at most {context['max_length']} entries long"
    if kind == "string_type" and not known:
        return "text"
    if known:
        return known.kind if not known.is_section else "a mapping"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return "a mapping"
    return detail["msg"].removeprefix("Input should be ").removeprefix("a valid ")


def _expected_key(detail: Any) -> str:
    return (
        "lower case letters, digits and `_`, a letter first"
        if detail["type"] == "string_pattern_mismatch"
        else "text (put it in quotes)"
    )


def _got(value: Any, place: Place, from_environment: dict[Place, list[str]]) -> str:
    variables = [name for where, names in from_environment.items() if where[: len(place)] == place for name in names]
    if variables:
        return f"the value of {', '.join(sorted(set(variables)))}"
    if isinstance(value, str):
        close = f"{value[:LONGEST_GOT]!r}" + ("..." if len(value) > LONGEST_GOT else "")
        return close if len(value) <= LONGEST_GOT else f"{close} ({len(value)} characters)"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"{str(value).lower()} (so are `yes`, `no`, `on`, `off` read)"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = str(value)
    return text if len(text) <= LONGEST_GOT else f"{text[:LONGEST_GOT]}... ({len(text)} digits)"


def _place_in(values: Any, location: tuple[str | int, ...], *, keep_last: bool) -> Place:
    """The part of pydantic's location that is in the data: it also names the options of a union, and the kind of an
    entry."""
    place: Place = ()
    for position, part in enumerate(location):
        last = keep_last and position == len(location) - 1
        if not last and (_at(values, (*place, part)) is MISSING):
            if part == _at(values, (*place, "kind")):
                continue
            break
        place = (*place, part)
    return place


def _place_named_in(text: str, place: Place, values: dict[str, Any]) -> Place:
    """Problems of how fields fit together name them in backticks: the first one that is in the file is the place."""
    for word in re.findall(r"`([a-z_.]+)`", text):
        candidate = (*place, *word.split("."))
        if _at(values, candidate) is not MISSING:
            return candidate
    return place


def _at(values: Any, place: Place) -> Any:
    for part in place:
        keys: Any = values if isinstance(values, dict) else range(len(values)) if isinstance(values, list) else ()
        if part not in keys:
            return MISSING
        child: Any = values
        values = child[part]
    return values


def _take_out(values: dict[str, Any], place: Place) -> bool:
    """Removes a field; for an element of a list the whole list, or the places of its neighbours would shift."""
    position = next((i for i in range(len(place)) if isinstance(_at(values, place[:i]), list)), len(place))
    place = place[:position]
    container = _at(values, place[:-1]) if place else MISSING
    if not isinstance(container, dict) or place[-1] not in container:
        return False
    del container[place[-1]]
    return True


def _follows_from(text: str, suspects: set[str]) -> bool:
    """Whether a problem is about a field that was taken out before: then it may be its consequence only."""
    return any(word.split(".")[-1] in suspects for word in re.findall(r"`([a-z_.]+)`", text))


def _name_in(values: dict[str, Any], place: Place) -> str:
    """A key as it is in the data: pydantic reports `false` as 0."""
    key = next((k for k in _at(values, place[:-1]) if k == place[-1]), place[-1])
    return str(key).lower() if isinstance(key, bool) else repr(key)


def did_you_mean(word: str, known: Any) -> str:
    close = difflib.get_close_matches(str(word), [str(k) for k in known], n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def dotted(place: Place) -> str:
    """`validation.expectations[0].table`"""
    return (
        "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".").replace("\n", "\\n")
    )


def schema_path(place: Place) -> str:
    """`("validation", "expectations", 0, "table")` as the schema names it: `validation.expectations[].table`."""
    return re.sub(r"\[\d+\]", "[]", dotted(place))
