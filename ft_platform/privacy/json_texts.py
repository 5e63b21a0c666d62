"""Replaces what is found in JSON text - calls and descriptions of tools - so that it stays JSON.

A replacement within a string is escaped. One within a bare value (`{"card": 4111111111111111}`) makes the whole value a
string. Quotation marks, brackets, commas and colons between values are no personal data: a finding that reaches over
them is replaced in every value that it touches.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence

from ft_platform.privacy.spans import Span

ROLES = ("tools", "tool_call")
"""Roles of messages whose text is JSON."""
VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s\[\]{}:,"]+)', re.DOTALL)
"""A string, or a number or word outside of strings. Every character that is no punctuation of JSON is in one of
them."""
ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)

Replace = Callable[[Span, str], str]
"""A finding and what is replaced of it -> what stands there instead."""


def replace_in_json(text: str, spans: Sequence[Span], replace: Replace) -> str:
    """The text with every span replaced. The spans are in order and do not overlap."""
    parts, end = [], 0
    for value in VALUE.finditer(text):
        touched = [span for span in spans if span.start < value.end() and span.end > value.start()]
        bare = value[2] is not None
        start, stop = value.span(2 if bare else 1)
        pieces = list(_pieces(text, start, stop, touched, replace))
        if pieces:
            inside = "".join(pieces)
            parts += [text[end : value.start()], f'"{inside}"']
            end = value.end()
    return "".join([*parts, text[end:]])


def _pieces(text: str, start: int, stop: int, spans: Sequence[Span], replace: Replace) -> Iterator[str]:
    """What is within a value from `start` to `stop` after the spans in it are replaced; nothing where none reaches into
    it."""
    end = start
    for span in spans:
        first, last = _whole_escapes(text, start, stop, max(span.start, end), min(span.end, stop))
        if first >= last:
            continue
        yield text[end:first]
        yield json.dumps(replace(span, text[first:last]), ensure_ascii=False)[1:-1]
        end = last
    if end > start:
        yield text[end:stop]


def _whole_escapes(text: str, start: int, stop: int, first: int, last: int) -> tuple[int, int]:
    """Bounds that cut no escape (`\\"`) in two."""
    for escape in ESCAPE.finditer(text, start, stop):
        first = escape.start() if escape.start() < first < escape.end() else first
        last = escape.end() if escape.start() < last < escape.end() else last
    return first, last
