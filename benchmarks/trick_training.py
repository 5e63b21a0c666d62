"""One training of `benchmarks/recipe_tricks.py`, and what its weights score."""

import json
import time
from collections.abc import Callable
from typing import Any

from benchmarks.recipe_tasks.__main__ import COMMITTED

TEST_RECORDS = {True: 300, False: 100}
"""Whether there are labels -> most records that are asked."""


def trained(task: str, settings: dict[str, Any], *, only_best: bool, with_path: bool) -> dict[str, Any]:
    """Trains once. Returns what the weights that it keeps score, and as far as asked, others beside them.

    Args:
        only_best: no weights beside those.
        with_path: also those of each validation.
    """
    from ft_platform.models.label_head import head_of
    from ft_platform.training.prepare import fit, prepare

    environment, lake, use_case, splits = _opened(task, settings)
    began = time.monotonic()
    prepared = prepare(lake, environment, use_case, splits)
    weights = _Weights(prepared, with_path)
    asked = time.monotonic()
    ask = None if prepared.renderer.labels else _general(lake, use_case, prepared)
    before = ask and ask()
    attacked = _attacked(lake, use_case, splits, prepared) if head_of(prepared.model) is not None else dict
    began += time.monotonic() - asked
    run = fit(prepared, prepared.training, on_step=weights.on_step)
    seconds = round(time.monotonic() - began, 1)
    score = _test(lake, use_case, splits, prepared)
    metric = prepared.objective.metric
    found: dict[str, Any] = {"value": score(), "seconds": seconds, "steps": run.steps, "kept": run.best_step}
    found |= attacked()
    if ask:
        found |= {"before": before, "after": ask()}
    points = [point for point in run.curve if "validation_loss" in point]
    found["validation"] = [round(point.get(metric, 0.0), 3) for point in points]
    found["validation_loss"] = [round(point["validation_loss"], 4) for point in points]
    if weights.path:
        found["path"] = weights.along_the_path(metric, attacked)
    for name, values in ({} if only_best else weights.named).items():
        weights.put(values)
        found[name] = score()
    return found


def _opened(task: str, settings: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    """Environment, lake, use case and splits."""
    from ft_platform.lake.opening import open_lake
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import load_use_case, use_case_folder

    environment = load_environment()
    lake = open_lake(environment)
    overrides = {f"training.{name}": value for name, value in settings.items()}
    use_case = load_use_case(use_case_folder(environment.defs, task), overrides, environment)
    splits = lake.latest(task, "splits")
    assert splits is not None and not isinstance(splits, str)
    return environment, lake, use_case, splits


class _Weights:
    """Weights that a training has on its way, beside those that it keeps.

    Attributes:
        named: `start`, `last`, and the `mean` over the second half of the steps.
        path: step, its figures and its weights, at each validation.
    """

    def __init__(self, prepared: Any, with_path: bool) -> None:
        from ft_platform.training.loop import planned_steps

        self.model, self.with_path = prepared.model, with_path
        self.half = planned_steps(len(prepared.rows), prepared.training)[0] // 2
        self.named: dict[str, dict[str, Any]] = {}
        self.path: list[tuple[int, dict[str, float], dict[str, Any]]] = []

    def on_step(self, step: int, values: dict[str, float]) -> None:
        from ft_platform.training.loop import trainable

        own = {name: part.detach().clone() for name, part in trainable(self.model).items()}
        self.named["last" if step else "start"] = own
        if self.with_path and "validation_loss" in values:
            self.path.append((step, values, own))
        if step > self.half:
            before, count = self.named.get("mean", {}), step - self.half
            self.named["mean"] = {
                n: part + (before.get(n, part) - part) * (count - 1) / count for n, part in own.items()
            }

    def put(self, values: dict[str, Any]) -> None:
        """Gives the model these weights."""
        import torch

        from ft_platform.training.loop import trainable

        with torch.no_grad():
            for name, part in trainable(self.model).items():
                part.copy_(values[name])

    def along_the_path(self, metric: str, attacked: Callable[[], dict[str, float]]) -> list[dict[str, Any]]:
        """What an attacker finds at each validation, and with weights between the first and the last."""
        found = []
        for step, point, values in self.path[1:]:
            self.put(values)
            figures = {name: round(point[name], 4) for name in ("validation_loss", metric)}
            found.append({"step": step, **figures, **attacked()})
        (_, _, first), (step, _, last) = self.path[0], self.path[-1]
        for share in (0.5, 0.7):
            self.put({name: first[name] + share * (part - first[name]) for name, part in last.items()})
            found.append({"step": f"{share} of {step}", **attacked()})
        return found


def _general(lake: Any, use_case: Any, prepared: Any) -> Callable[[], dict[str, float]]:
    """Suite of `regression_report` -> score, for the weights in the model."""
    from ft_platform.reporting.publishing.regression import suites_of

    suites = suites_of(lake, use_case, prepared.renderer.text.tokenizer)

    def ask() -> dict[str, float]:
        prepared.model.eval()
        results = {name: suite(prepared.model, lambda done: None) for name, suite in suites.items()}
        sums = {name: result.statistics.sum(axis=0) for name, result in results.items()}
        return {name: round(float(above / below), 4) for name, (above, below) in sums.items()}

    return ask


def _attacked(lake: Any, use_case: Any, splits: Any, prepared: Any) -> Callable[[], dict[str, float]]:
    """What an attacker finds with the weights in the model, of all records of the train and of the test split."""
    from benchmarks.attacked import Attacked
    from ft_platform.training.batches import labelled_prompts
    from ft_platform.training.dataset import read_splits, render_split

    side = render_split(read_splits(lake, splits), "test", prepared.renderer, use_case)
    test = labelled_prompts(side.rows, side.answers, prepared.renderer.labels, prepared.objective.prefix)
    return Attacked(prepared, test)


def _test(lake: Any, use_case: Any, splits: Any, prepared: Any) -> Any:
    """The task's metric, for the weights in the model, on the test records."""
    import torch

    from ft_platform.evaluation.metric import metric
    from ft_platform.evaluation.outputs import LabelOutputs, TextOutputs
    from ft_platform.evaluation.systems.generation import continuations
    from ft_platform.evaluation.systems.label_scoring import label_scores
    from ft_platform.models.label_head import head_of
    from ft_platform.training.batches import labelled_prompts
    from ft_platform.training.dataset import read_splits, render_split
    from ft_platform.training.loop import micro_batches

    side = render_split(read_splits(lake, splits), "test", prepared.renderer, use_case)
    renderer, labels = prepared.renderer, prepared.renderer.labels
    chosen = range(len(side.rows))[: TEST_RECORDS[bool(labels)]]
    rendered, answers = [side.rows[n] for n in chosen], [side.answers[n] for n in chosen]
    known = {one["name"]: one for one in json.loads(COMMITTED.read_text(encoding="utf-8"))}
    measure, schema = metric(known[use_case.name]["metric"]), renderer.task.schema_of_answers

    def score() -> float:
        prepared.model.eval()
        if not labels:
            prompts = [row.input_ids[: row.prompt_length] for row in rendered]
            written = continuations(
                prepared.model, prompts, renderer.end_of_turn[-1], use_case.settings.evaluation.max_new_tokens
            )
            references = [renderer.text.written(row.input_ids[row.prompt_length :]) for row in rendered]
            outputs = TextOutputs(references, [renderer.text.written(ids) for ids in written], schema=schema)
            return round(measure.value(outputs) / measure.high, 4)
        if head_of(prepared.model) is None:
            prompts = [row.input_ids[: row.prompt_length] for row in rendered]
            ids = [renderer.answer_ids(label) for label in labels]
            said = label_scores(prepared.model, prompts, ids, lambda done: None).argmax(1).tolist()
        else:
            rows = labelled_prompts(rendered, answers, labels, prepared.objective.prefix)
            with torch.no_grad():
                said = [
                    number
                    for micro in micro_batches(rows, prepared.objective, prepared.training)
                    for number in prepared.objective.scores(prepared.model, micro).argmax(1).tolist()
                ]
        return round(measure.value(LabelOutputs(labels, answers, [labels[n] for n in said])), 4)

    return score
