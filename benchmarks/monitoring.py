"""Alarms on served models and accuracy without labels: false alarms of quiet streams, days until a change is found, and
what other tools need at the same rate of false alarms.

    python benchmarks/monitoring.py --json
    python benchmarks/monitoring.py --river VENV/bin/python --drift VENV/bin/python --json

Streams are drawn from BANKING77 and CFPB 2020 below `$FT_SHARED_DATA` (default `../shared/data`), as
`benchmarks/monitoring_streams.py` says. `--river` is a Python with `river`, `--drift` one with `evidently`, `nannyml`
and `pandas<3`; without them our own figures are printed. What was measured is kept in `--folder`, by a hash of the
code, so a run that was stopped goes on."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))
# ruff: noqa: E402

import numpy as np

from benchmarks.monitoring_others import AFTER
from benchmarks.monitoring_streams import COLUMNS, DAYS, SETS, SHIFTS, Stream, Texts, stream, texts_of
from benchmarks.results import alone, kept, key_of
from ft_platform.monitoring import alarms, embeddings
from ft_platform.monitoring.estimated_accuracy import Answers, estimated_accuracy
from ft_platform.monitoring.measures import day_counts, first_of_each

QUIET, CHANGED, TOGETHER = 500, 50, 25
"""Streams of each data set: without a change, of each change, and in one kept result."""
QUIET_OTHERS, CHANGED_OTHERS = 30, 8
"""The first of these streams, which the other tools see as well."""
WINDOW = 7
"""Days of traffic behind one estimate of accuracy."""


def columns_of(texts: Texts, rows: np.ndarray, space: embeddings.Space) -> dict[str, np.ndarray]:
    return {
        **{name: texts.columns[name][rows] for name in COLUMNS},
        embeddings.DISTANCE: space.distance(texts.embeddings[rows]),
    }


def alarm_days(texts: Texts, one: Stream, judged: bool = False, until: int = DAYS) -> dict[str, int]:
    """Measure -> day of its alarm, with everything the platform watches; `judged`: answers that people judged too."""
    reference = texts.embeddings[one.reference]
    space, past = embeddings.space_of(reference), embeddings.Days()
    columns = columns_of(texts, one.reference, space)
    if judged:
        columns["right"] = texts.right[one.reference]
    state, towards = alarms.started(columns, reserved=1), None
    for day, rows in enumerate(one.days[:until]):
        if day % embeddings.LEARN_EVERY == 1:
            towards = embeddings.direction(space, past)
            assert towards is not None
            state = alarms.renewed(state, *embeddings.direction_measure(reference, towards))
        today = columns_of(texts, rows, space)
        if towards is not None:
            today[embeddings.DIRECTION] = texts.embeddings[rows] @ towards
        counts = day_counts([state.watched[name].measure for name in today], today)
        if judged:
            asked = one.asked[day]
            right = texts.right[rows] & ~one.wrong[day]
            counts |= day_counts([state.watched["right"].measure], {"right": right[asked]})
        state = alarms.day_passed(state, f"{day:03d}", counts)
        past = past.with_day(texts.embeddings[rows])
        if state.alarms:
            break
    return {name: int(day) for name, day in state.alarms.items()}


def quiet(name: str, first: int, judged: bool) -> list[dict[str, int]]:
    texts = texts_of(name)
    return [alarm_days(texts, stream(name, None, number), judged) for number in range(first, first + TOGETHER)]


def changed(name: str, shift: str, judged: bool, first: int) -> list[dict[str, Any]]:
    """Per stream: day of the change, of the first alarm (None: none) and the measures that raised it."""
    texts, found = texts_of(name), []
    for number in range(first, first + TOGETHER):
        one = stream(name, shift, number)
        days = alarm_days(texts, one, judged)
        found.append({"change": one.change, "alarm": min(days.values(), default=None), "measures": sorted(days)})
    return found


def estimates(name: str, shift: str) -> list[dict[str, Any]]:
    """Estimated and true accuracy in the first `WINDOW` days after a change."""
    texts, found = texts_of(name), []
    for number in range(CHANGED):
        one = stream(name, shift, number)
        assert one.change is not None
        days = slice(one.change, one.change + WINDOW)
        rows, reference = one.days[days].ravel(), one.reference
        label, confidence = texts.columns["label"], texts.columns["confidence"]
        test = Answers(label[reference], confidence[reference], texts.truth[reference])
        estimate = estimated_accuracy(test, Answers(label[rows], confidence[rows]))
        true = float((texts.right[rows] & ~one.wrong[days].ravel()).mean())
        raw = float(confidence[rows].mean())
        before = float(texts.right[reference].mean())
        found.append(
            {
                "true": true,
                "mean_confidence": raw,
                "as_in_test": before,
                **{key: getattr(estimate, key) for key in ("value", "low", "high", "reason")},
            }
        )
    return found


def hard_cases(name: str) -> dict[str, float]:
    """Share of 100 quiet streams with a false alarm where traffic is not as assumed, and with what helps."""
    texts, numbers = texts_of(name), range(100)

    def rate(alarmed: Callable[[int], bool]) -> float:
        return float(np.mean([alarmed(number) for number in numbers]))

    return {
        "five_requests_a_day": rate(lambda n: bool(alarm_days(texts, stream(name, None, n, 5)))),
        "copies": rate(lambda n: _plain_alarm(texts, _with_copies(name, n), None)),
        "copies_counted_once": rate(lambda n: _plain_alarm(texts, _with_copies(name, n), "copies")),
        "weekends": rate(lambda n: _plain_alarm(texts, _with_weekends(name, n), None)),
        "weekends_as_strata": rate(lambda n: _plain_alarm(texts, _with_weekends(name, n), "strata")),
    }


def _with_copies(name: str, number: int) -> list[np.ndarray]:
    """Each day ten requests are sent five times each."""
    return [np.concatenate([rows, np.repeat(rows[:10], 4)]) for rows in _first_days(name, number)]


def _with_weekends(name: str, number: int) -> list[np.ndarray]:
    """At weekends a tenth of the labels is three times as frequent."""
    days, weekend = stream(name, None, number), stream(name, "label_shift", number)
    assert weekend.change is not None
    other = weekend.days[weekend.change :]
    found = [days.reference[i : i + 100] for i in range(0, 1400, 100)] + list(days.days)
    return [other[day % len(other)][: len(rows)] if day % 7 >= 5 else rows for day, rows in enumerate(found)]


def _first_days(name: str, number: int) -> list[np.ndarray]:
    one = stream(name, None, number)
    return [one.reference[i : i + 100] for i in range(0, 1400, 100)] + list(one.days)


def _plain_alarm(texts: Texts, days: Sequence[np.ndarray], help_: str | None) -> bool:
    """Whether a measure of `COLUMNS` raises an alarm; the first 14 days are the reference."""
    if help_ == "copies":
        days = [rows[first_of_each([str(row) for row in rows])] for rows in days]
    kinds = ["weekend" if day % 7 >= 5 and help_ == "strata" else "all" for day in range(len(days))]
    rows = np.concatenate(days[:14])
    strata = [kind for kind, found in zip(kinds, days[:14], strict=False) for _ in found]
    state = alarms.started({name: texts.columns[name][rows] for name in COLUMNS}, strata)
    measures = [one.measure for one in state.watched.values()]
    for day, found in enumerate(days[14:], 14):
        counts = day_counts(measures, {name: texts.columns[name][found] for name in COLUMNS})
        state = alarms.day_passed(state, f"{day:03d}", counts, kinds[day])
    return bool(state.alarms)


def of_stream(found: list[dict[str, Any]], within: int = DAYS) -> dict[str, Any]:
    """Of the streams without an alarm before their change: days to detection, the day of the change being 1; later
    than `within` is never."""
    kept_ = [one for one in found if one["alarm"] is None or one["alarm"] >= one["change"]]
    days = [np.inf if one["alarm"] is None else one["alarm"] - one["change"] + 1 for one in kept_]
    days = [day if day <= within else np.inf for day in days]
    middle = float(np.median(days)) if days else np.inf
    return {
        "streams": len(kept_),
        "median_days": middle if np.isfinite(middle) else None,
        "mean_days_of_detected": float(np.mean([d for d in days if np.isfinite(d)]))
        if np.isfinite(days).any()
        else None,
        "detected": float(np.isfinite(days).mean()),
    }


def accuracy_figures(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean absolute errors in points of accuracy, and how often the interval held the true one."""
    said = [one for one in found if one["value"] is not None]

    def error(key: str, of: list[dict[str, Any]]) -> float | None:
        return float(np.mean([abs(one[key] - one["true"]) for one in of])) if of else None

    reasons = [one["reason"] for one in found if one["reason"]]
    return {
        "windows": len(found),
        "withheld": {reason: reasons.count(reason) for reason in sorted(set(reasons))},
        "error": error("value", said),
        "largest_error": max((abs(one["value"] - one["true"]) for one in said), default=None),
        "coverage": float(np.mean([one["low"] <= one["true"] <= one["high"] for one in said])) if said else None,
        "error_of_mean_confidence": error("mean_confidence", found),
        "error_of_test_accuracy": error("as_in_test", found),
        "true": float(np.mean([one["true"] for one in found])),
    }


def measured(folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Our own figures."""
    parts: dict[str, Any] = {"quiet": {}, "changed": {}, "accuracy": {}, "hard_cases": {}}
    for name in SETS:
        found: list[dict[str, int]] = []
        for first in range(0, QUIET, TOGETHER):
            found += kept(folder / f"quiet-{name}-{first}.json", lambda n=name, f=first: quiet(n, f, False))
            say(f"{name}: {sum(map(bool, found))} false alarms in {len(found)} quiet streams")
        parts["quiet"][name] = found
        for shift, judged in [*((shift, False) for shift in SHIFTS), ("concept_change", True)]:
            label = shift + ("_judged" if judged else "")
            streams: list[dict[str, Any]] = []
            for first in range(0, CHANGED, TOGETHER):
                streams += kept(
                    folder / f"{label}-{name}-{first}.json",
                    lambda n=name, s=shift, j=judged, f=first: changed(n, s, j, f),
                )
            parts["changed"].setdefault(label, {})[name] = streams
            say(f"{name}, {label}: {of_stream(streams)}")
        for shift in SHIFTS:
            file = folder / f"accuracy-{shift}-{name}.json"
            parts["accuracy"].setdefault(shift, []).extend(kept(file, lambda n=name, s=shift: estimates(n, s)))
            say(f"{name}, accuracy after {shift}")
        parts["hard_cases"][name] = kept(folder / f"hard-{name}.json", lambda n=name: hard_cases(n))
    return parts


def streams_for_others(file: Path) -> None:
    """Streams as numbers, for other tools in a Python of their own."""
    arrays: dict[str, np.ndarray] = {}
    for name in SETS:
        texts = texts_of(name)
        for shift in (None, *SHIFTS):
            for number in range(CHANGED_OTHERS if shift else QUIET_OTHERS):
                one = stream(name, shift, number)
                space = embeddings.space_of(texts.embeddings[one.reference])
                labels = np.unique(texts.columns["label"])
                table = np.column_stack(
                    [
                        np.searchsorted(labels, texts.columns["label"]),
                        *(texts.columns[c] for c in COLUMNS[1:]),
                        space.distance(texts.embeddings),
                    ]
                )
                key = f"{name}/{shift or 'quiet'}/{number}"
                arrays[f"{key}/reference"] = table[one.reference].astype(np.float32)
                arrays[f"{key}/days"] = table[one.days].astype(np.float32)
                arrays[f"{key}/change"] = np.array(DAYS if one.change is None else one.change)
    np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]


def others(folder: Path, pythons: dict[str, str], rate: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Figures of the other tools, each at the threshold that gives it `rate` of false alarms."""
    if not pythons:
        return {}
    script = Path(__file__).with_name("monitoring_others.py")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="ft-bench-monitoring-") as temporary:
        file = Path(temporary) / "streams.npz"
        for tool, python in pythons.items():

            def run(tool: str = tool, python: str = python) -> Any:
                if not file.exists():
                    streams_for_others(file)
                command = [python, str(script), tool, str(file), str(rate)]
                return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)

            code = [script.read_text(), script.with_name("monitoring_streams.py").read_text()]
            key = key_of([tool, rate, *code, QUIET_OTHERS, CHANGED_OTHERS])
            found[tool] = kept(folder / f"{tool}-{key}.json", run)
            say(f"{tool}: done")
    return found


def figures(parts: dict[str, Any], other: dict[str, Any], first: int) -> dict[str, Any]:
    everything = [bool(one) for found in parts["quiet"].values() for one in found]
    accuracy = {shift: accuracy_figures(found) for shift, found in parts["accuracy"].items()}
    both = {shift: [one for found in sets.values() for one in found] for shift, sets in parts["changed"].items()}
    return {
        "false_alarm_rate": float(np.mean(everything)),
        "quiet_streams": len(everything),
        "false_alarm_rate_of": {name: float(np.mean([bool(o) for o in f])) for name, f in parts["quiet"].items()},
        "detection_days": {shift: of_stream(found) for shift, found in both.items()},
        "detection_days_of": {
            shift: {name: of_stream(found) for name, found in sets.items()} for shift, sets in parts["changed"].items()
        },
        "raised_by": {
            shift: {
                m: sum(m in one["measures"] for one in found) for m in sorted({m for o in found for m in o["measures"]})
            }
            for shift, found in both.items()
        },
        "beside_others": {
            shift: of_stream([one for found in sets.values() for one in found[:first]], AFTER)
            for shift, sets in parts["changed"].items()
        },
        "others": other,
        "estimate_error": accuracy["label_shift"]["error"],
        "estimate_coverage": accuracy["label_shift"]["coverage"],
        "accuracy": accuracy,
        "hard_cases": parts["hard_cases"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "ft-bench-monitoring")
    parser.add_argument("--river", metavar="PYTHON", help="a Python with river")
    parser.add_argument("--drift", metavar="PYTHON", help="a Python with evidently, nannyml and pandas<3")
    parser.add_argument("--json", action="store_true", help="as of the other benchmarks; the output is JSON either way")
    arguments = parser.parse_args()
    code = [Path(__file__).with_name("monitoring_streams.py"), Path(__file__)]
    code += sorted(Path(alarms.__file__).parent.glob("*.py"))
    folder = arguments.folder.absolute() / key_of([file.read_text() for file in code])

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    pythons = {"adwin": arguments.river, "page_hinkley": arguments.river, "kswin": arguments.river}
    pythons |= {"evidently": arguments.drift, "evidently_ks": arguments.drift, "nannyml": arguments.drift}
    with alone(folder):
        parts = measured(folder, say)
        rate = round(float(np.mean([bool(one) for found in parts["quiet"].values() for one in found])), 2)
        other = others(
            folder.parent / "others", {tool: python for tool, python in pythons.items() if python}, rate, say
        )
    print(json.dumps(figures(parts, other, CHANGED_OTHERS), indent=1))


if __name__ == "__main__":
    main()
