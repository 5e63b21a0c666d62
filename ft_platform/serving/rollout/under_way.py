"""A rollout as the file that a server reads names it (`serving.live`), and who of its callers asks the candidate."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ft_platform.use_case.settings.rollout import Rollout

CANDIDATE = "candidate"
"""Name behind that of a use case (`@candidate`) of a release that is tried."""
SLOW = 0.05
"""Share of answers above their 95th percentile."""


@dataclass(frozen=True)
class UnderWay:
    """A candidate that is tried on a share of the champion's traffic.

    Attributes:
        target: name in `serving.targets`.
        champion, candidate: ids of releases.
        rules: as they were when it began; an edit of the YAML changes no rollout under way.
        began: ISO 8601.
        stopped: why a server gives the candidate no more traffic; empty: it does.
    """

    target: str
    champion: str
    candidate: str
    rules: Rollout
    began: str
    stopped: str = ""

    @property
    def identity(self) -> tuple[str, str]:
        """Unlike that of a later rollout of the same candidate."""
        return self.candidate, self.began

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "rules": self.rules.model_dump(mode="json")}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "UnderWay":
        """Raises:
        KeyError, TypeError, ValueError: it is none.
        """
        return cls(**{**found, "rules": Rollout.model_validate(found["rules"])})

    def includes(self, caller: str) -> bool:
        """Whether a caller is in the share. The same callers are in it until its end; another candidate gets others."""
        digest = hashlib.sha256(f"{self.candidate}\n{caller}".encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8]) / 2**64 < self.rules.share
