"""What a metric is: numbers per test record that add up, and a score made from their sums.

Because sums are all a score needs, one resampling routine gives the interval of every metric.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ft_platform.errors import ConfigError
from ft_platform.evaluation.outputs import Outputs


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
        applies: of a metric for some test splits only, whether these outputs are of one; None: for all.
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
    applies: Callable[[Outputs], bool] | None = None

    def value(self, outputs: Outputs) -> float:
        """The score over all records."""
        return float(self.score(self.statistics(outputs).sum(axis=0)))


def all_metrics() -> dict[str, Metric]:
    """Every metric by name: one per file in `ft_platform/evaluation/metrics/`."""
    from ft_platform.evaluation import metrics

    found = [importlib.import_module(f"{metrics.__name__}.{module.name}").METRIC for module in pkgutil.iter_modules(metrics.__path__)]
    return {m.name: m for m in sorted(found, key=lambda m: (m.task, m.order))}


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
    """The metrics of a kind of task that every test split has, the most telling one first."""
    return [m for m in all_metrics().values() if m.task == task and m.applies is None]


def metrics_for(task: str, outputs: Iterable[Outputs]) -> list[Metric]:
    """`metrics_of`, and those that apply to all of these outputs."""
    found = list(outputs)
    return [m for m in all_metrics().values() if m.task == task and (m.applies is None or (found and all(map(m.applies, found))))]


def metrics_in(task: str, systems: Mapping[str, Mapping[str, object]]) -> list[Metric]:
    """The metrics of which every system has a figure."""
    return [m for m in all_metrics().values() if m.task == task and (m.applies is None or (systems and all(m.name in found for found in systems.values())))]
