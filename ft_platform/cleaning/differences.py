"""What cleaning changed, on a sample of records: texts before and after, and where they differ. Reads the restricted
zone.

Texts leave this module only to be shown to somebody who may see restricted data; see `commands/diff.py`.
"""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

import hashlib
import heapq
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import DataError, FtError
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion

Kind = Literal["same", "removed", "added"]
TOKEN = re.compile(r"\w+|\s|[^\w\s]")
ACCESS_DENIED = re.compile(r"Permission ?denied|Access ?denied|Forbidden|\b403\b", re.IGNORECASE)
MAX_TOKENS = 2000
"""Tokens that differ up to which a text is compared token by token, which costs up to their square; above, all of them
count as changed."""


@dataclass(frozen=True)
class ChangedMessage:
    """One message of a record. Texts are personal data."""

    role: str
    before: str
    after: str


@dataclass(frozen=True)
class ChangedRecord:
    """A record whose texts cleaning changed.

    Attributes:
        changes: kinds of change.
        sha256_before, sha256_after: over the texts of all messages.
        messages: those that differ.
    """

    record_id: str
    changes: tuple[str, ...]
    sha256_before: str
    sha256_after: str
    messages: tuple[ChangedMessage, ...]


@contextmanager
def refused_without_access(lake: Lake, use_case: str) -> Iterator[None]:
    """Raises FtError where whoever runs this may not list or read the restricted zone: without it, a zone that cannot
    be listed looks empty."""
    refusal = FtError(
        f"you may not read the restricted zone of {use_case} in {lake.root}, which contains personal data",
        f"Ask the data owner of the use case for the right, or look at counts and hashes: ft results {use_case}",
    )
    try:
        for folder in ("", "tables", "manifests"):
            try:
                lake.fs.ls(lake.uri("restricted", use_case, folder).rstrip("/"), detail=False)
            except FileNotFoundError:
                continue
        yield
    except OSError as error:
        # deltalake passes on the text of the store only: "Permission denied" of a disk, code 403 and "AccessDenied" of
        # S3.
        if isinstance(error, PermissionError) or ACCESS_DENIED.search(str(error)):
            raise refusal from None
        raise


def sample_of_changes(
    lake: Lake, cleaned: TableVersion, size: int, seed: int, kind: str | None = None
) -> list[ChangedRecord]:
    """Up to `size` changed records of a version, the same ones for the same seed, whatever the order of the rows.

    Args:
        kind: only records with this kind of change.

    Raises:
        DataError: the version the texts came from does not hold a record any more.
    """
    chosen = dict(heapq.nsmallest(size, _ranked(lake, cleaned, seed, kind)))
    rows = _rows(lake, cleaned, list(chosen.values()), ["changes", "sha256_before", "sha256_after", "messages"])
    parent = next(version_of_parent(lake, cleaned.use_case, p) for p in lake.manifest(cleaned).parents)
    assert isinstance(parent, TableVersion)
    before = _rows(lake, parent, list(chosen.values()), ["messages"])
    if missing := chosen.values() - before.keys():
        raise DataError(
            (f"{parent.id} of {cleaned.use_case} lacks {len(missing)} of the records that {cleaned.id} was made from"),
            "Materialize cleaned_records again",
        )
    return [
        _changed(record_id, rows[record_id], before[record_id]["messages"]) for _, record_id in sorted(chosen.items())
    ]


def _ranked(lake: Lake, cleaned: TableVersion, seed: int, kind: str | None) -> Iterator[tuple[bytes, str]]:
    for batch in lake.read(cleaned, ["record_id", "changes"]):
        for record_id, changes in zip(
            batch.column("record_id").to_pylist(), batch.column("changes").to_pylist(), strict=True
        ):
            if changes and (kind is None or kind in changes):
                yield hashlib.blake2b(f"{seed}:{record_id}".encode(), digest_size=16).digest(), record_id


def _rows(lake: Lake, version: TableVersion, record_ids: list[str], columns: list[str]) -> dict[str, dict]:
    found: dict[str, dict] = {}
    wanted = pa.array(record_ids, pa.string())
    for batch in lake.read(version, ["record_id", *columns]):
        chosen = batch.filter(pc.is_in(batch.column("record_id"), wanted))
        found |= {row["record_id"]: row for row in chosen.to_pylist()}
        if len(found) == len(record_ids):
            break
    return found


def _changed(record_id: str, row: dict, before: list[dict]) -> ChangedRecord:
    pairs = zip(before, row["messages"], strict=True)
    messages = tuple(
        ChangedMessage(old["role"], old["content"] or "", new["content"] or "")
        for old, new in pairs
        if old["content"] != new["content"]
    )
    return ChangedRecord(record_id, tuple(row["changes"]), row["sha256_before"], row["sha256_after"], messages)


def spans(before: str, after: str) -> list[tuple[Kind, str]]:
    """The two texts as one: what stayed, what was removed, what was added, in order. Characters that nobody can see are
    spelled out."""
    old, new = TOKEN.findall(before), TOKEN.findall(after)
    head = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    most = min(len(old), len(new)) - head
    tail = next((i for i in range(most) if old[-1 - i] != new[-1 - i]), most)
    old_middle, new_middle = old[head : len(old) - tail], new[head : len(new) - tail]
    whole = max(len(old_middle), len(new_middle)) > MAX_TOKENS
    if whole:
        steps = [("replace", 0, len(old_middle), 0, len(new_middle))]
    else:
        steps = SequenceMatcher(None, old_middle, new_middle, autojunk=False).get_opcodes()
    found: list[tuple[Kind, list[str]]] = [("same", old[:head])]
    for tag, a, b, c, d in steps:
        found.append(("same" if tag == "equal" else "removed", old_middle[a:b]))
        found.append(("added", new_middle[c:d] if tag != "equal" else []))
    found.append(("same", old[len(old) - tail :]))
    return [(kind, visible("".join(tokens), blanks=kind != "same")) for kind, tokens in found if tokens]


def visible(text: str, *, blanks: bool = False) -> str:
    """The text with characters that nobody can see, or that steer a terminal, as `<U+202E>`.

    Args:
        blanks: show blanks as `·` and line breaks as `⏎`, too.
    """
    shown = "".join(c if c in " \n" or not _is_invisible(c) else f"<U+{ord(c):04X}>" for c in text)
    return shown.replace(" ", "·").replace("\n", "⏎\n") if blanks else shown


def _is_invisible(character: str) -> bool:
    """Controls, format characters, separators, unassigned and private ones, and combining marks without a width of
    their own."""
    return (
        unicodedata.category(character) in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs")
        or "\ufe00" <= character <= "\ufe0f"
    )
