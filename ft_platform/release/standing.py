"""The release decision of a use case as it was recorded, in the words that every command and page uses. Whether it
holds now: `standing_now`."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime

from ft_platform.errors import FtError
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion

STAGE, FILE = "release_decision", "decision.json"
ACCEPTED, REFUSED, ENDED, UNREADABLE = "accepted", "refused", "ended", "unreadable"


@dataclass(frozen=True)
class Standing:
    """A decision as it reads today.

    Attributes:
        state: `accepted`, `refused`, `ended` (it was accepted and does not hold any more), or `unreadable`.
        valid_until: last day of an accepted decision that rests on a waiver.
        why: it ended, in a sentence; empty: a waiver that it rests on has.
    """

    id: str
    state: str
    valid_until: str | None = None
    why: str = ""

    @property
    def words(self) -> str:
        """`release refused`, and so on."""
        if self.state == UNREADABLE:
            return "release decision cannot be read"
        if self.state == ENDED and self.why:
            return "release no longer accepted"
        if self.state == ENDED:
            return f"release no longer accepted, a waiver ended on {self.valid_until}"
        return f"release {self.state}{f' until {self.valid_until}' if self.valid_until else ''}"


def standing_of(lake: Lake, decision: ArtifactVersion, today: date | None = None) -> Standing:
    """How a decision reads today. One that was altered or cannot be read is never accepted."""
    try:
        lake.verify_artifact(decision)
        found = json.loads(lake.read_file(decision, FILE))
        state, until = found["decision"], found["valid_until"]
    except (FtError, ValueError, KeyError):
        return Standing(decision.artifact_id, UNREADABLE)
    if state != ACCEPTED:
        return Standing(decision.artifact_id, REFUSED)
    ended = until is not None and date.fromisoformat(until) < (today or datetime.now(UTC).date())
    return Standing(decision.artifact_id, ENDED if ended else ACCEPTED, until)
