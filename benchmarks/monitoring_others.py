"""Other drift detectors on the streams of `benchmarks/monitoring.py`, which starts this file in a Python that has them:

    VENV/bin/python benchmarks/monitoring_others.py TOOL STREAMS.npz RATE

Every tool gives a figure for each column and day, the larger the more it moved: for `river` the detector's own
statistic, its largest of the day, for the others that of the day's requests beside the reference. The figures are
standardized by median and quartiles of the largest of quiet streams of the same data set, and one threshold for all
columns gives `RATE` false alarms there, or the next rate above it that so many streams can show. ADWIN has no such
statistic, so its delta is chosen among powers of ten. Labels are a category where a tool knows categories, else the
label's share in the reference."""

import json
import math
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

warnings.filterwarnings("ignore")
for silent in ("NML_DISABLE_USAGE_LOGGING", "DO_NOT_TRACK"):  # both tools report their use over the network
    os.environ[silent] = "1"
DAYS = 90
AFTER = 20
"""Days after a change that are looked at; a later alarm counts as none."""
KSWIN_QUIET, KSWIN_CHANGED = 10, 2
"""Streams of each data set for KSWIN, whose test at each request takes 3 seconds a column."""


def numbers(reference: np.ndarray, days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The label as the share it has in the reference, and every column with mean 0 and variance 1 there."""
    shares = np.bincount(reference[:, 0].astype(int), minlength=200) / len(reference)
    reference, days = reference.copy().astype(float), days.copy().astype(float)
    reference[:, 0], days[..., 0] = shares[reference[:, 0].astype(int)], shares[days[..., 0].astype(int)]
    mean, spread = reference.mean(axis=0), np.maximum(reference.std(axis=0), 1e-9)
    return (reference - mean) / spread, (days - mean) / spread


def page_hinkley(reference: np.ndarray, days: np.ndarray, columns: list[int]) -> np.ndarray:
    from river.drift import PageHinkley

    reference, days = numbers(reference, days)
    found = np.zeros((len(days), len(columns)))
    for place, column in enumerate(columns):
        detector = PageHinkley(threshold=float("inf"))

        def moved(detector: Any = detector) -> float:
            """What river compares with its threshold."""
            up = detector._sum_increase - detector._min_increase
            return max(up, detector._max_decrease - detector._sum_decrease)

        for value in reference[:, column].tolist():
            detector.update(value)
        for day, values in enumerate(days[:, :, column].tolist()):
            largest = 0.0
            for value in values:
                detector.update(value)
                largest = max(largest, moved())
            found[day, place] = largest
    return found


def kswin(reference: np.ndarray, days: np.ndarray, columns: list[int]) -> np.ndarray:
    """`-log p`; alpha is so small that it never resets itself."""
    from river.drift import KSWIN

    reference, days = numbers(reference, days)
    found = np.zeros((len(days), len(columns)))
    for place, column in enumerate(columns):
        detector = KSWIN(alpha=1e-300, seed=17)
        for value in reference[-100:, column].tolist():
            detector.update(value)
        for day, values in enumerate(days[:, :, column].tolist()):
            smallest = 1.0
            for value in values:
                detector.update(value)
                smallest = min(smallest, detector.p_value)
            found[day, place] = -np.log(max(smallest, 1e-300))
    return found


def evidently(reference: np.ndarray, days: np.ndarray, columns: list[int], ks: bool = False) -> np.ndarray:
    import pandas as pd
    from evidently.legacy.calculations.stattests import (
        chi_stat_test,
        jensenshannon_stat_test,
        ks_stat_test,
        wasserstein_stat_test,
    )
    from evidently.legacy.core import ColumnType

    found = np.zeros((len(days), len(columns)))
    for place, column in enumerate(columns):
        kind = ColumnType.Categorical if column == 0 else ColumnType.Numerical
        test = (
            (chi_stat_test if ks else jensenshannon_stat_test)
            if column == 0
            else (ks_stat_test if ks else wasserstein_stat_test)
        )
        before = pd.Series(reference[:, column])
        for day in range(len(days)):
            score = test.func(before, pd.Series(days[day, :, column]), kind, 0.05)[0]
            found[day, place] = -np.log(max(score, 1e-300)) if ks else score
    return found


def evidently_ks(reference: np.ndarray, days: np.ndarray, columns: list[int]) -> np.ndarray:
    return evidently(reference, days, columns, ks=True)


def nannyml(reference: np.ndarray, days: np.ndarray, columns: list[int]) -> np.ndarray:
    import nannyml
    import pandas as pd

    names = [f"column_{column}" for column in columns]

    def table(rows: np.ndarray) -> Any:
        found = pd.DataFrame(rows[:, columns].astype(float), columns=names)
        return found.assign(column_0="l" + found["column_0"].astype(int).astype(str))

    calculator = nannyml.UnivariateDriftCalculator(column_names=names, chunk_size=days.shape[1])
    calculator.fit(table(reference))
    result = calculator.calculate(table(days.reshape(-1, days.shape[2]))).filter(period="analysis").to_df()
    return np.column_stack([result[name, "jensen_shannon", "value"].to_numpy(float) for name in names])


FIGURES: dict[str, Callable[[np.ndarray, np.ndarray, list[int]], np.ndarray]] = {
    "page_hinkley": page_hinkley,
    "kswin": kswin,
    "evidently": evidently,
    "evidently_ks": evidently_ks,
    "nannyml": nannyml,
}
WITHOUT_MEMORY = ("evidently", "evidently_ks", "nannyml")
"""A day's figure does not depend on the days before, so those before a change are left out."""
DEFAULTS = {"page_hinkley": 50.0, "kswin": -np.log(0.005), "evidently": 0.1, "evidently_ks": -np.log(0.05)}
"""Where an alarm is by default; NannyML's is the mean and three deviations over chunks of the reference."""


def adwin_alarm(reference: np.ndarray, days: np.ndarray, delta: float) -> int | None:
    """Day of the first alarm."""
    from river.drift import ADWIN

    reference, days = numbers(reference, days)
    first = DAYS
    for column in range(days.shape[2]):
        detector = ADWIN(delta=delta)
        for value in reference[:, column].tolist():
            detector.update(value)
        for day, values in enumerate(days[:first, :, column].tolist()):
            if any(_updated(detector, value) for value in values):
                first = day
                break
    return first if first < DAYS else None


def _updated(detector: Any, value: float) -> bool:
    detector.update(value)
    return detector.drift_detected


def summary(changes: list[int], alarms: list[int | None]) -> dict[str, Any]:
    kept = [(c, a) for c, a in zip(changes, alarms, strict=True) if a is None or a >= c]
    days = [np.inf if a is None or a >= c + AFTER else a - c + 1 for c, a in kept]
    middle = float(np.median(days)) if days else np.inf
    return {
        "streams": len(kept),
        "median_days": middle if np.isfinite(middle) else None,
        "detected": float(np.isfinite(days).mean()) if days else None,
    }


def main() -> None:
    tool, file, rate = sys.argv[1], sys.argv[2], float(sys.argv[3])
    started = time.process_time()
    arrays = np.load(file)
    keys = sorted({name.rpartition("/")[0] for name in arrays.files}, key=lambda k: (k.split("/")[1], k.split("/")[0]))
    streams = {key: (arrays[f"{key}/reference"], arrays[f"{key}/days"], int(arrays[f"{key}/change"])) for key in keys}
    if tool == "kswin":
        streams = {
            key: one
            for key, one in streams.items()
            if int(key.split("/")[2]) < (KSWIN_QUIET if "/quiet/" in key else KSWIN_CHANGED)
        }
    still = {key: one for key, one in streams.items() if "/quiet/" in key}
    moved = {key: one for key, one in streams.items() if "/quiet/" not in key}
    found = adwin(still, moved, rate) if tool == "adwin" else by_threshold(tool, still, moved, rate)
    print(json.dumps({**found, "quiet_streams": len(still), "cpu_seconds": round(time.process_time() - started)}))


def allowed(streams: int, rate: float) -> int:
    """Quiet streams with a false alarm: the next number not below the rate, so that no tool is held to less."""
    return max(1, math.ceil(rate * streams))


def adwin(still: dict[str, Any], moved: dict[str, Any], rate: float) -> dict[str, Any]:
    def share(delta: float) -> float:
        return float(np.mean([adwin_alarm(r, d, delta) is not None for r, d, _ in still.values()]))

    default = share(0.002)
    tried = {}
    for power in range(2, 13):
        tried[10.0**-power] = share(10.0**-power)
        if tried[10.0**-power] <= allowed(len(still), rate) / len(still):
            break
    delta = min(tried)
    alarms = {key: adwin_alarm(r, d[: c + AFTER], delta) for key, (r, d, c) in moved.items()}
    return {
        "default_false_alarm_rate": default,
        "threshold": delta,
        "false_alarm_rate": tried[delta],
        "detection_days": by_shift(moved, alarms),
    }


def by_threshold(tool: str, still: dict[str, Any], moved: dict[str, Any], rate: float) -> dict[str, Any]:
    columns = [1] if tool == "kswin" else list(range(5))
    quiet = {key: FIGURES[tool](reference, days, columns) for key, (reference, days, _) in still.items()}
    scale = {name: scale_of([one for key, one in quiet.items() if key.startswith(name)]) for name in sets_of(still)}

    def standardized(key: str, figures: np.ndarray) -> np.ndarray:
        middle, spread = scale[key.split("/")[0]]
        return (figures - middle) / spread

    largest = np.array([standardized(key, one).max() for key, one in quiet.items()])
    threshold = float(np.sort(largest)[-allowed(len(still), rate)])
    alarms: dict[str, int | None] = {}
    for key, (reference, days, change) in moved.items():
        first = change if tool in WITHOUT_MEMORY else 0
        figures = standardized(key, FIGURES[tool](reference, days[first : change + AFTER], columns))
        over = np.flatnonzero((figures >= threshold).any(axis=1))
        alarms[key] = first + int(over[0]) if len(over) else None
    return {
        "default_false_alarm_rate": default_rate(tool, np.array([*quiet.values()]), still),
        "threshold": threshold,
        "false_alarm_rate": float((largest >= threshold).mean()),
        "detection_days": by_shift(moved, alarms),
    }


def sets_of(streams: dict[str, Any]) -> list[str]:
    return sorted({key.split("/")[0] for key in streams})


def scale_of(quiet: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Median and distance of the quartiles of each column's largest figure of a stream. Of one data set: 77 labels and
    nine differ by chance to different degrees, and a threshold for both would hide the nine."""
    largest = np.array([one.max(axis=0) for one in quiet])
    return np.median(largest, axis=0), np.maximum(np.subtract(*np.quantile(largest, [0.75, 0.25], axis=0)), 1e-9)


def default_rate(tool: str, quiet: np.ndarray, still: dict[str, Any]) -> float:
    if tool != "nannyml":
        return float((quiet > DEFAULTS[tool]).any(axis=(1, 2)).mean())
    alarmed = 0
    for place, (reference, days, _) in enumerate(still.values()):
        chunks = reference[: len(reference) // days.shape[1] * days.shape[1]].reshape(-1, *days.shape[1:])
        own = nannyml(reference, chunks, list(range(5)))
        alarmed += bool((quiet[place] > own.mean(axis=0) + 3 * own.std(axis=0)).any())
    return alarmed / len(still)


def by_shift(moved: dict[str, Any], alarms: dict[str, int | None]) -> dict[str, Any]:
    shifts = sorted({key.split("/")[1] for key in moved})
    of = {shift: [key for key in moved if key.split("/")[1] == shift] for shift in shifts}
    return {shift: summary([moved[k][2] for k in keys], [alarms[k] for k in keys]) for shift, keys in of.items()}


if __name__ == "__main__":
    main()
