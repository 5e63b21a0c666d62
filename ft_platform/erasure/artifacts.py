"""Published folders: reports with rows per record, lists of training records, and pages that name a person."""

import hashlib
import json
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from ft_platform.erasure.case_file import DELETION
from ft_platform.erasure.needles import Needles
from ft_platform.erasure.rewriting import asked_columns, rewritten
from ft_platform.erasure.selecting import Selection
from ft_platform.lake.erased_rows import WHOLE, ErasedRows, Erasure
from ft_platform.lake.files import write_bytes
from ft_platform.lake.provenance import TRAINING_RECORDS
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import SAW_NO_ERASED
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.models.guards.own_files import TERMS
from ft_platform.models.text_classifier import NO_TERMS
from ft_platform.people.statements import FILE as STATEMENT
from ft_platform.people.statements import restated
from ft_platform.stages import STAGES

CHECKPOINTS = [stage.name for stage in STAGES.values() if stage.kind == "checkpoint"]
NO_FOLDERS_OF_ARTIFACTS = ("tables", "manifests", "verdicts", "locks", "seals", "traffic")


def artifacts_of(lake: Lake, use_case: str, signed: bool = False) -> Iterator[ArtifactVersion]:
    """Every published folder of a use case.

    Args:
        signed: what persons said and the installation signed, in place of all others.
    """
    lake.fs.invalidate_cache()
    place = lake.path_of("shared", use_case)
    names = (
        [path.rstrip("/").rsplit("/", 1)[-1] for path in lake.fs.ls(place, detail=False)]
        if lake.fs.exists(place)
        else []
    )
    for name in sorted(names):
        if not name.startswith(".") and name not in NO_FOLDERS_OF_ARTIFACTS:
            yield from (
                one for one in lake.artifacts(use_case, name) if (STATEMENT in lake.manifest(one).files) is signed
            )


def rows_in(lake: Lake, artifact: ArtifactVersion, selection: Selection) -> int:
    """Rows about records of these persons in the Parquet files of a folder."""
    return sum(_rows_of(lake, artifact, name, selection) for name in _tables(lake, artifact))


def training_rows(lake: Lake, checkpoint: ArtifactVersion, selection: Selection) -> int | None:
    """How many of the rows a checkpoint was trained on; None: it keeps no list."""
    if TRAINING_RECORDS not in lake.file_hashes(checkpoint):
        return None
    return _rows_of(lake, checkpoint, TRAINING_RECORDS, selection)


def _tables(lake: Lake, artifact: ArtifactVersion) -> list[str]:
    return [name for name in lake.file_hashes(artifact) if name.endswith(".parquet")]


def _rows_of(lake: Lake, artifact: ArtifactVersion, name: str, selection: Selection) -> int:
    with pq.ParquetFile(lake.open_file(artifact, name)) as file:
        asked = asked_columns(file, selection)
        batches: Iterator[pa.RecordBatch] = file.iter_batches(columns=asked) if asked != [] else iter(())
        return sum(int((selection.rows(batch) | selection.naming(batch)).sum()) for batch in batches)


def erase_from_artifact(
    lake: Lake, artifact: ArtifactVersion, selection: Selection, needles: Needles | None, request: str
) -> int:
    """Takes rows and words out of the files of a folder, and all words out of a classifier of words that learned from
    the rows. Returns how many rows.

    The new hash of a file is signed before the file is replaced: killed in between, the folder does not verify, the old
    file is found again and replaced then.

    Args:
        needles: words in files of text; None: only rows are taken out.
    """
    rows, refused = 0, lake.verdicts(artifact).get(SAW_NO_ERASED)
    for name in lake.file_hashes(artifact):
        path = lake.path_of("shared", artifact.use_case, artifact.name, artifact.artifact_id, name)
        if name.endswith(".parquet"):
            with rewritten(lake, path, selection) as change:
                if change:
                    rows += change.rows
                    _sign(lake, artifact, request, name, change.after, change.rows)
        elif name == TERMS and refused and not refused.passed:
            # Words and pairs of words as they were in the rows (`models.text_classifier`).
            if bytes(lake.fs.cat_file(path)) != NO_TERMS:  # type: ignore[arg-type]
                _sign(lake, artifact, request, name, hashlib.sha256(NO_TERMS).hexdigest(), 0)
                write_bytes(lake.fs, path, NO_TERMS)
        elif needles and (content := bytes(lake.fs.cat_file(path))) and _is_text(content):  # type: ignore[arg-type]
            left = needles.without(content)
            if left != content:
                _sign(lake, artifact, request, name, hashlib.sha256(left).hexdigest(), 0)
                write_bytes(lake.fs, path, left)
    return rows


def erase_from_statement(lake: Lake, artifact: ArtifactVersion, needles: Needles, request: str) -> bool:
    """Takes words out of what a person said, and signs it anew: it stays on record, under the id that it has. Returns
    whether there were any."""
    path = lake.path_of("shared", artifact.use_case, artifact.name, artifact.artifact_id, STATEMENT)
    content = bytes(lake.fs.cat_file(path))  # type: ignore[arg-type]
    left = needles.without(content)
    if left == content:
        return False
    anew = restated(lake, artifact.name, json.loads(left))
    _sign(lake, artifact, request, STATEMENT, hashlib.sha256(anew).hexdigest(), 0)
    write_bytes(lake.fs, path, anew)
    return True


def _sign(lake: Lake, artifact: ArtifactVersion, request: str, name: str, digest: str, rows: int) -> None:
    known = lake.erased_rows(artifact)
    earlier = known.before(request).joined(DELETION)
    own = known.erasures[-1] if known.erasures[-1:] and known.erasures[-1].request == request else None
    own = own or Erasure(request=request, rows=0)
    more = rows if own.files.get(name) != digest else 0  # not twice, where a process was killed in between
    new = Erasure(request=request, rows=own.rows + more, files={**own.files, name: digest})
    lake.add_verdict(artifact, WHOLE, True, "", ErasedRows((*earlier.erasures, new)).numbers())


def _is_text(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in content[:4096]
