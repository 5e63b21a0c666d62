"""An entry of the audit log as a line: what the chain covers, a tab, and beside it what can name a person.

Covered: name and details stand in the chain as a hash over a random salt and the text. Without the salt, which lies
beside it and goes with the text, nobody can tell by guessing whose hash it is. Not covered: kind, what, use case and
time, which stay for good."""

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ft_platform.people.audit_log.tree import leaf
from ft_platform.people.noted import Noted

SALT_BYTES = 16
PARTS = ("person", "details")
"""Of an entry, those that can name a person and can be forgotten."""


@dataclass(frozen=True)
class Entry:
    """One entry.

    Attributes:
        number: counted from 0.
        at: ISO 8601, UTC.
        person, details: None: forgotten.
        forgot: part -> numbers of the entries in which it was forgotten, as `3-5 9`; of erasures only.
        previous: hash of the entry before, 64 hex digits; empty at the first.
        hash: of this one: leaf of the tree.
    """

    number: int
    at: str
    kind: str
    person: str | None
    known_by: str
    use_case: str
    what: str
    details: Mapping[str, str] | None
    forgot: Mapping[str, str]
    previous: str
    hash: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Line:
    """A line, taken apart.

    Attributes:
        chained: what the chain covers, as it is hashed.
        said: the same as values; `person` and `details` are hashes in it.
        beside: part -> salt and text; None: forgotten.
    """

    chained: bytes
    said: Mapping[str, Any]
    beside: Mapping[str, str | None]

    def altered(self) -> list[str]:
        """Parts whose text is not the one that was hashed."""
        return [part for part in PARTS if (text := self.beside[part]) is not None and _hash(text) != self.said[part]]

    def entry(self) -> Entry:
        person, details = (text and text.partition(" ")[2] for text in (self.beside[part] for part in PARTS))
        told = {**self.said, "person": person, "details": json.loads(details) if details else None}
        return Entry(**{"forgot": {}, **told}, hash=leaf(self.chained).hex())

    def names(self, person: str) -> list[str]:
        """Parts that name a person, whatever the case."""
        word = re.compile(rf"(?<![\w.@+-]){re.escape(person)}(?![\w@+-]|\.\w)", re.IGNORECASE)
        return [part for part in PARTS if word.search((self.beside[part] or "").partition(" ")[2])]

    def without(self, parts: list[str]) -> bytes:
        return replace(self, beside={**self.beside, **dict.fromkeys(parts)}).to_bytes()

    def to_bytes(self) -> bytes:
        return self.chained + b"\t" + json.dumps(self.beside).encode()


def written(noted: Noted, number: int, at: str, previous: str, forgot: Mapping[str, str] | None = None) -> Line:
    """A new entry.

    Args:
        forgot: as of `Entry`.
    """
    beside: dict[str, str | None] = {
        "person": _salted(noted.person.name),
        "details": _salted(json.dumps(dict(noted.details), ensure_ascii=False)),
    }
    said = {
        "number": number,
        "at": at,
        "kind": noted.kind,
        "person": _hash(beside["person"] or ""),
        "known_by": noted.person.known_by,
        "use_case": noted.use_case,
        "what": noted.what,
        "details": _hash(beside["details"] or ""),
        **({"forgot": dict(forgot)} if forgot else {}),
        "previous": previous,
    }
    return Line(json.dumps(said).encode(), said, beside)


def read(line: bytes) -> Line:
    """Takes a line apart.

    Raises:
        ValueError: it is none.
    """
    chained, _, beside = line.partition(b"\t")
    found = Line(chained, json.loads(chained), json.loads(beside))
    try:
        whole = isinstance(found.said["number"], int) and all(
            isinstance(found.said[name], str) for name in ("at", "kind", "known_by", "use_case", "what", "previous")
        )
        whole &= all(isinstance(found.said[part], str) for part in PARTS)
        whole &= found.beside.keys() == set(PARTS) and all(
            text is None or isinstance(text, str) for text in found.beside.values()
        )
        whole &= isinstance(forgot := found.said.get("forgot", {}), dict) and forgot.keys() <= set(PARTS)
    except (KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise ValueError("not an entry")
    return found


def as_ranges(numbers: list[int]) -> str:
    """`3-5 9` for 3, 4, 5, 9; they are in order."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return " ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in found)


def of_ranges(text: str) -> set[int]:
    """The numbers of `as_ranges`.

    Raises:
        ValueError: it is none.
    """
    bounds = (tuple(map(int, part.split("-"))) for part in text.split())
    return {number for bound in bounds for number in range(bound[0], bound[-1] + 1)}


def _salted(text: str) -> str:
    return f"{secrets.token_hex(SALT_BYTES)} {text}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
