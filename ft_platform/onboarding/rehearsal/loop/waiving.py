"""The one exception that the loop needs: recall of personal data is not measured on a file that it writes itself."""

from datetime import UTC, datetime, timedelta

from ft_platform.lake.store import Lake
from ft_platform.release import waivers
from ft_platform.release.decide import decide, newest_evidence, the_checkpoint
from ft_platform.use_case.named import NamedUseCase

RULE, DAYS = "recall", 30
PERSON, SECOND = "amir.haddad@example.org", "noor.visser@example.org"
REASON = "A rehearsal with fictitious persons: the source is the generated sample and sentences without personal data"


def waive_recall(lake: Lake, use_case: NamedUseCase) -> bool:
    """Plays the fictitious persons of compliance, who grant and confirm it for the newest checkpoint where this is the
    only rule that it breaks. Returns whether a waiver was granted."""
    checkpoint = the_checkpoint(lake, use_case, None)
    rulings = decide(lake, use_case, checkpoint, newest_evidence(lake, use_case, checkpoint)).rulings
    broken = [one for one in rulings if not one.passed]
    if [one.rule for one in broken] != [RULE]:
        return False
    today = datetime.now(UTC).date()
    waiver = waivers.grant(
        lake,
        use_case,
        checkpoint,
        broken[0],
        granted_by=PERSON,
        reason=REASON,
        until=today + timedelta(days=DAYS),
        today=today,
    )
    waivers.confirm(lake, use_case, waiver.id, SECOND, today=today)
    return True
