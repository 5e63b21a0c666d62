"""What a release will need is told before the training, by the gate itself: each need that is missing is named in the
table, and the gate refuses for the same reason."""

import os
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.lake.opening import open_lake
from ft_platform.release.best_evidence import Counted, best_evidence
from ft_platform.release.duties import LATER, MISSING, SIGNATURES, THERE, UNKNOWN, Duty, duties, in_one_line
from ft_platform.release.rules.recall import CHECK, STAGE
from ft_platform.release.schema import PrivacyEvidence
from ft_platform.release.sign_off import require_signed
from ft_platform.stages import STAGES, check_settings_hash
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.policy import Policy
from ft_platform.web.portal_pages.home import home_page
from ft_platform.web.portal_pages.needs import needs_of
from ft_platform_tests.release.evidence_case import OWNERS, EvidenceCase, changed, good_figures, grouped
from ft_platform_tests.reporting.page_rules import Page, problems_of
from ft_platform_tests.tiny_models import RECALL, SCHEMA, split_rows, usable_splits

HALVES = {"north": 200, "south": 200}
RECORDS = Counted(2_000, 1_300, 400, 300, {"region": HALVES}, "of a made-up source")
"""As the figures of the evidence have them."""
REGION = {"fairness": {"sensitive_features": ["region"]}}
GIVEN = {**REGION, "release": {"intended_use": "Tests of the platform."}}


def case_of(tmp_path: Path, attributes: dict[str, Any] | None = None, **changes: Any) -> EvidenceCase:
    return EvidenceCase(tmp_path, {**GIVEN, **(attributes or {})}, features=("region",), **changes)


def told(case: EvidenceCase, records: Counted | None = RECORDS) -> dict[str, Duty]:
    """Rule -> what the table says of it, once the data stages have run."""
    case.publish()
    anonymized = case.lake.latest("complaints", STAGE)
    assert anonymized
    passed = case.recall["status"] != "below_floor"
    case.lake.add_verdict(anonymized, CHECK, passed, check_settings_hash(case.use_case, STAGE, CHECK), case.recall)
    return {one.rule: one for one in duties(case.lake, case.use_case, records)}


def few_groups(rows: int) -> dict[str, Any]:
    """Evidence with a region of so few test records."""
    figures = changed(
        good_figures(), "fairness_report", ("features", "region", "groups"), grouped(north=380, south=rows)
    )
    report = figures["fairness_report"]
    report |= {"test_rows": 380 + rows, "features": {"region": report["features"]["region"]}, "intersections": {}}
    return figures


def test_a_use_case_that_has_everything_is_not_refused_for_any_of_it(tmp_path):
    case = case_of(tmp_path)
    table = told(case)
    assert {one.state for one in table.values() if one.rule} == {THERE}
    assert not set(case.refusing()) & set(table)
    assert in_one_line(table.values(), "complaints") == ""
    assert {"policy", "recall", "test_records", "fairness/region", "memorization"} < set(table)


NEEDS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "a licence that the policy accepts": (
        "policy",
        {"governance": {"purpose": "routing", "accepted_consent": ["yes"], "licence": "to be stated"}},
        {},
    ),
    "columns that identify a person, or why there are none": (
        "data/is_k_anonymous/anonymized_records",
        {"privacy": {"ner": "none"}},
        {},
    ),
    "an approval of what the file says about them": (
        "approval/privacy.without_quasi_identifiers@",
        {"privacy": {"ner": "none", "without_quasi_identifiers": "Only texts are read, and these are scanned."}},
        {},
    ),
    "sensitive features": ("fairness", {"fairness": {}}, {}),
    "recall on own records": (
        "recall",
        {},
        {
            "recall": {
                "status": "not_measured_on_this_source",
                "says": "Recall was not measured on this source: privacy.gold names no annotated texts.",
                "basis": "other_texts",
                "entities": {},
            }
        },
    ),
    "enough test records": ("test_records", {}, {"policy": Policy(name="strict", test_records=500)}),
    "a review by experts": ("human_review", {"gate": {"min_human_win_rate": 0.5}}, {}),
    "a canary audit": ("exposure", {"gate": {"max_exposure_bits": 4.0}}, {}),
}


@pytest.mark.parametrize("need", NEEDS)
def test_a_need_that_is_missing_is_named_and_the_gate_refuses_for_it(tmp_path, need):
    rule, attributes, changes = NEEDS[need]
    figures = good_figures()
    for report in ("human_review", "canary_audit"):
        figures.pop(report)
    case = case_of(tmp_path, attributes, figures=figures, left_out={"human_review", "canary_audit"}, **changes)
    table = told(case)
    found = next(one for name, one in table.items() if name.startswith(rule))
    assert found.state in (MISSING, LATER)
    assert found.who
    assert found.takes
    assert found.next_step
    refused = _refused(case)
    assert [name for name in refused if name.startswith(rule)] == [found.rule]
    assert set(table) & set(refused) == {found.rule}
    assert rule.rstrip("@") in in_one_line(table.values(), "complaints")


def _refused(case: EvidenceCase) -> dict[str, str]:
    """By the gate, for this evidence in the lake; k-anonymity by its check, which counts no made-up verdict."""
    from ft_platform.privacy.k_anonymity import quasi_identifiers, unmeasured

    refused = case.refusing()
    if not quasi_identifiers(case.use_case) and not unmeasured(case.use_case, 1)["passed"]:
        refused["data/is_k_anonymous/anonymized_records"] = "it does not pass"
    return refused


ONE_TEXT = {"privacy": {"ner": "none"}, "fairness": {"sensitive_features": []}}
"""Settings of records with a text and a label, and no reason."""
K_ANONYMOUS = "data/is_k_anonymous/anonymized_records"


def test_of_one_text_and_a_label_nothing_is_asked_and_the_records_are_looked_at(tmp_path):
    case = EvidenceCase(tmp_path / "a", {**GIVEN, **ONE_TEXT}, features=())
    case._settle()
    before = {one.rule: one for one in duties(open_lake(Environment(home=tmp_path / "b")), case.use_case, RECORDS)}
    assert before[K_ANONYMOUS].state == UNKNOWN, "nobody has looked at the labels"
    assert [one for one in told(case) if one.startswith("approval/")] == []
    anonymized = case.lake.latest("complaints", STAGE)
    for passed, state in ((False, MISSING), (True, THERE)):
        hashed = check_settings_hash(case.use_case, STAGE, "is_k_anonymous")
        case.lake.add_verdict(anonymized, "is_k_anonymous", passed, hashed, {"says": "Labels.", "no_columns": passed})
        found = {one.rule: one for one in duties(case.lake, case.use_case, RECORDS)}[K_ANONYMOUS]
        assert found.state == state
    attributes = {**case.attributes_used, "record": {**case.attributes_used["record"], "features": {"zip": "zip"}}}
    later = case.use_case.model_copy(update={"settings": UseCase.model_validate(attributes)})
    found = {one.rule: one for one in duties(case.lake, later, RECORDS)}[K_ANONYMOUS]
    assert found.state == MISSING, "a column that was added later brings the duty back, before any run"
    assert "Columns not looked at: zip" in found.why


@pytest.mark.parametrize(
    ("numbers", "approved"),
    [({"no_columns": True}, True), ({"no_columns": False}, False), ({"no_columns": "yes"}, False), ({}, False)],
)
def test_a_reason_that_the_records_make_needless_needs_no_approval(tmp_path, numbers, approved):
    reason = "Only texts are read, and these are scanned."
    attributes = {**GIVEN, **ONE_TEXT, "privacy": {"ner": "none", "without_quasi_identifiers": reason}}
    case = EvidenceCase(tmp_path, attributes, features=(), k_anonymity={"says": "Texts.", **numbers})
    asked = [one for one in case.refusing() if one.startswith("approval/privacy.without_quasi_identifiers@")]
    assert bool(asked) != approved


def test_groups_that_are_too_small_are_named_with_what_they_lack_and_refused(tmp_path):
    case = case_of(tmp_path, figures=few_groups(5))
    small = Counted(2_000, 1_300, 385, 300, {"region": {"north": 380, "south": 5}}, "counted in splits@0")
    found = told(case, small)["fairness/region"]
    assert found.state == MISSING
    assert "south needs 15 more" in found.why
    assert "fairness.pooled_groups" in found.next_step
    assert "south needs 15 more" in case.refusing()["fairness/region"]


def test_a_limit_that_so_few_records_cannot_prove_is_told_with_the_number_that_can(tmp_path):
    case = case_of(tmp_path, {"fairness": {"sensitive_features": ["region"], "max_gap": 0.01}})
    found = told(case)["fairness/region"]
    assert found.state == MISSING
    assert "Even if every answer were right" in found.why
    assert "test records in each of the two groups would be enough" in found.why


def test_records_that_cannot_prove_what_an_attacker_finds_are_told_with_the_number_that_can(tmp_path):
    policy = Policy(name="strict", small_use_cases="waiver")
    case = case_of(tmp_path, policy=policy)
    few = Counted(300, 200, 60, 40, {"region": {"north": 30, "south": 30}}, "of a made-up source")
    evidence = best_evidence(case.publish().use_case, few, {})
    figures = evidence.of("privacy_report", PrivacyEvidence)
    case.figures["privacy_report"] = figures.model_dump()
    found = told(case, few)["memorization"]
    refused = case.refusing()["memorization"]
    assert found.state == MISSING
    assert found.why == f"Even if every attack only guessed: {refused} (of a made-up source)"
    assert "training and" in refused
    assert "are enough" in refused
    assert "ft waiver grant complaints --rule memorization" in found.next_step


def test_too_few_test_records_are_told_with_how_there_would_be_enough(tmp_path):
    case = case_of(tmp_path, policy=Policy(name="strict", test_records=500))
    found = told(case)["test_records"]
    assert "400 of 400 test records were evaluated: 100 more are needed" in found.why
    assert "set splits.test_fraction to 0.26, or collect about 500 more records of any kind" in found.why


def test_where_splits_are_there_they_are_counted_unless_their_settings_have_changed(tmp_path):
    case = case_of(tmp_path)
    case._settle()
    lake = open_lake(Environment(home=tmp_path))
    rows = [{**row, "feature_region": ("north", "south")[number % 2]} for number, row in enumerate(split_rows())]
    rows = [{**row, "split": "test"} if number % 4 == 3 else row for number, row in enumerate(rows)]
    usable_splits(lake, case.use_case, rows, SCHEMA.append(pa.field("feature_region", pa.string())))
    test_rows = sum(row["split"] == "test" for row in rows)
    table = {one.rule: one for one in duties(lake, case.use_case)}
    assert f"{test_rows} of {test_rows} test records were evaluated" in table["test_records"].why
    assert "(counted in splits@0)" in table["test_records"].why
    assert table["fairness/region"].state == MISSING
    divided = case.use_case.settings.model_copy(
        update={"splits": case.use_case.settings.splits.model_copy(update={"test_fraction": 0.3})}
    )
    changed_case = case.use_case.model_copy(update={"settings": divided})
    table = {one.rule: one for one in duties(lake, changed_case)}
    assert table["test_records"].state == UNKNOWN


@pytest.mark.parametrize("damage", [lambda file: os.truncate(file, 300), Path.unlink], ids=["cut off", "gone"])
def test_records_of_damaged_splits_are_not_counted_and_stop_nothing(tmp_path, damage):
    case = case_of(tmp_path)
    case._settle()
    lake = open_lake(Environment(home=tmp_path))
    rows = [{**row, "feature_region": "north"} for row in split_rows()]
    version = usable_splits(lake, case.use_case, rows, SCHEMA.append(pa.field("feature_region", pa.string())))
    for file in Path(version.uri.removeprefix("file://")).rglob("*.parquet"):
        damage(file)
    table = {one.rule: one for one in duties(lake, case.use_case)}
    assert table["test_records"].state == UNKNOWN


def test_nothing_is_claimed_of_records_that_nobody_counted(tmp_path):
    case = case_of(tmp_path)
    case._settle()
    lake = open_lake(Environment(home=tmp_path))
    table = {one.rule: one for one in duties(lake, case.use_case)}
    assert table["test_records"].state == UNKNOWN
    assert table["fairness/region"].state == UNKNOWN
    assert table["recall"].state == MISSING
    assert "measured on your own records, because the file does not say whether texts tell" in table["recall"].why


@pytest.mark.parametrize(
    ("special", "records", "subject", "state"),
    [
        (False, 900, False, UNKNOWN),
        (False, 2_000, False, MISSING),
        (False, 2_000, True, UNKNOWN),  # they may be of few persons
        (True, 10, False, MISSING),
        (None, 10, False, MISSING),
    ],
)
def test_recall_on_own_records_is_told_beforehand_as_the_gate_will_ask_for_it(
    tmp_path: Path, special: bool | None, records: int, subject: bool, state: str
) -> None:
    case = case_of(tmp_path, {"privacy": {"ner": "none", "special_categories": special}})
    case._settle()
    if subject:
        record = case.use_case.settings.record.model_copy(update={"subject": "customer"})
        settings = case.use_case.settings.model_copy(update={"record": record})
        case.use_case = case.use_case.model_copy(update={"settings": settings})
    counts = Counted(records, records // 2, 400, 300, {"region": HALVES}, "of a made-up source")
    found = {one.rule: one for one in duties(open_lake(Environment(home=tmp_path)), case.use_case, counts)}["recall"]
    assert found.state == state
    assert ("recall?of=complaints" in found.next_step) == (state == MISSING)


def test_the_pages_lead_to_where_records_are_marked_once_there_are_some(tmp_path: Path) -> None:
    case = case_of(tmp_path, {"privacy": {"ner": "none", "special_categories": True}})
    case._settle()
    lake = open_lake(Environment(home=tmp_path))
    assert 'href="../recall?of=complaints"' not in (home_page(lake, "complaints", case.use_case) or "")
    numbers = {**RECALL, "basis": "generated_texts", "status": "not_measured_on_this_source", "persons": 5}
    splits = usable_splits(lake, case.use_case)
    assert splits
    anonymized = lake.latest("complaints", STAGE)
    assert anonymized
    lake.add_verdict(anonymized, CHECK, True, check_settings_hash(case.use_case, STAGE, CHECK), numbers)
    assert 'href="../recall?of=complaints"' in (home_page(lake, "complaints", case.use_case) or "")
    needs = [one for one in needs_of(lake, case.use_case, date(2026, 12, 2)) if one.kind == "duties"]
    assert [one.action for one in needs if "texts tell of health" in one.what] == ["recall"]


def test_an_approval_that_nobody_may_give_is_missing_already_before_the_training(tmp_path):
    attributes = {
        "owners": {"accountable": "team:complaints"},
        "privacy": {"ner": "none", "without_quasi_identifiers": "Only texts are read, and these are scanned."},
    }
    found = next(one for name, one in told(case_of(tmp_path, attributes)).items() if name.startswith("approval/"))
    assert found.state == MISSING
    assert "Nobody may approve it: name persons in owners.compliance" in found.why


def test_one_person_cannot_approve_alone_where_two_are_needed_and_two_can(tmp_path):
    attributes = {
        "owners": {"accountable": "ana.ruiz@example.org", "compliance": "ana.ruiz@example.org"},
        "privacy": {"ner": "none", "without_quasi_identifiers": "Only texts are read, and these are scanned."},
    }
    alone = next(one for name, one in told(case_of(tmp_path / "a", attributes)).items() if name.startswith("approval/"))
    assert alone.state == MISSING
    assert "A second person of compliance, or a superior, has to confirm it" in alone.why
    people = People.model_validate({"superiors": {"compliance": "bo.lund@example.org"}})
    both = told(case_of(tmp_path / "b", attributes, people=people))
    found = next(one for name, one in both.items() if name.startswith("approval/"))
    assert found.state == LATER
    assert "a second person confirms it: ana.ruiz@example.org, bo.lund@example.org" in found.who


def test_signatures_that_a_release_asks_for_are_named_with_who_may_sign(tmp_path):
    release = {"intended_use": "Tests of the platform.", "approvals": ["compliance", "data_science"]}
    case = case_of(tmp_path, {"release": release}).publish()
    table = [one for one in duties(case.lake, case.use_case, RECORDS) if one.rule == SIGNATURES]
    assert [(one.role, one.state) for one in table] == [("compliance", LATER), ("data_science", LATER)]
    assert OWNERS["compliance"] in table[0].who
    assert "maria.lind@example.org" in table[1].who


def test_a_signature_that_nobody_may_give_is_missing_and_stops_the_release(tmp_path):
    from ft_platform.errors import VersionRefused
    from ft_platform.people.may import Permissions

    release = {"intended_use": "Tests of the platform.", "approvals": ["compliance"]}
    case = case_of(tmp_path, {"release": release, "owners": {"accountable": "team:nobody"}}).publish()
    found = [one for one in duties(case.lake, case.use_case, RECORDS) if one.rule == SIGNATURES]
    assert found[0].state == MISSING
    decision = case.published_decision()
    with pytest.raises(VersionRefused, match="nobody who is named may sign"):
        require_signed(case.lake, case.use_case, decision, Permissions(case.people, {"complaints": case.use_case}))


def test_the_page_of_a_use_case_and_what_waits_say_the_same_before_the_first_decision(tmp_path):
    case = case_of(tmp_path, {"fairness": {}}, left_out=set(STAGES))
    told(case)
    page = home_page(case.lake, "complaints", case.use_case) or ""
    assert problems_of(page) == []
    words = " ".join(Page(page).words.split())
    missing = [one for one in duties(case.lake, case.use_case) if one.state == MISSING and one.rule]
    assert [one.rule for one in missing] == ["test_records", "fairness", "memorization"]
    for one in missing:
        assert one.why in words
        assert one.next_step in words
    waiting = [one for one in needs_of(case.lake, case.use_case, date(2026, 12, 2)) if one.kind == "duties"]
    assert {(one.role, one.next_step) for one in waiting} == {(one.role, one.next_step) for one in missing}


def test_what_a_decision_says_waits_once_there_is_one(tmp_path):
    case = case_of(tmp_path, {"fairness": {}})
    told(case)
    case.published_decision()
    waiting = needs_of(case.lake, case.use_case, date(2026, 12, 2))
    assert "duties" not in [one.kind for one in waiting]
    why = next(one.why for one in duties(case.lake, case.use_case) if one.rule == "fairness")
    assert why in "".join(one.what for one in waiting)


def test_where_a_model_is_there_the_page_leads_to_where_an_approval_is_given(tmp_path):
    privacy = {"ner": "none", "without_quasi_identifiers": "Only texts are read, and these are scanned."}
    case = case_of(tmp_path, {"privacy": privacy}, left_out=set(STAGES))
    told(case)
    assert 'href="../waive?of=complaints"' in (home_page(case.lake, "complaints", case.use_case) or "")
