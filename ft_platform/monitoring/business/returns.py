"""What a case costs with and without the model, and what follows: savings, payback, break-even, sensitivity.

The parts of a case's cost are `labour` (working minutes times cost per hour), `errors` (share of wrong cases times cost
of an error) and `requests` (what the model's answer costs). A part counts only where all of it is known; the report
names those that do not.

Covered: linear costs of cases. Not covered: hiring and dismissal, taxes, interest, and work that is saved but not used
otherwise."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ft_platform.monitoring.business.inputs import Inputs
from ft_platform.monitoring.business.quantities import Quantity, sources

Values = Mapping[str, Any]
NEVER = "never at these figures"
NOT_MEASURED = "not measured"

SETTING_OF = {"minutes_before": "minutes_without", "accuracy_before": "accuracy_without"}
"""What is measured or else assumed -> the setting."""


def primitives(inputs: Inputs) -> dict[str, Quantity]:
    """The quantities that the cost of a case is worked out from, each measured or else assumed."""
    chosen = {
        "minutes_before": inputs.get("minutes_per_case_before") or inputs.get("minutes_without"),
        "minutes_after": inputs.get("minutes_per_case_after"),
        "accuracy_before": inputs.get("accuracy_before") or inputs.get("accuracy_without"),
        "accuracy_after": inputs.get("accuracy_after"),
        "model_accuracy": inputs.get("model_quality") if inputs.quality == "accuracy" else None,
        **{
            name: inputs.get(name)
            for name in ("minutes_with", "cost_per_hour", "cost_of_error", "adoption", "request_money")
        },
    }
    return {name: quantity for name, quantity in chosen.items() if quantity}


def minutes_after(values: Values) -> Any:
    """Working minutes per case over all cases; those that the model does not answer take as long as before."""
    if "minutes_after" in values:
        return values["minutes_after"]
    return values["adoption"] * values["minutes_with"] + (1 - values["adoption"]) * values["minutes_before"]


def accuracy_after(values: Values) -> Any:
    """Share of cases handled rightly; nobody is taken to correct the model's answers."""
    if "accuracy_after" in values:
        return values["accuracy_after"]
    return values["adoption"] * values["model_accuracy"] + (1 - values["adoption"]) * values["accuracy_before"]


def _missing(there: Mapping[str, Any], part: str) -> list[str]:
    """Names without which a part cannot be worked out."""
    if part == "requests":
        return [name for name in ("request_money", "adoption") if name not in there]
    rate, before, after = (
        ("cost_per_hour", "minutes_before", "minutes_after")
        if part == "labour"
        else ("cost_of_error", "accuracy_before", "accuracy_after")
    )
    with_model = [] if after in there else ["minutes_with" if part == "labour" else "model_accuracy", "adoption"]
    return [name for name in (rate, before, *with_model) if name not in there]


PARTS = ("labour", "errors", "requests")


def parts_of(there: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The parts of a case's cost that can be worked out, and why the others cannot."""
    missing = {part: _missing(there, part) for part in PARTS}
    reasons = {
        part: f"{', '.join(map(_called, names))} not declared or measured" for part, names in missing.items() if names
    }
    return tuple(part for part in PARTS if not missing[part]), reasons


def _called(name: str) -> str:
    if name == "request_money":
        return "a price of the compute profile or of a target"
    if name == "model_accuracy":
        return "a share of correct answers, which only classification has,"
    return f"business.{SETTING_OF.get(name, name)}"


def cost_before(values: Values, parts: tuple[str, ...]) -> Any:
    """Money per case without the model."""
    labour = values["minutes_before"] / 60 * values["cost_per_hour"] if "labour" in parts else 0.0
    errors = (1 - values["accuracy_before"]) * values["cost_of_error"] if "errors" in parts else 0.0
    return labour + errors


def cost_after(values: Values, parts: tuple[str, ...]) -> Any:
    """Money per case with the model."""
    labour = minutes_after(values) / 60 * values["cost_per_hour"] if "labour" in parts else 0.0
    errors = (1 - accuracy_after(values)) * values["cost_of_error"] if "errors" in parts else 0.0
    requests = values["adoption"] * values["request_money"] if "requests" in parts else 0.0
    return labour + errors + requests


def saving(values: Values, parts: tuple[str, ...]) -> Any:
    """Money per case: positive where the model saves."""
    return cost_before(values, parts) - cost_after(values, parts)


def worked_out(there: Mapping[str, Quantity], formula: Callable[[Values], Any], confidence: float) -> Quantity:
    """A quantity computed from others, with its uncertainty by Monte Carlo: the formula over the draws of all of
    them."""
    value = float(formula({name: quantity.value for name, quantity in there.items()}))
    draws = np.asarray(formula({name: quantity.draws for name, quantity in there.items()}), float)
    draws = np.broadcast_to(draws, next(iter(there.values())).draws.shape)
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Quantity(value, draws, sources([*there.values()]), float(low), float(high))


def used(there: Mapping[str, Quantity], parts: tuple[str, ...]) -> dict[str, Quantity]:
    """Those of the quantities that the cost of a case really depends on."""
    names: list[str] = []
    if "labour" in parts:
        names += [
            "cost_per_hour",
            "minutes_before",
            *(["minutes_after"] if "minutes_after" in there else ["minutes_with", "adoption"]),
        ]
    if "errors" in parts:
        names += [
            "cost_of_error",
            "accuracy_before",
            *(["accuracy_after"] if "accuracy_after" in there else ["model_accuracy", "adoption"]),
        ]
    if "requests" in parts:
        names += ["adoption", "request_money"]
    return {name: there[name] for name in dict.fromkeys(names)}


def until(invested: Quantity | None, gained: Quantity | None, confidence: float, why_not: str) -> dict[str, Any]:
    """How many of something (months, cases, requests) it takes until what each gains has paid for what was invested.

    Returns:
        `{"value", "low", "high", "status", "reason"}`. A bound is None where it is never reached: `value` None with
        status "never at these figures" where nothing is gained, `high` None where the interval holds figures at which
        nothing is.
    """
    if invested is None or gained is None:
        return {"value": None, "low": None, "high": None, "status": NOT_MEASURED, "reason": why_not}
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = np.where(gained.draws > 0, invested.draws / gained.draws, np.inf)
    low = float(np.quantile(draws, (1 - confidence) / 2, method="lower"))
    high = float(np.quantile(draws, (1 + confidence) / 2, method="higher"))
    bounds = {"low": low if np.isfinite(low) else None, "high": high if np.isfinite(high) else None}
    if gained.value <= 0:
        return {"value": None, **bounds, "status": NEVER, "reason": NEVER}
    reason = (
        None
        if bounds["high"] is not None
        else f"the interval has no upper end: at some figures within it, {NEVER.split(' ')[0]}"
    )
    return {"value": invested.value / gained.value, **bounds, "status": "worked out", "reason": reason}


def sensitivity(
    there: Mapping[str, Quantity], parts: tuple[str, ...], volume: Quantity, invested: Quantity | None
) -> list[dict[str, Any]]:
    """Saving per month when one quantity alone moves to its low and high end, the most telling first.

    Assumptions move by `business.uncertainty`, measured quantities to the ends of their intervals.

    Returns:
        `[{"name", "source", "low", "high", "saving_at_low", "saving_at_high", "payback_at_low", "payback_at_high"}]`;
        months of payback are None where it never comes or no investment is known.
    """
    moved = {**used(there, parts), "volume_per_month": volume, **({"investment": invested} if invested else {})}
    values = {name: quantity.value for name, quantity in moved.items()}

    def at(name: str, end: float) -> tuple[float, float | None]:
        changed = {**values, name: end}
        per_month = float(saving(changed, parts)) * changed["volume_per_month"]
        return per_month, changed["investment"] / per_month if invested and per_month > 0 else None

    rows = []
    for name, quantity in moved.items():
        (saving_low, payback_low), (saving_high, payback_high) = at(name, quantity.low), at(name, quantity.high)
        rows.append(
            {
                "name": SETTING_OF.get(name, name) if quantity.source.startswith("assumption") else name,
                "assumption": quantity.source.startswith("assumption"),
                "source": quantity.source,
                "low": quantity.low,
                "high": quantity.high,
                "saving_at_low": saving_low,
                "saving_at_high": saving_high,
                "payback_at_low": payback_low,
                "payback_at_high": payback_high,
            }
        )
    return sorted(rows, key=lambda row: (-abs(row["saving_at_high"] - row["saving_at_low"]), row["name"]))
