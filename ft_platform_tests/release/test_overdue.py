"""A signature that is late: those of the role are reminded, then the superior is told."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ft_platform.lake.releases import Release
from ft_platform.people.may import Permissions
from ft_platform.people.person import named
from ft_platform.release.overdue import SECOND, Late
from ft_platform.release.overdue import late as late_now
from ft_platform.release.signatures import REJECTED
from ft_platform.release.waivers import confirm
from ft_platform.use_case.settings.people import People
from ft_platform.web.portal_pages.needs import needs_of
from ft_platform_tests.release.evidence_case import OWNERS, EvidenceCase
from ft_platform_tests.release.test_signatures import ANA, BO, ENDS, MARIA, REASON, TOM, Case
from ft_platform_tests.release.test_waivers import TODAY, confirming, granted

__all__ = ["confirming"]


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setattr("ft_platform.release.separation._changed_by", lambda *_: set())
    return Case(tmp_path).decided()


def late(case: Case, days: float) -> list[Late]:
    decided = datetime.fromisoformat(case.lake.manifest(case.decision).written_at)
    return late_now(case.lake, case.use_case, case.permissions, decided + timedelta(days=days))


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
        f"Compliance officer has not signed: {case.decision.id} has waited for 8 days. {ANA} could do it"
    )


def test_nobody_is_told_of_a_role_that_has_signed_or_rejected(case: Case) -> None:
    case.sign(ANA)
    assert told(case, 3) == [("domain_expert", False, [TOM])]
    case.sign(TOM, says=REJECTED, reason=REASON)
    assert told(case, 30) == []


def test_nothing_is_late_once_it_is_released(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    record = {"decision": {"id": case.decision.id}, "checkpoint": {"id": "ckpt-weights"}}
    released = lambda *_: [Release(case.decision, record, None)]  # noqa: E731
    monkeypatch.setattr("ft_platform.release.overdue.releases", released)
    assert told(case, 30) == []


def test_nobody_is_reminded_of_a_decision_whose_release_was_withdrawn(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = {"decision": {"id": case.decision.id}, "checkpoint": {"id": "ckpt-weights"}}
    gone = {"by": MARIA, "reason": REASON, "at": "2026-12-01T00:00:00+00:00"}
    monkeypatch.setattr("ft_platform.release.overdue.releases", lambda *_: [Release(case.decision, record, gone)])
    assert told(case, 30) == []


@pytest.mark.parametrize("ends", ENDS)
def test_nobody_is_reminded_of_a_decision_that_does_not_hold_any_more(case: Case, ends: Callable[[Case], None]) -> None:
    assert told(case, 3)
    ends(case)
    assert told(case, 30) == []


def test_where_only_a_second_person_lacks_those_who_may_are_reminded_and_then_all_superiors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ft_platform.release.separation._changed_by", lambda *_: None)
    owners = {**OWNERS, "compliance": ANA, "domain_expert": ANA}
    case = Case(tmp_path, {"owners": owners}).decided()
    case.people = People(roles={"compliance": [ANA, BO]}, superiors={"compliance": "head.of.law@example.org"})
    decided = datetime.fromisoformat(case.lake.manifest(case.decision).written_at)
    case.sign(ANA, at=decided + timedelta(days=2))
    assert [one.person for one in case.state(decided + timedelta(days=4)).signatures] == [ANA, ANA]
    assert told(case, 4.9) == [], "it is three days since all roles have signed"
    assert told(case, 5) == [(SECOND, False, [BO])]
    assert told(case, 9) == [(SECOND, False, [BO]), (SECOND, True, ["head.of.law@example.org", MARIA])]
    assert late(case, 9)[0].says == (
        f"A second person has to sign: {case.decision.id} has waited for 7 days."
        " Sign it, in any role that is asked for: ft sign complaints"
    )
    case.sign(BO, at=decided + timedelta(days=9))
    assert told(case, 20) == []


def test_a_waiver_that_a_second_person_has_to_confirm_reminds_and_escalates(confirming: EvidenceCase) -> None:
    waiver = granted(confirming)
    people = People(superiors={"compliance": "head.of.law@example.org"})
    confirming.use_case = confirming.use_case.model_copy(update={"people": people})
    permissions = Permissions(people, {"complaints": confirming.use_case})
    granted_at = datetime.combine(waiver.granted_on, datetime.min.time(), UTC)

    def found(days: float) -> list[tuple[str, str, bool, list[str]]]:
        late_ones = late_now(confirming.lake, confirming.use_case, permissions, granted_at + timedelta(days=days))
        return [(one.about, one.role, one.escalated, list(one.to)) for one in late_ones]

    def needs() -> list[str]:
        return [one.role for one in needs_of(confirming.lake, confirming.use_case, TODAY) if one.kind == "waivers"]

    who = [BO, "head.of.law@example.org"]
    assert found(2) == [] and found(3) == [(waiver.id, SECOND, False, who)]
    assert found(7)[1:] == [(waiver.id, SECOND, True, who[1:])]
    assert needs() == ["compliance"]
    confirm(confirming.lake, confirming.use_case, waiver.id, named(BO), today=TODAY)
    assert found(7) == [] and needs() == []
