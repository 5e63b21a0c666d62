"""The asset `sign_off`: what the UI shows of signatures, its check, and who is told of a late one."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.assets.sign_off import build
from ft_platform.lake.releases import standing_releases
from ft_platform.monitoring.alerts.outbox import opened
from ft_platform.release.overdue import Late
from ft_platform.release.signatures import REJECTED
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.portal_pages.needs import needs_of
from ft_platform_tests.release.evidence_case import OWNERS
from ft_platform_tests.release.test_signatures import ANA, REASON, TOM, Case


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setattr("ft_platform.release.separation._changed_by", lambda *_: set())
    return Case(tmp_path).decided()


def made(case: Case) -> tuple[Any, dg.AssetCheckResult]:
    """The asset and its check, now."""
    asset, check, *_ = build(case.use_case)
    environment = Environment(home=case.home, tracking_uri="none")
    result = asset(
        lake=case.lake,
        environment=environment,
        release_decision=case.decision,
        adapter_checkpoint=case.versions["adapter_checkpoint"],
    )
    return result, check(lake=case.lake, sign_off=result.value)


def page(result: Any) -> str:
    return Path(result.metadata["report_file"].value).read_text()


def test_it_shows_who_signed_and_how_that_is_known(case: Case) -> None:
    result, check = made(case)
    assert "| compliance | waiting | has not signed |" in result.metadata["signatures"].value
    assert not check.passed and check.severity == dg.AssetCheckSeverity.WARN, "waiting is no failed run"
    assert "compliance has not signed" in page(result)
    case.sign(ANA, at=None)
    case.sign(TOM, at=None)
    result, check = made(case)
    assert check.passed and f"| {ANA} |" in result.metadata["signatures"].value
    assert "self-declared" in page(result) and "Everybody whom a release asks for has signed" in page(result)
    again, _ = made(case)
    assert again.value == result.value and again.metadata["reused"]


def test_a_rejection_fails_its_check_and_its_reason_stays_out_of_dagster(case: Case) -> None:
    case.sign(ANA, says=REJECTED, reason=REASON, at=None)
    result, check = made(case)
    assert not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    assert REASON not in f"{result.metadata} {check.metadata}" and REASON in page(result)


def test_nobody_has_to_sign_where_no_role_is_named(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.asked = ()
    result, check = made(case.decided())
    assert check.passed and "asks for no signature" in page(result)
    assert not standing_releases(case.lake, "complaints")


def test_each_role_that_has_not_signed_finds_it_among_what_waits(case: Case) -> None:
    def waiting() -> dict[str, str]:
        made(case)
        found = needs_of(case.lake, case.use_case, datetime.now(UTC).date())
        return {one.role: one.next_step for one in found if one.kind == "signatures"}

    assert set(waiting()) == {"compliance", "domain_expert"}
    case.sign(ANA, at=None)
    assert waiting() == {
        "domain_expert": "Read the decision, then: ft sign complaints --as domain_expert --by <e-mail>"
    }
    case.sign(TOM, at=None)
    assert waiting() == {}


def test_what_waits_is_judged_now_and_not_as_it_was_noted_last(case: Case) -> None:
    def waiting() -> set[str]:
        found = needs_of(case.lake, case.use_case, datetime.now(UTC).date())
        return {one.role for one in found if one.kind == "signatures"}

    made(case)
    (signed,) = case.sign(ANA, at=None)
    case.sign(TOM, at=None)
    assert waiting() == set()
    made(case)
    case.take_back(signed.id, ANA)
    assert waiting() == {"compliance"}


def test_who_may_sign_as_second_person_finds_it_among_what_waits(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("ft_platform.release.separation._changed_by", lambda *_: None)
    case = Case(tmp_path)
    case.asked = ("compliance",)
    case.attributes = {"owners": {**OWNERS, "compliance": "team:law", "teams": {**OWNERS["teams"], "law": [ANA, TOM]}}}
    case.decided().sign(ANA, at=None)

    def waiting() -> dict[str, str]:
        made(case)
        found = needs_of(case.lake, case.use_case, datetime.now(UTC).date())
        return {one.role: one.what for one in found if one.kind == "signatures"}

    assert waiting() == {"compliance": f"{case.decision.id} waits for the signature of a second person."}
    case.sign(TOM, at=None)
    assert waiting() == {}


def test_a_late_signature_is_queued_once_for_those_whom_it_concerns(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is late: tests of `release.overdue`."""
    found = [Late("decision-1", "compliance", False, [ANA], "Nobody has signed for 3 days.")]
    monkeypatch.setattr("ft_platform.release.overdue.late", lambda *_: found)
    assert [item for item in build(case.use_case) if isinstance(item, dg.SensorDefinition)] == []
    monitoring = case.use_case.settings.monitoring.model_copy(update={"alerts": ["hook"]})
    settings = case.use_case.settings.model_copy(update={"monitoring": monitoring})
    *_, sensor = build(case.use_case.model_copy(update={"settings": settings}))
    environment = Environment(home=case.home)

    def queued() -> list[tuple[str, str]]:
        given: Any = {"lake": case.lake, "environment": environment}
        with dg.build_sensor_context(instance=dg.DagsterInstance.ephemeral(), resources=given) as context:
            sensor.evaluate_tick(context)
        with opened(environment.home, environment.alerting) as outbox:
            messages = outbox.messages("complaints")
        return [(one["alerts"][0]["what"], one["alerts"][0]["to"]) for one in messages]

    assert queued() == [("signature of compliance is due", ANA)] == queued()
    found.append(Late("decision-1", "compliance", True, ["law@example.org"], "Nobody has signed for 7 days."))
    assert queued()[1:] == [("signature of compliance is overdue", "law@example.org")]
