"""Releases as `release.releasing` publishes them, for tests of what follows from one."""

import json
from typing import Any

from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion


def released(
    lake: Lake, checkpoint: ArtifactVersion, written_at: str | None = None, record: dict[str, Any] | None = None
) -> ArtifactVersion:
    """A published release of a checkpoint. `written_at` puts it at its own time, `record` replaces what it says."""
    number = len(lake.artifacts(checkpoint.use_case, "release"))
    decision = next(iter(lake.artifacts(checkpoint.use_case, "release_decision")), None) or _decision(lake, checkpoint)
    decided = {"id": decision.artifact_id, "content_hash": decision.content_hash}
    said: dict[str, Any] = {
        "checkpoint": {"id": checkpoint.artifact_id, "content_hash": checkpoint.content_hash},
        "number": number,
    }
    said |= {"decision": decided}
    with lake.scratch(checkpoint.use_case, "release") as folder:
        folder.mkdir(parents=True)
        (folder / "release.json").write_text(json.dumps(said if record is None else record))
        made = lake.publish(
            checkpoint.use_case,
            "release",
            f"release-{number}",
            folder,
            parents=[checkpoint],
            settings_hash="s",
            input_hash=str(number),
        )
    if written_at:
        path = f"{lake.path_of('shared', made.use_case, made.name, made.artifact_id)}/manifest.json"
        manifest = json.loads(lake.fs.cat_file(path)) | {"written_at": written_at}
        lake._write_signed(made.use_case, path, manifest)
    return made


def _decision(lake: Lake, checkpoint: ArtifactVersion) -> ArtifactVersion:
    """One that says nothing, for tests that are not about it."""
    with lake.scratch(checkpoint.use_case, "release_decision") as folder:
        folder.mkdir(parents=True)
        (folder / "decision.json").write_text("{}")
        info = {"checkpoint": checkpoint.artifact_id, "decision": "accepted"}
        how: dict[str, Any] = {"settings_hash": "s", "input_hash": "i", "info": info}
        return lake.publish(checkpoint.use_case, "release_decision", "decision-0", folder, parents=[checkpoint], **how)
