from collections import Counter

import numpy as np

from ft_platform.records.profiling.frequent import FrequentValues


def test_few_values_are_counted_exactly() -> None:
    found = FrequentValues(10)
    found.add(["b", "a", "a"])
    found.add({"a": 3, "c": 1})
    assert found.most_common(2) == {"a": 5, "b": 1}
    assert found.most_common(9, at_least=2) == {"a": 5}
    assert found.undercount == 0


def test_of_many_values_counts_are_too_low_by_no_more_than_what_is_said() -> None:
    values = [f"v{number}" for number in np.minimum(np.random.default_rng(0).zipf(1.3, 50_000), 20_000)]
    exact = Counter(values)
    found = FrequentValues(200)
    for start in range(0, len(values), 97):
        found.add(values[start : start + 97])
        assert len(found.counts) <= 400
    assert 0 < found.undercount <= len(values) / 200  # Misra and Gries: at most n / (capacity + 1)
    for value, count in found.counts.items():
        assert exact[value] - found.undercount <= count <= exact[value]
    assert {value for value, count in exact.items() if count > found.undercount} <= found.counts.keys()
