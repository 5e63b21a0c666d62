import random
from collections import Counter

import pyarrow as pa
import pytest

from ft_platform.errors import DataError
from ft_platform.records.columns import SIDES
from ft_platform.records.schemas import anonymized_schema, splits_schema
from ft_platform.records.stage_results import StageResult
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.splitting import in_memory
from ft_platform_tests.splitting.in_memory import leakage, split
from ft_platform_tests.tables import table, use_case


def distinct(count: int, seed: int = 0) -> list[str]:
    """Texts of ten random words: no two share three in a row."""
    rng = random.Random(seed)
    return [" ".join(f"w{rng.randrange(100_000)}" for _ in range(10)) for _ in range(count)]


def records(case: NamedUseCase, texts: list[str], **columns: list) -> pa.Table:
    return table(anonymized_schema(case), texts, answers=["fine"] * len(texts), **columns)


def side_of(result: StageResult) -> dict[str, str]:
    return dict(zip(result.kept["record_id"].to_pylist(), result.kept["split"].to_pylist(), strict=True))


LABELS = ["a"] * 100 + ["b"] * 60 + ["c"] * 40


@pytest.mark.integration
def test_shares_are_close_to_the_fractions_overall_and_for_each_label() -> None:
    case = use_case()
    result = split(case, records(case, distinct(200), label=LABELS))
    assert result.kept.schema == splits_schema(case)
    assert result.counts["rows_per_split"] == {"train": 130, "validation": 30, "test": 40}
    assert result.counts["rows_per_label"] == {
        "a": {"train": 65, "validation": 15, "test": 20},
        "b": {"train": 39, "validation": 9, "test": 12},
        "c": {"train": 26, "validation": 6, "test": 8},
    }
    assert result.funnel("splits") == {"stage": "splits", "rows_in": 200, "kept": 200, "removed": {}}
    assert leakage(case, result.kept)["passed"]


def test_the_fractions_of_the_yaml_are_used() -> None:
    case = use_case(splits={"test_fraction": 0.1, "validation_fraction": 0.3})
    found = split(case, records(case, distinct(200), label=LABELS)).counts["rows_per_split"]
    assert found == {"train": 120, "validation": 60, "test": 20}


def test_the_division_does_not_depend_on_the_order_of_the_rows() -> None:
    case = use_case()
    given = records(case, distinct(200), label=LABELS, subject_id=[f"s{i % 90}" for i in range(200)])
    shuffled = given.take(random.Random(1).sample(range(200), 200))
    assert split(case, given).kept.to_pylist() == split(case, shuffled).kept.sort_by("record_id").to_pylist()


def test_another_seed_divides_differently() -> None:
    given = records(use_case(), distinct(200), label=LABELS)
    first, second = (side_of(split(use_case(splits={"seed": seed}), given)) for seed in (1, 2))
    assert sum(first[i] != second[i] for i in first) > 40


def test_more_data_moves_few_records_to_another_side() -> None:
    """A random division would move about half of them."""
    case = use_case()
    given = records(case, distinct(400), label=LABELS * 2)
    before, after = side_of(split(case, given.slice(0, 380))), side_of(split(case, given))
    assert sum(before[i] != after[i] for i in before) <= 0.03 * len(before)


def test_a_persons_records_stay_together_unless_the_yaml_says_otherwise() -> None:
    persons = [f"s{i % 40}" for i in range(200)]
    for together in (True, False):
        case = use_case(splits={"group_by_subject": together})
        kept = split(case, records(case, distinct(200), label=["a", "b"] * 100, subject_id=persons)).kept
        sides = {
            person: set(kept.filter(pa.compute.equal(kept["subject_id"], person))["split"].to_pylist())
            for person in set(persons)
        }
        assert all(len(s) == 1 for s in sides.values()) is together


def test_unknown_persons_are_not_one_person() -> None:
    case = use_case()
    assert split(case, records(case, distinct(50), label=["a", "b"] * 25)).counts["groups"] == 50


def test_identical_and_near_identical_texts_form_one_group_also_through_a_person() -> None:
    case = use_case()
    texts = distinct(30)
    texts[1] = texts[0].upper()
    texts[2] = texts[0] + " more"  # 8 of 9 shingles
    columns = {"label": ["a", "b"] * 15, "subject_id": [None, None, "p", "p", *[None] * 26]}
    rows = split(case, records(case, texts, **columns)).kept.to_pylist()
    assert len({row["group_id"] for row in rows[:4]}) == 1 and len({row["split"] for row in rows[:4]}) == 1
    assert len({row["group_id"] for row in rows}) == 27


def test_the_threshold_of_near_duplicates_decides() -> None:
    texts = distinct(30)
    texts[1] = texts[0] + " more words"  # 8 of 10 shingles
    for threshold, groups in ((0.8, 29), (0.81, 30)):
        case = use_case(splits={"near_duplicate_threshold": threshold})
        assert split(case, records(case, texts, label=["a", "b"] * 15)).counts["groups"] == groups


def test_a_rare_label_is_an_error_that_names_labels_counts_and_settings() -> None:
    case = use_case(splits={"min_rows_per_label": 5})
    with pytest.raises(DataError) as error:
        split(case, records(case, distinct(30), label=["a"] * 13 + ["b"] * 12 + ["c"] * 4 + ["d"]))
    for part in (
        "'c' (4 records in 4 groups)",
        "'d' (1 records in 1 groups)",
        "splits.rare_labels",
        "splits.min_rows_per_label",
    ):
        assert part in str(error.value)
    assert "'a'" not in str(error.value)


def test_rare_labels_can_be_dropped_or_merged() -> None:
    labels = ["a"] * 13 + ["b"] * 12 + ["c"] * 4 + ["d"]
    dropped, merged = (
        use_case(splits={"min_rows_per_label": 5, "rare_labels": choice}) for choice in ("drop", "other")
    )
    result = split(dropped, records(dropped, distinct(30), label=labels))
    assert result.funnel("splits") == {"stage": "splits", "rows_in": 30, "kept": 25, "removed": {"rare_label": 5}}
    assert [row["record_id"] for row in result.removed.to_pylist()] == [f"r{i:03d}" for i in range(25, 30)]
    result = split(merged, records(merged, distinct(30), label=labels))
    assert Counter(result.kept["label"].to_pylist()) == {"a": 13, "b": 12, "other": 5}


def test_a_merged_label_that_is_still_rare_is_an_error() -> None:
    case = use_case(splits={"min_rows_per_label": 5, "rare_labels": "other"})
    with pytest.raises(DataError, match=r"'other' \(4 records in 4 groups\)"):
        split(case, records(case, distinct(30), label=["a"] * 13 + ["b"] * 13 + ["c"] * 3 + ["d"]))


def test_a_label_whose_records_form_one_group_counts_as_rare() -> None:
    """Ten records of one person cannot stand on three sides."""
    labels, persons = ["a"] * 20 + ["b"] * 20 + ["c"] * 10, [None] * 40 + ["p"] * 10
    case = use_case()
    with pytest.raises(DataError, match=r"'c' \(10 records in 1 groups\)"):
        split(case, records(case, distinct(50), label=labels, subject_id=persons))
    case = use_case(splits={"rare_labels": "drop"})
    assert split(case, records(case, distinct(50), label=labels, subject_id=persons)).funnel("splits")["removed"] == {
        "rare_label": 10
    }


def test_one_label_only_is_an_error() -> None:
    case = use_case()
    with pytest.raises(DataError, match=r"nothing to learn with 1 label\(s\) \['a'\]"):
        split(case, records(case, distinct(30), label=["a"] * 30))
    case = use_case(splits={"rare_labels": "drop"})
    with pytest.raises(DataError, match="1 rare labels were removed"):
        split(case, records(case, distinct(30), label=["a"] * 28 + ["b"] * 2))


def test_too_few_records_or_groups_are_an_error() -> None:
    case = use_case("generation")
    with pytest.raises(DataError, match="9 records are too few"):
        split(case, records(case, distinct(9)))
    with pytest.raises(DataError, match=r"the records form 2 group\(s\)"):
        split(case, records(case, distinct(20), subject_id=["p", "q"] * 10))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("stratify", [True, False])
def test_every_label_is_on_every_side_whatever_the_groups(seed: int, stratify: bool) -> None:
    """Few records per label, in groups of mixed labels and sizes."""
    rng = random.Random(seed)
    labels = [f"l{i}" for i in range(8) for _ in range(rng.randint(5, 12))]
    persons = [rng.choice([None, *(f"p{i}" for i in range(12))]) for _ in labels]
    case = use_case(splits={"seed": seed, "stratify": stratify, "rare_labels": "drop"})
    result = split(case, records(case, distinct(len(labels), seed), label=labels, subject_id=persons))
    assert (
        all(min(sides.values()) >= 1 for sides in result.counts["rows_per_label"].values())
        and len(result.counts["rows_per_label"]) == 8
    )
    assert leakage(case, result.kept)["passed"]


def test_labels_whose_groups_exclude_each_other_are_an_error() -> None:
    """a needs p, q, r apart, b needs p, q, s apart, so r and s are on one side; but c needs p, r, s apart."""
    persons_of = {"a": "pqr", "b": "pqs", "c": "prs"}
    rows = [(label, person) for label, persons in persons_of.items() for person in persons] * 2
    case = use_case()
    with pytest.raises(
        DataError,
        match=r"label '[abc]' cannot be put on side \w+: its records belong to groups that other labels need elsewhere",
    ):
        split(
            case,
            records(case, distinct(18), label=[label for label, _ in rows], subject_id=[person for _, person in rows]),
        )


def test_a_group_larger_than_a_side_goes_to_train() -> None:
    case = use_case("generation")
    result = split(case, records(case, distinct(100), subject_id=["p"] * 60 + [None] * 40))
    assert result.counts["rows_per_split"] == {"train": 65, "validation": 15, "test": 20}
    assert set(result.kept["split"][:60].to_pylist()) == {"train"} and result.counts["largest_group"] == 60


def test_without_labels_every_side_gets_records() -> None:
    case = use_case("generation")
    result = split(case, records(case, distinct(10)))
    assert set(result.kept["split"].to_pylist()) == set(SIDES) and result.counts["rows_per_label"] == {}


def test_sizes_can_be_given_as_counts() -> None:
    case = use_case(splits={"test_rows": 30, "validation_rows": 10})
    found = split(case, records(case, distinct(200), label=LABELS)).counts["rows_per_split"]
    assert found == {"train": 160, "validation": 10, "test": 30}
    case = use_case(splits={"test_rows": 30})
    expected = {"train": 140, "validation": 30, "test": 30}
    assert split(case, records(case, distinct(200), label=LABELS)).counts["rows_per_split"] == expected


def test_counts_that_leave_too_little_for_training_are_an_error() -> None:
    case = use_case(splits={"test_rows": 100, "validation_rows": 90})
    with pytest.raises(DataError, match="100 test and 90 validation records of 200 leave less than 10% for training"):
        split(case, records(case, distinct(200), label=LABELS))


def test_records_with_an_equal_feature_stay_together_where_the_yaml_says_so() -> None:
    conversations = [f"c{i % 50}" if i < 150 else None for i in range(200)]
    for together in (True, False):
        case = use_case(splits={"group_by_features": ["region"] if together else []})
        kept = split(
            case, records(case, distinct(200), label=["a", "b"] * 100, feature_region=conversations)
        ).kept.to_pylist()
        sides = [
            {row["split"] for row in kept if row["feature_region"] == name} for name in set(conversations) - {None}
        ]
        assert all(len(s) == 1 for s in sides) is together
        assert len({row["group_id"] for row in kept}) == (100 if together else 200)


def test_batches_and_order_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    case = use_case(splits={"rare_labels": "drop"})
    given = records(
        case, distinct(150), label=[*LABELS[:147], "x", "y", None], subject_id=[f"s{i % 90}" for i in range(150)]
    )
    expected = split(case, given)
    monkeypatch.setattr(in_memory, "BATCH_ROWS", 7)
    found = split(case, given.take(random.Random(1).sample(range(150), 150)))
    assert found.kept.sort_by("record_id").to_pylist() == expected.kept.to_pylist() and found.counts == expected.counts
    assert (
        found.removed.sort_by("record_id").to_pylist() == expected.removed.to_pylist()
        and expected.removed.num_rows == 3
    )
