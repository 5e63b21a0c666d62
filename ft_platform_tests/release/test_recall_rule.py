"""The rule `recall`: what is not shown on records of this source is refused, and a named person may let it pass."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ft_platform.release.waivers import grant
from ft_platform.stages import check_settings_hash
from ft_platform_tests.release.evidence_case import EvidenceCase
from ft_platform_tests.tiny_models import RECALL

NOT_MEASURED = {
    **RECALL,
    "status": "not_measured_on_this_source",
    "basis": "other_texts",
    "says": "Recall was not measured on this source: privacy.gold names no annotated texts.",
}
TODAY = date(2026, 11, 27)


def case_of(tmp_path: Path, numbers: dict[str, Any]) -> EvidenceCase:
    case = EvidenceCase(tmp_path, author="dana@example.org").publish()
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
        "Recall was not measured on this source: privacy.gold names no annotated texts. Annotate records of this source"
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
    ],
)
def test_a_verdict_that_lacks_anything_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    refusing = EvidenceCase(tmp_path, recall={**RECALL, **change}).refusing()
    assert list(refusing) == ["recall"] and words in refusing["recall"]


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
