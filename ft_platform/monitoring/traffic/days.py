"""Requests to a served model, day by day."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic.feedback import settled
from ft_platform.monitoring.traffic.tables import TrafficTables

ASKED = ["request_id", "day", "key", "status", "seconds", "captured", "trial", "answers"]


def summary(lake: Lake, use_case: str, newest: int) -> list[dict[str, Any]]:
    """Figures of the newest days that have requests, oldest first; trials are left out.

    Returns:
        `{"day", "requests", "errors", "p50", "p95", "texts", "feedback", "judged", "right"}` for each day. `errors`:
        status 500 and above. `p50`, `p95`: seconds of answered requests. `feedback`: opinions that came on requests of
        this day, whenever; `right`: share of the `judged` answers.
    """
    tables = TrafficTables(lake, use_case)
    days = list(tables.rows_of_days())[-newest:]
    requests = tables.read("requests", days, ASKED)
    requests = requests.filter(pc.invert(requests["trial"]))
    feedback = tables.read("feedback").to_pylist()
    return [
        _day(day, requests.filter(pc.equal(requests["day"], day)), feedback)
        for day in days
        if pc.any(pc.equal(requests["day"], day)).as_py()
    ]


def _day(day: str, requests: pa.Table, feedback: list[dict[str, Any]]) -> dict[str, Any]:
    ids = set(requests["request_id"].to_pylist())
    given = [one for one in feedback if one["request_id"] in ids]
    known = settled(requests.select(["request_id", "key", "answers"]).to_pylist(), given) if given else {}
    verdicts = [one.verdict for one in known.values() if one.verdict in ("right", "wrong")]
    answered = requests.filter(pc.equal(requests["status"], 200))
    p50, p95 = pc.quantile(answered["seconds"], [0.5, 0.95]).to_pylist() if answered.num_rows else (None, None)
    return {
        "day": day,
        "requests": requests.num_rows,
        "errors": int(pc.sum(pc.greater_equal(requests["status"], 500)).as_py()),
        "p50": p50,
        "p95": p95,
        "texts": int(pc.sum(requests["captured"]).as_py()),
        "feedback": len(given),
        "judged": len(verdicts),
        "right": verdicts.count("right") / len(verdicts) if verdicts else None,
    }
