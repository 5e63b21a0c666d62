"""What was counted of a rollout since it began, from the tables of requests, shadows and feedback."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic.feedback import settled
from ft_platform.monitoring.traffic.tables import TrafficTables
from ft_platform.serving.rollout.last_minute import FAILED, acted_on_answer
from ft_platform.serving.rollout.sequential import FEWEST, Arm, Counts
from ft_platform.serving.rollout.under_way import UnderWay

ASKED = ["request_id", "at", "key", "model", "release", "status", "code", "seconds", "guardrails", "answers", "trial"]


def counted(lake: Lake, use_case: str, rollout: UnderWay) -> Counts:
    """Counts of both releases. Requests that a client broke off, or that were refused, are left out."""
    tables = TrafficTables(lake, use_case)
    requests = _since(tables, "requests", rollout, ASKED)
    requests = requests.filter(
        pc.and_(pc.equal(requests["model"], use_case), pc.invert(requests["trial"])),
    ).to_pylist()
    requests = [one for one in requests if one["status"] == 200 or one["code"] in FAILED]
    feedback = _since(tables, "feedback", rollout).to_pylist()
    if rollout.rules.mode == "shadow":
        return _shadow(_since(tables, "shadows", rollout), requests, feedback, rollout)
    return _canary(requests, feedback, rollout)


def differences(lake: Lake, use_case: str, rollout: UnderWay) -> list[dict[str, Any]]:
    """Requests that the shadow answered otherwise than the champion, newest first: `{"request_id", "at", "champion",
    "candidate"}` with the labels of both; of written answers the labels are None."""
    rows = _since(TrafficTables(lake, use_case), "shadows", rollout).to_pylist()
    return [
        {
            "request_id": one["request_id"],
            "at": one["at"].isoformat(timespec="seconds"),
            "champion": one["champion_decisions"],
            "candidate": one["decisions"],
        }
        for one in sorted(rows, key=lambda one: one["at"], reverse=True)
        if one["agrees"] is False
    ]


def _since(tables: TrafficTables, kind: str, rollout: UnderWay, columns: list[str] | None = None) -> pa.Table:
    began = datetime.fromisoformat(rollout.began)
    days = [day for day in tables.rows_of_days(kind) if day >= began.date().isoformat()]
    rows = tables.read(kind, days, columns)
    rows = rows.filter(pc.greater_equal(rows["at"], pa.scalar(began, rows.schema.field("at").type)))
    return rows.filter(pc.equal(rows["release"], rollout.candidate)) if kind == "shadows" else rows


def _canary(requests: list[dict[str, Any]], feedback: list[dict[str, Any]], rollout: UnderWay) -> Counts:
    of = {
        release: [one for one in requests if one["release"] == release]
        for release in (rollout.champion, rollout.candidate)
    }
    champion, candidate = (_arm(rows, feedback) for rows in of.values())
    usual, tried = ([one["seconds"] for one in rows if one["code"] not in FAILED] for rows in of.values())
    return Counts(champion, candidate, *_slow(usual, tried, rollout))


def _arm(rows: list[dict[str, Any]], feedback: list[dict[str, Any]]) -> Arm:
    said = {one["request_id"] for one in feedback}
    verdicts = [one.verdict for one in settled([row for row in rows if row["request_id"] in said], feedback).values()]
    return Arm(
        len(rows),
        sum(one["code"] in FAILED for one in rows),
        sum(acted_on_answer(acted.partition(":")[0] for acted in one["guardrails"]) for one in rows),
        verdicts.count("right"),
        verdicts.count("wrong"),
    )


def _slow(usual: list[float], tried: list[float], rollout: UnderWay) -> tuple[int, int]:
    """Answers that took longer than they may, of those compared: none until the champion's times are known."""
    if len(usual) < FEWEST:
        return 0, 0
    longest = float(np.quantile(usual, 0.95)) * rollout.rules.max_p95_ratio
    return sum(one > longest for one in tried), len(tried)


def _shadow(
    shadows: pa.Table, requests: list[dict[str, Any]], feedback: list[dict[str, Any]], rollout: UnderWay
) -> Counts:
    rows = [one for one in shadows.to_pylist() if not one["code"] or one["code"] in FAILED]
    answered = [one for one in rows if one["code"] not in FAILED]
    labelled = [one for one in answered if one["agrees"] is not None and None not in one["champion_decisions"]]
    better, worse = _told_apart({one["request_id"]: one for one in answered}, requests, feedback)
    usual, tried = ([one[name] for one in answered] for name in ("champion_seconds", "seconds"))
    slow, timed = _slow(usual, tried, rollout)
    return Counts(
        replace(_arm(requests, feedback), requests=len(rows), errors=0, acted=_acted(rows, "champion_acted")),
        Arm(len(rows), sum(one["code"] in FAILED for one in rows), _acted(rows, "acted")),
        slow,
        timed,
        sum(one["agrees"] for one in labelled),
        len(labelled),
        better,
        worse,
    )


def _acted(rows: Iterable[dict[str, Any]], column: str) -> int:
    return sum(one[column] for one in rows)


def _told_apart(
    shadows: dict[str, dict[str, Any]], requests: list[dict[str, Any]], feedback: list[dict[str, Any]]
) -> tuple[int, int]:
    """Answers whose right label only the shadow, or only the champion, gave."""
    better = worse = 0
    for (request, index), known in settled([o for o in requests if o["request_id"] in shadows], feedback).items():
        row = shadows[request]
        said = [row[name][index] if index < len(row[name]) else None for name in ("decisions", "champion_decisions")]
        if known.label is not None and None not in said:
            better += said[0] == known.label != said[1]
            worse += said[1] == known.label != said[0]
    return better, worse
