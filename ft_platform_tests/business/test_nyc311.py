"""Real open and close times of New York's service requests: the figures follow from the times, recomputed with pandas.

The day of introduction is made up: no model was introduced there.
"""

from pathlib import Path

import numpy as np
import pytest

from ft_platform_tests.business.cases import found
from ft_platform_tests.evaluation.tiny_case import TinyCase

INTRODUCED = "2025-02-10"
FORM = "%m/%d/%Y %H:%M"


@pytest.mark.real_data
def test_the_figures_follow_from_real_times(case: TinyCase, shared_data: Path) -> None:
    import pandas as pd

    path = shared_data / "nyc311_animals" / "311_Animals_short.csv"
    times = {
        "uri": str(path),
        "opened_at": "Created Date",
        "closed_at": "Closed Date",
        "case": "Unique Key",
        "time_format": FORM,
    }
    waiting = found(case, introduced_on=INTRODUCED, measurements=[times])
    plan = {
        "volume_per_month": 2000,
        "cost_per_hour": 30,
        "investment": 500_000,
        "introduced_on": INTRODUCED,
        "uncertainty": 0.1,
    }
    working = found(case, **plan, measurements=[{**times, "working_time": True}])

    table = pd.read_csv(path, dtype=str)
    opened, closed = (pd.to_datetime(table[name], format=FORM) for name in ("Created Date", "Closed Date"))
    minutes = (closed - opened).dt.total_seconds() / 60
    after = opened >= pd.Timestamp(INTRODUCED)
    sides = {"before": minutes[~after & closed.notna()], "after": minutes[after & closed.notna()]}
    means = {period: values.mean() for period, values in sides.items()}
    error = float(np.hypot(*(values.std() / np.sqrt(len(values)) for values in sides.values())))
    for roi in (waiting, working):
        figure = roi["figures"]["efficiency"]
        assert {period: figure[period]["value"] for period in means} == pytest.approx(means)
        assert figure["difference"]["value"] == pytest.approx(means["after"] - means["before"])
        assert figure["difference"]["high"] - figure["difference"]["low"] == pytest.approx(2 * 1.96 * error, rel=0.2)
        assert figure["status"] == "measured" and figure["source"] == f"sha256:{roi['measurements'][0]['sha256']}"
        still_open = {"before": int((~after & closed.isna()).sum()), "after": int((after & closed.isna()).sum())}
        assert roi["measurements"][0]["open_cases"] == {period: count for period, count in still_open.items() if count}
        [metric] = roi["measurements"][0]["metrics"].values()
        seen = {period: row["values"] for period, row in metric.items()}
        assert seen == {period: len(values) for period, values in sides.items()}

    seen = waiting["figures"]["cost_savings"]["status"]
    assert seen == "not measured"  # how long a case is open is not what is worked on it
    saved = 2000 * (means["before"] - means["after"]) / 60 * 30
    assert working["savings_per_month"]["value"] == pytest.approx(saved)
    assert working["figures"]["employee_productivity"]["after"]["value"] == pytest.approx(60 / means["after"])
    assert working["payback_months"]["value"] == pytest.approx(500_000 / saved)
