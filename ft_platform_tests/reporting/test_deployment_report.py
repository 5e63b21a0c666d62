"""How many machines the page of a deployment says for more requests."""

import pytest

from ft_platform.reporting.deployment_report import deployment_sentences, machines
from ft_platform_tests.reporting.report_figures import deployment

LOAD = [
    {"concurrent": 1, "requests_per_second": 2.0},
    {"concurrent": 4, "requests_per_second": 7.5},
    {"concurrent": 16, "requests_per_second": 7.0},  # more clients got fewer answers
]


@pytest.mark.parametrize(
    ("rate", "targets", "cost"),
    [(1, 1, 12.0), (7.5, 1, 12.0), (7.6, 2, 24.0), (10, 2, 24.0), (100, 14, 168.0)],  # 100 / 7.5 = 13.3
)
def test_machines_follow_from_the_most_requests_that_were_measured(rate: float, targets: int, cost: float) -> None:
    assert machines({"load": LOAD, "cost_per_day": 12.0}, [rate]) == [
        {"requests_per_second": rate, "targets": targets, "cost_per_day": cost}
    ]


def test_an_unknown_cost_stays_unknown() -> None:
    assert {one["cost_per_day"] for one in machines({"load": LOAD, "cost_per_day": None})} == {None}


def test_a_cost_below_a_cent_is_not_rounded_to_nothing() -> None:
    said = deployment_sentences({**deployment(), "cost_per_1000_requests": 0.00047})
    assert any("1,000 requests cost 0.00047 " in one["text"] for one in said)
