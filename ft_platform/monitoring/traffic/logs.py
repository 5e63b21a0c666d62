"""From the logs of other servers to the tables of the lake, each request once.

A request is known by its id: one that is delivered late, twice, or in a file that was copied or rotated is added once,
whoever reads it. A file that grows is read from where it was left; that place is kept on this machine, and if it is
lost, everything is read again and nothing added. Of a request that is known no text is added any more, so that a text
that was deleted does not come back. Covered: kills at any point, two that read at once, also on two machines. Not
covered: texts in the logs themselves, which others write and delete."""

import json
import logging
import math
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import FtError
from ft_platform.evaluation.systems.endpoint import UNREADABLE, label_in
from ft_platform.lake.deployments import deployments
from ft_platform.lake.files import locked, write_bytes
from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic.log_formats import Logged, requests_in
from ft_platform.monitoring.traffic.request_ids import hashed, request_id
from ft_platform.monitoring.traffic.shipping import BATCH, DAMAGES, as_rows
from ft_platform.monitoring.traffic.spool import Spooled
from ft_platform.monitoring.traffic.tables import TrafficTables
from ft_platform.serving.api.noting import Note
from ft_platform.serving.engine.requests import Decision
from ft_platform.serving.targets.contract import model_name
from ft_platform.sources.budget import Budget
from ft_platform.sources.data_files import inner_name, is_archive
from ft_platform.sources.discovery import find_parts
from ft_platform.sources.failures import plain_failures
from ft_platform.sources.source_file import VERSIONS, SourceFile
from ft_platform.sources.unpacking import unpacked
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.ceilings import capped
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.monitoring import TrafficLog
from ft_platform.use_case.settings.source import Limits, Source

LOG = logging.getLogger(__name__)
WRITER = "logs"
MOST_LINE = 64 << 20
"""Bytes of a line; a longer one is damaged. The collector of OpenTelemetry sends 8,192 spans in one by default."""
COUNTED = {
    "added": "requests added",
    "texts": "with texts",
    "known": "known before",
    "other_models": "of other models",
    "too_old": "too old",
    "damaged": "damaged",
}


def read_logs(
    lake: Lake, environment: Environment, use_case: NamedUseCase, seconds: float = math.inf
) -> list[dict[str, Any]]:
    """Adds the requests that are new in the logs of a use case.

    Args:
        seconds: then it stops; the next call goes on there.

    Returns:
        `{"uri", "added", "texts", "known", "other_models", "too_old", "damaged", "problem"}` for each log. `added`:
        requests; `texts`: of how many the texts were kept. `known`: in the tables already. `too_old`: for
        `monitoring.retention_days`. `damaged`: lines and spans that cannot be read. `problem`: why the rest could not
        be read, or empty; what was read before counts, and the next call goes on there.
    """
    if not use_case.settings.monitoring.logs:
        return []
    end = time.monotonic() + seconds
    path = environment.home / "serving" / "traffic" / "logs" / f"{use_case.name}.json"
    told = []
    with locked(path.with_suffix(".lock")):
        places = _Places(path)
        for log in use_case.settings.monitoring.logs:
            reading = _Reading(lake, environment, use_case, log)
            try:
                reading.read(places, end)
            except FtError as error:
                reading.problems.append(str(error))
            counts = {name: reading.counts[name] for name in COUNTED}
            told.append({"uri": log.uri, **counts, "problem": "; ".join(reading.problems)})
    return told


def in_words(told: dict[str, Any]) -> str:
    """What a call found in one log; empty if nothing."""
    counts = ", ".join(f"{told[name]:,} {words}" for name, words in COUNTED.items() if told[name])
    return f"{told['uri']}: {'; '.join(filter(None, [counts, told['problem']]))}" if counts or told["problem"] else ""


class _Places:
    """Of each log: URI of a file -> its version, and the byte up to which it was read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.known: dict[str, dict[str, list[Any]]] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.known = {}  # everything is read again, and found to be known

    def write(self) -> None:
        write_bytes(LocalFileSystem(), str(self._path), json.dumps(self.known).encode())


class _Reading:
    """One log."""

    def __init__(self, lake: Lake, environment: Environment, use_case: NamedUseCase, log: TrafficLog) -> None:
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self._lake, self._environment, self._use_case, self._log = lake, environment, use_case, log
        self._tables = TrafficTables(lake, use_case.name)
        now, kept = datetime.now(UTC), use_case.settings.monitoring
        self._latest = now + timedelta(days=1)
        self._first = now - timedelta(kept.retention_days)
        self._first_text = now - timedelta(kept.capture.retention_days)
        self._labels: dict[str, list[str] | None] = {}

    def read(self, places: _Places, end: float) -> None:
        limits = capped(Limits(), self._environment.policy)
        source = Source(uri=self._log.uri, format="jsonl", limits=limits)
        parts = [one for one in find_parts(source, self._environment).parts if isinstance(one, SourceFile)]
        before = places.known.get(self._log.uri, {})
        known = places.known[self._log.uri] = {one.uri: before[one.uri] for one in parts if one.uri in before}
        lines = (line for one in parts for line in self._new_lines(one, known.get(one.uri), Budget(limits)))
        while batch := _batch(lines, end):
            damaged = self.counts["damaged"]
            self._add([one.text for one in batch])
            if found := self.counts["damaged"] - damaged:
                LOG.warning(f"{found} lines or spans are damaged in {', '.join(sorted({one.uri for one in batch}))}")
            known.update({one.uri: [one.version, one.place] for one in batch})
            places.write()

    def _new_lines(self, part: SourceFile, known: list[Any] | None, budget: Budget) -> "Iterator[_Line]":
        """Those of one file. One that cannot be read does not stop the others."""
        try:
            yield from _new_lines(part, known, budget)
        except FtError as error:
            self.problems.append(str(error))

    def _add(self, lines: list[bytes]) -> None:
        found: dict[str, dict[str, Spooled]] = {}
        for one in (one for line in lines if line for one in requests_in(self._log.format, line)):
            if (why := self._left_out(one)) is not None:
                self.counts[why] += 1
                continue
            assert isinstance(one, Logged)
            deployed = self._deployed(one)
            labels = self._labels_of(deployed["checkpoint"]["id"]) if deployed else None
            try:
                records = self._records(one, deployed, labels)
            except DAMAGES:
                self.counts["damaged"] += 1
                continue
            request = records["requests"]["request_id"]
            self.counts["known"] += request in found
            found.setdefault(request, {kind: Spooled(0, "", kind, record) for kind, record in records.items()})
        try:
            requests, texts = _rows(found)
        except DAMAGES:  # seldom, so each is looked at only then
            fit = {request: records for request, records in found.items() if _fits(records)}
            self.counts["damaged"] += len(found) - len(fit)
            requests, texts = _rows(fit)
        new = self._new("requests", requests)
        self.counts["known"] += requests.num_rows - new.num_rows
        texts = texts.filter(pc.is_in(texts["request_id"], value_set=new["request_id"]))
        self.counts["texts"] += self._append("texts", texts)
        self.counts["added"] += self._append("requests", new)

    def _append(self, kind: str, rows: pa.Table) -> int:
        """Adds what is new. Whoever finds that others added something meanwhile looks again."""
        while rows.num_rows:
            number = self._tables.last_of(kind, WRITER) + 1
            rows = self._new(kind, rows)
            if rows.num_rows and self._tables.append(kind, rows, WRITER, number):
                return rows.num_rows
        return 0

    def _new(self, kind: str, rows: pa.Table) -> pa.Table:
        known = self._tables.read(kind, rows["day"].unique().to_pylist(), ["request_id"])["request_id"]
        return rows.filter(pc.invert(pc.is_in(rows["request_id"], value_set=known)))

    def _left_out(self, one: Any) -> str | None:
        """Why something does not become a row."""
        if not isinstance(one, Logged) or one.at > self._latest:
            return "damaged"
        if one.model is not None and one.model not in self._models:
            return "other_models"
        return "too_old" if one.at < self._first else None

    def _records(self, one: Logged, deployed: Any, labels: list[str] | None) -> dict[str, dict[str, Any]]:
        """By kind, as our server notes them (`serving.api.exchange`)."""
        note = Note(rights=one.rights, is_trial=one.is_trial)
        if one.messages and one.answers and one.at >= self._first_text:
            asked = [one.messages] * len(one.answers)
            note.ask(hashed(one.id), self._use_case.settings, asked, one.said)
        for text, reason in one.answers if labels is not None else ():
            label = label_in(text, labels) if labels else UNREADABLE
            note.answer(text, reason, None if label == UNREADABLE else Decision(label))
        about = {
            "request_id": request_id(one.id) or hashed(one.id),
            "at": one.at.isoformat(),
            "release": deployed and deployed["release"],
            "checkpoint": deployed and deployed["checkpoint"]["id"],
        }
        request = {
            **about,
            "model": one.model,
            "route": f"log:{self._log.format}",
            "status": one.status,
            "code": one.code,
            "seconds": one.seconds,
            "first_seconds": one.first_seconds,
            "prompt_tokens": one.prompt_tokens,
            "cached_tokens": one.cached_tokens,
            "completion_tokens": one.completion_tokens,
            "characters": one.messages and sum(len(message["content"]) for message in one.messages),
            "guardrails": [],
            "answers": note.answers,
            "captured": note.conversations is not None,
            "share": note.share,
            "trial": note.is_trial,
        }
        if note.conversations is None:
            return {"requests": request}
        return {"requests": request, "texts": {**about, **note.kept(), "answers": [text for text, _ in one.answers]}}

    def _deployed(self, one: Logged) -> Any:
        """The record of the deployment that answered; None before the first."""
        named = (known for known in self._deployments if one.model == self._name_of(known))
        since = (known for known in self._deployments if datetime.fromisoformat(known["deployed_at"]) <= one.at)
        return next(named, None) or next(since, None)

    @cached_property
    def _deployments(self) -> list[Any]:
        return [one.record for one in deployments(self._lake, self._use_case.name, self._log.target)]

    @cached_property
    def _models(self) -> set[str]:
        if self._log.model is not None:
            return {self._log.model}
        names = {name for one in self._deployments for name in (one["model"], self._name_of(one))}
        return {self._use_case.name, *names}

    def _name_of(self, deployed: Any) -> str:
        return model_name(self._use_case.name, deployed["release"])

    def _labels_of(self, checkpoint: str) -> list[str] | None:
        """As it was trained with; None: the checkpoint is gone, so nobody can tell what it decided."""
        if checkpoint not in self._labels:
            version = self._lake.artifact(self._use_case.name, "adapter_checkpoint", checkpoint, verify=False)
            said = version and json.loads(self._lake.read_file(version, "training.json"))
            self._labels[checkpoint] = said["labels"] if said else None
        return self._labels[checkpoint]


def _rows(found: dict[str, dict[str, Spooled]]) -> tuple[pa.Table, pa.Table]:
    """For `requests` and `texts`."""
    kept = [records["texts"] for records in found.values() if "texts" in records]
    return as_rows("requests", [records["requests"] for records in found.values()]), as_rows("texts", kept)


def _fits(records: dict[str, Spooled]) -> bool:
    try:
        _rows({"": records})
        return True
    except DAMAGES:
        return False


@dataclass(frozen=True)
class _Line:
    """A line; `place` is behind it. The last one of a file is empty."""

    uri: str
    version: str
    place: int
    text: bytes


def _batch(lines: Iterator[_Line], end: float) -> list[_Line]:
    """The next lines; none when the time is over."""
    found, size = [], 0
    while len(found) < BATCH and size < MOST_LINE and time.monotonic() < end and (one := next(lines, None)):
        found.append(one)
        size += len(one.text)
    return found


def _new_lines(part: SourceFile, known: list[Any] | None, budget: Budget) -> Iterator[_Line]:
    """Lines behind the place that is known. A packed file is read whole.

    Raises:
        SourceError: it cannot be read, or unpacks to too much.
        TransientError: the object store does not answer.
    """
    is_packed = is_archive(part.uri) or inner_name(part.uri) != part.uri
    with tempfile.TemporaryDirectory(prefix="ft-logs-") as name, plain_failures(part.uri, private=Path(name)):
        folder, info = Path(name), part.fs.info(part.path)
        version = next((str(info[one]) for one in (*VERSIONS, "ino") if info.get(one)), "")
        start = known[1] if known and known[0] == version else 0
        if start == info["size"]:
            return
        with part.local_path(None, folder) as path:
            for one in unpacked(path, part.uri, folder, budget, lambda name: True):
                with open(one.path, "rb") as file:
                    for place, line in _lines(file, 0 if is_packed else start, part.is_local and not is_packed):
                        yield _Line(part.uri, version, 0 if is_packed else place, line)
        if is_packed:
            yield _Line(part.uri, version, info["size"], b"")


def _lines(file: BinaryIO, start: int, is_growing: bool) -> Iterator[tuple[int, bytes]]:
    file.seek(max(0, start - 1))
    if start and file.read(1) != b"\n":  # another file took its name
        file.seek(0)
    while line := file.readline(MOST_LINE):
        if not line.endswith(b"\n"):
            if len(line) == MOST_LINE:
                line = b"{"  # damaged in every format
                while (rest := file.readline(MOST_LINE)) and not rest.endswith(b"\n"):
                    pass
            elif is_growing and not _is_whole(line):
                return
        yield file.tell(), line.strip()


def _is_whole(line: bytes) -> bool:
    """Whether a line without an end is one: the beginning of a JSON object is none."""
    try:
        json.loads(line)
        return True
    except (ValueError, RecursionError):
        return False
