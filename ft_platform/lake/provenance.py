"""From a record to every version and checkpoint that saw it, and from a checkpoint back to its source files.

Results hold ids, hashes, reasons and counts; never a text, a name or the source's own id of a record.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ft_platform.errors import DataError, VersionRefused
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import taint_of, taint_text
from ft_platform.lake.training_states import unfinished_trainings
from ft_platform.lake.versions import ArtifactVersion, TableVersion, Version
from ft_platform.records.columns import REMOVED
from ft_platform.stages import STAGES

TABLES = [stage.name for stage in STAGES.values() if stage.kind == "table"]
TRACED = ("changes", "sha256_before", "sha256_after", "text_characters", "entities")
"""What a stage's row says about itself without its text."""

TRAINING_RECORDS = "training_records.parquet"
QUARANTINE = "quarantined_records"
"""Written beside a table: which expectations its records did not meet."""


class NotTraced(DataError):
    """The use case has no record or checkpoint with this id; another one may have it."""


def trace_record(lake: Lake, use_case: str, record_id: str) -> dict[str, Any]:
    """Source, what each stage did, split and checkpoints of one record.

    Args:
        record_id: or the source's own id of the record, where the source has one.

    Raises:
        NotTraced: no version of `raw_records` holds it.
        DataError: several records have this id in their source.
    """
    raw = _find_raw(lake, use_case, record_id)
    record_id = raw["record_id"]
    stages = [found for name in TABLES if (found := _in_stage(lake, use_case, name, record_id))]
    split = next((stage["split"] for stage in stages if "split" in stage), None)
    splits = [version for stage in stages if stage["stage"] == "splits" for version in stage["in_versions"]]
    return {
        "use_case": use_case,
        "record_id": record_id,
        "source": {
            "uri": raw["source_uri"],
            "position": raw["source_position"],
            "hash": raw["source_hash"],
            "ingested_at": raw["ingested_at"].isoformat() if raw["ingested_at"] else None,
        },
        "stages": stages,
        "split": split,
        "checkpoints": [_seen_by(lake, use_case, checkpoint) for checkpoint in _trained_on(lake, use_case, record_id)],
        "unfinished_trainings": trainings_on(lake, use_case, splits),
    }


def trace_checkpoint(lake: Lake, use_case: str, checkpoint_id: str) -> dict[str, Any]:
    """Base model, versions of every stage, training records and source files behind one checkpoint.

    Args:
        checkpoint_id: or the first characters of it.

    Raises:
        NotTraced: there is no such checkpoint.
        DataError: several begin so.
    """
    checkpoint = find_checkpoint(lake, use_case, checkpoint_id)
    manifest = lake.manifest(checkpoint)
    ancestors = list(_ancestors(lake, checkpoint))
    trained = training_record_ids(lake, checkpoint)
    raw = next((version for version in ancestors if version.name == "raw_records"), None)
    before, taint = manifest.info.get("continued_from"), taint_of(lake, checkpoint)
    return {
        "use_case": use_case,
        "checkpoint": checkpoint.artifact_id,
        "written_at": manifest.written_at,
        "content_hash": checkpoint.content_hash,
        "settings_hash": manifest.settings_hash,
        "base_model": manifest.info.get("base_model"),
        **({"continued_from": before} if before else {}),
        "quarantined": taint_text(checkpoint.artifact_id, taint) if taint else None,
        "versions": [_described(lake, version) for version in ancestors],
        "training_records": len(trained),
        "source_files": _source_files(lake, raw, trained) if isinstance(raw, TableVersion) else [],
    }


def trainings_on(lake: Lake, use_case: str, splits: Collection[str]) -> list[dict[str, Any]]:
    """Trainings without a checkpoint whose saved states hold weights that one of these versions gave: `{"checkpoint",
    "splits"}`.

    `splits` is null where no state says any more what it was trained on; such a training is listed wherever there are
    versions."""
    return [
        {"checkpoint": t.checkpoint_id, "splits": t.splits}
        for t in unfinished_trainings(lake, use_case)
        if splits and t.splits in {None, *splits}
    ]


def training_record_ids(lake: Lake, checkpoint: ArtifactVersion) -> set[str]:
    """Ids of the records that a checkpoint was trained on."""
    if TRAINING_RECORDS not in lake.manifest(checkpoint).files:
        raise DataError(
            f"checkpoint {checkpoint.id} of {checkpoint.use_case} has no {TRAINING_RECORDS}, so its records are unknown"
        )
    return {
        record_id for batch in training_records(lake, checkpoint) for record_id in batch.column("record_id").to_pylist()
    }


def learned_record_ids(lake: Lake, checkpoint: ArtifactVersion) -> set[str]:
    """Ids of the records on the training and validation sides of the splits of a checkpoint, and of those that it was
    continued from."""
    found: set[str] = set()
    for parent in lake.manifest(checkpoint).parents:
        version = version_of_parent(lake, checkpoint.use_case, parent)
        if isinstance(version, ArtifactVersion):
            found |= learned_record_ids(lake, version)
        elif parent.name == "splits":
            sides = lake.read_table(version, ["record_id", "split"])
            found |= set(sides.filter(pc.field("split") != "test")["record_id"].to_pylist())
    return found


def training_records(lake: Lake, checkpoint: ArtifactVersion) -> Iterator[pa.RecordBatch]:
    """Column `record_id` of the records that a checkpoint was trained on, batch by batch; it must have the file
    `TRAINING_RECORDS`."""
    with pq.ParquetFile(lake.open_file(checkpoint, TRAINING_RECORDS)) as file:
        yield from file.iter_batches(columns=["record_id"])


def _find_raw(lake: Lake, use_case: str, wanted: str) -> dict[str, Any]:
    columns = ["record_id", "source_key", "source_uri", "source_position", "source_hash", "ingested_at"]
    for version in _versions(lake, use_case, "raw_records"):
        found = _rows(lake, version, "record_id", wanted, columns) or _rows(
            lake, version, "source_key", wanted, columns
        )
        if len({row["record_id"] for row in found}) > 1:
            ids = ", ".join(sorted({row["record_id"] for row in found})[:5])
            raise DataError(f"{len(found)} records of {use_case} have this id in their source", f"Trace one of {ids}")
        if found:
            return found[0]
    raise NotTraced(
        f"no version of raw_records of {use_case} contains this record",
        "Use the id in the column record_id, or the source's own",
    )


def _in_stage(lake: Lake, use_case: str, name: str, record_id: str) -> dict[str, Any] | None:
    """What the newest version that saw the record did to it, and the ids of all versions that hold it."""
    newest: dict[str, Any] | None = None
    holding = []
    for version in _versions(lake, use_case, name):
        kept = _rows(lake, version, "record_id", record_id, [*TRACED, "split"])
        if kept:
            holding.append(version.id)
        if newest is None:
            newest = _kept(name, version, kept[0]) if kept else _removed(lake, version, record_id)
    return {**newest, "in_versions": holding} if newest else None


def _kept(name: str, version: TableVersion, row: dict[str, Any]) -> dict[str, Any]:
    told = {
        key: dict(value) if key == "entities" and value is not None else value
        for key, value in row.items()
        if value is not None
    }
    return {"stage": name, "version": version.id, "outcome": "kept", **told}


def _removed(lake: Lake, version: TableVersion, record_id: str) -> dict[str, Any] | None:
    info = lake.manifest(version).info
    number = info.get("removed_version")
    if number is None:
        return None
    table = TableVersion(version.use_case, f"{version.name}_removed", version.zone, number, "", 0, "")
    rows = _rows(lake, table, "record_id", record_id, REMOVED.names)
    if not rows:
        return None
    told = {key: value for key, value in rows[0].items() if key != "record_id" and value is not None}
    if f"{QUARANTINE}_version" in info:
        unmet = _rows(lake, lake.beside(version, QUARANTINE), "record_id", record_id, ["expectation", "columns"])
        told |= {"expectations": [f"{row['expectation']}({row['columns']})" for row in unmet]} if unmet else {}
    return {"stage": version.name, "version": version.id, "outcome": "removed", **told}


def _rows(lake: Lake, version: TableVersion, key: str, value: str, columns: list[str]) -> list[dict[str, Any]]:
    """Rows of a version whose `key` has this value; of the columns those that the version has."""
    names = lake.columns(version)
    if key not in names:
        return []
    wanted = [column for column in columns if column in names]
    found: list[dict[str, Any]] = []
    for batch in lake.read(version, list(dict.fromkeys([key, *wanted]))):
        rows = pa.Table.from_batches([batch]).filter(pc.field(key) == value)
        found += rows.select(wanted).to_pylist()
    return found


def _versions(lake: Lake, use_case: str, name: str) -> Iterator[TableVersion]:
    """Every version of a table, newest first."""
    zone = STAGES[name].zone
    for manifest in lake.manifests(use_case, name):
        assert manifest.version is not None
        yield TableVersion(
            use_case,
            name,
            zone,
            manifest.version,
            manifest.content_hash,
            manifest.rows,
            lake.uri(zone, use_case, "tables", name),
        )


def _trained_on(lake: Lake, use_case: str, record_id: str) -> list[ArtifactVersion]:
    return [c for c in lake.artifacts(use_case, "adapter_checkpoint") if record_id in training_record_ids(lake, c)]


def _seen_by(lake: Lake, use_case: str, checkpoint: ArtifactVersion) -> dict[str, Any]:
    manifest = lake.manifest(checkpoint)
    return {
        "checkpoint": checkpoint.artifact_id,
        "written_at": manifest.written_at,
        "splits": [p.id for p in manifest.parents if p.name == "splits"],
    }


def find_checkpoint(lake: Lake, use_case: str, wanted: str) -> ArtifactVersion:
    """The checkpoint with this id, or the only one whose id begins so.

    Raises:
        NotTraced: there is none.
        DataError: there are several.
    """
    known = {c.artifact_id: c for c in lake.artifacts(use_case, "adapter_checkpoint")}
    found = [known[wanted]] if wanted in known else [c for name, c in known.items() if name.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            f"{len(found)} checkpoints of {use_case} begin with {wanted!r}",
            f"There are {', '.join(c.artifact_id for c in found[:5])}",
        )
    close = get_close_matches(wanted, known, n=1)
    raise NotTraced(
        f"{use_case} has no checkpoint {wanted!r}",
        f"Did you mean {close[0]}?" if close else f"There are {', '.join(known) or 'none'}",
    )


def tables_behind(lake: Lake, versions: Iterable[Version]) -> dict[str, TableVersion]:
    """Stage -> its table: those among the versions, and of the other stages those that they were made from."""
    given = list(versions)
    found = {version.name: version for version in given if isinstance(version, TableVersion)}
    for version in given:
        # What it was made from may be erased or expired; then the rest still counts.
        with suppress(VersionRefused):
            for ancestor in _ancestors(lake, version):
                if isinstance(ancestor, TableVersion):
                    found.setdefault(ancestor.name, ancestor)
    return found


def _ancestors(lake: Lake, version: Version) -> Iterator[Version]:
    """What a version was built from, and so on back to the source, each once."""
    seen: set[str] = set()
    queue: list[Version] = [version]
    while queue:
        current = queue.pop(0)
        for parent in lake.manifest(current).parents:
            if parent.id not in seen:
                seen.add(parent.id)
                handle = version_of_parent(lake, current.use_case, parent)
                queue.append(handle)
                yield handle


def _described(lake: Lake, version: Version) -> dict[str, Any]:
    manifest = lake.manifest(version)
    return {
        "stage": version.name,
        "version": version.id,
        "rows": manifest.rows,
        "content_hash": version.content_hash,
        "written_at": manifest.written_at,
    }


def _source_files(lake: Lake, raw: TableVersion, record_ids: set[str]) -> list[dict[str, Any]]:
    """Source files of these records, with their hash and how many of the records each holds."""
    counts: Counter[str] = Counter()
    for batch in lake.read(raw, ["record_id", "source_uri"]):
        rows = zip(batch.column("record_id").to_pylist(), batch.column("source_uri").to_pylist(), strict=True)
        counts.update(uri for record_id, uri in rows if record_id in record_ids)
    hashes = lake.manifest(raw).info.get("files", {})
    return [{"uri": uri, "hash": hashes.get(uri), "records": count} for uri, count in sorted(counts.items())]
