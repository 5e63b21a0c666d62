"""A waiver lets one checkpoint pass one broken rule until a day; nothing else does."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from ft_platform.errors import ConfigError, CorruptVersion, DataError, MayNot
from ft_platform.people.person import Person, named
from ft_platform.release.evidence import REQUIRED
from ft_platform.release.waivers import confirm, grant, in_force, revoke, waivers
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.signatures import Signatures
from ft_platform_tests.release.evidence_case import OWNERS, TEST_ROWS, EvidenceCase, changed, gap, good_figures, grouped

TODAY = date(2026, 3, 1)
DANA = "dana@example.org"
"""Fictitious: whose work it is, so that others may waive a rule about it."""
WORDS = {
    "granted_by": "ana.ruiz@example.org",
    "reason": "Few records of this region; watched every month.",
    "until": TODAY + timedelta(days=30),
}


@pytest.fixture
def case(tmp_path):
    figures = changed(good_figures(), "fairness_report", ("features", "region", "differences", "accuracy"), gap(0.3))
    return EvidenceCase(tmp_path, figures=figures, author=DANA).publish()


@pytest.fixture
def stored_with(monkeypatch):
    """Waivers are stored with other words than those they were granted with, as somebody may write them."""
    return lambda **words: monkeypatch.setattr(
        "ft_platform.release.waivers.Waiver.to_dict", lambda waiver: {**vars(waiver), **words}
    )


def ruling_of(case, rule):
    return next(ruling for ruling in case.decide(today=TODAY).rulings if ruling.rule == rule)


def granted(case, rule="fairness/region", **words):
    checkpoint = case.versions["adapter_checkpoint"]
    return grant(case.lake, case.use_case, checkpoint, ruling_of(case, rule), today=TODAY, **{**WORDS, **words})


def test_a_waiver_of_a_rule_that_cannot_be_waived_lifts_nothing(case):
    refused = case.decide(today=TODAY)
    (ruling,) = refused.refusing
    waived = replace(refused, waivers={ruling.rule: granted(case)})
    assert waived.accepted
    firm = replace(waived, rulings=[replace(one, waivable=False) for one in refused.rulings])
    assert firm.refusing == [replace(ruling, waivable=False)] and not firm.accepted


def test_a_waiver_holds_until_its_last_day_and_the_decision_carries_it(case):
    assert not case.decide(today=TODAY).accepted
    waiver = granted(case)
    decision = case.decide(today=WORDS["until"])
    assert decision.accepted
    found = decision.to_dict()
    assert found["waivers"] == [waiver.to_dict()]
    assert found["valid_until"] == "2026-03-31"
    assert [rule["rule"] for rule in found["rules"] if rule["waiver"]] == ["fairness/region"]
    assert not case.decide(today=WORDS["until"] + timedelta(days=1)).accepted


def test_groups_that_are_too_small_to_compare_pass_by_a_waiver_only(tmp_path):
    small = {"status": "not_enough_evidence", "groups": grouped(north=TEST_ROWS - 3, south=3), "differences": {}}
    small |= {"demographic_parity": None, "equalized_odds": None}
    figures = changed(good_figures(), "fairness_report", ("intersections", "region and age"), small)
    case = EvidenceCase(tmp_path, figures=figures, author=DANA).publish()
    assert [ruling.rule for ruling in case.decide(today=TODAY).refusing] == ["fairness/pairs"]
    granted(case, "fairness/pairs")
    assert case.decide(today=TODAY).accepted


def test_the_brief_names_the_waiver(case):
    granted(case, until=date(2027, 2, 1))
    decision = case.published_decision()
    text = case.lake.read_file(decision, "decision_brief.html").decode()
    assert "ana.ruiz@example.org" in text and WORDS["reason"] in text
    assert "Every rule for a release holds, 1 of them by waiver." in text, "in short, too"


def test_a_waiver_is_for_one_checkpoint(case):
    granted(case)
    case.versions["adapter_checkpoint"] = case.checkpoint("next")
    for stage in ("base_evaluation", *REQUIRED):
        case.versions[stage] = case.add(stage, "-next")
    assert [ruling.rule for ruling in case.decide(today=TODAY).refusing] == ["fairness/region"]


def test_a_revoked_waiver_does_not_hold_and_stays_on_record(case):
    waiver = granted(case)
    revoke(case.lake, case.use_case, waiver.id, revoked_by="ana.ruiz@example.org", reason="The gap has grown.")
    assert not case.decide(today=TODAY).accepted
    assert waivers(case.lake, case.use_case) == [(waiver, True)]


def test_an_altered_waiver_stops_the_decision(case):
    waiver = granted(case)
    file = Path(case.lake.path_of("shared", "complaints", "waiver", waiver.id, "waiver.json"))
    file.write_text(file.read_text().replace("fairness/region", "memorization"))
    with pytest.raises(CorruptVersion):
        case.decide(today=TODAY)


def owned_by(case, **owners):
    """The same use case after its owners have changed."""
    settings = case.use_case.settings
    update = {"owners": settings.owners.model_copy(update=owners)}
    return case.use_case.model_copy(update={"settings": settings.model_copy(update=update)})


def test_a_waiver_of_somebody_who_is_no_owner_any_more_does_not_count_and_the_decision_says_so(tmp_path):
    figures = changed(good_figures(), "fairness_report", ("features", "region", "differences", "accuracy"), gap(0.3))
    teams = {"officers": ["ana.ruiz@example.org", "bo.lund@example.org"]}
    owners = {"accountable": "team:complaints", "compliance": "team:officers", "teams": teams}
    case = EvidenceCase(tmp_path, {"owners": owners}, figures, author=DANA).publish()
    waiver = granted(case, until=date(2027, 2, 1))
    assert case.decide(today=TODAY).accepted
    case.use_case = owned_by(case, teams={"officers": ["bo.lund@example.org"]})
    decision = case.decide(today=TODAY)
    assert [ruling.rule for ruling in decision.refusing] == ["fairness/region"]
    why = "fairness/region belongs to compliance, so only bo.lund@example.org may waive it, not 'ana.ruiz@example.org'"
    assert decision.to_dict()["waivers_without_effect"] == {waiver.id: why} and decision.to_dict()["waivers"] == []
    page = case.lake.read_file(case.published_decision(), "decision_brief.html").decode()
    assert "Waivers without effect" in page and waiver.id in page


def test_a_team_without_named_persons_waives_nothing_and_the_message_says_where_to_name_them(case):
    case.use_case = owned_by(case, compliance="team:officers", teams={})
    with pytest.raises(
        ConfigError, match=r"belongs to compliance, which is team:officers; name its persons in owners.teams.officers"
    ):
        granted(case)


@pytest.mark.parametrize(
    "granted_at", ["2026-03-02", "2026-03-02T00:00:00+00:00", "2026-03-01T23:30:00-02:00", "2999-01-01T00:00:00"]
)
def test_a_stored_waiver_that_is_dated_after_today_does_not_count(case, stored_with, granted_at):
    stored_with(granted_at=granted_at)
    waiver = granted(case)
    why = f"it was granted on {'2999-01-01' if '2999' in granted_at else '2026-03-02'}, which is after today"
    decision = case.decide(today=TODAY)
    assert not decision.accepted and decision.to_dict()["waivers_without_effect"] == {waiver.id: why}


@pytest.mark.parametrize("granted_at", ["2026-03-01", "2026-03-02T01:30:00+02:00", "2026-02-28T23:59:59"])
def test_a_waiver_of_today_counts_whatever_its_zone(case, stored_with, granted_at):
    stored_with(granted_at=granted_at)
    granted(case)
    assert case.decide(today=TODAY).accepted


def test_a_stored_waiver_that_lasts_longer_than_any_may_counts_at_no_time(case, stored_with):
    stored_with(until="2028-03-01")
    waiver = granted(case)
    for today in (TODAY, date(2027, 6, 1), date(2028, 2, 29)):
        why = "it ends on 2028-03-01, and none may last longer than 366 days"
        assert case.decide(today=today).to_dict()["waivers_without_effect"] == {waiver.id: why}, today


def test_a_revocation_counts_at_once_whenever_it_is_dated(case, monkeypatch):
    waiver = granted(case)
    monkeypatch.setattr("ft_platform.lake.manifests.now", lambda *_: "2999-01-01T00:00:00+00:00")
    revoke(case.lake, case.use_case, waiver.id, revoked_by="ana.ruiz@example.org", reason="The gap has grown.")
    assert not case.decide(today=TODAY).accepted and waivers(case.lake, case.use_case) == [(waiver, True)]


@pytest.mark.parametrize("field", ["until", "granted_at"])
def test_a_stored_waiver_without_a_day_stops_the_decision(case, stored_with, field):
    stored_with(**{field: "some day"})
    granted(case)
    with pytest.raises(CorruptVersion, match=r"cannot be read\. Take responsibility for the loss"):
        case.decide(today=TODAY)


@pytest.mark.parametrize("by", ["Ana Ruiz", "", "nobody@example.org"])
def test_only_a_person_of_the_owners_ends_a_waiver(case, by):
    waiver = granted(case)
    with pytest.raises(ConfigError, match="is not one of the `owners` of complaints"):
        revoke(case.lake, case.use_case, waiver.id, revoked_by=by, reason="The gap has grown.")
    assert waivers(case.lake, case.use_case) == [(waiver, False)]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"reason": "because"}, "at least 20 characters"),
        ({"granted_by": " "}, "only ana.ruiz@example.org may waive it"),
        ({"granted_by": "Ana Ruiz"}, "only ana.ruiz@example.org may waive it, not 'Ana Ruiz'"),
        ({"granted_by": "maria.lind@example.org"}, "fairness/region belongs to compliance"),
        ({"until": TODAY - timedelta(days=1)}, "between today and"),
        ({"until": TODAY + timedelta(days=400)}, "between today and"),
        ({"rule": "memorization"}, "nothing to waive"),
    ],
)
def test_a_waiver_without_person_reason_or_day_is_refused(case, words, problem):
    with pytest.raises(ConfigError, match=problem):
        granted(case, **words)
    assert waivers(case.lake, case.use_case) == []


def test_broken_lineage_and_failed_checks_of_the_data_cannot_be_waived(tmp_path):
    case = EvidenceCase(tmp_path, left_out={"model_card"}).publish()
    version = case.lake.latest("complaints", "anonymized_records")
    case.lake.add_verdict(
        version, "no_residual_pii", False, case.lake.verdicts(version)["no_residual_pii"].settings_hash
    )
    for rule in ("lineage/model_card", "data/no_residual_pii/anonymized_records"):
        with pytest.raises(ConfigError, match="cannot be waived"):
            granted(case, rule)
    assert in_force(case.lake, case.use_case, case.versions["adapter_checkpoint"], TODAY) == {}


CONFIRMING = Policy(name="tests", signatures=Signatures(confirm_waivers=True))
ANA, BO, MARIA = (f"{name}@example.org" for name in ("ana.ruiz", "bo.lund", "maria.lind"))
"""Fictitious persons: two of compliance, and the accountable owner, who is no superior of compliance."""


@pytest.fixture
def confirming(tmp_path):
    """A use case of an installation whose waivers need a second person."""
    figures = changed(good_figures(), "fairness_report", ("features", "region", "differences", "accuracy"), gap(0.3))
    owners = {**OWNERS, "compliance": "team:officers", "teams": {**OWNERS["teams"], "officers": [ANA, BO]}}
    return EvidenceCase(tmp_path, {"owners": owners}, figures, policy=CONFIRMING, author=DANA).publish()


def confirmed(case, waiver, by):
    confirm(case.lake, case.use_case, waiver.id, named(by), today=TODAY)


def with_people(case, **people):
    """The same use case in an installation that names people."""
    case.use_case = case.use_case.model_copy(update={"people": People(**people)})


def test_a_waiver_that_needs_a_second_person_counts_once_another_one_of_the_role_has_confirmed_it(confirming):
    waiver = granted(confirming)
    refused = confirming.decide(today=TODAY)
    assert not refused.accepted
    assert refused.without_effect[waiver.id].startswith("a second person has to confirm it: ft waiver confirm")
    for person in (ANA, ANA.upper(), MARIA, "eve@example.org"):
        with pytest.raises(ConfigError, match="only a second person of compliance or the superior"):
            confirmed(confirming, waiver, person)
    confirmed(confirming, waiver, BO)
    assert confirming.decide(today=TODAY).accepted


def test_the_superior_whom_the_installation_names_confirms(confirming):
    waiver, head = granted(confirming), "head.of.law@example.org"
    with_people(confirming, superiors={"compliance": head})
    confirmed(confirming, waiver, head)
    assert confirming.decide(today=TODAY).accepted


def test_nobody_confirms_a_waiver_that_was_revoked_or_has_ended(confirming):
    waiver = granted(confirming)
    with pytest.raises(DataError, match="no waiver waiver-none"):
        confirm(confirming.lake, confirming.use_case, "waiver-none", named(BO), today=TODAY)
    late = TODAY + timedelta(days=31)
    with pytest.raises(DataError, match="that stands"):
        confirm(confirming.lake, confirming.use_case, waiver.id, named(BO), today=late)
    revoke(confirming.lake, confirming.use_case, waiver.id, revoked_by=ANA, reason="The gap has grown.")
    with pytest.raises(DataError, match="that stands"):
        confirmed(confirming, waiver, BO)


def test_waivers_of_persons_who_did_not_sign_in_count_only_where_the_policy_lets_them(case):
    with_people(case, roles={"compliance": [ANA]})
    waiver = granted(case)
    case.use_case = case.use_case.model_copy(
        update={"policy": Policy(name="tests", signatures=Signatures(signed_in=True))}
    )
    assert "this one is self-declared" in case.decide(today=TODAY).without_effect[waiver.id]
    with pytest.raises(ConfigError, match="only persons who signed in count"):
        granted(case)
    granted(case, granted_by=Person(ANA, known_by="openid"))
    assert case.decide(today=TODAY).accepted


def test_a_waiver_ends_after_the_days_of_the_policy(case):
    granted(case)
    short = Policy(name="tests", signatures=Signatures(valid_days=10))
    case.use_case = case.use_case.model_copy(update={"policy": short})
    decision = case.decide(today=TODAY + timedelta(days=10))
    assert decision.accepted and decision.to_dict()["valid_until"] == "2026-03-11"
    assert not case.decide(today=TODAY + timedelta(days=11)).accepted
    with pytest.raises(ConfigError, match="between today and 2026-03-11"):
        granted(case)


@pytest.mark.parametrize(
    ("trained", "committed", "why"),
    [(ANA, DANA, "trained the checkpoint"), (DANA, ANA, "changed the file of the use case")],
)
def test_nobody_waives_a_rule_about_their_own_work(tmp_path, trained, committed, why):
    figures = changed(good_figures(), "fairness_report", ("features", "region", "differences", "accuracy"), gap(0.3))
    case = EvidenceCase(tmp_path, figures=figures).publish()
    case.committed_by(committed)
    case.trained_by(trained)
    with pytest.raises(MayNot, match=f"{ANA} {why}, so somebody else has to"):
        granted(case)
    assert waivers(case.lake, case.use_case) == []


def test_nobody_confirms_a_waiver_about_their_own_work(confirming):
    waiver = granted(confirming)
    confirming.committed_by(BO)
    with pytest.raises(MayNot, match=f"{BO} changed the file of the use case, so somebody else has to"):
        confirmed(confirming, waiver, BO)


@pytest.mark.parametrize("author", [ANA, BO])
def test_a_waiver_stops_counting_once_whoever_granted_or_confirmed_it_changes_the_file(confirming, author):
    waiver = granted(confirming)
    confirmed(confirming, waiver, BO)
    assert confirming.decide(today=TODAY).accepted
    confirming.committed_by(author)
    assert f"{author} changed the file" in confirming.decide(today=TODAY).without_effect[waiver.id]


def test_where_nobody_knows_whose_work_it_is_a_waiver_needs_a_second_person(tmp_path):
    """It may have been anybody's, also that of whoever grants it: `owners.teams` of the file names them both."""
    figures = changed(good_figures(), "fairness_report", ("features", "region", "differences", "accuracy"), gap(0.3))
    owners = {**OWNERS, "compliance": "team:officers", "teams": {**OWNERS["teams"], "officers": [ANA, BO]}}
    case = EvidenceCase(tmp_path, {"owners": owners}, figures).publish()
    waiver = granted(case)
    why = case.decide(today=TODAY).without_effect[waiver.id]
    assert "nobody knows who trained the checkpoint and who changed the file of the use case" in why
    confirmed(case, waiver, BO)
    assert case.decide(today=TODAY).accepted


def test_who_confirmed_a_waiver_has_to_keep_the_role(confirming):
    waiver = granted(confirming)
    confirmed(confirming, waiver, BO)
    confirming.use_case = owned_by(confirming, teams={"officers": [ANA]})
    assert f"{BO}, who confirmed it" in confirming.decide(today=TODAY).without_effect[waiver.id]


def test_a_file_that_names_its_editor_compliance_waives_nothing_where_the_installation_names_somebody(case):
    with_people(case, roles={"compliance": [BO]})
    with pytest.raises(MayNot, match=f"so only {BO} may waive it"):
        granted(case)
    granted(case, granted_by=BO)
    assert case.decide(today=TODAY).accepted
