"""Sentences of documents: no secret of a source, each figure once, nothing said that was not counted."""

import dataclasses

import pytest

from ft_platform.reporting.documents import statements
from ft_platform_tests.reporting.documents.made import facts, with_use_case, without


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("data/complaints.csv", "data/complaints.csv"),
        ("s3://bucket/folder/*.parquet", "s3://bucket/folder/*.parquet"),
        (
            "postgresql+adbc://reader:hunter2@db.example.org:5432/crm?password=hunter2",
            "postgresql+adbc://db.example.org:5432/crm",
        ),
        ("https://user@files.example.org/a.csv?signature=abc#part", "https://files.example.org/a.csv"),
    ],
)
def test_a_source_is_named_without_its_secrets(uri: str, shown: str) -> None:
    assert statements.place_of(uri) == shown


def test_the_source_is_named_only_as_long_as_the_file_names_it() -> None:
    assert (
        "Records were read from /" in statements.source(facts()).text
        and "1 file (sha256 in the manifest): 37 rows" in statements.source(facts()).text
    )
    assert "no longer names" in statements.source(with_use_case(source={"uri": "elsewhere.csv"})).text


def test_counts_stand_with_the_largest_first() -> None:
    assert statements.counted({"b": 2, "a": 2, "c": 1000}) == "c 1,000, a 2, b 2"


def test_what_was_not_counted_is_not_said_to_be_nothing() -> None:
    given = facts()
    manifests = {name: manifest.model_copy(update={"counts": {}}) for name, manifest in given.manifests.items()}
    bare = dataclasses.replace(given, manifests=manifests, verdicts={})
    said = [
        one.text for one in [*statements.permission(bare), *statements.personal_data(bare), *statements.splits(bare)]
    ]
    assert "Refused: not counted." in said and "Personal data found and replaced: not counted." in said
    assert "The anonymized records were not checked a second time." in said
    assert (
        "Persons, texts or near duplicates on two sides: not checked." in said
        and "Division: not counted (division not stated)." in said
    )


def test_without_reports_nothing_is_said_about_quality_or_groups() -> None:
    bare = without("evaluation_report", "fairness_report")
    assert statements.scores(bare) == [] and statements.fairness(bare) == []
    assert statements.fairness(facts())[0].text == "region: not enough evidence (limit 0.2)."


def test_a_check_that_failed_is_said_to_have_failed() -> None:
    given = facts()
    failed = given.verdicts["splits"]["no_leakage"].model_copy(update={"passed": False})
    splits = {**given.verdicts["splits"], "no_leakage": failed}
    changed = dataclasses.replace(given, verdicts={**given.verdicts, "splits": splits})
    assert any(one.text.startswith("no_leakage: failed") for one in statements.checks(changed))


def with_numbers(stage: str, check: str, **numbers: object):
    given = facts()
    verdict = given.verdicts[stage][check]
    verdict = verdict.model_copy(update={"numbers": {**verdict.numbers, **numbers}})
    return dataclasses.replace(given, verdicts={**given.verdicts, stage: {**given.verdicts[stage], check: verdict}})


def test_nothing_is_said_about_persons_where_no_record_names_one() -> None:
    said = [one.text for one in statements.splits(facts())]
    assert said[1] == "On two sides of the division of 34 records: identical texts 0, pairs of near duplicates 0."
    assert (
        said[2]
        == "Persons on two sides: not looked for, none of the 34 records is known to name one (`record.subject`)."
    )
    assert not any("none found" in one for one in said)


def test_persons_are_counted_in_the_records_that_name_one() -> None:
    said = [one.text for one in statements.splits(with_numbers("splits", "no_leakage", rows_with_person=30))]
    assert (
        "persons 0" in said[1]
        and said[2] == "Persons were looked for in the 30 records that name one; the other 4 cannot be checked."
    )
    assert len(statements.splits(with_numbers("splits", "no_leakage", rows_with_person=34))) == 2
    off = with_numbers("splits", "no_leakage")
    del off.verdicts["splits"]["no_leakage"].numbers["subjects"]
    assert "Persons on two sides: not looked for, `splits.group_by_subject` is off." in [
        one.text for one in statements.splits(off)
    ]


def test_generated_sentences_are_called_what_they_are() -> None:
    said = [one.text for one in statements.personal_data(facts())]
    assert any(
        one.startswith("Recall was not measured on this source: privacy.gold names no annotated texts.") for one in said
    )
    assert any("sentences that the platform generates" in one for one in said)
    assert not any("annotated texts of this source" in one for one in said)


def test_a_verdict_that_rests_on_nothing_has_not_passed() -> None:
    said = [one.text for one in statements.checks(facts())]
    assert any(one.startswith("recall_above_floor: not measured on this source, ") for one in said)
    unmeasured = with_numbers("anonymized_records", "is_k_anonymous", k=None, says="k-anonymity was not measured.")
    assert any(
        one.startswith("is_k_anonymous: not measured, ") and "was not measured." in one
        for one in [s.text for s in statements.checks(unmeasured)]
    )
    assert any(one.startswith("is_k_anonymous: passed, ") and "shared by at least" in one for one in said)
