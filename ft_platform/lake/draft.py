"""An artifact of a stage on its way: what it is made from, until it is published."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ft_platform.lake.versions import ArtifactVersion, Version
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase

if TYPE_CHECKING:
    from ft_platform.lake.store import Lake


@dataclass(frozen=True)
class Draft:
    """A checkpoint or report that is there already, or is made now.

    Attributes:
        id: of the artifact; equal inputs give the same.
        inputs: hash of all that the artifact depends on.
        settings_hash: of the settings that it depends on; "": those that the stage reads.
        started: `time.monotonic()`, from which its seconds count.
    """

    lake: "Lake"
    use_case: NamedUseCase
    stage: str
    id: str
    inputs: str
    parents: Sequence[Version]
    settings_hash: str = ""
    started: float = field(default_factory=time.monotonic)

    def existing(self) -> ArtifactVersion | None:
        """The intact artifact with this id, if there is one."""
        return self.lake.intact_artifact(self.use_case.name, self.stage, self.id)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Where its files are written."""
        with self.lake.scratch(self.use_case.name, self.stage) as folder:
            folder.mkdir(parents=True)
            yield folder

    def publish(
        self, folder: Path, counts: dict[str, Any] | None = None, info: dict[str, Any] | None = None
    ) -> ArtifactVersion:
        """The folder, as an artifact (`Lake.publish`)."""
        return self.lake.publish(
            self.use_case.name,
            self.stage,
            self.id,
            folder,
            parents=self.parents,
            settings_hash=self.settings_hash or STAGES[self.stage].settings_hash(self.use_case),
            input_hash=self.inputs,
            counts=counts,
            info=info,
            seconds=time.monotonic() - self.started,
        )
