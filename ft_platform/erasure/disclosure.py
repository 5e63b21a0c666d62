"""What an installation holds on a person, for that person (GDPR, Article 15): every row, from where it came, why it may
be used, until when, which models learned from it, and who gets their answers.

Covered: tables of both zones, every version, quarantine and removed rows among them; rows about the person's records in
reports and lists of training records; captured requests, feedback and what was made of them. Not covered, and told in
`summary.json`: what the sealed vault repeats, logs and caches, what weights hold, copies outside the lake. A row may
name other persons too: whoever hands it over looks first."""

import base64
import json
import os
import re
import shutil
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ft_platform.erasure.artifacts import artifacts_of
from ft_platform.erasure.plan import Plan, identified, plan_of
from ft_platform.erasure.requests import PSEUDONYM
from ft_platform.erasure.rewriting import parquet_files
from ft_platform.erasure.selecting import Selection
from ft_platform.erasure.tables import Identified, files_of, tables_of, versions_of
from ft_platform.errors import ConfigError, DataError
from ft_platform.lake.manifest import now
from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic.shipping import ship, spool_path
from ft_platform.monitoring.traffic.tables import ALL, TrafficTables
from ft_platform.people.audit_log.opening import note
from ft_platform.people.may import Permissions, knowledge_problem
from ft_platform.people.person import Person
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

SUMMARY = "summary.json"
NOT_IN_HERE = (
    "rows of other people that name the person",
    "the vault, which is sealed and repeats values of the rows below",
    "logs, caches and exports, which are made of the rows below and are searched when the person is erased",
    "what the weights of a model may hold of the rows it learned from",
    "the source, backups, and copies outside of the lake",
)
MOST_NEAR = 5
"""Ids that are suggested for one that nobody has."""
Rows = list[tuple[list[str], dict[str, Any]]]
"""What holds a row, and the row."""


class NothingHeld(DataError):
    """Nobody has this id.

    Attributes:
        near: ids of the same letters and digits that somebody has, of use cases that whoever asks may take out. They
            are personal data, so no message names them.
    """

    def __init__(self, near: list[str]) -> None:
        super().__init__(
            "no record has this id, so there is nothing to hand over", "Compare it with the person's letter"
        )
        self.near = near


def disclose(
    lake: Lake,
    environment: Environment,
    use_cases: Iterable[NamedUseCase],
    permissions: Permissions,
    person: Person,
    ids: Collection[str],
    out: Path,
) -> list[dict[str, Any]]:
    """Writes what is held on somebody into a new folder that its owner alone may read.

    Args:
        person: who asks for it.
        ids: as the source writes them, or pseudonyms.

    Returns:
        The summary of each use case that holds something.

    Raises:
        ConfigError: the person may not, or the folder is there.
        NothingHeld: nobody has one of these ids. A typing error must not read as an answer.
        FtError: the restricted zone may not be read.
    """
    use_cases = list(use_cases)
    if out.exists():
        raise ConfigError([f"{out} is there already"], "Name a folder that is not there yet")
    for use_case in use_cases:
        _require(lake, use_case, permissions, person)
    ship(lake, spool_path(environment))
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex}")
    part.mkdir(parents=True, mode=0o700)
    try:
        told = [_one(lake, environment, use_case, person, ids, part / use_case.name) for use_case in use_cases]
        found = [one for one in told if one["rows"]]
        known = _persons(lake, use_cases)
        unknown = [one for one in ids if one not in known and not PSEUDONYM.fullmatch(one)]
        if unknown or not found:
            wanted = {_bare(one) for one in unknown} - {""}
            raise NothingHeld(sorted(one for one in known if _bare(one) in wanted)[:MOST_NEAR])
        _write(part / SUMMARY, [json.dumps({"made_at": now(), "use_cases": found}, indent=1, ensure_ascii=False)])
        os.replace(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return found


def _persons(lake: Lake, use_cases: Iterable[NamedUseCase]) -> set[str]:
    """Ids of all persons, as sources and clients write them."""
    found = {one for use_case in use_cases for one in TrafficTables(lake, use_case.name).subjects()}
    for table in (one for use_case in use_cases for one in tables_of(lake, use_case.name)):
        for path in parquet_files(lake, table.folder(lake)) if table.zone == "restricted" else ():
            with lake.fs.open(path, "rb") as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
                if "subject_id" in file.schema_arrow.names:
                    for batch in file.iter_batches(columns=["subject_id"]):
                        found |= {one for one in batch.column(0).unique().to_pylist() if one}
    return found


def _bare(identity: str) -> str:
    """An id without capitals, blanks and signs."""
    return re.sub(r"[\W_]+", "", identity).casefold()


def _require(lake: Lake, use_case: NamedUseCase, permissions: Permissions, person: Person) -> None:
    ruling = permissions.may(person, "disclose", use_case.name)
    if problem := knowledge_problem(use_case, person.known_by) or ("" if ruling else ruling.why):
        note(lake, use_case, "denial", "may not take out what is held on a person", person)
        raise ConfigError([problem])


def _one(
    lake: Lake, environment: Environment, use_case: NamedUseCase, person: Person, ids: Collection[str], folder: Path
) -> dict[str, Any]:
    """Writes the rows of one use case."""
    pseudonyms = {one for one in ids if PSEUDONYM.fullmatch(one)}
    found = identified(lake, environment, use_case.name, set(ids) - pseudonyms, pseudonyms)
    plan = plan_of(lake, use_case, found)
    note(lake, use_case, "look_up", "took out what is held on a person", person, records=plan.records, rows=plan.rows)
    written = {}
    of = (lake, use_case.name, found)
    for name, rows in chain(_tables(*of), _reports(*of), _traffic(*of)):
        folder.mkdir(mode=0o700, exist_ok=True)
        lines = [json.dumps(row, ensure_ascii=False, default=_plain) for row in _once(rows)]
        if lines:
            _write(folder / f"{name}.jsonl", lines)
            written[f"{use_case.name}/{name}.jsonl"] = len(lines)
    if folder.is_dir() and not written:
        folder.rmdir()
    return _summary(use_case, plan, written)


def _summary(use_case: NamedUseCase, plan: Plan, written: dict[str, int]) -> dict[str, Any]:
    """Why it is held, for whom, and which models learned from it."""
    settings, governance = use_case.settings, use_case.settings.governance
    return {
        "use_case": use_case.name,
        "what_it_does": settings.description,
        "who_answers_for_it": settings.owners.of("accountable"),
        "purpose": governance.purpose,
        "permitted_by": {
            "consent_that_counts": governance.accepted_consent,
            "lawful_bases": governance.lawful_bases,
            "licence": governance.licence,
            "without_consent": governance.without_consent_column,
        },
        "kept_until": "the day in `expires` of each row" if settings.record.expires else "no day is stated",
        "came_from": "`source_uri` of each row in raw_records",
        "records": plan.records,
        "rows": sum(written.values()),
        "files": written,
        "models_that_learned_from_it": plan.checkpoints,
        "intended_use": settings.release.intended_use,
        "releases": plan.releases,
        "targets_that_serve_them": plan.targets,
        "captured_requests": plan.requests,
        "not_in_here": list(NOT_IN_HERE),
    }


def _tables(lake: Lake, use_case: str, found: Identified) -> Iterator[tuple[str, Rows]]:
    for table in tables_of(lake, use_case):
        holds = defaultdict(list)
        for version, manifest in versions_of(lake, table):
            for name in files_of(lake, version, manifest):
                holds[name].append(version.id)
        selection = found.selection(table.zone)
        paths = parquet_files(lake, table.folder(lake))
        names = {path: path.rsplit("/", 1)[-1] for path in paths}
        rows = [(holds[names[path]], row) for path in paths for row in _rows_of(lake, path, selection)]
        yield f"{table.zone}-{table.name}", rows


def _rows_of(lake: Lake, path: str, selection: Selection) -> Iterator[dict[str, Any]]:
    with lake.fs.open(path, "rb") as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
        if selection.columns(file.schema_arrow.names):
            for batch in file.iter_batches():
                yield from batch.filter(pa.array(selection.rows(batch))).to_pylist()


def _reports(lake: Lake, use_case: str, found: Identified) -> Iterator[tuple[str, Rows]]:
    """Rows about the person's records, such as what a model answered to them."""
    selection = found.selection("shared")
    for artifact in artifacts_of(lake, use_case):
        for name in lake.file_hashes(artifact):
            if name.endswith(".parquet"):
                path = lake.path_of("shared", use_case, artifact.name, artifact.artifact_id, name)
                rows = [([artifact.id], row) for row in _rows_of(lake, path, selection)]
                file = name.removesuffix(".parquet").replace("/", "-")
                yield f"{artifact.name}-{artifact.artifact_id}-{file}", rows


def _traffic(lake: Lake, use_case: str, found: Identified) -> Iterator[tuple[str, Rows]]:
    """Captured requests of the person, their answers, and what was said of them and made of them."""
    tables, persons = TrafficTables(lake, use_case), {*found.subjects, *found.pseudonyms}
    asked = {request for one, requests in tables.subjects().items() if one in persons for request in requests}
    if asked:
        for kind in ALL:
            rows = [([kind], row) for row in tables.read(kind).to_pylist() if row["request_id"] in asked]
            yield f"traffic-{kind}", rows


def _once(rows: Rows) -> Iterator[dict[str, Any]]:
    """Each row once, with everything that holds it."""
    seen: dict[str, tuple[dict[str, Any], set[str]]] = {}
    for where, row in rows:
        key = json.dumps(row, sort_keys=True, default=_plain)
        seen.setdefault(key, (row, set()))[1].update(where)
    for row, held_in in seen.values():
        yield {"held_in": sorted(held_in), "row": row}


def _plain(value: object) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _write(path: Path, lines: list[str]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
