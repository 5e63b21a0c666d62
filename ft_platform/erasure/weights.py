"""What weights hold of erased rows: measured before the rows go, and on a checkpoint that was trained without them.

Only where the request says so. Until then the rows that were learned lie sealed under a key of this request, outside of
the lake; key and rows go when the second measurement is signed, and on the last day of the request at the latest. The
figures are aggregates and name nobody. Covered: checkpoints that keep a list of their records. Not covered: taking
anything out of weights, and copies of the sealed rows in a backup, which nobody can read once the key is gone."""

import base64
import json
import secrets
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ft_platform.erasure.case_file import FOLDER, CaseFile
from ft_platform.errors import DataError, FtError
from ft_platform.lake.files import locked, read_bytes, write_bytes
from ft_platform.lake.keys.providers.file import write_private
from ft_platform.lake.manifest import now
from ft_platform.lake.provenance import TRAINING_RECORDS
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import taint_of
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import Person
from ft_platform.people.statements import state
from ft_platform.release.erasures import WEIGHTS, Request
from ft_platform.training.dataset import COLUMNS
from ft_platform.training.privacy_attacks.person_scores import scores_of, splits_of
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

CHECKPOINT = "adapter_checkpoint"
NO_LIST = "it keeps no list of its training records"
NOTHING = "it learned from none of the rows itself"
TOO_LATE = "no checkpoint was trained without the rows until the last day, so the sealed rows went unmeasured"
LOST = "the sealed rows or their key are gone"


def measure_before(
    lake: Lake, environment: Environment, use_case: NamedUseCase, request: Request, case: CaseFile, today: date
) -> dict[str, Any]:
    """Measures each checkpoint of the plan, and seals the rows. Done again, it changes nothing but the key.

    Returns:
        `{"before": [{"checkpoint", **figures} or {"checkpoint", "not_measured"}], "sealed_until": day or None}`.
    """
    told: list[dict[str, Any]] = []
    learned: list[pa.Table] = []
    for one in case.told["plan"]["checkpoints"]:
        checkpoint = lake.artifact(use_case.name, CHECKPOINT, one["checkpoint"], verify=False)
        why, figures = NO_LIST, None
        if checkpoint and TRAINING_RECORDS in lake.file_hashes(checkpoint):
            try:
                rows = _learned(lake, checkpoint, case.records)
                why = NOTHING
                if rows.num_rows:
                    learned.append(rows)
                    figures = scores_of(lake, environment, use_case, checkpoint, rows)
            except FtError as error:  # the erasure has a last day, so it goes on; the certificate says why
                why = error.message
        told.append({"checkpoint": one["checkpoint"], **(figures or {"not_measured": why})})
    seals = bool(learned) and today < request.deadline
    if seals:
        _seal(lake, environment, use_case.name, request.id, pa.concat_tables(learned))
    return {"before": told, "sealed_until": request.said["deadline"] if seals else None}


def measure_after(
    lake: Lake, environment: Environment, use_case: NamedUseCase, request: Request, person: Person, today: date
) -> dict[str, Any]:
    """Measures the newest checkpoint that was trained without the rows, signs both measurements, and destroys the
    rows. On the last day they go unmeasured. Done again, the first one stays.

    Raises:
        DataError: nobody asked for it, the erasure is not done, or nothing was trained since.
    """
    weights = (request.certificate or {}).get("weights")
    if weights is None:
        raise DataError(f"{request.id} has no certificate that promises a measurement of weights")
    with locked(environment.lock("measuring", request.id)):
        if request.weights is None:
            said = {"request": request.id, **_after(lake, environment, use_case, request, weights, today)}
            who = {"person": person.name, "known_by": person.known_by, "at": now("milliseconds")}
            note(lake, use_case, "erasure", "measured what weights hold of erased rows", person, request=request.id)
            made = state(lake, use_case, WEIGHTS, {**said, **who}, [request.stated.version])
        else:
            made = request.weights
        destroy(lake, environment, use_case.name, request.id)
    return made


def _after(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    request: Request,
    weights: dict[str, Any],
    today: date,
) -> dict[str, Any]:
    before, nothing = {"before": weights["before"]}, {"after": None}
    if today >= request.deadline:
        return {**before, **nothing, "not_measured": TOO_LATE}
    rows = _unsealed(lake, environment, use_case.name, request.id)
    if rows is None:
        return {**before, **nothing, "not_measured": LOST}
    assert request.certificate
    checkpoint = _trained_since(lake, use_case.name, request.certificate["at"], rows["record_id"].to_pylist())
    if checkpoint is None:
        raise DataError(
            f"no checkpoint of {use_case.name} was trained without the rows yet",
            f"Train one, then measure it before {request.deadline}: ft run {use_case.name}",
        )
    figures = scores_of(lake, environment, use_case, checkpoint, rows)
    return {**before, "after": {"checkpoint": checkpoint.artifact_id, **figures}}


def destroy_overdue(
    lake: Lake, environment: Environment, use_case: NamedUseCase, known: list[Request], person: Person, today: date
) -> int:
    """Destroys sealed rows whose last day has come. Returns of how many requests.

    Args:
        known: every request of the use case.
    """
    overdue = [one for one in known if today >= one.deadline and _exists(lake, environment, use_case.name, one.id)]
    for one in overdue:
        if one.certificate:
            measure_after(lake, environment, use_case, one, person, today)
        else:
            destroy(lake, environment, use_case.name, one.id)
    return len(overdue)


def destroy(lake: Lake, environment: Environment, use_case: str, request: str) -> None:
    """The key first: without it the rows cannot be read, wherever they were copied."""
    _key_path(environment, request).unlink(missing_ok=True)
    path = _path(lake, use_case, request)
    if lake.fs.exists(path):
        lake.fs.rm_file(path)


def _learned(lake: Lake, checkpoint: ArtifactVersion, records: list[str]) -> pa.Table:
    """The rows of a person that a checkpoint was trained on, columns `COLUMNS`."""
    listed = pq.read_table(lake.open_file(checkpoint, TRAINING_RECORDS)).filter(pc.field("split") == "train")
    own = pa.array(sorted(set(listed["record_id"].to_pylist()) & set(records)), pa.string())
    table = lake.read_table(splits_of(lake, checkpoint), COLUMNS)
    return table.filter(pc.is_in(table["record_id"], own))


def _trained_since(lake: Lake, use_case: str, moment: str, records: list[str]) -> ArtifactVersion | None:
    """The newest checkpoint that was trained after a moment, and on none of the records."""
    for one in lake.artifacts(use_case, CHECKPOINT):
        listed = TRAINING_RECORDS in lake.file_hashes(one)
        if lake.manifest(one).written_at > moment and listed and taint_of(lake, one) is None:
            seen = pq.read_table(lake.open_file(one, TRAINING_RECORDS), columns=["record_id"])["record_id"].to_pylist()
            if not set(seen) & set(records):
                return one
    return None


def _seal(lake: Lake, environment: Environment, use_case: str, request: str, rows: pa.Table) -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key, nonce, content = AESGCM.generate_key(256), secrets.token_bytes(12), BytesIO()
    pq.write_table(rows, content)
    sealed = AESGCM(key).encrypt(nonce, content.getvalue(), f"{use_case} {request}".encode())
    said = {"nonce": base64.b64encode(nonce).decode(), "sealed": base64.b64encode(sealed).decode()}
    write_private(_key_path(environment, request), key.hex() + "\n")
    lake.close_zone("restricted")
    path = _path(lake, use_case, request)
    write_bytes(lake.fs, path, json.dumps(said).encode())
    lake.settle(path)


def _unsealed(lake: Lake, environment: Environment, use_case: str, request: str) -> pa.Table | None:
    """The rows, each record once; None: they or the key are gone, or were altered."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        key = bytes.fromhex(_key_path(environment, request).read_text(encoding="utf-8").strip())
        said = json.loads(read_bytes(lake.fs, _path(lake, use_case, request)))
        nonce, sealed = (base64.b64decode(said[name]) for name in ("nonce", "sealed"))
        content = AESGCM(key).decrypt(nonce, sealed, f"{use_case} {request}".encode())
    except (FileNotFoundError, InvalidTag, ValueError, KeyError, TypeError):
        return None
    rows = pq.read_table(pa.BufferReader(content))
    ids = rows["record_id"].to_pylist()
    return rows.take([place for place, one in enumerate(ids) if one not in ids[:place]])


def _exists(lake: Lake, environment: Environment, use_case: str, request: str) -> bool:
    return _key_path(environment, request).exists() or bool(lake.fs.exists(_path(lake, use_case, request)))


def _key_path(environment: Environment, request: str) -> Path:
    return Path(environment.home) / "erasures" / f"{request}.key"


def _path(lake: Lake, use_case: str, request: str) -> str:
    return lake.path_of("restricted", use_case, FOLDER, f"{request}.sealed")
