"""What a metric is: numbers per test record that add up, and a score made from their sums.

Because sums are all a score needs, one resampling routine gives the interval of every metric.
"""

import hashlib
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ft_platform.errors import ConfigError
from ft_platform.evaluation.outputs import Outputs

SHARED_CODE = ("metric.py", "outputs.py", "intervals.py", "comparison.py", "label_counts.py", "calibration.py")
"""Files behind the figures of every metric."""


@dataclass(frozen=True)
class Metric:
    """One figure of a comparison of systems.

    Attributes:
        name: file name and key in reports.
        title: words for a table head.
        task: kind of task it applies to.
        low, high: range of the score, bounds included; `high` may be infinite.
        higher_is_better: direction.
        order: place in tables.
        statistics: outputs -> numbers per record. Shape `(rows, k)`.
        score: sums over records -> score. Shapes `(..., k)` -> `(...)`.
        applies: whether outputs have what it needs; systems that do not have no such figure.
    """

    name: str
    title: str
    task: Literal["classification", "generation"]
    low: float
    high: float
    higher_is_better: bool
    order: int
    statistics: Callable[..., np.ndarray]
    score: Callable[[np.ndarray], np.ndarray]
    applies: Callable[[Any], bool] = lambda outputs: True

    def value(self, outputs: Outputs) -> float:
        """The score over all records."""
        return float(self.score(self.statistics(outputs).sum(axis=0)))


def all_metrics() -> dict[str, Metric]:
    """Every metric by name: one per file in `ft_platform/evaluation/metrics/`."""
    from ft_platform.evaluation import metrics

    found = [
        importlib.import_module(f"{metrics.__name__}.{module.name}").METRIC
        for module in pkgutil.iter_modules(metrics.__path__)
    ]
    return {m.name: m for m in sorted(found, key=lambda m: (m.task, m.order))}


def metric_versions() -> dict[str, str]:
    """Metric -> 12 hex digits that change with the code of its file or of what all metrics share."""
    from ft_platform.evaluation import metrics

    shared = b"".join((Path(__file__).parent / name).read_bytes() for name in SHARED_CODE)
    files = sorted(Path(metrics.__path__[0]).glob("[a-z]*.py"))
    return {file.stem: hashlib.sha256(shared + file.read_bytes()).hexdigest()[:12] for file in files}


def metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        ConfigError: there is none; names those there are.
    """
    found = all_metrics()
    if name not in found:
        raise ConfigError([f"metric {name!r} does not exist; there are {sorted(found)}"])
    return found[name]


def metrics_of(task: str) -> list[Metric]:
    """The metrics of a kind of task, the most telling one first."""
    return [m for m in all_metrics().values() if m.task == task]


def main_metric(metrics: Iterable[Metric], systems: Iterable[Outputs]) -> Metric:
    """The most telling metric that every system has: what they are compared by."""
    found = list(systems)
    return next(m for m in metrics if all(m.applies(outputs) for outputs in found))
