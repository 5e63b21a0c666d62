"""The rule `recall`: what is not shown on records of this source is refused, and a named person may let it pass."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ft_platform.release.waivers import grant
from ft_platform.stages import check_settings_hash
from ft_platform.use_case.settings.policy import Policy
from ft_platform_tests.release.evidence_case import MEASURED, EvidenceCase
from ft_platform_tests.tiny_models import RECALL

NOT_MEASURED = {
    **RECALL,
    "status": "not_measured_on_this_source",
    "basis": "other_texts",
    "says": "Recall was not measured on this source: privacy.gold names no annotated texts.",
}
TODAY = date(2026, 11, 27)


def case_of(tmp_path: Path, numbers: dict[str, Any], **changes: Any) -> EvidenceCase:
    case = EvidenceCase(tmp_path, author="dana@example.org", **changes).publish()
    version = case.lake.latest("complaints", "anonymized_records")
    assert version
    check = "recall_above_floor"
    case.lake.add_verdict(
        version, check, True, check_settings_hash(case.use_case, "anonymized_records", check), numbers
    )
    return case


def test_what_was_not_measured_on_this_source_is_refused_with_a_way_out_and_passes_by_a_persons_name(
    tmp_path: Path,
) -> None:
    case = case_of(tmp_path, NOT_MEASURED)
    decision = case.decide(today=TODAY)
    (ruling,) = decision.refusing
    assert (ruling.rule, ruling.waivable, ruling.value) == ("recall", True, None)
    assert ruling.why.startswith(
        "Recall was not measured on this source: privacy.gold names no annotated texts. Mark some of your records in"
    )
    assert "ft privacy sample complaints" in ruling.why and "let an owner approve it by name" in ruling.why
    other = next(one for one in decision.rulings if one.rule == "data/recall_above_floor/anonymized_records")
    assert (
        other.passed and other.needed == "nothing shows that it is lower" and "not measured on this source" in other.why
    )
    reason = "Read 300 records by hand, nothing was missed."
    grant(
        case.lake,
        case.use_case,
        case.versions["adapter_checkpoint"],
        ruling,
        granted_by="ana.ruiz@example.org",
        reason=reason,
        until=TODAY,
        today=TODAY,
    )
    assert case.decide(today=TODAY).accepted


def test_what_was_shown_is_accepted_with_the_entity_that_is_found_least(tmp_path: Path) -> None:
    ruling = next(one for one in case_of(tmp_path, RECALL).decide().rulings if one.rule == "recall")
    assert ruling.passed and (ruling.value, ruling.low, ruling.high) == (0.99, 0.95, 1.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"basis": "other_texts"}, ""),
        ({"status": "not_proven"}, ""),
        ({"entities": {}}, ""),
        ({"entities": {**RECALL["entities"], "PHONE": {"recall": 0.95, "low": 0.89, "high": 0.99, "texts": 60}}}, ""),
        ({"entities": {"PHONE": {"recall": 1.0, "low": 0.95, "high": 1.0, "texts": 19}}}, ""),
        ({"entities": {"PHONE": {"recall": 1.0, "low": float("nan"), "high": 1.0, "texts": 60}}}, "entities.PHONE.low"),
        ({"basis": "what somebody wrote"}, "basis"),
        ({"says": None}, "says"),
        ({"basis": "own_sample"}, ""),  # without the figures of the sample
        ({"basis": "own_sample", "sample": {"recall": 0.99, "low": 0.89, "high": 1.0, "records": 60}}, ""),
        ({"basis": "own_sample", "sample": {"recall": 0.99, "low": 0.95, "high": 1.0, "records": 19}}, ""),
        (
            {
                "basis": "own_sample",
                "sample": {"recall": 0.99, "low": 0.95, "high": 1.0, "records": 60},
                "entities": {"IBAN": {"recall": 0.0, "low": 0.0, "high": 0.6, "texts": 3}},
            },
            "",
        ),
        ({"basis": "generated_texts", "persons": 1}, "(privacy.special_categories)"),
    ],
)
def test_a_verdict_that_lacks_anything_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    refusing = EvidenceCase(tmp_path, recall={**RECALL, **change}).refusing()
    assert list(refusing) == ["recall"] and words in refusing["recall"]


def test_records_that_were_marked_one_by_one_are_judged_all_together_and_their_interval_is_shown(
    tmp_path: Path,
) -> None:
    sample = {"recall": 0.984, "low": 0.912, "high": 0.998, "records": 64}
    rare = {"IBAN": {"recall": 1.0, "low": 0.2, "high": 1.0, "texts": 3}}
    numbers = {**RECALL, "basis": "own_sample", "sample": sample, "entities": rare}
    ruling = next(one for one in case_of(tmp_path, numbers).decide().rulings if one.rule == "recall")
    assert ruling.passed
    assert (ruling.value, ruling.low, ruling.high) == (0.984, 0.912, 0.998)


GENERATED = {**NOT_MEASURED, "basis": "generated_texts", "entities": RECALL["entities"]}
LOW = {"EMAIL": {"recall": 0.95, "low": 0.85, "high": 0.99, "texts": 60}}


@pytest.mark.parametrize(
    ("special", "persons", "asked_from", "numbers", "words"),
    [
        (False, 999, 1000, {}, "Measured on generated texts, not on your records"),
        (False, 1000, 1000, {}, "1,000 persons are in the records, and the policy asks for it from 1,000 persons on"),
        (False, None, 1000, {}, "nobody has counted the persons"),
        (False, 0, 0, {}, "0 persons are in the records"),
        (False, 20_000, 50_000, {}, "enough for 20,000 persons, fewer than 50,000"),
        (True, 10, 1000, {}, "because texts tell of health"),
        (None, 10, 1000, {}, "because the file does not say whether texts tell of health"),
        (False, 10, 1000, {"basis": "other_texts"}, "Recall was not measured on this source"),
        (False, 10, 1000, {"entities": LOW}, "Recall was not measured on this source"),
    ],
)
def test_generated_texts_count_below_the_size_and_sensitivity_that_the_policy_names_and_the_decision_says_so(
    tmp_path: Path, special: bool | None, persons: int | None, asked_from: int, numbers: dict[str, Any], words: str
) -> None:
    privacy = {**MEASURED, "special_categories": special}
    policy = Policy(name="bank", own_recall_from=asked_from)
    said = {**GENERATED, "persons": persons, **numbers}
    decision = case_of(tmp_path, said, attributes={"privacy": privacy}, policy=policy).decide()
    ruling = next(one for one in decision.rulings if one.rule == "recall")
    assert words in ruling.why
    assert ruling.passed == ("enough for" in ruling.why)
    assert ruling.value is None


def test_a_verdict_of_an_earlier_release_which_says_nothing_is_refused(tmp_path: Path) -> None:
    refusing = EvidenceCase(tmp_path, recall={"recall": 0.99, "min_recall": 0.9}).refusing()
    assert (
        "the verdict of recall_above_floor is not valid evidence: basis, entities, says, status" in refusing["recall"]
    )


def test_the_decision_says_that_k_anonymity_was_not_measured_and_by_whose_reason(tmp_path: Path) -> None:
    case = EvidenceCase(tmp_path, author="dana@example.org").publish()
    version = case.lake.latest("complaints", "anonymized_records")
    assert version
    says = (
        "k-anonymity was not measured on 90 records: the reason in the file, for which team:complaints is"
        " responsible: Nobody is in them."
    )
    case.lake.add_verdict(
        version,
        "is_k_anonymous",
        True,
        check_settings_hash(case.use_case, "anonymized_records", "is_k_anonymous"),
        {"says": says},
    )
    ruling = next(one for one in case.decide().rulings if one.rule == "data/is_k_anonymous/anonymized_records")
    assert ruling.passed and says in ruling.why and "or the file says why it is not" in ruling.needed
