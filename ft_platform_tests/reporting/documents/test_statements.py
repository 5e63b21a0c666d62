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
        ("postgresql+adbc://reader:hunter2@db.example.org:5432/crm?password=hunter2", "postgresql+adbc://db.example.org:5432/crm"),
        ("https://user@files.example.org/a.csv?signature=abc#part", "https://files.example.org/a.csv"),
    ],
)
def test_a_source_is_named_without_its_secrets(uri: str, shown: str) -> None:
    assert statements.place_of(uri) == shown


def test_the_source_is_named_only_as_long_as_the_file_names_it() -> None:
    assert "Records were read from /" in statements.source(facts()).text and "1 file whose sha256 the manifest has: 37 rows" in statements.source(facts()).text
    assert "does not name any more" in statements.source(with_use_case(source={"uri": "elsewhere.csv"})).text


def test_counts_stand_with_the_largest_first() -> None:
    assert statements.counted({"b": 2, "a": 2, "c": 1000}) == "c 1,000, a 2, b 2"


def test_what_was_not_counted_is_not_said_to_be_nothing() -> None:
    given = facts()
    bare = dataclasses.replace(given, manifests={name: manifest.model_copy(update={"counts": {}}) for name, manifest in given.manifests.items()}, verdicts={})
    said = [one.text for one in [*statements.permission(bare), *statements.personal_data(bare), *statements.splits(bare)]]
    assert "Refused: not counted." in said and "Personal data found and replaced: not counted." in said
    assert "No second look at the anonymized records was made." in said
    assert "Persons, texts or near duplicates on two sides: not checked." in said and "Division: not counted (division not stated)." in said


def test_without_reports_nothing_is_said_about_quality_or_groups() -> None:
    bare = without("evaluation_report", "fairness_report")
    assert statements.scores(bare) == [] and statements.fairness(bare) == []
    assert statements.fairness(facts())[0].text == "region: not enough evidence (limit 0.2)."


def test_a_check_that_failed_is_said_to_have_failed() -> None:
    given = facts()
    failed = given.verdicts["splits"]["no_leakage"].model_copy(update={"passed": False})
    changed = dataclasses.replace(given, verdicts={**given.verdicts, "splits": {**given.verdicts["splits"], "no_leakage": failed}})
    assert any(one.text.startswith("no_leakage: failed") for one in statements.checks(changed))
    assert "found, see the verdict no_leakage" in statements.splits(changed)[1].text
