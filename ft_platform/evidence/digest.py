"""The evidence pack of a checkpoint as a digest, for the record of a release."""

import tempfile
from pathlib import Path
from typing import Any

from ft_platform.evidence.gather import gather
from ft_platform.evidence.pack import write_pack
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.named import NamedUseCase


def evidence_digest(lake: Lake, use_case: NamedUseCase, checkpoint: ArtifactVersion) -> dict[str, Any]:
    """The evidence pack as it is today: its sha256 and the hash of each file (`ft evidence` writes the same bytes)."""
    with tempfile.TemporaryDirectory(prefix="ft-evidence-") as folder:
        pack = write_pack(lake, use_case, gather(lake, checkpoint), Path(folder) / checkpoint.artifact_id)
        return {"sha256": pack.sha256, "files": pack.files, "missing": pack.missing}
