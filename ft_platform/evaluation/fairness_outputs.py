"""What the fairness report needs of the fine-tuned model beside its answers to the test records: answers to swapped
prompts, and mitigated labels.

Made while the model is loaded, and stored beside the predictions: record ids and labels, no text.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.evaluation.evaluate import Evaluator
from ft_platform.evaluation.metrics.chrf import chrf
from ft_platform.evaluation.output_mitigation import Scored, mitigated_labels
from ft_platform.evaluation.outputs import LabelOutputs, TextOutputs
from ft_platform.evaluation.records import Side
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.systems.generation import generate
from ft_platform.evaluation.term_swaps import TermSwap
from ft_platform.models.rendering.renderer import NotRendered
from ft_platform.process import progress
from ft_platform.records.schemas import feature_columns
from ft_platform.use_case.settings.fairness import OutputMitigation

SWAPS = "swaps.parquet"
MITIGATED = "mitigated.parquet"
NOT_STATED = "not stated"
SWAPPED = pa.schema(
    [
        pa.field("swap", pa.string()),
        pa.field("record_id", pa.string()),
        pa.field("label", pa.string()),
        pa.field("predicted", pa.string()),
        pa.field("swapped", pa.string()),
        pa.field("changed", pa.bool_()),
        pa.field("repeated_changed", pa.bool_()),
        pa.field("chrf_distance", pa.float64()),
    ]
)
"""One row per swap and test record whose prompt holds a term. Labels: `predicted` and `swapped`. Texts: `changed`
compares the answer to the swapped prompt with the swapped answer, `repeated_changed` the answer to the same prompt
asked again (what rounding alone changes), `chrf_distance` in [0, 1]."""


def fairness_tables(evaluator: Evaluator) -> dict[str, pa.Table]:
    """File name -> table, of what the settings ask for. The evaluator has the fine-tuned model and its answers
    (`Evaluator.tuned`)."""
    settings = evaluator.use_case.settings.fairness.in_evaluation
    tables = {}
    if settings.swaps:
        tables[SWAPS] = swapped_answers(evaluator, settings)
    if settings.mitigation != "none":
        tables[MITIGATED] = mitigated_predictions(evaluator, settings)
    return tables


def swapped_answers(evaluator: Evaluator, settings: OutputMitigation) -> pa.Table:
    """Columns of `SWAPPED`."""
    tables = [_answers_to(evaluator, TermSwap(swap)) for swap in settings.swaps]
    return pa.concat_tables(tables)


def _answers_to(evaluator: Evaluator, swap: TermSwap) -> pa.Table:
    longest = evaluator.settings.max_prompt_tokens
    places, prompts = [], []
    for place, (messages, asked) in enumerate(zip(evaluator.test.messages(), evaluator.records.prompts, strict=True)):
        try:
            swapped = evaluator.renderer.prompt_ids(swap.messages(messages), longest)
        except NotRendered:  # it was rendered before, so only a longer term can make it too long
            continue
        if swapped != asked:
            places.append(place)
            prompts.append(swapped)
    rows: list[dict[str, Any]] = [
        {"swap": swap.name, "record_id": evaluator.test.rows["record_id"][place].as_py()} for place in places
    ]
    tick = _tick(evaluator, f"swapped prompts: {swap.name}", len(rows))
    if rows:
        outputs = evaluator.evaluated.outputs[FINE_TUNED]
        found = (
            _labels_of(evaluator, outputs, places, prompts, tick)
            if isinstance(outputs, LabelOutputs)
            else _texts_of(evaluator, outputs, swap, places, prompts)
        )
        rows = [{**row, **one} for row, one in zip(rows, found, strict=True)]
    return pa.Table.from_pylist(rows, SWAPPED)


def _labels_of(
    evaluator: Evaluator,
    outputs: LabelOutputs,
    places: list[int],
    prompts: list[list[int]],
    tick: Callable[[int], None],
) -> list[dict[str, Any]]:
    swapped, _ = evaluator.predicted_labels(prompts, tick)
    found = []
    for place, label in zip(places, swapped, strict=True):
        predicted = outputs.predicted[place]
        changed = label != outputs.predicted[place]
        found.append({"label": outputs.truth[place], "predicted": predicted, "swapped": label, "changed": changed})
    return found


def _texts_of(
    evaluator: Evaluator, outputs: TextOutputs, swap: TermSwap, places: list[int], prompts: list[list[int]]
) -> list[dict[str, Any]]:
    again = [evaluator.records.prompts[place] for place in places]
    tick = _tick(evaluator, f"swapped prompts: {swap.name}", 2 * len(places))
    answers = generate(
        evaluator.model,
        evaluator.tokenizer,
        [*prompts, *again],
        evaluator.renderer.end_of_turn,
        evaluator.settings.max_new_tokens,
        tick,
    )
    found = []
    for number, place in enumerate(places):
        expected, answer = swap.text(outputs.answers[place]), answers[number]
        distance = 0.0 if expected == answer else 1 - chrf(expected, answer) / 100
        repeated = answers[len(places) + number] != outputs.answers[place]
        found.append({"changed": answer != expected, "repeated_changed": repeated, "chrf_distance": distance})
    return found


def mitigated_predictions(evaluator: Evaluator, settings: OutputMitigation) -> pa.Table:
    """Columns record_id, feature_*, system (`mitigated`, and `head` where one is fitted), label, predicted.

    Raises:
        ConfigError, DataError: the mitigation does not fit the labels or groups (`output_mitigation`).
    """
    on_probabilities = settings.mitigation == "threshold_optimizer"
    # Thresholds on records the model was not trained on: on its own training records it is surer than it will be.
    side, prompts = _prompted(evaluator, evaluator.validation if on_probabilities else evaluator.train)
    tick = _tick(evaluator, settings.mitigation, len(prompts) + len(evaluator.test))
    values = _values(evaluator, on_probabilities, prompts, tick)
    asked = _values(evaluator, on_probabilities, evaluator.records.prompts, lambda done: tick(len(prompts) + done))
    labels = evaluator.renderer.labels
    fit, test = (
        Scored(s.answers, groups_of(s, settings.feature or ""), v) for s, v in ((side, values), (evaluator.test, asked))
    )
    found = mitigated_labels(settings, labels, fit, test, evaluator.settings.seed)
    described = {name: evaluator.test.rows[name] for name in ("record_id", *feature_columns(evaluator.use_case))}
    parts = [
        pa.table(
            {**described, "system": [system] * len(predicted), "label": evaluator.test.answers, "predicted": predicted}
        )
        for system, predicted in found.items()
    ]
    return pa.concat_tables(parts)


def groups_of(side: Side, feature: str) -> list[str]:
    """Value of a feature of each record."""
    return [value or NOT_STATED for value in side.rows[f"feature_{feature}"].to_pylist()]


def _prompted(evaluator: Evaluator, side: Side) -> tuple[Side, list[list[int]]]:
    """The records whose label the model knows and whose prompt fits, and their prompts."""
    places, prompts = [], []
    for place, (messages, answer) in enumerate(zip(side.messages(), side.answers, strict=True)):
        if answer not in evaluator.renderer.labels:
            continue
        try:
            prompts.append(evaluator.renderer.prompt_ids(messages, evaluator.settings.max_prompt_tokens))
            places.append(place)
        except NotRendered:
            continue
    return side.take(places), prompts


def _values(
    evaluator: Evaluator, on_probabilities: bool, prompts: Sequence[Sequence[int]], tick: Callable[[int], None]
) -> np.ndarray:
    from ft_platform.models.prompt_states import prompt_states

    if on_probabilities:
        return evaluator.label_scores(prompts, tick).double().softmax(dim=1).numpy()
    return prompt_states(evaluator.model, prompts, tick)


def _tick(evaluator: Evaluator, what: str, total: int) -> Callable[[int], None]:
    return lambda done: progress.report(evaluator.stage, done, total, "examples", system=what)
