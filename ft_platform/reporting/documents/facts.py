"""What a document may state: figures of manifests and verdicts, and settings that a version was made with. Nothing else is known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ft_platform.lake import Manifest, Verdict
from ft_platform.stages import STAGES
from ft_platform.use_case import NamedUseCase


@dataclass(frozen=True)
class Facts:
    """The versions behind a checkpoint or a table, and how to name them.

    Attributes:
        name: of the use case.
        use_case: its file as it is now, or None where it is gone.
        manifests: stage -> manifest; of several versions the newest.
        verdicts: stage -> check -> verdict on its content.
        read: `(stage, file)` -> the JSON file of a checkpoint or report, or None where there is none.
        links: stage -> folder of the version, for documents that lie beside it.
    """

    name: str
    use_case: NamedUseCase | None
    manifests: Mapping[str, Manifest]
    verdicts: Mapping[str, Mapping[str, Verdict]]
    read: Callable[[str, str], Any]
    links: Mapping[str, str] = field(default_factory=dict)

    def section(self, stage: str, name: str) -> Any:
        """A section of the settings that a version of `stage` was made with, or None where the file says something else by now.

        Args:
            stage: whose result depends on the section.
        """
        manifest = self.manifests.get(stage)
        if manifest is None or self.use_case is None or name not in STAGES[stage].reads:
            return None
        same = manifest.settings_hash == STAGES[stage].settings_hash(self.use_case)
        return self.use_case.section(name) if same else None
