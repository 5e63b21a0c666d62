"""The five figures before and after the model: accuracy, efficiency, cost savings, customer satisfaction, employee
productivity."""

from typing import Any

import numpy as np

from ft_platform.evaluation.intervals import interval
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.systems import TITLES
from ft_platform.monitoring.business.inputs import PROMPT, Inputs
from ft_platform.monitoring.business.measurements import WAITING
from ft_platform.monitoring.business.quantities import Quantity, sources
from ft_platform.monitoring.business.returns import (
    NOT_MEASURED,
    cost_after,
    cost_before,
    minutes_after,
    parts_of,
    primitives,
    used,
    worked_out,
)

MEASURED, WORKED_OUT, ASSUMED = "measured", "worked out", "assumed"


def figures(inputs: Inputs) -> dict[str, dict[str, Any]]:
    """`{name: {"before", "after", "difference", "relative", "source", "status", "unit", "higher_is_better", "about"}}`.

    `before` and `after` are `{"value", "low", "high", "source"}`, `difference` (after minus before) and `relative`
    (difference as a share of before) without source. `status` is `measured` (both sides), `worked out` (from
    measurements and assumptions), `assumed` (from assumptions alone) or `not measured`; then the sides that are not
    known are None and `reason` says what is missing."""
    return {
        "accuracy": accuracy(inputs),
        "efficiency": efficiency(inputs),
        "cost_savings": cost_savings(inputs),
        "customer_satisfaction": _from_file(inputs, "customer_satisfaction", "as in the measurement file"),
        "employee_productivity": productivity(inputs),
    }


def accuracy(inputs: Inputs) -> dict[str, Any]:
    """Share of right cases: measured in operation, or the model on the test split against people (assumed) or against
    prompting."""
    if inputs.get("accuracy_before") and inputs.get("accuracy_after"):
        return _figure(
            inputs,
            inputs.get("accuracy_before"),
            inputs.get("accuracy_after"),
            "share of cases handled rightly",
            True,
            "in operation",
        )
    after = inputs.get("model_quality")
    people = primitives(inputs).get("accuracy_before") if inputs.quality == "accuracy" else None
    if people:
        return _figure(
            inputs,
            people,
            after,
            "share of cases handled rightly",
            True,
            "people without the model; the model alone on the test split",
        )
    about = f"{TITLES[PROMPT]}, and the trained model, on the same test records"
    found = _figure(
        inputs, inputs.get("paired_prompt_quality"), inputs.get("paired_model_quality"), inputs.quality, True, about
    )
    # The evaluation's own figures, with the same resamples.
    exact = inputs.metrics["systems"]
    for side, system in (("before", PROMPT), ("after", FINE_TUNED)):
        found[side] |= {name: exact[system][inputs.quality][name] for name in ("value", "low", "high")}
    found["difference"] |= {
        name: inputs.metrics["differences"][PROMPT][inputs.quality][name] for name in ("value", "low", "high")
    }
    return found


def efficiency(inputs: Inputs) -> dict[str, Any]:
    """Minutes per case: working time where it is known, else how long a case is open."""
    working = inputs.get("minutes_per_case_before"), inputs.get("minutes_per_case_after")
    waiting = inputs.get(f"{WAITING}_before"), inputs.get(f"{WAITING}_after")
    if all(waiting) and not all(working):
        return _figure(
            inputs,
            *waiting,
            "minutes from opening to closing a case",
            False,
            "how long customers wait, not working time",
        )
    there = primitives(inputs)
    before = there.get("minutes_before")
    after = there.get("minutes_after") or _assumed_minutes(inputs, there)
    about = "working time over all cases" + (
        "" if "minutes_after" in there else "; those that the model does not answer take as long as before"
    )
    reason = (
        inputs.one_sided.get("minutes_per_case") or inputs.one_sided.get(WAITING) or _missing_minutes(before, after)
    )
    return _figure(inputs, before, after, "working minutes per case", False, about, reason)


def _assumed_minutes(inputs: Inputs, there: dict[str, Quantity]) -> Quantity | None:
    names = ("adoption", "minutes_with", "minutes_before")
    if not all(name in there for name in names):
        return None
    return worked_out({name: there[name] for name in names}, minutes_after, inputs.confidence)


def _missing_minutes(before: Quantity | None, after: Quantity | None) -> str:
    missing = [
        *(["business.minutes_without"] if before is None else []),
        *(["business.minutes_with and business.adoption"] if after is None else []),
    ]
    return f"no measurement, and {' and '.join(missing)} not declared"


def cost_savings(inputs: Inputs) -> dict[str, Any]:
    """Money per month for the cases of a month. A saving is a negative difference."""
    unit, there, volume = f"{inputs.currency} per month", primitives(inputs), inputs.get("volume_per_month")
    parts, reasons = parts_of(there)
    main = [part for part in parts if part != "requests"]
    if not main or volume is None:
        missing = [] if volume else ["business.volume_per_month is not declared"]
        missing += [] if main else [f"{part}: {reasons[part]}" for part in ("labour", "errors")]
        return {
            **_figure(inputs, None, None, unit, False, "cost of all cases", "; ".join(missing)),
            "parts": [],
            "left_out": reasons,
        }
    needed = {**used(there, parts), "volume": volume}
    before = worked_out(needed, lambda values: values["volume"] * cost_before(values, parts), inputs.confidence)
    after = worked_out(needed, lambda values: values["volume"] * cost_after(values, parts), inputs.confidence)
    return {
        **_figure(inputs, before, after, unit, False, f"cost of all cases: {' and '.join(parts)}"),
        "parts": list(parts),
        "left_out": reasons,
    }


def productivity(inputs: Inputs) -> dict[str, Any]:
    """Measured as the file has it, or cases per hour of work from the working minutes per case."""
    measured = _from_file(inputs, "employee_productivity", "as in the measurement file")
    there = primitives(inputs)
    before, after = there.get("minutes_before"), there.get("minutes_after") or _assumed_minutes(inputs, there)
    if (
        measured["status"] != NOT_MEASURED
        or before is None
        or after is None
        or "employee_productivity" in inputs.one_sided
    ):
        return measured
    if not (_positive(before) and _positive(after)):
        return {**measured, "reason": "cases per hour cannot be computed where a case takes no time"}
    first, second = (
        worked_out({"minutes": side}, lambda values: 60 / values["minutes"], inputs.confidence)
        for side in (before, after)
    )
    return _figure(inputs, first, second, "cases per hour of work", True, "from the working minutes per case")


def _positive(quantity: Quantity) -> bool:
    return quantity.value > 0 and bool((quantity.draws > 0).all())


def _from_file(inputs: Inputs, metric: str, unit: str) -> dict[str, Any]:
    reason = inputs.one_sided.get(metric, f"no file of business.measurements has {metric}")
    return _figure(
        inputs,
        inputs.get(f"{metric}_before"),
        inputs.get(f"{metric}_after"),
        unit,
        True,
        "mean of the measurements",
        reason,
    )


def _figure(
    inputs: Inputs,
    before: Quantity | None,
    after: Quantity | None,
    unit: str,
    higher_is_better: bool,
    about: str,
    reason: str | None = None,
) -> dict[str, Any]:
    both = before is not None and after is not None
    found: dict[str, Any] = {
        "before": before.figure(inputs.confidence) if before else None,
        "after": after.figure(inputs.confidence) if after else None,
        "difference": None,
        "relative": None,
        "source": sources([before, after]) or None,
        "status": _status([before, after]) if both else NOT_MEASURED,
        "reason": None if both else reason,
        "unit": unit,
        "higher_is_better": higher_is_better,
        "about": about,
    }
    if before is not None and after is not None:
        found["difference"] = interval(after.value - before.value, after.draws - before.draws, inputs.confidence)
        if before.value > 0 and (before.draws > 0).all():
            found["relative"] = interval(
                after.value / before.value - 1, np.asarray(after.draws / before.draws - 1), inputs.confidence
            )
    return found


def _status(sides: list[Quantity | None]) -> str:
    parts = sources(sides).split("; ")
    assumed = [part.startswith("assumption") for part in parts]
    return ASSUMED if all(assumed) else WORKED_OUT if any(assumed) else MEASURED
