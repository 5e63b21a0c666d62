"""Whether the release decision of a use case holds now."""

from collections.abc import Hashable
from dataclasses import replace
from datetime import UTC, date, datetime

from ft_platform.errors import FtError, VersionRefused
from ft_platform.lake.snapshot import Snapshot
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.release.decide import decide, newest_evidence, require_accepted, the_checkpoint
from ft_platform.release.standing import ACCEPTED, ENDED, STAGE, Standing, standing_of
from ft_platform.use_case.named import NamedUseCase


def standing_now(
    lake: Lake, use_case: NamedUseCase, today: date | None = None, decision_id: str | None = None
) -> Standing | None:
    """Whether a decision holds now: accepted only where `ft release` would take it and `ft decide` accepts, too.

    Args:
        decision_id: default the newest.

    Returns:
        None: there is none.
    """
    seen = Snapshot.of(lake)
    decision = (
        seen.artifact(use_case.name, STAGE, decision_id, verify=False)
        if decision_id
        else next(iter(seen.artifacts(use_case.name, STAGE)), None)
    )
    if decision is None:
        return None
    day = today or datetime.now(UTC).date()
    recorded = standing_of(seen, decision, day)
    if recorded.state != ACCEPTED:
        return recorded
    judged_by: Hashable = (use_case.settings.model_dump_json(), use_case.policy.model_dump_json())
    about = ("standing", decision.id, day, judged_by)
    why = seen.once(use_case.name, about, lambda: _refusal(seen, use_case, decision, day))
    return replace(recorded, state=ENDED, why=why) if why else recorded


def require_holds(lake: Lake, use_case: NamedUseCase, decision: ArtifactVersion, today: date | None = None) -> None:
    """Returns if a decision is accepted and holds now.

    Raises:
        VersionRefused: it is not, or does not.
    """
    found = standing_now(lake, use_case, today, decision.artifact_id)
    if found is None or found.state != ACCEPTED:
        words = found.words if found else "is not in the lake"
        why = f": {found.why}" if found and found.why else ""
        raise VersionRefused(f"{decision.id} {words}{why}", f"See: ft decide {use_case.name}")


def _refusal(lake: Snapshot, use_case: NamedUseCase, decision: ArtifactVersion, today: date) -> str:
    """Why a decision that was accepted does not hold any more; empty: it does."""
    try:
        require_accepted(lake, use_case, decision, today)
        checkpoint = the_checkpoint(lake, use_case)
        found = decide(lake, use_case, checkpoint, newest_evidence(lake, use_case, checkpoint), today)
    except FtError as refusal:
        return refusal.message
    except (ValueError, KeyError):  # of a decision that this version of the platform did not write
        return f"{decision.id} cannot be read"
    whys = "; ".join(f"{one.rule}: {one.why}" for one in found.refusing)
    return f"{checkpoint.artifact_id} is what would be decided about now, and it is refused: {whys}" if whys else ""
