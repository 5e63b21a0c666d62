"""Release decisions as the gate publishes them, for tests of what follows from one."""

import json
from typing import Any

from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion


def decide(
    lake: Lake,
    checkpoint: ArtifactVersion,
    decision: str = "accepted",
    written_at: str | None = None,
    changes: dict[str, Any] | None = None,
) -> ArtifactVersion:
    """A published decision about a checkpoint. `written_at` puts it at a time of its own."""
    number = len(lake.artifacts(checkpoint.use_case, "release_decision"))
    with lake.scratch(checkpoint.use_case, "release_decision") as folder:
        folder.mkdir(parents=True)
        (folder / "decision.json").write_text(
            json.dumps(
                {"decision": decision, "checkpoint": checkpoint.artifact_id, "number": number, **(changes or {})}
            )
        )
        made = lake.publish(
            checkpoint.use_case,
            "release_decision",
            f"deci-{number}",
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
