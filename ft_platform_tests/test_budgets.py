"""The house only shrinks: `scripts/budgets.toml` holds."""

from collections import Counter

from scripts.budgets import _storeys, compared, faults


def test_the_house_is_within_its_budgets() -> None:
    found = faults(compared())
    assert not found, "\n".join(found)


def test_a_house_that_grows_is_told() -> None:
    line = {"value": 10, "limit": 10, "began": 10}
    assert faults({"rooms": line}) == []
    assert "over the limit" in faults({"rooms": line | {"value": 11}})[0]
    assert "over the limit" in faults({"rooms": {"value": 1}})[0], "without a line"
    assert "--tighten" in faults({"rooms": line | {"value": 9}})[0]
    assert "without a `why`" in faults({"rooms": {"value": 11, "limit": 11, "began": 10}})[0]
    assert faults({"rooms": {"value": 11, "limit": 11, "began": 10, "why": "a new back end"}}) == []


def test_the_fewest_imports_of_a_circle_run_upwards() -> None:
    down = {("shop", "till"): 5, ("till", "coins"): 4}
    assert _storeys(Counter(down)) == (0, 3)
    assert _storeys(Counter(down | {("coins", "shop"): 2})) == (2, 3), "a circle of three"
