"""All of `roi.json` from what is known."""

from typing import Any

from ft_platform.monitoring.business.alternatives import alternatives
from ft_platform.monitoring.business.figures import figures
from ft_platform.monitoring.business.inputs import ASSUMPTIONS, Inputs
from ft_platform.monitoring.business.measurements import PERIODS
from ft_platform.monitoring.business.quantities import Quantity, sources
from ft_platform.monitoring.business.returns import parts_of, primitives, saving, sensitivity, until, used, worked_out


def roi(inputs: Inputs) -> dict[str, Any]:
    """Figures, payback, break-even, sensitivity and alternatives, JSON values only.

    Returns:
        `{"figures", "savings_per_month", "payback_months", "break_even_volume", "investment", "sensitivity",
        "alternatives", "requests", "assumptions", "measurements", "not_compared", "programs", "currency", "confidence",
        "uncertainty", "evaluation_report", "test_rows", "introduced_on"}`. `savings_per_month` is a figure or None;
        `break_even_volume` counts cases; the rest is described where it is made.
    """
    business = inputs.use_case.settings.business
    found = figures(inputs)
    there, volume, invested = primitives(inputs), inputs.get("volume_per_month"), investment(inputs)
    parts, _ = parts_of(there)
    per_case = per_month = None
    if set(parts) - {"requests"}:
        needed = used(there, parts)
        per_case = worked_out(needed, lambda values: saving(values, parts), inputs.confidence)
        if volume:
            per_month = worked_out(
                {**needed, "volume": volume}, lambda values: values["volume"] * saving(values, parts), inputs.confidence
            )
    why_not = found["cost_savings"]["reason"] or "business.investment is not declared"
    return {
        "figures": found,
        "savings_per_month": per_month.figure(inputs.confidence) if per_month else None,
        "payback_months": until(invested, per_month, inputs.confidence, why_not),
        "break_even_volume": until(invested, per_case, inputs.confidence, why_not),
        "investment": (
            {**invested.figure(inputs.confidence), "programs": inputs.programs["money"]} if invested else None
        ),
        "sensitivity": sensitivity(there, parts, volume, invested) if per_month and volume else [],
        "alternatives": alternatives(inputs, invested),
        "requests": inputs.requests,
        "assumptions": {
            name: {"value": q.value, "unit": unit} for name, unit in ASSUMPTIONS.items() if (q := inputs.get(name))
        },
        "measurements": [_described(one) for one in inputs.measured],
        "not_compared": inputs.one_sided,
        "programs": inputs.programs,
        "currency": inputs.currency,
        "confidence": inputs.confidence,
        "uncertainty": business.uncertainty,
        "introduced_on": business.introduced_on,
        "evaluation_report": inputs.evaluation_report.artifact_id,
        "test_rows": inputs.metrics["test_rows"],
    }


def investment(inputs: Inputs) -> Quantity | None:
    """What was stated, and what the programs of this checkpoint have cost where that is known. None where nothing was
    stated."""
    stated, programs = inputs.get("investment"), inputs.programs["money"]
    if stated is None or programs is None:
        return stated
    source = f"{sources([stated])}; {'; '.join(inputs.programs['artifacts'])}"
    value = stated.value + programs
    return Quantity(value, stated.draws + programs, source, stated.low + programs, stated.high + programs)


def _described(one: Any) -> dict[str, Any]:
    """A file of measurements: counts and days, no row of it."""
    rows = {
        metric: {
            period: {
                "values": len(one.values[metric, period]),
                "from": str(one.first[metric, period]),
                "to": str(one.last[metric, period]),
            }
            for period in PERIODS
            if (metric, period) in one.values
        }
        for metric in sorted({metric for metric, _ in one.values})
    }
    return {
        "setting": one.setting,
        "sha256": one.sha256,
        "rows": one.rows,
        "metrics": rows,
        "open_cases": one.open_cases,
    }
