"""The release decision that stands for a use case, in the words that every command uses beside how a run ended."""

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
        state: `accepted`, `refused`, `ended` (a waiver that it rests on has ended), or `unreadable`.
        valid_until: last day of an accepted decision that rests on a waiver.
    """

    id: str
    state: str
    valid_until: str | None = None

    @property
    def words(self) -> str:
        """`release refused`, and so on."""
        if self.state == UNREADABLE:
            return "release decision cannot be read"
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


def newest_standing(lake: Lake, use_case: str, decision_id: str | None = None) -> Standing | None:
    """The decision of that id, by default the newest of the use case; None: there is none."""
    decision = (
        lake.artifact(use_case, STAGE, decision_id, verify=False)
        if decision_id
        else next(iter(lake.artifacts(use_case, STAGE)), None)
    )
    return standing_of(lake, decision) if decision else None
