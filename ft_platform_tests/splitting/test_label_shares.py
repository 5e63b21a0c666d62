import pyarrow as pa
import pytest

from ft_platform.records.rows import TableRows
from ft_platform.splitting.label_shares import label_shares
from ft_platform_tests.tables import use_case


def rows(train: str, validation: str, test: str) -> TableRows:
    """Rows with labels of one letter each."""
    labels = [*train, *validation, *test]
    sides = ["train"] * len(train) + ["validation"] * len(validation) + ["test"] * len(test)
    return TableRows(pa.table({"label": labels, "split": sides}), batch_rows=3)


def test_equal_shares_are_no_shift() -> None:
    found = label_shares(use_case(), rows("aabb", "ab", "ab"))
    assert found == {"shift": {"train": 0.0, "validation": 0.0, "test": 0.0}, "bound": 0.2, "rows": 8, "passed": True}


def test_the_shift_is_half_the_sum_of_differences_and_the_bound_decides() -> None:
    """All: a 6/12, b 6/12. Test: a 3/4, b 1/4, so the shift is (1/4 + 1/4) / 2."""
    given = rows("aabb" + "b", "abb", "aaab")
    found = label_shares(use_case(), given)
    assert found["shift"]["test"] == 0.25 and not found["passed"]
    assert label_shares(use_case(splits={"max_label_shift": 0.25}), given)["passed"]


def test_a_side_without_a_label_that_others_have_is_a_shift() -> None:
    """All: a 7/12, b 5/12. Test: a only."""
    found = label_shares(use_case(), rows("aaaabbbb", "ab", "aa"))
    assert not found["passed"] and found["shift"]["test"] == 0.4167


def test_an_empty_side_fails_whatever_it_would_have() -> None:
    assert label_shares(use_case(), rows("aabb", "ab", ""))["shift"]["test"] == 1.0


@pytest.mark.parametrize("bound", [0.0, 1.1])
def test_the_bound_is_a_share(bound: float) -> None:
    with pytest.raises(ValueError, match="max_label_shift"):
        use_case(splits={"max_label_shift": bound})


def test_without_labels_there_is_nothing_to_compare() -> None:
    assert label_shares(use_case("generation"), rows("aabb", "a", "b"))["passed"]
