"""Tasks of lm-evaluation-harness as suites of the regression report.

Covered: tasks whose metric is a number per document (accuracy, exact match). Not covered: tasks that run code of a data
set, which the harness would need to be told to trust; it is not told.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from ft_platform.errors import ConfigError, DataError, MissingExtra
from ft_platform.evaluation.regression import SuiteResult

METRICS = ("acc_norm", "acc", "exact_match", "f1")
"""Figures per document that are taken, the first that a task has."""


def require_harness() -> None:
    """Raises MissingExtra where lm-evaluation-harness is not installed."""
    if importlib.util.find_spec("lm_eval") is None:
        raise MissingExtra("lm-eval, for regression.harness_tasks,", "harness")


def harness_suite(task: str, tokenizer: Any, rows: int | None) -> Callable[[Any, Callable[[int], None]], SuiteResult]:
    """A suite that runs a task of the harness on a model.

    Args:
        task: its name there.
        rows: at most this many documents; the first ones, as the harness takes them.

    Raises:
        MissingExtra: lm-eval is not installed.
    """
    require_harness()

    def run(model: Any, tick: Callable[[int], None]) -> SuiteResult:
        from lm_eval import simple_evaluate  # pyright: ignore[reportMissingImports]
        from lm_eval.models.huggingface import HFLM  # pyright: ignore[reportMissingImports]
        from lm_eval.tasks import TaskManager  # pyright: ignore[reportMissingImports]

        manager = TaskManager()
        if task not in manager.all_tasks:
            raise ConfigError([f"regression.harness_tasks: lm-eval has no task {task!r}"], "See: lm-eval ls tasks")
        wrapped = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=8)
        found = simple_evaluate(
            model=wrapped, tasks=[task], limit=rows, log_samples=True, bootstrap_iters=0, task_manager=manager
        )
        return result_of(task, (found or {}).get("samples", {}))

    return run


def result_of(task: str, samples: dict[str, list[dict[str, Any]]]) -> SuiteResult:
    """The figures per document that the harness logged, in the order of documents; a group's subtasks one after the
    other.

    Raises:
        DataError: there are none, or they have no metric that is a number per document.
    """
    rows = [
        row
        for name in sorted(samples)
        for row in sorted(samples[name], key=lambda row: (row["doc_id"], str(row.get("filter", ""))))
    ]
    chosen = next(
        (name for name in METRICS if rows and all(isinstance(row.get(name), (int, float)) for row in rows)), None
    )
    if chosen is None:
        problem = f"task {task} of lm-eval gave no metric per document among {list(METRICS)}"
        raise DataError(problem, "Name another task in regression.harness_tasks")
    values = np.array([float(row[chosen]) for row in rows])
    return SuiteResult(chosen, True, np.stack([values, np.ones(len(values))], axis=1))
