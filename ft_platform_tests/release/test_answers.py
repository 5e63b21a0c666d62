"""An answer that a person gives in `ft new` is the approval of what it says, as far as a waiver of that person would
be one."""

from datetime import date, timedelta
from typing import Any

import pytest

from ft_platform.people.person import KnownBy, Person
from ft_platform.release.answers import approve
from ft_platform.release.duties import duties
from ft_platform.release.evidence import REQUIRED
from ft_platform.release.policy import unapproved
from ft_platform.release.waivers import confirm, revoke, waivers
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.signatures import Signatures
from ft_platform.web.portal_pages.needs import needs_of
from ft_platform_tests.release.evidence_case import EvidenceCase

ANA, BO, DANA, MARIA = (f"{name}@example.org" for name in ("ana.ruiz", "bo.lund", "dana", "maria.lind"))
"""Fictitious: two of compliance, whoever commits and trains, and the accountable owner."""
FIELD = "gate.without_sensitive_features"
WHY = "Letters to a call centre say nothing of the group of their writer."
TODAY = date(2026, 3, 1)
ONE = Policy(name="tests", signatures=Signatures(signed_in=True, confirm_waivers=False))
TWO = Policy(name="tests", signatures=Signatures(signed_in=True, confirm_waivers=True))
PEOPLE = People(roles={"compliance": [ANA, BO]})
NO_GROUPS: dict[str, Any] = {"fairness": {"sensitive_features": []}, "gate": {"without_sensitive_features": WHY}}


def written(tmp_path, policy: Policy = ONE, author: str = DANA) -> EvidenceCase:
    case = EvidenceCase(tmp_path, NO_GROUPS, policy=policy, people=PEOPLE, author=author).publish()
    assert [one.rule.split("@")[0] for one in case.decide(today=TODAY).refusing] == [f"approval/{FIELD}"]
    return case


def answered(case: EvidenceCase, by: str = ANA, known_by: KnownBy = "password") -> bool:
    who = Person(by, known_by=known_by)
    return FIELD in approve(case.lake, case.use_case, [FIELD, "owners.accountable"], who, TODAY)


def changed(case: EvidenceCase, section: str, **values: Any) -> None:
    attributes = case.use_case.settings.model_dump(mode="json", exclude_unset=True)
    attributes[section] = {**attributes[section], **values}
    case.use_case = case.use_case.model_copy(update={"settings": UseCase.model_validate(attributes)})


def approvals_lacking(case: EvidenceCase) -> list[str]:
    return [one.rule for one in case.decide(today=TODAY).refusing if one.rule.startswith("approval/")]


def test_an_answer_of_a_person_who_may_approve_is_the_approval_and_the_decision_names_it(tmp_path) -> None:
    case = written(tmp_path)
    assert answered(case)
    decision = case.decide(today=TODAY)
    assert decision.accepted
    (waiver,) = decision.to_dict()["waivers"]
    assert (waiver["granted_by"], waiver["role"], waiver["known_by"]) == (ANA, "compliance", "password")
    assert WHY in waiver["reason"]
    assert not case.decide(today=TODAY + timedelta(days=366)).accepted


def test_it_holds_for_the_next_checkpoint_of_the_same_records(tmp_path) -> None:
    case = written(tmp_path)
    answered(case)
    case.versions["adapter_checkpoint"] = case.checkpoint("next")
    case.trained_by(DANA)
    for stage in ("base_evaluation", *REQUIRED):
        case.versions[stage] = case.add(stage, "-next")
    assert case.decide(today=TODAY).accepted


@pytest.mark.parametrize(
    ("by", "known_by"), [(MARIA, "password"), (DANA, "password"), (ANA, "self-declared"), ("", "password")]
)
def test_an_answer_without_the_right_is_no_approval_and_no_attempt_at_one(tmp_path, by: str, known_by: KnownBy) -> None:
    case = written(tmp_path)
    assert not answered(case, by, known_by)
    assert waivers(case.lake, case.use_case) == []
    assert approvals_lacking(case)


def test_naming_oneself_the_compliance_officer_in_the_same_answers_is_no_right(tmp_path) -> None:
    """Here the installation names nobody, and the file that the answers fill names the person."""
    policy = Policy(name="tests", signatures=Signatures(signed_in=False, confirm_waivers=False))
    case = EvidenceCase(tmp_path, NO_GROUPS, policy=policy, author=DANA).publish()
    assert case.use_case.settings.owners.compliance == ANA
    assert not answered(case)


def test_an_answer_about_ones_own_work_is_no_approval(tmp_path) -> None:
    case = written(tmp_path, author=ANA)
    assert not answered(case)


@pytest.mark.parametrize("did", ["committed_by", "trained_by"])
def test_an_answer_stops_counting_once_its_person_did_the_work(tmp_path, did: str) -> None:
    case = written(tmp_path)
    answered(case)
    getattr(case, did)(ANA)
    if did == "trained_by":
        case.versions["adapter_checkpoint"] = case.checkpoint("next")
        case.trained_by(ANA)
    assert approvals_lacking(case)


def test_an_answer_that_is_edited_afterwards_is_no_approval_any_more(tmp_path) -> None:
    case = written(tmp_path)
    answered(case)
    changed(case, "gate", without_sensitive_features=f"{WHY} Nor of anybody else.")
    assert approvals_lacking(case)
    assert unapproved(case.use_case)


@pytest.mark.parametrize(
    ("section", "values"), [("source", {"uri": "other.csv"}), ("record", {"text": "another_column"})]
)
def test_an_answer_about_other_records_is_no_approval(tmp_path, section: str, values: dict[str, Any]) -> None:
    case = written(tmp_path)
    answered(case)
    changed(case, section, **values)
    assert approvals_lacking(case)


def test_where_two_are_asked_for_the_answer_waits_for_the_second(tmp_path) -> None:
    case = written(tmp_path, TWO)
    answered(case)
    assert approvals_lacking(case)
    (waiver,) = [one for one, _ in waivers(case.lake, case.use_case)]
    waits = [one.what for one in needs_of(case.lake, case.use_case, TODAY)]
    assert any(FIELD in what and "counts once a second person confirms it" in what for what in waits)
    confirm(case.lake, case.use_case, waiver.id, Person(BO, known_by="password"), today=TODAY)
    assert case.decide(today=TODAY).accepted


def test_where_nobody_knows_whose_work_it_is_the_answer_waits_for_the_second(tmp_path) -> None:
    case = written(tmp_path, author="")
    answered(case)
    assert approvals_lacking(case)


def test_an_answer_can_be_revoked_as_any_waiver(tmp_path) -> None:
    case = written(tmp_path)
    answered(case)
    (waiver,) = [one for one, _ in waivers(case.lake, case.use_case)]
    revoke(case.lake, case.use_case, waiver.id, revoked_by=ANA, reason="It was wrong after all.")
    assert approvals_lacking(case)


@pytest.mark.parametrize("rule", ["fairness/region", "memorization", "recall"])
def test_only_fields_that_need_an_approval_are_approved(tmp_path, rule: str) -> None:
    case = written(tmp_path)
    assert approve(case.lake, case.use_case, [rule], Person(ANA, known_by="password"), TODAY) == []


def test_what_a_release_needs_says_who_approved_with_the_answer(tmp_path) -> None:
    case = EvidenceCase(tmp_path, NO_GROUPS, policy=ONE, people=PEOPLE).publish()
    case.committed_by(DANA)

    def duty():
        return next(one for one in duties(case.lake, case.use_case) if one.rule.startswith("approval/"))

    case.trained_by(DANA)
    assert duty().state == "later"
    approve(case.lake, case.use_case, [FIELD], Person(ANA, known_by="password"))
    assert duty().state == "there"
    assert ANA in duty().why
