"""What lies in a lake and belongs to nothing: rests of writers that were killed, files that no version names, and what
nobody signed. `inspection` compares what was signed; this looks at the rest.

Covered: tables, artifacts, control files, saved states, captured requests, the ledger of costs. A rest may be removed
once it is old, because a living writer may be about to name it. What may be evidence is told and never removed: files
that somebody added or set aside, versions whose manifest is gone."""

import json
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from ft_platform.lake.files import read_bytes, written_at
from ft_platform.lake.inspection import signed_use_cases
from ft_platform.lake.journal import ChainBroken
from ft_platform.lake.seals import PENDING, control_files
from ft_platform.lake.store import Lake

Kind = Literal["half_written", "no_version", "not_published", "not_signed", "set_aside", "lost", "unreadable"]
RESTS: tuple[Kind, ...] = ("half_written", "no_version", "not_published")
"""What may be removed."""
HALF = re.compile(r"/\.scratch/|/\.[^/]+\.tmp(/|$)|\.erasing$|\.pending$")
SET_ASIDE = re.compile(r"\.corrupt-|/damaged-\d+|-before-|audit_log\.until-")
LOG = "/_delta_log/"
NO_ARTIFACTS = ("tables", "manifests", "verdicts", "locks", "seals", "traffic", "open")
LEAST_DAYS = 1.0
"""A program that runs for days holds its lock; an upload to an object store has none, and takes hours at most."""


@dataclass(frozen=True)
class Found:
    """A file that belongs to nothing, or one that a table names and that is gone.

    Attributes:
        path: below the root of the lake.
        days: since it was written.
    """

    kind: Kind
    path: str
    bytes: int = 0
    days: float = 0.0

    @property
    def is_wrong(self) -> bool:
        """Whether somebody should look at it: nobody's writer leaves that behind."""
        return self.kind in ("not_signed", "lost", "unreadable")


def look(lake: Lake) -> list[Found]:
    """Everything that belongs to nothing."""
    files = _listed(lake)
    found = list(_by_name(files))
    seen = {one.path for one in found}
    left = {path: said for path, said in files.items() if path not in seen}
    found += _tables(lake, left)
    for use_case in signed_use_cases(lake):
        found += _control_files(lake, use_case, left)
    found += _artifacts(left)
    return sorted(found, key=lambda one: (one.kind, one.path))


Listed = dict[str, tuple[int, float]]
"""Path below the root -> bytes, and days since it was written."""


def _listed(lake: Lake) -> Listed:
    lake.fs.invalidate_cache()
    root, now = lake.folder, time.time()
    found: dict[str, Any] = lake.fs.find(root, detail=True) if lake.fs.exists(root) else {}  # type: ignore[assignment]
    return {
        path.removeprefix(f"{root}/"): (int(info["size"] or 0), (now - written_at(info)) / 86_400)
        for path, info in found.items()
    }


def _by_name(files: Listed) -> Iterator[Found]:
    for path, said in files.items():
        if HALF.search(f"/{path}"):
            yield Found("half_written", path, *said)
        elif SET_ASIDE.search(path):
            yield Found("set_aside", path, *said)


def _tables(lake: Lake, files: Listed) -> Iterator[Found]:
    """Files of Delta tables that no version ever named, and files of the newest version that are gone."""
    for table in sorted({path.split(LOG)[0] for path in files if LOG in path}):
        logs = [path for path in files if path.startswith(f"{table}{LOG}")]
        named: set[str] = set()
        live: set[str] = set()
        unreadable = []
        for path in sorted(logs):
            try:
                for action in _actions(lake, path):
                    if added := action.get("add"):
                        named.add(unquote(added["path"]))
                        live.add(unquote(added["path"]))
                    elif removed := action.get("remove"):
                        live.discard(unquote(removed["path"]))
            except FileNotFoundError:
                continue
            except (ValueError, KeyError, TypeError, pa.ArrowException):
                unreadable.append(path)
        yield from (Found("unreadable", path, *files[path]) for path in unreadable)
        if unreadable:  # what it named, nobody knows
            continue
        there = {path.removeprefix(f"{table}/") for path in files if path.startswith(f"{table}/") and LOG not in path}
        yield from (Found("lost", f"{table}/{name}") for name in sorted(live - there))
        yield from (Found("no_version", f"{table}/{name}", *files[f"{table}/{name}"]) for name in sorted(there - named))


def _actions(lake: Lake, path: str) -> Iterable[dict[str, Any]]:
    content = read_bytes(lake.fs, f"{lake.folder}/{path}")
    if path.endswith(".json"):
        return [json.loads(line) for line in content.splitlines() if line.strip()]
    return pq.read_table(pa.BufferReader(content)).to_pylist() if path.endswith(".parquet") else []


def _control_files(lake: Lake, use_case: str, files: Listed) -> Iterator[Found]:
    """Manifests and verdicts that no entry of the chain names: they do not count."""
    seals = lake.seals(use_case)
    try:
        if seals is None or not seals.exists():
            return  # `inspection` says so
        signed = seals.paths()
    except ChainBroken:  # that, too
        return
    for path in control_files(lake.fs, lake.folder, use_case):
        relative = path.removeprefix(f"{lake.folder}/")
        if relative not in signed and relative in files:
            yield Found("not_signed", relative, *files[relative])


def _artifacts(files: Listed) -> Iterator[Found]:
    """Files of folders that were never published: their manifest comes last."""
    folders: dict[str, list[str]] = {}
    for path in files:
        parts = path.split("/")
        inside = parts[0] == "shared" and len(parts) > 4 and not parts[1].startswith("_")
        if inside and parts[2] not in NO_ARTIFACTS and not parts[2].startswith("."):
            folders.setdefault("/".join(parts[:4]), []).append(path)
    for folder, paths in folders.items():
        if f"{folder}/manifest.json" not in paths:
            yield from (Found("not_published", path, *files[path]) for path in paths)


def repair(lake: Lake, found: Iterable[Found], days: float) -> list[Found]:
    """Removes rests that are older, each while nobody writes its table; what was signed and not put in its place is put
    there. Returns what is gone.

    Args:
        days: at least `LEAST_DAYS`.
    """
    gone = []
    for one in found:
        if one.kind in RESTS and one.days >= max(days, LEAST_DAYS) and _remove(lake, one):
            gone.append(one)
    return gone


def _remove(lake: Lake, one: Found) -> bool:
    zone, use_case, *below = one.path.split("/")
    place = f"{lake.folder}/{one.path}"
    if "/.scratch/" in one.path:
        lake.sweep_scratch(use_case, zone)  # knows which are in use
        return not lake.fs.exists(place)
    with ExitStack() as stack:
        seals = lake.seals(use_case)
        if one.path.endswith(PENDING) and seals:
            stack.enter_context(seals.writing())
            with suppress(FileNotFoundError):
                seals.put_in_place(place.removesuffix(PENDING))
        if below[0] in ("tables", "traffic"):
            name = below[1] if below[0] == "tables" else f"traffic_{below[1]}"
            stack.enter_context(lake.writer_lock(zone, use_case, name))
            if one.kind == "no_version" and one.path not in {again.path for again in _again(lake, one.path)}:
                return False
        if lake.fs.exists(place):
            lake.fs.rm_file(place)
        if lake.is_local:
            with suppress(OSError):  # something else is in it
                Path(place).parent.rmdir()
    return True


def _again(lake: Lake, path: str) -> Iterator[Found]:
    """Files of the same table that no version names, now that nobody writes it."""
    table = "/".join(path.split("/")[:4])
    yield from _tables(lake, {name: said for name, said in _listed(lake).items() if name.startswith(f"{table}/")})
