"""A signature that is late: those of the role are reminded, then the superior is told."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ft_platform.lake.releases import Release
from ft_platform.release.overdue import Late, late_signatures
from ft_platform.release.signatures import REJECTED
from ft_platform.settings.people import People
from ft_platform_tests.release.test_signatures import ANA, MARIA, REASON, TOM, Case


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setattr("ft_platform.release.separation._changed_by", lambda *_: set())
    return Case(tmp_path).decided()


def late(case: Case, days: float) -> list[Late]:
    decided = datetime.fromisoformat(case.lake.manifest(case.decision).written_at)
    return late_signatures(case.lake, case.use_case, case.permissions, decided + timedelta(days=days))


def told(case: Case, days: float) -> list[tuple[str, bool, list[str]]]:
    return [(one.role, one.escalated, list(one.to)) for one in late(case, days)]


def test_those_of_the_role_are_reminded_and_after_more_days_the_superior_is_told(case: Case) -> None:
    assert told(case, 2.9) == []
    reminders = [("compliance", False, [ANA]), ("domain_expert", False, [TOM])]
    assert told(case, 3) == reminders == told(case, 6.9)
    # Compliance reports to nobody whom the use case names.
    assert sorted(told(case, 7)) == sorted([*reminders, ("compliance", True, []), ("domain_expert", True, [MARIA])])
    case.people = People(superiors={"compliance": "head.of.law@example.org"})
    (compliance, _) = [one for one in late(case, 8) if one.escalated]
    assert compliance.to == ["head.of.law@example.org"]
    assert compliance.says == (
        f"Compliance officer has not signed: {case.decision.id} has waited for 8 days. {ANA} could sign"
    )


def test_nobody_is_told_of_a_role_that_has_signed_or_rejected(case: Case) -> None:
    case.sign(ANA)
    assert told(case, 3) == [("domain_expert", False, [TOM])]
    case.sign(TOM, says=REJECTED, reason=REASON)
    assert told(case, 30) == []


def test_nothing_is_late_once_it_is_released(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    record = {"decision": {"id": case.decision.id}, "checkpoint": {"id": "ckpt-weights"}}
    released = lambda *_: [Release(case.decision, record, None)]  # noqa: E731
    monkeypatch.setattr("ft_platform.release.overdue.standing_releases", released)
    assert told(case, 30) == []
