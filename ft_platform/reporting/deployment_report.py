"""The page and the pictures of a deployment."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ft_platform.lake.draft import Draft
from ft_platform.reporting.figure import COLOURS, around, drawing
from ft_platform.reporting.formats import amount, number
from ft_platform.reporting.report_page import saved, write_report_page

SAME_ENGINE, OTHER_ENGINE = 1.0, 0.995
"""Share of equal decisions that is asked for (`serving.parity`)."""
RATES = (1, 10, 100)
"""Requests a second of the table of machines."""


def write_deployment_report(folder: Path, draft: Draft, record: Mapping[str, Any]) -> None:
    """`parity.png`, `load.png` and `report.html`."""
    write_report_page(
        folder,
        draft,
        "deployment_report.html",
        title=f"Deployment of {draft.use_case.name} to {record['target']}",
        found=record,
        sentences=deployment_sentences(record),
        busiest=_busiest(record["load"]),
        machines=machines(record),
        pictures=saved(folder, {"parity": parity_plot(record), "load": load_plot(record["load"])}),
    )


def deployment_sentences(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a deployment says in words, each `{"good", "text"}`."""
    parity, load = record["parity"], record["load"]
    equal = parity["decisions_equal"]
    told = "token ids" if parity["prompts_compared"] == "ids" else "numbers of tokens (the server tells no ids)"
    said = (
        f"{number(parity['asked'])} test records were asked before the switch: {100 * equal['value']:.1f} % got the"
        f" decision of the evaluation ({100 * equal['low']:.1f} to {100 * equal['high']:.1f} %); the {told} of prompts"
        f" {'are those' if parity['prompts_equal'] else 'are not those'} of the evaluation."
    )
    alone, busiest = load[0], load[-1]
    speed = (
        f"A request alone takes {number(alone['median_seconds'])} seconds (95 of 100: at most"
        f" {number(alone['p95_seconds'])}); with {busiest['concurrent']} at once {number(busiest['median_seconds'])}"
        f" ({number(busiest['p95_seconds'])}), {number(busiest['requests_per_second'])} requests per second."
    )
    cost = record["cost_per_day"]
    paid = (
        "What it costs is not known: the target names no `cost_per_hour`."
        if cost is None
        else f"It costs {amount(cost)} {record['currency']} a day; 1,000 requests cost"
        f" {amount(record['cost_per_1000_requests'])} {record['currency']} when it is busy all the time."
    )
    guarded = record["guardrails"]
    return [
        {"good": parity["ok"], "text": said},
        *_golden_sentence(parity.get("golden")),
        *([_guardrail_sentence(guarded)] if guarded else []),
        *([_rollout_sentence(record["rollout"])] if "rollout" in record else []),
        {"good": not any(one["refused"] for one in load), "text": speed},
        {"good": cost is not None, "text": paid},
    ]


def _golden_sentence(golden: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """What is told of golden prompts, where any were asked."""
    if not golden or not golden["asked"]:
        return []
    kept, asked = golden["kept"], golden["asked"]
    text = f"{number(kept)} of {number(asked)} golden prompts were answered as experts ask, none worse than evaluated."
    return [{"good": kept == asked, "text": text}]


def _rollout_sentence(rules: Mapping[str, Any]) -> dict[str, Any]:
    how = "is asked beside it, and nobody sees what it says" if rules["mode"] == "shadow" else "answers in its place"
    what = f"The release before keeps the traffic. On {100 * rules['share']:g} % of it this one {how}, for at most"
    return {"good": True, "text": f"{what} {rules['max_days']:g} days, until it is promoted or rolled back."}


def machines(record: Mapping[str, Any], rates: Sequence[float] = RATES) -> list[dict[str, Any]]:
    """How many targets like this one answer so many requests a second, busy all the time as in the load test: rows
    `{"requests_per_second", "targets", "cost_per_day"}`. `cost_per_day` is None where the target's cost is unknown."""
    fastest, cost = _busiest(record["load"])["requests_per_second"], record["cost_per_day"]
    counts = {rate: math.ceil(rate / fastest) for rate in rates}
    return [
        {"requests_per_second": rate, "targets": count, "cost_per_day": None if cost is None else count * cost}
        for rate, count in counts.items()
    ]


def _busiest(load: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The level of the load test with the most answers a second."""
    return max(load, key=lambda one: one["requests_per_second"])


def _guardrail_sentence(found: Mapping[str, Any]) -> dict[str, Any]:
    """What guardrails change, on the same records."""
    acted = ", ".join(f"{name} on {number(records)}" for name, records in found["acted"].items()) or "none acted"
    quality, seconds = found["quality"], found["added_seconds"]
    text = (
        f"With guardrails {100 * found['decisions_equal']['value']:.0f} % of {number(found['records'])} decisions are"
        f" what they are without ({acted}); {found['metric']} {number(quality['with'])} instead of"
        f" {number(quality['without'])}, {number(1000 * seconds['median'])} ms more for half of the requests"
        f" (95 of 100: at most {number(1000 * seconds['p95'])} ms)."
    )
    return {"good": quality["with"] >= quality["without"], "text": text}


def parity_plot(record: Mapping[str, Any]) -> bytes:
    """Share of equal decisions with its interval, beside what is asked for."""
    equal = record["parity"]["decisions_equal"]
    asked_for = SAME_ENGINE if record["engine"] == "ours" else OTHER_ENGINE
    with drawing(6.4, 1.5) as (_, axes, buffer):
        axes.barh([0], [equal["value"]], xerr=around(equal), color=COLOURS[4], capsize=4)
        axes.axvline(asked_for, color=COLOURS[5], linestyle="--")
        low = min(equal["low"], asked_for) - 0.02
        axes.set(xlim=(max(low, 0.0), 1.005), yticks=[0], xlabel="share of test records (dashed: asked for)")
        axes.set_yticklabels(["same decision"])
    return buffer.getvalue()


def load_plot(load: Sequence[Mapping[str, Any]]) -> bytes:
    """Seconds of a request by how many are asked at once."""
    with drawing(6.4, 2.6) as (_, axes, buffer):
        places = range(len(load))
        for name, label, colour, mark in (
            ("median_seconds", "half of the requests", COLOURS[0], "o"),
            ("p95_seconds", "95 of 100 requests", COLOURS[5], "s"),
        ):
            axes.plot(places, [one[name] for one in load], marker=mark, color=colour, label=label)
        axes.set(xticks=places, xlabel="requests at once", ylabel="seconds, at most")
        axes.set_xticklabels([str(one["concurrent"]) for one in load])
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
    return buffer.getvalue()
