"""How the checkpoint came about as an in-toto statement with a SLSA provenance predicate: which files, from what, by
which program.

Formats: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md and
https://slsa.dev/spec/v1.0/provenance. Not covered here: a signature. `ft evidence --sign-with` puts the statement into
a signed envelope (DSSE) beside it."""

import json
from datetime import datetime, timedelta
from typing import Any

from ft_platform.lake.manifest import Manifest
from ft_platform.reporting.documents.facts import Facts
from ft_platform.reporting.documents.statements import place_of
from ft_platform.use_case.settings.base_model import reads_words

FILE = "provenance.intoto.json"
BUILD_TYPE = "https://ft-platform.example/build/adapter_checkpoint/v1"
ROWS_HASH, FILES_HASH = "ftContentHash", "ftFilesHash"
"""Digest of a table: over its rows, whatever files they lie in. Of a checkpoint: over the names and hashes of its
files. Neither is a sha256 of bytes, so each has a name of its own, which `DigestSet` allows."""


def make(facts: Facts) -> str:
    """The statement. Subjects are the files of the checkpoint with their sha256, dependencies the versions and weights
    it was made from.

    Raises:
        NotKnown: there is no checkpoint.
    """
    checkpoint = facts.manifest("adapter_checkpoint")
    told = facts.read("adapter_checkpoint", "training.json") or {}
    ended = datetime.fromisoformat(checkpoint.written_at)
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": f"{checkpoint.id}/{name}", "digest": {"sha256": digest}}
            for name, digest in sorted(checkpoint.files.items())
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "use_case": facts.name,
                    "settings_hash": checkpoint.settings_hash,
                    "training": told.get("training", {}),
                },
                "internalParameters": {
                    "input_hash": checkpoint.input_hash,
                    **{name: checkpoint.info.get(name) for name in ("seed", "threads", "kernels", "device")},
                },
                "resolvedDependencies": _dependencies(facts, checkpoint),
            },
            "runDetails": {
                "builder": {
                    "id": "https://ft-platform.example/ft_platform.programs.train",
                    "version": {"ft-platform": checkpoint.code},
                },
                "metadata": {
                    "invocationId": checkpoint.id,
                    "startedOn": _utc(ended - timedelta(seconds=checkpoint.seconds)),
                    "finishedOn": _utc(ended),
                },
            },
        },
    }
    return json.dumps(statement, indent=1, ensure_ascii=False)


def _dependencies(facts: Facts, checkpoint: Manifest) -> list[dict[str, Any]]:
    base = checkpoint.info.get("base_model", {})
    found = []
    if base and not reads_words(base):
        digest = {"digest": {"sha256": base["sha256"]}} if base.get("sha256") else {}
        found.append({"name": "base_model", "uri": place_of(str(base.get("uri"))), **digest})
    if before := checkpoint.info.get("continued_from"):
        found.append(
            {"name": "continued_from", "uri": before["checkpoint"], "digest": {FILES_HASH: before["content_hash"]}}
        )
    # Tables in the order the data flows, from the source to what was trained on.
    tables = [manifest for manifest in facts.manifests.values() if manifest.version is not None]
    return [*found, *({"name": one.name, "uri": one.id, "digest": {ROWS_HASH: one.content_hash}} for one in tables)]


def _utc(time: datetime) -> str:
    """RFC 3339, as both specifications write times."""
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")
