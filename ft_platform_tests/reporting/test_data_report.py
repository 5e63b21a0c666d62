"""The data report: figures of manifests and verdicts, missing ones said to be missing, another report when a check or
setting changes."""

import dataclasses
import json
from pathlib import Path

import pytest

from ft_platform.lake.versions import ArtifactVersion
from ft_platform.reporting.data_report import FIGURES, existing_data_report, figures, publish_data_report
from ft_platform.reporting.documents.facts import facts_behind
from ft_platform.stages import check_settings_hash
from ft_platform_tests.evidence.case import NAME, PERSON, Case, small_case

pytestmark = pytest.mark.pictures


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return small_case().copy(tmp_path_factory.mktemp("data") / "home")


@pytest.fixture(scope="module")
def report(case: Case) -> ArtifactVersion:
    return publish_data_report(case.lake, case.use_case, case.splits)


def read(case: Case, report: ArtifactVersion) -> dict:
    return json.loads(case.lake.read_file(report, FIGURES))


def test_the_figures_are_those_of_the_records(case: Case, report: ArtifactVersion) -> None:
    found = read(case, report)
    assert found["source"]["files"] == 1 and found["source"]["rows"] == 37
    assert found["source"]["encodings"] == [
        {"encoding": "utf-8", "how": "detected", "files": 1, "beyond_ascii": 0, "certainty": 1.0}
    ]
    assert (
        "Encodings of the text files. A certainty of 1 is certain"
        in case.lake.read_file(report, "report.html").decode()
    )
    assert found["permission"]["refused"] == {
        "consent_not_accepted": {"rows": 2, "means": "the stated consent is not among accepted_consent"}
    }
    assert found["permission"]["basis"] == "consent" and found["permission"]["purpose"] == "complaint routing"
    removed = {"exact_duplicate": 1, "near_duplicate": 0, "label_conflict": 0}
    conflicts = {"label_conflicts": 0, "near_label_conflicts": 0}
    expected = {"removed": removed, **conflicts, "pairs_on_two_sides": 0, "status": "passed"}
    assert found["duplicates"] == expected and found["labels_alike"] == []
    assert found["personal_data"]["replaced"] == {"EMAIL": 1} and found["personal_data"]["rows_with_any"] == 1
    assert found["personal_data"]["left"]["rows_with_finding"] == 0
    assert found["personal_data"]["left_status"] == "passed"
    assert set(found["personal_data"]["recall"]["EMAIL"]) == {"value", "low", "high", "spans", "status"}
    seen = (found["personal_data"]["recall_status"], found["personal_data"]["recall_basis"])
    assert seen == ("not_measured_on_this_source", "generated_texts")
    assert found["personal_data"]["left_out"] == {}
    regions = case.lake.read_table(case.splits)["feature_region"].to_pylist()
    assert found["k_anonymity"]["k"] == min(regions.count(region) for region in set(regions))
    sides = case.lake.read_table(case.splits)["split"].to_pylist()
    assert found["division"]["rows_per_split"] == {side: sides.count(side) for side in set(sides)}
    seen = [(row["rows_in"], row["kept"]) for row in found["funnel"]]
    assert seen == [(37, 37), (37, 35), (35, 34), (34, 34), (34, 34)]
    other = {one["check"]: one["status"] for one in found["checks"] if one["status"] != "passed"}
    assert other == {"recall_above_floor": "not_measured_on_this_source"} and len(found["checks"]) >= 10


def test_card_croissant_and_pictures_lie_beside_the_page(case: Case, report: ArtifactVersion) -> None:
    pictures = {"funnel.png", "personal_data.png", "k_anonymity.png", "split_balance.png"}
    expected = {"data.json", "README.md", "croissant.json", "report.html", *pictures}
    assert set(case.lake.manifest(report).files) == expected
    text = case.lake.read_file(report, "report.html").decode()
    assert text.count("<img ") == text.count("<img alt=") == len(pictures)
    assert "consent_not_accepted" in text and report.artifact_id in text and case.splits.content_hash[:12] in text


def test_the_page_says_what_recall_and_k_anonymity_rest_on(case: Case, report: ArtifactVersion, tmp_path: Path) -> None:
    text = case.lake.read_file(report, "report.html").decode()
    assert "Recall was not measured on this source: privacy.gold names no annotated texts." in text
    assert (
        "every combination of region is shared by at least" in text
        and "records name no person, and each counts as one" in text
    )
    copied = case.copy(tmp_path / "home")
    anonymized = copied.lake.latest(NAME, "anonymized_records")
    assert anonymized
    reasons = {"URL": "Addresses of pages are public here."}
    for check, numbers in {
        "is_k_anonymous": {
            "k": None,
            "reason": "Nobody.",
            "says": "k-anonymity was not measured on 34 records; the file gives the reason: Nobody.",
        },
        "recall_above_floor": {
            "status": "above_floor",
            "basis": "own_records",
            "says": "Measured.",
            "left_out": reasons,
            "entities": {},
        },
    }.items():
        copied.lake.add_verdict(
            anonymized, check, True, check_settings_hash(case.use_case, "anonymized_records", check), numbers
        )
    later = publish_data_report(copied.lake, copied.use_case, copied.splits)
    text = copied.lake.read_file(later, "report.html").decode()
    assert f"Check is_k_anonymous of {anonymized.id}: not measured. k-anonymity was not measured on 34 records" in text
    assert "Addresses of pages are public here." in text and "<td>URL</td>" in text


def test_nothing_personal_is_in_it(case: Case, report: ArtifactVersion) -> None:
    for name in case.lake.manifest(report).files:
        content = case.lake.read_file(report, name)
        assert PERSON.split("@")[0].encode() not in content and b"mortgage11" not in content, name


def test_equal_records_settings_and_verdicts_give_the_same_report_and_other_ones_another(
    case: Case, report: ArtifactVersion, tmp_path: Path
) -> None:
    assert (
        publish_data_report(case.lake, case.use_case, case.splits)
        == existing_data_report(case.lake, case.use_case, case.splits)
        == report
    )
    for section, values in {
        "owners": {"compliance": "team:other"},
        "governance": {"purpose": "another purpose"},
        "source": {"encoding": "utf-8"},
    }.items():
        changed = case.use_case.section(section).model_copy(update=values)
        settings = case.use_case.settings.model_copy(update={section: changed})
        other = case.use_case.model_copy(update={"settings": settings})
        assert existing_data_report(case.lake, other, case.splits) is None, section
    copied = case.copy(tmp_path / "home")
    hash_ = check_settings_hash(case.use_case, "splits", "no_leakage")
    copied.lake.add_verdict(copied.splits, "no_leakage", False, hash_, {"near_duplicate_pairs": 3, "rows": 34})
    later = publish_data_report(copied.lake, copied.use_case, copied.splits)
    assert later.artifact_id != report.artifact_id
    assert read(copied, later)["duplicates"]["pairs_on_two_sides"] == 3
    assert "Check no_leakage of splits@0: failed." in copied.lake.read_file(later, "report.html").decode()


def test_what_was_not_checked_or_counted_is_null_and_says_so(case: Case) -> None:
    facts = facts_behind(case.lake, case.use_case, case.splits)
    bare = {name: manifest.model_copy(update={"counts": {}}) for name, manifest in facts.manifests.items()}
    found = figures(dataclasses.replace(facts, manifests=bare, verdicts={}))
    seen = (found["personal_data"]["replaced"], found["personal_data"]["left"], found["personal_data"]["left_status"])
    assert seen == (None, None, "not_checked")
    assert (found["personal_data"]["recall"], found["personal_data"]["recall_status"]) == (None, "not_measured")
    expected = {"k": None, "status": "not_checked", "says": None, "reason": None, "not_looked_at": None}
    assert found["k_anonymity"] == expected
    conflicts = {"label_conflicts": None, "near_label_conflicts": None}
    unknown = {"removed": None, **conflicts, "pairs_on_two_sides": None, "status": "not_checked"}
    assert found["duplicates"] == unknown
    assert found["permission"]["refused"] is None
    assert {one["status"] for one in found["checks"]} == {"not_checked"} and len(found["checks"]) >= 9


def test_the_newest_version_of_the_same_rows_says_what_holds_now(case: Case, tmp_path: Path) -> None:
    copied = case.copy(tmp_path / "home")
    splits = copied.splits
    anonymized = copied.lake.latest(NAME, "anonymized_records")
    assert anonymized
    batches = list(copied.lake.read(splits))
    again = copied.lake.write_table(
        NAME,
        "splits",
        batches,
        batches[0].schema,
        zone="shared",
        parents=[anonymized],
        settings_hash="later",
        input_hash="again",
    )
    assert again.content_hash == splits.content_hash
    facts = facts_behind(copied.lake, copied.use_case, splits)
    assert facts.manifests["splits"].id == "splits@1" and facts.section("splits", "task") is None


def test_labels_of_several_spellings_and_texts_of_several_labels_are_told(case: Case) -> None:
    facts = facts_behind(case.lake, case.use_case, case.splits)
    conflicting = {"label_conflicts": 4, "near_label_conflicts": 2}
    per_label = {"Shipping": {"train": 9}, "shipping": {"train": 2}, "SHIPPING": {"test": 1}, "Technical": {"train": 7}}
    more = {"cleaned_records": conflicting, "splits": {"rows_per_label": per_label}}
    manifests = {
        name: manifest.model_copy(update={"counts": {**manifest.counts, **more.get(name, {})}})
        for name, manifest in facts.manifests.items()
    }
    found = figures(dataclasses.replace(facts, manifests=manifests))
    assert found["labels_alike"] == [["Shipping", "shipping", "SHIPPING"]]
    assert (found["duplicates"]["label_conflicts"], found["duplicates"]["near_label_conflicts"]) == (4, 2)
