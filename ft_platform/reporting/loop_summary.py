"""Whether the loop closed, and what is said about it."""

from collections.abc import Mapping
from typing import Any

NEEDED = ("change", "alarm", "retraining", "accepted", "shadow", "canary", "switch")


def closed(told: Mapping[str, Any]) -> bool:
    """With a change: every event came, one training was started, and accuracy recovered by at least half of what was
    lost. Without one: nothing raised an alarm and nothing was started.

    Args:
        told: `story.to_dict`.
    """
    events = {kind for day in told["days"] for kind in day["events"]}
    if not told["plan"]["share"]:
        return not told["starts"] and not any(day["alarms"] for day in told["days"])
    before, during, after = accuracies(told).values()
    recovered = after is not None and during is not None and before is not None and after >= (before + during) / 2
    return events >= set(NEEDED) and len(told["starts"]) == 1 and recovered


def accuracies(told: Mapping[str, Any]) -> dict[str, float | None]:
    """Share of right answers before the change, after it, and after the switch."""
    days = told["days"]
    change = next((number for number, day in enumerate(days) if "change" in day["events"]), len(days))
    switch = next((number for number, day in enumerate(days) if "switch" in day["events"]), len(days) - 1)
    canary = next((number for number, day in enumerate(days) if "canary" in day["events"]), switch)
    parts = {"before": days[:change], "changed": days[change : canary + 1], "recovered": days[switch + 1 :]}
    return {name: _mean(part) for name, part in parts.items()}


def _mean(days: list[dict[str, Any]]) -> float | None:
    asked = sum(day["requests"] for day in days)
    return sum(day["accuracy"] * day["requests"] for day in days) / asked if asked else None


def summary(told: Mapping[str, Any]) -> list[str]:
    asked = sum(day["requests"] for day in told["days"])
    head = f"{len(told['days'])} days, {asked:,} requests over HTTP."
    if not told["plan"]["share"]:
        alarms = sum(bool(day["alarms"]) for day in told["days"])
        right = accuracies(told)["before"]
        share = "" if right is None else f" {right:.0%} of the answers were right."
        return [f"{head} Nothing changed: {alarms} days with an alarm, {len(told['starts'])} retrainings.{share}"]
    shares = {name: "-" if share is None else f"{share:.0%}" for name, share in accuracies(told).items()}
    lines = [f"{head} Right: {shares['before']} before the change, {shares['changed']} after it,"]
    lines[0] += f" {shares['recovered']} after the switch."
    happened = [(kind, day["day"], text) for day in told["days"] for kind, text in day["events"].items()]
    lines += [f"  {day}  {text}" for kind, day, text in happened if kind in NEEDED]
    missing = [kind for kind in NEEDED if kind not in {kind for kind, *_ in happened}]
    if missing:
        lines.append(f"The loop did not close: no {', '.join(missing)}.")
    return lines
