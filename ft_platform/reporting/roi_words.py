"""What the figures of `monitoring.business.roi` say in words and in cells of tables."""

from collections.abc import Mapping
from typing import Any

from ft_platform.reporting.formats import amount, day, percent

TITLES = {
    "accuracy": "Accuracy",
    "efficiency": "Efficiency",
    "cost_savings": "Cost savings, by cost per month",
    "customer_satisfaction": "Customer satisfaction",
    "employee_productivity": "Employee productivity",
}
SYSTEMS = {
    "fine_tuned": "Trained model",
    "base_few_shot": "Base model, few-shot prompt",
    "api": "Prompted model of another provider, declared price",
}
NOT_RELEASED = (
    "Nothing is saved until the model is released. release_decision decides that after this page: see its decision"
    " brief."
)
HANDLED_RIGHTLY = "share of cases handled rightly"
"""Unit of an accuracy that is compared with people; any other one is compared with a prompt."""
PART_WORDS = {"labour": "work", "errors": "errors", "requests": "requests to the model"}


def with_interval(found: Mapping[str, Any] | None, unit: str = "") -> str:
    """`12.3 (10.1 to 14.2) EUR`; a bound that is never reached is said so."""
    if found is None or found["value"] is None:
        return "not measured"
    unit = f" {unit}" if unit else ""
    high = "no upper end" if found["high"] is None else amount(found["high"])
    return f"{amount(found['value'])} ({amount(found['low'])} to {high}){unit}"


def people_right(found: Mapping[str, Any] | None) -> float | None:
    """Share of cases that people handle rightly without the model, measured or declared; None where it is not known."""
    accuracy = found["figures"].get("accuracy") if found else None
    return accuracy["before"]["value"] if accuracy and accuracy["unit"] == HANDLED_RIGHTLY else None


def improved(figure: Mapping[str, Any]) -> bool | None:
    """Whether the interval of the difference lies on the better side of 0; None where it holds 0 or there is no
    difference."""
    difference = figure["difference"]
    if difference is None or difference["low"] <= 0 <= difference["high"]:
        return None
    return (difference["value"] > 0) == figure["higher_is_better"]


def figure_sentence(name: str, figure: Mapping[str, Any]) -> dict[str, Any]:
    """`{"good", "text"}` of one figure."""
    title = TITLES[name]
    if figure["difference"] is None:
        text = f"{title}: {figure['status']}. {figure['reason'][:1].upper()}{figure['reason'][1:]}."
        return {"good": False, "text": text}
    told = {True: "better", False: "worse", None: "no clear change"}[improved(figure)]
    change = (
        f"{amount(figure['before']['value'])} before, {amount(figure['after']['value'])} after, a difference of"
        f" {with_interval(figure['difference'], figure['unit'])}"
    )
    return {"good": bool(improved(figure)), "text": f"{title}: {told} ({figure['status']}). {change}."}


def conclusion(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Sentences about savings, payback and break-even, each `{"good", "text"}`."""
    currency, saved, payback = found["currency"], found["savings_per_month"], found["payback_months"]
    if saved is None:
        return [{"good": False, "text": f"Savings and payback: not measured. {payback['reason']}."}]
    sign = "costs more than it saves:" if saved["value"] < 0 else "saves nothing:" if saved["value"] == 0 else "saves"
    sure = "" if saved["low"] > 0 or saved["high"] < 0 else " The interval includes 0, so this is not certain."
    sentences = [
        {
            "good": saved["low"] > 0,
            "text": f"If it is released, the model {sign} {with_interval(saved, f'{currency} per month')}.{sure}",
        }
    ]
    sentences.append({"good": payback["value"] is not None, "text": until_sentence("Payback", payback, "months")})
    good = found["break_even_volume"]["value"] is not None
    sentences.append({"good": good, "text": until_sentence("Break-even", found["break_even_volume"], "cases")})
    return sentences


def until_sentence(what: str, found: Mapping[str, Any], unit: str) -> str:
    """One line for payback months, break-even cases or requests."""
    if found["value"] is None:
        why = "" if found["reason"] in (None, found["status"]) else f": {found['reason']}"
        return f"{what}: {found['status']}{why}."
    more = f" {found['reason'][:1].upper()}{found['reason'][1:]}." if found["reason"] else ""
    return f"{what} after {with_interval(found, unit)}.{more}"


def left_out(found: Mapping[str, Any]) -> list[str]:
    """Parts of the cost of a case that are in no figure of money, with the reason."""
    savings = found["figures"]["cost_savings"]
    if savings["difference"] is None:
        return []
    sentences = [
        f"The savings leave out the cost of {PART_WORDS[part]}: {reason}."
        for part, reason in savings["left_out"].items()
    ]
    if found["programs"]["money"] is None and found["investment"]:
        sentences.append(
            f"The investment leaves out the program runs of this checkpoint: {found['programs']['reason']}."
        )
    return sentences


def alternative_rows(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """Cells of the table of alternatives."""
    rows = []
    for system, one in found["alternatives"].items():
        until = one.get("requests_until_paid_back")
        rows.append(
            {
                "title": (
                    SYSTEMS.get(system) or f"Model {one['measured']['model']} at {one['measured']['host']} ({system})"
                ),
                "money": with_interval(one["money_per_1000"], one["currency"])
                if one["money_per_1000"] is not None
                else "no price",
                "seconds": _seconds(one),
                "quality": with_interval(one["quality"]),
                "source": one["source"],
                "until": "" if until is None else until_sentence("Training pays off", until, "requests"),
            }
        )
    return rows


def _seconds(one: Mapping[str, Any]) -> str:
    if alone := one["seconds_alone"]:
        return f"{amount(alone['median'])} for one alone (95 of 100: {amount(alone['p95'])})"
    return f"{amount(one['seconds_per_1000'])} for 1,000" if one["seconds_per_1000"] is not None else "not measured"


def requests_sentence(found: Mapping[str, Any]) -> str:
    """Which figures of requests to the fine-tuned model these are, and where they were measured."""
    asked = found["requests"]
    deployed, alone = asked["deployment"], asked["seconds_alone"]
    if deployed is None:
        return (
            "Seconds and cost of requests to the trained model are those of the evaluation, which asked the test"
            f" records in batches: {asked['why_not_deployed']}. After `ft deploy`, the next report takes them from"
            " there."
        )
    measured = (
        f"A request alone takes {amount(alone['median'])} seconds (95 of 100: at most {amount(alone['p95'])}), measured"
        f" at the target {deployed['target']} on {day(deployed['deployed_at'])} ({deployed['id']})."
    )
    if why := asked["why_not_deployed"]:
        return f"{measured} The cost of requests is that of the evaluation, which asked in batches: {why}."
    currency = asked["currency"]
    return (
        f"{measured} There 1,000 requests cost {amount(asked['money_per_1000'])} {currency} while it is busy all the"
        f" time; the target costs {amount(asked['cost_per_day'])} {currency} a day whether it is asked or not."
    )


def uncertainty_sentence(found: Mapping[str, Any]) -> str:
    """How intervals came about."""
    return (
        f"Intervals are {percent(found['confidence'])} intervals: by bootstrap for measurements,"
        f" ±{percent(found['uncertainty'])} for assumptions, and by Monte Carlo over both for what follows from them."
    )
