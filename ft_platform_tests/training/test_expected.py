"""What a training may be expected to reach: a regression whose interval holds, checked on planted tasks."""

import json

import numpy as np
import pyarrow as pa
import pytest

from ft_platform.training import expected as module
from ft_platform.training.expected import FILE, Expected, expected, figures, interval, left_out, logit
from ft_platform_tests.tables import use_case


def tasks(count: int, noise: float, seed: int = 0) -> np.ndarray:
    """Tasks on which the model reaches more than TF-IDF."""
    rng = np.random.default_rng(seed)
    tfidf = rng.uniform(0.2, 0.9, count)
    reached = logit(tfidf) * 0.7 + 0.5 + rng.normal(0, noise, count)
    return np.stack([tfidf, 1 / (1 + np.exp(-reached))], axis=1)


def test_the_interval_holds_as_many_new_tasks_as_it_says():
    held = []
    for seed in range(200):
        found = tasks(8, 0.4, seed)
        low, high = interval(found[:7], found[7, 0])
        held.append(low <= found[7, 1] <= high)
    assert 0.72 <= np.mean(held) <= 0.92


def test_more_noise_gives_a_wider_interval_and_a_better_baseline_a_higher_one():
    quiet, loud = (interval(tasks(15, noise), 0.5) for noise in (0.1, 0.8))
    assert loud[1] - loud[0] > 2 * (quiet[1] - quiet[0])
    assert interval(tasks(15, 0.1), 0.8)[0] > quiet[0]


def test_residuals_are_those_of_tasks_left_out():
    found = tasks(12, 0.3)
    features = np.stack([np.ones(12), logit(found[:, 0])], axis=1)
    errors = []
    for place in range(12):
        others = np.arange(12) != place
        solution = np.linalg.lstsq(features[others], logit(found[others, 1]), rcond=None)[0]
        errors.append(logit(found[place, 1]) - features[place] @ solution)
    spread = np.sqrt(np.mean(np.square(errors)))
    low, high = interval(found, found[0, 0])
    half = (logit(high) - logit(low)) / 2
    leverage = features[0] @ np.linalg.inv(features.T @ features) @ features[0]
    assert half / np.sqrt(1 + leverage) / spread == pytest.approx(1.372, abs=0.01)  # t of 10 degrees of freedom, 80 %


def splits(train: int, validation: int, labels: int = 2) -> pa.Table:
    """The validation rows first: sides may be stored in any order."""
    numbers = [*range(validation), *range(train)]
    texts = [f"my {('house', 'card')[number % 2]} number {number}" for number in numbers]
    return pa.table(
        {
            "record_id": [f"r{place:06d}" for place in range(len(numbers))],
            "split": ["validation"] * validation + ["train"] * train,
            "label": [("loan", "card")[number % labels] for number in numbers],
            "messages": [[{"role": "user", "content": text}] for text in texts],
        }
    )


def said_of(table: pa.Table) -> Expected | None:
    return expected(use_case(), lambda columns: table.select(columns).to_batches(max_chunksize=1_000))


def test_what_is_expected_rests_on_the_measured_tasks(monkeypatch, tmp_path):
    said = [dict(zip(("tfidf", "reached"), row, strict=True)) for row in tasks(12, 0.2).tolist()]
    monkeypatch.setattr(module, "FILE", tmp_path / "expected.json")
    module.FILE.write_text(json.dumps({"tasks": said}))
    found = said_of(splits(30, 10))
    assert isinstance(found, Expected) and found.tfidf == 1.0
    assert (found.records, found.labels, found.smallest, found.tasks) == (30, 2, 15, 12)
    assert 0 < found.low < found.high < 1 and f"{found.low:.2f} to {found.high:.2f}" in found.in_words()
    assert said_of(splits(30, 10)) == found


def test_of_a_large_split_a_sample_is_asked(monkeypatch):
    seen = []

    def asked(known, held_out, texts):
        seen.append((len(known.texts), len(known.labels), len(texts)))
        return None, {"validation_macro_f1": 0.5}

    monkeypatch.setattr(module, "tfidf_logreg", asked)
    found = said_of(splits(12_000, 6_000))
    assert found is not None and found.records == 12_000 and seen == [(5_000, 5_000, 5_000)]


def test_nothing_is_said_of_a_single_label():
    assert said_of(splits(30, 10, labels=1)) is None


def test_faulty_splits_are_no_reason_to_fail():
    """The audit asks too, before anything is known to be in order."""
    table = splits(30, 10)
    rare = ["loan"] * 11_000 + ["card"] * 1_000  # 5,000 rows of the train side are asked, and they have one label
    large = splits(12_000 - 10, 10)
    cases = [
        table.set_column(3, "messages", pa.array([[{"role": "user", "content": "?!"}]] * 40)),
        table.set_column(2, "label", pa.array([None] * 40, pa.string())),
        table.set_column(1, "split", pa.array(["train"] * 40)),
        large.set_column(2, "label", pa.array(rare)),
        table.slice(0, 0),
    ]
    assert [said_of(case) for case in cases] == [None] * 5


def test_the_shipped_tasks_hold_when_they_are_left_out():
    said = json.loads(FILE.read_text())
    held = left_out(figures(said["tasks"]))
    assert {"held": sum(held), "of": len(held)} == said["left_out"]
    assert len(held) >= 7 and sum(held) / len(held) >= 0.6
