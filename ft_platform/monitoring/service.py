"""Service of a day: volume, errors, seconds against targets, guardrails, cost, and what is left of the error budget."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from scipy.stats import binom

from ft_platform.lake.deployments import Deployment
from ft_platform.monitoring.alarms import DAYS
from ft_platform.monitoring.causes import RECORDS_SHOWN, causes
from ft_platform.monitoring.day_reports import Alarm
from ft_platform.monitoring.served import Served
from ft_platform.use_case.settings.monitoring import Watch

BUDGET_DAYS = 30
SLOW = 0.05
"""Share of answers that may take longer than `p95_seconds`."""
TARGETS = 2
LONG = 0.75
"""Quantile of the day from which a request counts as long."""
LENGTHS = {"characters": "many characters", "completion_tokens": "many answer tokens"}


def service(
    served: Served, history: Sequence[Mapping[str, Any]], watch: Watch, deployed: Deployment | None
) -> dict[str, Any]:
    """Figures of a day, over all releases.

    Args:
        history: of the days before.
        deployed: the newest deployment of the release that answered most.
    """
    seconds = np.array([one["seconds"] for one in served.answered])
    first = np.array([one["first_seconds"] for one in served.answered if one["first_seconds"] is not None])
    answers = served.answers()
    errors = sum(one["status"] >= 500 for one in served.requests)
    window = [*history[1 - BUDGET_DAYS :], {"requests": len(served.requests), "errors": errors}]
    allowed = watch.error_share * sum(one["requests"] for one in window)
    spent = sum(one["errors"] for one in window)
    return {
        "requests": len(served.requests),
        "answers": len(answers),
        "errors": errors,
        "error_share": errors / max(len(served.requests), 1),
        "target_error_share": watch.error_share,
        "refused_requests": sum(400 <= one["status"] < 500 for one in served.requests),
        **{f"p{share}_seconds": _quantile(seconds, share) for share in (50, 95, 99)},
        "target_p95_seconds": watch.p95_seconds,
        "slow": int((seconds > watch.p95_seconds).sum()) if watch.p95_seconds else None,
        "p95_first_seconds": _quantile(first, 95),
        "prompt_tokens": sum(one["prompt_tokens"] or 0 for one in served.requests),
        "completion_tokens": sum(one["completion_tokens"] or 0 for one in served.requests),
        "guardrails": dict(sorted(Counter(g for one in served.requests for g in one["guardrails"] or []).items())),
        "abstained_share": sum(bool(one["abstained"]) for one in answers) / len(answers) if answers else None,
        "error_budget": {"days": len(window), "allowed": allowed, "spent": spent},
        "cost": deployed.record.get("cost_per_day") if deployed else None,
        "currency": deployed.record.get("currency") if deployed else None,
    }


def decided_alone(served: Served, suggesting: Collection[str], day: str) -> list[Alarm]:
    """An alarm where labels of a release that only suggests (`gate.claim`) were not left to a person. Our server leaves
    every one to a person, so an exported model answered, or the server has a fault.

    Args:
        suggesting: ids of such releases.
    """
    requests = [one for one in served.answered if one["release"] in suggesting]
    labels = [(one, answer) for one in requests for answer in one["answers"] if answer["decision"] is not None]
    alone = [one["request_id"] for one, answer in labels if not answer["abstained"]]
    if not alone:
        return []
    said = (
        f"{len(alone):,} of {len(labels):,} labels were not left to a person, and the release only suggests; does a"
        " program use an exported model?"
    )
    records = list(dict.fromkeys(alone))[:RECORDS_SHOWN]
    return [Alarm(what="decided_alone", kind="service", since=day, evidence=said, records=records)]


def broken_targets(served: Served, found: Mapping[str, Any], watch: Watch, day: str) -> list[Alarm]:
    """Targets that a day misses by more than chance, with requests that failed or were slow and what these have in
    common. A release that only just meets both raises one of them by chance within `DAYS` days with a probability of at
    most `watch.false_alarms`.

    Args:
        found: of `service`.
    """
    rate = watch.false_alarms / DAYS / TARGETS
    alarms = []
    if _more_than(found["errors"], found["requests"], watch.error_share, rate):
        said = (
            f"{found['errors']:,} of {found['requests']:,} requests failed ({found['error_share']:.1%}); the target is"
            f" at most {watch.error_share:.1%}"
        )
        failed = [one for one in served.requests if one["status"] >= 500]
        alarms.append(_alarm("errors", day, said, failed, served.requests))
    answered = found["requests"] - found["errors"] - found["refused_requests"]
    if found["slow"] is not None and _more_than(found["slow"], answered, SLOW, rate):
        said = (
            f"{found['slow']:,} of {answered:,} answers took more than {watch.p95_seconds:g} seconds, 95 of 100 took up"
            f" to {found['p95_seconds']:.3g}"
        )
        slow = sorted(served.answered, key=lambda one: -one["seconds"])[: found["slow"]]
        alarms.append(_alarm("p95_seconds", day, said, slow, served.answered))
    return alarms


def _alarm(
    what: str, day: str, said: str, concerned: Sequence[dict[str, Any]], requests: Sequence[dict[str, Any]]
) -> Alarm:
    """With what is more frequent among the requests concerned than among the others of the day."""
    ids = {one["request_id"] for one in concerned}
    others = [one for one in requests if one["request_id"] not in ids]
    longest = {name: np.quantile([one[name] or 0 for one in requests], LONG) for name in LENGTHS}
    moved = causes(_common(others, longest), _common(concerned, longest), _ids(others), _ids(concerned))
    cause = [asdict(one) for one in moved if one.now > one.before]
    shown = _ids(concerned)[:RECORDS_SHOWN]
    return Alarm(what=what, kind="service", since=day, evidence=said, cause=cause, records=shown)


def _common(rows: Sequence[dict[str, Any]], longest: Mapping[str, float]) -> dict[str, list[Any]]:
    """What requests may have in common that makes them slow, or fail."""
    return {
        **{name: [one[name] for one in rows] for name in ("release", "route", "key")},
        "guardrail": [one["guardrails"] or [] for one in rows],
        "hour": [f"{one['at'].hour:02d}:00 UTC" for one in rows],
        "length": [
            [
                f"{words} (over {longest[name]:,.0f})"
                for name, words in LENGTHS.items()
                if (one[name] or 0) > longest[name]
            ]
            for one in rows
        ],
    }


def _ids(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [one["request_id"] for one in rows]


def _more_than(count: int, rows: int, share: float, probability: float) -> bool:
    return rows > 0 and float(binom.sf(count - 1, rows, share)) < probability


def _quantile(values: np.ndarray, share: int) -> float | None:
    return float(np.quantile(values, share / 100)) if len(values) else None
