"""A YAML file as plain values plus the line of every value, so that an error can name its place.

Covered: regular files up to `MOST_BYTES` (what a link leads to counts: Kubernetes mounts configuration as links); no
tags, aliases, merge keys or nesting beyond `DEEPEST`; whole numbers and numbers as in YAML 1.2, so that `0400` and
`1:30` are texts instead of 256 and 90. Not covered: a file system that does not answer.
"""

import copy
import os
import re
import stat
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer, ComposerError
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

Place = tuple[str | int, ...]
"""Keys and list positions that lead to a value."""

MOST_BYTES = 256 << 10
"""A use case with every field and its description has 57,000 bytes; a file of this size is read in under 10 s."""

DEEPEST = 32
NUMBERS = {
    "int": (r"[-+]?(0|[1-9][0-9_]*)", "-+0123456789"),
    "float": (
        r"[-+]?(\.[0-9]+([eE][-+]?[0-9]+)?|[0-9]+(\.[0-9]*([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)|\.(inf|Inf|INF))|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
}
"""Pattern of what is read so, and the signs it starts with."""


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


class Refusing(Composer):
    """Aliases can expand to gigabytes, and tags to what a file does not show."""

    _depth = 0
    peek_event: Any  # of the parser

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise ComposerError(
                None, None, "aliases (`*name`) are not supported; write the value again", event.start_mark
            )
        if getattr(event, "tag", None) is not None:
            raise ComposerError(None, None, "tags (`!name`) are not supported; remove it", event.start_mark)
        if self._depth > DEEPEST:
            raise ComposerError(None, None, f"nested too deeply (more than {DEEPEST} levels)", event.start_mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


class Loader(Refusing, yaml.SafeLoader):
    """SafeLoader for what people write by hand."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag.rsplit(":", 1)[-1] in ("bool", "null", "timestamp")]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


for _kind, (_pattern, _first) in NUMBERS.items():
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), list(_first))


if yaml.__with_libyaml__:
    from yaml.cyaml import CParser  # pyright: ignore[reportAttributeAccessIssue]

    class QuickLoader(Refusing, CParser, SafeConstructor, Resolver):
        """Reads a sixth as long, with libyaml, which takes some texts that YAML does not allow."""

        yaml_implicit_resolvers = Loader.yaml_implicit_resolvers

        def __init__(self, text: str) -> None:
            for part in (Composer, SafeConstructor, Resolver):
                part.__init__(self)
            CParser.__init__(self, text)


UNUSUAL = re.compile(r"[\t?\ufeff]|[|>][-+0-9]*#|(^|\r)---", re.MULTILINE)
"""What libyaml reads in another way."""


def read_yaml(path: Path, *, to_change: bool = True) -> YamlFile:
    """Reads one YAML document. What cannot be read, syntax errors and duplicate keys are listed in `problems`, not
    raised.

    Args:
        to_change: nobody else gets what it holds.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except OSError as error:
        return YamlFile(problems=[(1, f"the file cannot be read: {error.strerror or error}")], broken=True)
    except UnicodeDecodeError as error:
        return YamlFile(
            problems=[
                (error.object[: error.start].count(b"\n") + 1, f"the file is not UTF-8 text (byte {error.start})")
            ],
            broken=True,
        )
    return copy.deepcopy(_parsed(text)) if to_change else _parsed(text)


@lru_cache(maxsize=4)
def _parsed(text: str) -> YamlFile:
    """The code location asks for one file several times in a row: whether it has code of its own, and what it says."""
    return parse_yaml(text)


def read_bytes(path: Path) -> bytes:
    """A regular file of up to `MOST_BYTES`. Pipes and devices are not waited for.

    Raises:
        OSError: it is something else, is larger, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it must be a regular file, not a folder, pipe, socket or device")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MOST_BYTES:
        raise OSError(f"it has more than {MOST_BYTES:,} bytes")
    return content


def parse_yaml(text: str) -> YamlFile:
    """`read_yaml` of a text."""
    return _quickly(text) or _slowly(text)


def _quickly(text: str) -> YamlFile | None:
    """None where there may be a problem, which the other way has better words for."""
    if not yaml.__with_libyaml__ or UNUSUAL.search(text):
        return None
    found, loader = YamlFile(), QuickLoader(text)
    try:
        _document(loader, found)
    except (yaml.YAMLError, ValueError, OverflowError):
        return None
    finally:
        loader.dispose()
    return None if found.problems else found


def _slowly(text: str) -> YamlFile:
    found = YamlFile()
    try:
        loader = Loader(text)
    except yaml.reader.ReaderError as error:
        sign = error.character if isinstance(error.character, int) else ord(error.character)
        return YamlFile(
            problems=[
                (
                    text[: error.position].count("\n") + 1,
                    (f"not valid YAML: the character U+{sign:04X} is not allowed there"),
                )
            ],
            broken=True,
        )
    try:
        _document(loader, found)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in [error.problem, f"({error.context})" if error.context else ""] if part)
        return YamlFile(problems=[(mark.line + 1 if mark else 1, f"not valid YAML: {what}")], broken=True)
    except (ValueError, OverflowError):  # \U99999999, %YAML 1.<5,000 digits>
        return YamlFile(problems=[(loader.line + 1, "not valid YAML: a number or an escape is too large")], broken=True)
    finally:
        loader.dispose()
    return found


def _document(loader: Any, found: YamlFile) -> None:
    node = loader.get_single_node()
    if node is not None:
        found.lines[()] = node.start_mark.line + 1
        found.value = _value(loader, node, (), found)


def yaml_scalar(text: str) -> Any:
    """A text as the value that it would be in a file without quotes; itself where that is no single value."""
    found = parse_yaml(text)
    return text if found.problems or isinstance(found.value, (dict, list)) else found.value


def _value(loader: yaml.SafeLoader, node: yaml.Node, place: Place, found: YamlFile) -> Any:
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            found.lines[(*place, position)] = item.start_mark.line + 1
        return [_value(loader, item, (*place, position), found) for position, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, place, found)
    return _scalar(loader, node, found)


def _scalar(loader: yaml.SafeLoader, node: yaml.Node, found: YamlFile) -> Any:
    line = node.start_mark.line + 1
    try:
        value = loader.construct_object(node, deep=True)
    except (ValueError, OverflowError):  # 2020-13-45; a whole number of more than 4,300 digits
        found.problems.append(
            (line, "not valid YAML: this day or number does not exist or is too long; put it in quotes if it is a text")
        )
        return None
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
        found.problems.append(
            (
                line,
                (
                    "not valid YAML: half of a surrogate pair is not a character; write the character itself,"
                    " or \\U and eight hex digits"
                ),
            )
        )
        return None
    return value


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode, place: Place, found: YamlFile) -> dict[Any, Any]:
    values: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            found.problems.append((line, "not valid YAML: a key must be a single value"))
            continue
        key = _scalar(loader, key_node, found)
        if key in values:
            where = ".".join(map(str, (*place, key))).removeprefix("attributes.")
            found.problems.append(
                (line, f"`{where}` is a duplicate, first in line {found.lines[(*place, key)]}; remove one")
            )
            continue
        found.lines[(*place, key)] = line
        values[key] = _value(loader, value_node, (*place, key), found)
    return values
