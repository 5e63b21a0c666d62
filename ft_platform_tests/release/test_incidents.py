"""Incidents: reported, answered and closed, each word signed, with the last day to tell an authority."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ft_platform.errors import ConfigError, CorruptVersion, DataError, FtError
from ft_platform.people.person import named
from ft_platform.people.statements import FILE
from ft_platform.release.incidents import DAYS, INCIDENT, Incident, add_measure, close, incidents, report
from ft_platform.web.portal_pages.needs import needs_of
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.release.evidence_case import EvidenceCase

TODAY = datetime.now(UTC).date()
ANA = named("ana.ruiz@example.org")
WHAT = "Refunds were refused to a whole region"


@pytest.fixture
def case(tmp_path: Path) -> EvidenceCase:
    case = EvidenceCase(tmp_path)
    case.publish()
    return case


def reported(case: EvidenceCase, severity: str = "serious", aware: date = TODAY, what: str = WHAT) -> Incident:
    return report(case.lake, case.use_case, ANA, severity=severity, what=what, aware=aware, today=TODAY)


@pytest.mark.parametrize(("severity", "days"), [("minor", None), ("serious", 15), ("death", 10), ("widespread", 2)])
def test_the_last_day_follows_from_the_severity_and_when_somebody_knew(
    case: EvidenceCase, severity: str, days: int | None
) -> None:
    aware = TODAY - timedelta(days=1)
    found = reported(case, severity, aware)
    assert found.deadline == (None if days is None else aware + timedelta(days=days))
    assert set(DAYS) == {"minor", "serious", "death", "widespread"}


def test_measures_and_the_end_stay_on_record(case: EvidenceCase) -> None:
    found = reported(case)
    add_measure(
        case.lake, case.use_case, found.id, named("tom.okafor@example.org"), what="Rolled back to the release before"
    )
    closed = close(case.lake, case.use_case, found.id, ANA, reason="The authority was told")
    assert [one["person"] for one in closed.to_dict()["measures"]] == ["tom.okafor@example.org"]
    assert closed.closed and closed.closed["reason"] == "The authority was told"
    for again in (add_measure, close):
        words = (
            {"what": "Once more, for the record"} if again is add_measure else {"reason": "Once more, for the record"}
        )
        with pytest.raises(DataError, match="has closed"):
            again(case.lake, case.use_case, found.id, ANA, **words)
    assert len(incidents(case.lake, case.use_case)) == 1


def test_the_newest_release_is_the_affected_one_and_others_can_be_named(case: EvidenceCase) -> None:
    assert reported(case).said["releases"] == []
    version = released(case.lake, case.versions["adapter_checkpoint"])
    assert reported(case).said["releases"] == [version.artifact_id]
    with pytest.raises(DataError, match="has no release release-x"):
        report(
            case.lake,
            case.use_case,
            ANA,
            severity="minor",
            what=WHAT,
            aware=TODAY,
            today=TODAY,
            affected=["release-x"],
        )


@pytest.mark.parametrize(
    ("severity", "days", "what"), [("grave", 0, WHAT), ("serious", 1, WHAT), ("serious", 0, "bad"), ("serious", 0, "")]
)
def test_what_is_not_clear_is_refused(case: EvidenceCase, severity: str, days: int, what: str) -> None:
    with pytest.raises(ConfigError):
        reported(case, severity, TODAY + timedelta(days=days), what)
    assert incidents(case.lake, case.use_case) == []


def test_an_edited_incident_counts_for_nothing(case: EvidenceCase) -> None:
    found = reported(case)
    stored = case.lake.artifact("complaints", INCIDENT, found.id)
    assert stored
    path = Path(stored.uri) / FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "severity": "minor"}))
    with pytest.raises((CorruptVersion, FtError)):
        incidents(case.lake, case.use_case)


def test_an_open_incident_waits_for_compliance_until_its_last_day(case: EvidenceCase) -> None:
    found = reported(case, "death")
    waits = [one for one in needs_of(case.lake, case.use_case, TODAY) if one.kind == "incident"]
    assert [(one.role, one.until) for one in waits] == [("compliance", (TODAY + timedelta(days=10)).isoformat())]
    assert WHAT in waits[0].what
    close(case.lake, case.use_case, found.id, ANA, reason="The authority was told")
    assert not [one for one in needs_of(case.lake, case.use_case, TODAY) if one.kind == "incident"]
