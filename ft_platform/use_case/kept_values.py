"""Writes values into a use case's file, where a person would write them. Comments and everything else stay as they are.

Covered: a value that stands there, a field that a section leaves out, a section that the file leaves out. Not covered:
a list or mapping that is written over several lines, a text in several lines: they are for a person to change.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ft_platform.errors import ConfigError
from ft_platform.use_case.fields import inline_yaml
from ft_platform.use_case.file import place_of, shown
from ft_platform.use_case.yaml_file import Loader, Place, parse_yaml


def keep_values(file: Path, values: Mapping[str, Any]) -> None:
    """Writes dotted path -> value into a `defs.yaml`.

    Raises:
        ConfigError: a value stands there in a form that only a person can change. Nothing is written then.
    """
    text = file.read_text(encoding="utf-8")
    for path, value in values.items():
        place = ("attributes", *place_of(path))
        text, before = _with_value(text, place, value), text
        if parse_yaml(text).value != _changed(parse_yaml(before).value, place, value):
            problem = f"{path} cannot be changed in {shown(file)} without a person"
            raise ConfigError([problem], f"Write it there yourself: {path}: {inline_yaml(value)}")
    file.write_text(text, encoding="utf-8")


def _changed(document: Any, place: Place, value: Any) -> Any:
    document = copy.deepcopy(document)
    section = document
    for key in place[:-1]:
        if section.get(key) is None:
            section[key] = {}
        section = section[key]
    section[place[-1]] = value
    return document


def _with_value(text: str, place: Place, value: Any) -> str:
    """The text with a value at a place; whether it came out right is for the caller to see."""
    node: Any = yaml.compose(text, Loader=Loader)
    key: Any = None
    for depth, name in enumerate(place):
        pair = next(((k, v) for k, v in node.value if k.value == str(name)), None)
        if pair is None:
            return _with_field(text, node, place[depth:], value)
        key, node = pair
        if isinstance(node, yaml.ScalarNode) and depth < len(place) - 1:  # a section without a value
            return _with_lines(text, key.start_mark.line + 1, key.start_mark.column + 2, place[depth + 1 :], value)
    return text[: node.start_mark.index] + inline_yaml(value) + text[node.end_mark.index :]


def _with_field(text: str, section: Any, rest: Place, value: Any) -> str:
    if section.flow_style:
        for name in reversed(rest[1:]):
            value = {name: value}
        comma = ", " if section.value else ""
        start = section.start_mark.index + 1
        return f"{text[:start]}{rest[0]}: {inline_yaml(value)}{comma}{text[start:]}"
    last = section.value[-1][0].start_mark
    if len(rest) == 1 and isinstance(section.value[-1][1], yaml.ScalarNode):  # below the last field of the section
        return _with_lines(text, section.value[-1][1].end_mark.line + 1, last.column, rest, value)
    first = section.value[0][0].start_mark
    return _with_lines(text, first.line, first.column, rest, value)


def _with_lines(text: str, line: int, column: int, rest: Place, value: Any) -> str:
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    names = [f"{' ' * (column + 2 * depth)}{name}:\n" for depth, name in enumerate(rest[:-1])]
    field = f"{' ' * (column + 2 * len(names))}{rest[-1]}: {inline_yaml(value)}\n"
    return "".join([*lines[:line], *names, field, *lines[line:]])
