"""Waivers of the rules that break today, as `ft waiver` and the portal grant them."""

from collections.abc import Mapping
from datetime import UTC, date, datetime

from ft_platform.errors import ConfigError
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.person import Person
from ft_platform.release.decide import decide, newest_evidence
from ft_platform.release.rule import Ruling
from ft_platform.release.waivers import Waiver, grant
from ft_platform.use_case.named import NamedUseCase


def rulings_today(lake: Lake, use_case: NamedUseCase, checkpoint: ArtifactVersion) -> dict[str, Ruling]:
    """Rule -> what it says about a checkpoint today, on the newest evidence."""
    decision = decide(lake, use_case, checkpoint, newest_evidence(lake, use_case, checkpoint))
    return {ruling.rule: ruling for ruling in decision.rulings}


def waive(
    lake: Lake,
    use_case: NamedUseCase,
    checkpoint: ArtifactVersion,
    rulings: Mapping[str, Ruling],
    rule: str,
    *,
    granted_by: str | Person,
    reason: str,
    until: date,
) -> Waiver:
    """Grants a waiver from today on.

    Args:
        rulings: of today.

    Raises:
        MayNot, ConfigError: as `waivers.grant`, or there is no such rule.
    """
    if rule not in rulings:
        raise ConfigError([f"there is no rule {rule!r}; rules: {', '.join(rulings)}"])
    words = {"granted_by": granted_by, "reason": reason, "until": until, "today": datetime.now(UTC).date()}
    return grant(lake, use_case, checkpoint, rulings[rule], **words)
