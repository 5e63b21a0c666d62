"""Share of the records whose reference calls tools in which the answer makes the same calls: equal names and equal
arguments, in any order.

Covered: calls written as JSON objects with `name` and `arguments` (or `parameters`), bare or between whatever markers a
chat template puts around them; this is how most templates write calls. Keys may stand in any order, and 2.0 is 2. Not
covered: calls written as Python or XML; arguments that mean the same in other words; calls where the reference makes
none.
"""

import json
import re
from typing import Any

import numpy as np

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import Outputs, TextOutputs

LEAST_RECORDS = 10
"""Fewer references with calls give no figure: below that a share says little, and a resample may hold none."""
MOST_OBJECTS = 1000
"""Objects that are looked at in one answer."""
OBJECT = re.compile(r"\{")
DECODER = json.JSONDecoder(strict=False)

Calls = list[tuple[str, str]]


def calls_in(text: str) -> Calls:
    """Name and arguments of each call in an answer, arguments as JSON text with sorted keys; sorted."""
    found: Calls = []
    end = 0
    for number, start in enumerate(OBJECT.finditer(text)):
        if number == MOST_OBJECTS:
            break
        if start.start() < end:
            continue
        try:
            value, stop = DECODER.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            continue
        call = _call(value)
        if call:
            found.append(call)
            end = stop
    return sorted(found)


def _call(value: dict[str, Any]) -> tuple[str, str] | None:
    name, arguments = value.get("name"), value.get("arguments", value.get("parameters"))
    if isinstance(arguments, str):
        try:
            arguments = DECODER.decode(arguments)
        except (ValueError, RecursionError):
            return None
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return None
    return name, json.dumps(_plain(arguments), sort_keys=True)


def _plain(value: Any) -> Any:
    """With whole numbers as integers."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def statistics(outputs: TextOutputs) -> np.ndarray:
    pairs = [
        (calls_in(reference), calls_in(answer))
        for reference, answer in zip(outputs.references, outputs.answers, strict=True)
    ]
    return np.array([[bool(wanted) and wanted == made, bool(wanted)] for wanted, made in pairs], float)


def score(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / np.maximum(sums[..., 1], 1.0)


def applies(outputs: Outputs) -> bool:
    return (
        isinstance(outputs, TextOutputs)
        and sum(bool(calls_in(reference)) for reference in outputs.references) >= LEAST_RECORDS
    )


METRIC = Metric("tool_calls", "Tool calls", "generation", 0.0, 1.0, True, 7, statistics, score, applies)
