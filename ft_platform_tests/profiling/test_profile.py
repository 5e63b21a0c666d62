"""The profile of tables of fictitious records, against plain Python."""

import json
import tracemalloc
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pytest

from ft_platform.records.columns import MESSAGES
from ft_platform.records.profiling import languages
from ft_platform.records.profiling import profile as module
from ft_platform.records.profiling.profile import from_dict, profile, sample_ranks, word_counts
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import raw_schema, splits_schema
from ft_platform_tests.tables import table, use_case

CASE = use_case()
SCHEMA = splits_schema(CASE)
TEXTS = ["I lost my card", "My card was blocked", "  a house\tloan \n question ", "", None, "Meine Karte ist gesperrt"]


def records(count: int = 60) -> pa.Table:
    texts = [TEXTS[i % len(TEXTS)] for i in range(count)]
    return table(
        SCHEMA,
        texts,
        ["answer"] * count,
        label=[("card", "loan", None)[i % 3] for i in range(count)],
        split=[("train", "train", "test")[i % 3] for i in range(count)],
        feature_region=[("north", "")[i % 2] for i in range(count)],
        entities=[[("PERSON", 2), ("EMAIL", 1)] if i % 4 == 0 else [] for i in range(count)],
        subject_id=[f"s{i}" for i in range(count)],
    )


@pytest.mark.integration
def test_figures_are_those_of_plain_python() -> None:
    rows = records()
    found = profile(TableRows(rows, batch_rows=7), "splits", shows_values=True)
    texts = [TEXTS[i % len(TEXTS)] or "" for i in range(60)]
    assert found.rows == 60
    assert found.values["label"] == {"card": 20, "loan": 20}
    assert found.values["split"] == {"train": 40, "test": 20}
    assert found.values["feature_region"] == {"north": 30}
    assert (
        found.missing["label"] == 20
        and found.missing["feature_region"] == 30
        and found.missing["record_date"] == 60
        and found.missing["record_id"] == 0
    )
    assert found.sides == {"card": {"train": 20}, "loan": {"train": 20}, "": {"test": 20}}
    assert found.entities == {"PERSON": 30, "EMAIL": 15}
    assert found.lengths["user_characters"].total == sum(map(len, texts))
    assert found.lengths["user_words"].total == sum(len(text.split()) for text in texts)
    assert found.lengths["assistant_characters"].total == 60 * len("answer")
    assert found.lengths["messages"].mean == 2
    assert found.terms["card"] == 20 and found.terms["karte ist"] == 10
    assert found.sample_rows == 60 and "user_tokens" not in found.lengths


@pytest.mark.skipif(not languages.is_installed(), reason="needs the extra language")
def test_languages_are_named_and_a_text_without_words_is_none() -> None:
    texts = ["I would like to complain about a charge on my credit card"] * 3 + [
        "Meine Kreditkarte wurde ohne Grund gesperrt und niemand hilft mir"
    ] * 2
    found = profile(TableRows(table(SCHEMA, texts)), "splits", shows_values=True)
    assert found.languages == {"en": 3, "de": 2} and found.language_rows == 5


def test_without_the_language_package_no_language_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(languages, "is_installed", lambda: False)
    found = profile(TableRows(records()), "splits", shows_values=True)
    assert (found.language_rows, found.languages) == (0, {})


def test_a_table_with_personal_data_gives_counts_only() -> None:
    canary = "Zanzibar"
    texts = [f"{canary} lives in {canary}"] * 50
    rows = table(raw_schema(CASE), texts, label=[canary] * 50, feature_region=[canary] * 50, subject_id=[canary] * 50)
    found = profile(TableRows(rows), "raw_records", shows_values=False)
    assert found.rows == 50 and found.lengths["user_words"].mean == 4
    assert canary.lower() not in json.dumps(found.to_dict()).lower()
    # The check can fail: shown, the canary is there.
    assert canary.lower() in json.dumps(profile(TableRows(rows), "raw_records", shows_values=True).to_dict()).lower()


def test_a_term_that_fewer_than_five_records_hold_is_not_shown() -> None:
    texts = ["unusualname called"] * 4 + ["the bank called"] * 4
    found = profile(TableRows(table(SCHEMA, texts)), "splits", shows_values=True)
    assert found.terms == {"called": 8}


def test_order_and_batches_change_nothing() -> None:
    rows = records(200)
    shuffled = rows.take(pa.array(np.random.default_rng(0).permutation(200)))
    first = profile(TableRows(rows, batch_rows=1000), "splits", shows_values=True)
    assert profile(TableRows(shuffled, batch_rows=13), "splits", shows_values=True).to_dict() == first.to_dict()
    assert from_dict(json.loads(json.dumps(first.to_dict()))) == first


def test_tokens_are_counted_where_a_tokenizer_is_given() -> None:
    found = profile(
        TableRows(records()),
        "splits",
        shows_values=True,
        tokens=lambda texts: np.array([3 * len(t.split()) for t in texts]),
    )
    assert found.lengths["user_tokens"].total == 3 * found.lengths["user_words"].total


def test_an_empty_table_has_a_profile() -> None:
    found = profile(TableRows(SCHEMA.empty_table()), "splits", shows_values=True)
    assert found.rows == 0 and found.terms == {}


def test_the_sample_is_a_share_of_a_large_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE_ROWS", 500)
    monkeypatch.setattr(module, "LANGUAGE_ROWS", 50)
    rows = records(3000)
    found = profile(TableRows(rows), "splits", shows_values=True)
    assert 400 < found.sample_rows < 600 and 20 < found.language_rows < 90
    assert found.rows == 3000 and found.values["label"]["card"] == 1000


def test_ranks_are_even_and_the_same_for_the_same_id() -> None:
    ids = pa.array([f"r{i}" for i in range(20_000)])
    ranks = sample_ranks(ids)
    assert (sample_ranks(ids) == ranks).all()
    assert np.histogram(ranks, bins=10, range=(0, 1))[0] == pytest.approx(2_000, abs=200)  # 4.7 standard deviations


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        [None, "a"],
        ["a b", "", " c\n\nd\t", "  "],
        ["a", "b"],
        ["ab", None, "c d e"],
        ["ünï cödé", "日本 語"],
        ["x "] * 5,
    ],
    ids=repr,
)
def test_words_are_counted_as_python_splits(texts: list) -> None:
    array = pa.array(texts, pa.string())
    assert word_counts(array).tolist() == [len((t or "").split()) for t in texts]
    if len(texts) > 1:
        assert word_counts(array[1:]).tolist() == [len((t or "").split()) for t in texts[1:]]


class ManyRows:
    """Rows that are made while they are read."""

    schema = pa.schema([("record_id", pa.string()), ("messages", MESSAGES), ("label", pa.string())])

    def __init__(self, num_rows: int) -> None:
        self.num_rows = num_rows

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        for start in range(0, self.num_rows, 1000):
            numbers = range(start, start + 1000)
            messages = [
                [{"role": "user", "content": f"word {i} of a text about cards {i % 977} and loans"}] for i in numbers
            ]
            batch = pa.record_batch(
                {
                    "record_id": [f"r{i}" for i in numbers],
                    "messages": pa.array(messages, MESSAGES),
                    "label": [f"label {i}" for i in numbers],
                }
            )
            yield batch.select(list(columns or self.schema.names))


@pytest.mark.integration
def test_memory_does_not_grow_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(languages, "is_installed", lambda: False)
    monkeypatch.setattr(module, "SAMPLE_ROWS", 500)

    def peak(rows: int) -> int:
        tracemalloc.start()
        profile(ManyRows(rows), "splits", shows_values=True)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    small, large = peak(5_000), peak(40_000)
    assert large < 1.5 * small
