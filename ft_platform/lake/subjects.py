"""From a person to every version, split and checkpoint that holds rows of theirs. For the role that may read the
restricted zone and the pseudonym key.

Covered: all versions of all tables, also those that were made before the person withdrew, rows that a stage removed or
put into quarantine, checkpoints by their training records, trainings that saved states and published no checkpoint yet,
and reports that keep a row per record (predictions). Not covered: persons who are named only inside texts of other
people's records; use cases whose records name no person (`record.subject`), which are listed as not searched; the vault
(`ft vault`); copies outside the lake."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ft_platform.errors import FtError
from ft_platform.lake.manifest import Manifest
from ft_platform.lake.provenance import TRAINING_RECORDS, training_records, trainings_on
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import taint_of
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.records.columns import SIDES
from ft_platform.stages import STAGES

TABLES = [stage for stage in STAGES.values() if stage.kind in ("table", "quarantine")]
CHECKPOINTS = [stage.name for stage in STAGES.values() if stage.kind == "checkpoint"]
KINDS = ("versions", "splits", "checkpoints", "unfinished_trainings", "reports")
REPORTS = [stage.name for stage in STAGES.values() if stage.kind == "report"]


@dataclass
class _Rows:
    """Rows of one person in one version."""

    record_ids: set[str] = field(default_factory=set)
    sides: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    names_persons: bool = False


def trace_subject(lake: Lake, use_case: str, subject_id: str, pseudonyms: Collection[str]) -> dict[str, Any] | None:
    """Where rows of a person are, of one use case. Never the id of the person, nor a pseudonym.

    Rows are found by the id in the restricted zone, by the keyed pseudonym in the shared zone, and by `record_id` in
    both. Of each version only these columns are read, and of versions with equal content one.

    Args:
        subject_id: as the source or the ledger writes it; blanks around it do not matter.
        pseudonyms: of this person in this use case, by each key there is (`lake.keys.key_ring.subject_pseudonyms`).

    Returns:
        `{"records", "versions", "splits", "checkpoints", "unfinished_trainings", "reports"}`: number of different
        records; every version with rows, how many, how many of them the stage removed by reason, and whether the
        version is tainted; of `splits` the rows by side; of reports how many of the records they have a row about. None
        where no record of the use case names a person.

    Raises:
        FtError: the restricted zone may not be read.
    """
    require_access(lake, use_case)
    known: set[str] = set()
    versions: list[dict[str, Any]] = []
    splits: list[dict[str, Any]] = []
    names_persons = False
    for stage in TABLES:
        wanted = {subject_id.strip()} if stage.zone == "restricted" else set(pseudonyms)
        looked_at: dict[str, _Rows] = {}
        for manifest in lake.manifests(use_case, stage.name):
            version = TableVersion(
                use_case, stage.name, stage.zone, int(manifest.version or 0), manifest.content_hash, manifest.rows, ""
            )
            if version.content_hash not in looked_at:
                looked_at[version.content_hash] = _rows_in(lake, version, wanted, known)
            rows = looked_at[version.content_hash]
            known |= rows.record_ids
            names_persons |= rows.names_persons
            removed = _removed_in(lake, version, manifest, known)
            if rows.record_ids or removed:
                told = {
                    "version": version.id,
                    "rows": len(rows.record_ids),
                    "written_at": manifest.written_at,
                    "tainted": taint_of(lake, version) is not None,
                }
                versions.append({"stage": stage.name, **told, "removed": dict(sorted(removed.items()))})
            if rows.sides:
                splits.append({"version": version.id, **{side: rows.sides[side] for side in SIDES}})
    if not names_persons:
        return None
    made = {
        "checkpoints": _checkpoints(lake, use_case, known),
        "unfinished_trainings": trainings_on(lake, use_case, [one["version"] for one in splits]),
        "reports": _reports(lake, use_case, known),
    }
    return {"use_case": use_case, "records": len(known), "versions": versions, "splits": splits, **made}


def require_access(lake: Lake, *use_case: str) -> None:
    """Returns if the restricted zone, or that of a use case, may be read.

    A folder that may not be looked into seems empty, and "no rows" would be a wrong answer.

    Raises:
        FtError: it may not.
    """
    try:
        for folder in (lake.root, lake.uri("restricted", ""), *(lake.uri("restricted", name) for name in use_case)):
            if lake.fs.exists(folder):
                lake.fs.ls(folder, detail=False)
    except PermissionError:
        raise FtError(
            "no permission to read the restricted zone of the lake",
            ("Ask someone who has the role for restricted data to trace it"),
        ) from None


def _rows_in(lake: Lake, version: TableVersion, subjects: set[str], known: set[str]) -> _Rows:
    """Rows whose person or record is among these."""
    there = set(lake.columns(version))
    columns = [name for name in ("record_id", "subject_id", "split") if name in there]
    persons, records = pa.array(sorted(subjects), pa.string()), pa.array(sorted(known), pa.string())
    found = _Rows()
    for batch in lake.read(version, columns):
        hit = pc.is_in(batch.column("record_id"), value_set=records)
        if "subject_id" in there:
            found.names_persons |= batch.column("subject_id").null_count < batch.num_rows
            hit = pc.or_(hit, pc.is_in(pc.utf8_trim_whitespace(batch.column("subject_id")), value_set=persons))
        rows = batch.filter(hit)
        found.record_ids |= set(rows.column("record_id").to_pylist())
        if "split" in there:
            found.sides.update(rows.column("split").to_pylist())
    return found


def _removed_in(lake: Lake, version: TableVersion, manifest: Manifest, known: set[str]) -> Counter[str]:
    """Why the stage removed rows of these records, and how many."""
    reasons: Counter[str] = Counter()
    number = manifest.info.get("removed_version")
    if number is None or not known:
        return reasons
    records = pa.array(sorted(known), pa.string())
    removed = TableVersion(version.use_case, f"{version.name}_removed", version.zone, number, "", 0, "")
    for batch in lake.read(removed, ["record_id", "reason"]):
        reasons.update(
            batch.filter(pc.is_in(batch.column("record_id"), value_set=records)).column("reason").to_pylist()
        )
    return reasons


def _checkpoints(lake: Lake, use_case: str, known: set[str]) -> list[dict[str, Any]]:
    """Checkpoints that were trained on these records. `rows` is null where a checkpoint keeps no list of its
    records."""
    records = pa.array(sorted(known), pa.string())
    found = []
    for name in CHECKPOINTS:
        for checkpoint in lake.artifacts(use_case, name):
            manifest = lake.manifest(checkpoint)
            rows = None
            if TRAINING_RECORDS in manifest.files:
                rows = sum(_count(batch, records) for batch in training_records(lake, checkpoint))
            if rows != 0 and known:
                splits = [parent.id for parent in manifest.parents if parent.name == "splits"]
                told = {
                    "written_at": manifest.written_at,
                    "tainted": taint_of(lake, checkpoint) is not None,
                    "splits": splits,
                }
                found.append({"checkpoint": checkpoint.artifact_id, "rows": rows, **told})
    return found


def _reports(lake: Lake, use_case: str, known: set[str]) -> list[dict[str, Any]]:
    """Reports with a file of rows about these records: an evaluation keeps what the model said to each record of the
    test split."""
    found = []
    for name in REPORTS:
        for report in lake.artifacts(use_case, name):
            manifest = lake.manifest(report)
            if about := known & _ids_in(lake, report, manifest):
                found.append(
                    {
                        "stage": name,
                        "report": report.artifact_id,
                        "records": len(about),
                        "written_at": manifest.written_at,
                    }
                )
    return found


def _ids_in(lake: Lake, report: ArtifactVersion, manifest: Manifest) -> set[str]:
    """Record ids in all parquet files of a report."""
    ids: set[str] = set()
    for name in manifest.files:
        if name.endswith(".parquet"):
            with pq.ParquetFile(lake.open_file(report, name)) as file:
                if "record_id" in file.schema_arrow.names:
                    for batch in file.iter_batches(columns=["record_id"]):
                        ids.update(batch.column("record_id").to_pylist())
    return ids


def _count(batch: pa.RecordBatch, records: pa.Array) -> int:
    return pc.sum(pc.is_in(batch.column("record_id"), value_set=records)).as_py() or 0


def merged(found: Iterator[tuple[str, dict[str, Any] | None]]) -> dict[str, Any]:
    """Traces of several use cases as one: each version, split, checkpoint and report with its use case.

    Args:
        found: name of the use case and `trace_subject` of it.
    """
    told: dict[str, Any] = {"records": 0, **{kind: [] for kind in KINDS}, "searched": [], "not_searched": []}
    for use_case, trace in found:
        if trace is None:
            told["not_searched"].append(use_case)
            continue
        told["searched"].append(use_case)
        told["records"] += trace["records"]
        for kind in KINDS:
            told[kind] += [{"use_case": use_case, **one} for one in trace[kind]]
    return told
