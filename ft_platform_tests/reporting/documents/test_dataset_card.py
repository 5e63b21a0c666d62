"""The dataset card: read by the hub's own library, every figure that of a manifest, nothing that is not known."""

import re
from pathlib import Path

import pytest
import yaml

from ft_platform.reporting.documents import dataset_card
from ft_platform.reporting.documents.facts import NotKnown
from ft_platform_tests.reporting.documents.made import facts, with_counts, with_use_case, without


def test_the_hub_reads_it(tmp_path: Path) -> None:
    from huggingface_hub import DatasetCard

    path = tmp_path / "README.md"
    path.write_text(dataset_card.make(facts()))
    card = DatasetCard.load(path)
    found = (card.data.license, card.data.to_dict()["license_name"], card.data.size_categories)
    assert found == ("other", "proprietary", ["n<1K"])
    assert card.data.task_categories == ["text-classification"]
    counted = {side["name"]: side["num_examples"] for side in card.data.to_dict()["dataset_info"]["splits"]}
    assert counted == facts().manifests["splits"].counts["rows_per_split"]
    assert sum(counted.values()) == facts().manifests["splits"].rows


def test_every_figure_is_that_of_the_version_it_names() -> None:
    text = dataset_card.make(facts())
    officer = "officer@example.org (compliance officer)"
    assert f"To be completed by {officer}: uses that the records are not suited for." in text
    assert "To be completed by team:complaints (domain expert): who gave the records their labels" in text


def test_settings_that_changed_since_are_left_out() -> None:
    text = dataset_card.make(with_use_case(governance={"purpose": "something else", "licence": "cc-by-4.0"}))
    assert "something else" not in text and "license" not in yaml.safe_load(text.split("---")[1])


def test_a_licence_of_the_hub_is_named_as_the_hub_does(monkeypatch: pytest.MonkeyPatch) -> None:
    given = with_use_case(governance={"licence": "CC-BY-4.0"})
    monkeypatch.setattr(type(given), "section", lambda self, stage, name: self.use_case.section(name))
    assert dataset_card.metadata(given)["license"] == "cc-by-4.0"
    assert dataset_card.metadata(with_use_case(cleaning={"allowed_languages": ["en"]}))["language"] == ["en"]


def test_the_card_of_records_alone_speaks_of_no_release() -> None:
    """As `data_report` makes it: nothing is trained on them yet."""
    assert "Release decision" in dataset_card.make(facts())
    assert "elease" not in dataset_card.make(without("adapter_checkpoint"))


@pytest.mark.parametrize(
    ("rows", "size"), [(999, "n<1K"), (1000, "1K<n<10K"), (99_999_999, "10M<n<100M"), (100_000_000, "100M<n<1B")]
)
def test_the_size_category_is_that_of_the_rows(rows: int, size: str) -> None:
    import dataclasses

    given = facts()
    manifest = given.manifests["splits"].model_copy(update={"rows": rows})
    manifests = {**given.manifests, "splits": manifest}
    assert dataset_card.metadata(dataclasses.replace(given, manifests=manifests))["size_categories"] == [size]


def test_a_second_look_that_was_not_made_is_not_said_to_have_found_nothing() -> None:
    import dataclasses

    given = facts()
    verdicts = {**given.verdicts, "anonymized_records": {}, "splits": {}}
    text = dataset_card.make(dataclasses.replace(given, verdicts=verdicts))
    assert "The anonymized records were not checked a second time." in text and "two sides: not checked." in text
    assert "k-anonymity was not measured: these records have no check of it." in text
    assert "The share of personal data that is found was not measured." in text


def test_hostile_labels_break_no_table_and_are_no_markup() -> None:
    labels = {"<script>alert(1)</script> | `x` [a](javascript:alert(1))": {"train": 1, "validation": 0, "test": 0}}
    text = dataset_card.make(with_counts("splits", rows_per_label=labels))
    assert "<script" not in text and not re.search(r"(?<!\\)\]\(javascript", text)
    (line,) = (line for line in text.splitlines() if "alert" in line)
    assert len(re.findall(r"(?<!\\)\|", line)) == 5


def test_without_splits_there_is_no_card() -> None:
    with pytest.raises(NotKnown, match="no version of splits"):
        dataset_card.make(without("splits"))
