"""A YAML file as plain values plus the line of every value, so that an error can name its place."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import ComposerError

Place = tuple[str | int, ...]
"""Keys and list positions that lead to a value."""


@dataclass
class YamlFile:
    """What a file holds.

    Attributes:
        value: mappings, lists and scalars; None for an empty file.
        lines: place -> line number, from 1; of a field it is the line of its key.
        problems: (line, text) of syntax errors and duplicate keys.
        broken: nothing could be read.
    """

    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    broken: bool = False

    def line_of(self, place: Place) -> int:
        """Line of a place, or of the nearest thing around it that the file names."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


class _Loader(yaml.SafeLoader):
    """SafeLoader without aliases: a few nested ones can expand to gigabytes, and none is needed here."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ComposerError(None, None, "aliases (`*name`) are not supported; write the value again", self.peek_event().start_mark)
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> YamlFile:
    """Reads one YAML document. Syntax errors and duplicate keys are listed in `problems`, not raised."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return YamlFile(problems=[(error.object[: error.start].count(b"\n") + 1, f"the file is not UTF-8 text (byte {error.start})")], broken=True)
    found = YamlFile()
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                found.lines[()] = node.start_mark.line + 1
                found.value = _value(loader, node, (), found)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in [error.problem, f"({error.context})" if error.context else ""] if part)
        return YamlFile(problems=[(mark.line + 1 if mark else 1, f"not valid YAML: {what}")], broken=True)
    except (yaml.YAMLError, ValueError) as error:  # control characters; a date such as 2020-13-45
        return YamlFile(problems=[(1, f"not valid YAML: {' '.join(str(error).split())}")], broken=True)
    except RecursionError:
        return YamlFile(problems=[(1, "not valid YAML: nested too deeply")], broken=True)
    return found


def _value(loader: yaml.SafeLoader, node: yaml.Node, place: Place, found: YamlFile) -> Any:
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            found.lines[(*place, position)] = item.start_mark.line + 1
        return [_value(loader, item, (*place, position), found) for position, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, place, found)
    return loader.construct_object(node, deep=True)


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode, place: Place, found: YamlFile) -> dict[Any, Any]:
    values: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            found.problems.append((line, "not valid YAML: a key must be a single value"))
            continue
        key = loader.construct_object(key_node, deep=True)
        if key in values:
            where = ".".join(map(str, (*place, key))).removeprefix("attributes.")
            found.problems.append((line, f"`{where}` is there twice, first in line {found.lines[(*place, key)]}; remove one"))
            continue
        found.lines[(*place, key)] = line
        values[key] = _value(loader, value_node, (*place, key), found)
    return values
