"""Answers in JSON: strict reading, schema validity as jsonschema has it, field figures as scikit-learn counts them, and
a tiny case from splits to report."""

import json
import logging
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from pydantic import ValidationError

from ft_platform.errors import DataError
from ft_platform.evaluation.files import read_metrics, read_predictions
from ft_platform.evaluation.json_answers import field_counts, meets_schema, read_object, require_json_references
from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.outputs import TextOutputs
from ft_platform.evaluation.predictions import outputs_in, rows_of
from ft_platform.evaluation.records import side_of
from ft_platform.lake.opening import open_lake
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.records.schemas import splits_schema
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import Task, UseCase
from ft_platform_tests.evaluation.tiny_case import attributes_for, rows_for
from ft_platform_tests.tiny_models import save_tiny_model, tiny_tokenizer, usable_splits

FIELDS = {
    "product": {"choices": ["card", "loan"]},
    "amount": {"type": "number", "required": False},
    "days": {"type": "integer", "required": False},
    "urgent": {"type": "boolean", "description": "Somebody waits for it."},
    "places": {"type": "list", "required": False, "choices": ["Bern", "Graz"]},
}
TASK = Task.model_validate(
    {"kind": "generation", "instruction": "Extract as JSON:\n{fields}", "answer_format": "json", "fields": FIELDS}
)
GOOD = '{"product": "card", "urgent": true}'


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "card",
        "[1]",
        "1",
        "null",
        f"```json\n{GOOD}\n```",
        f"Here: {GOOD}",
        GOOD[:-1],
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        "{'a': 1}",
        "[" * 100_000,
        '{"a": 1} {}',
    ],
    ids=lambda text: text[:20],
)
def test_an_answer_that_is_not_one_json_object_is_none(answer: str) -> None:
    assert read_object(answer) is None


def test_an_object_is_read_with_white_space_around_it() -> None:
    assert read_object(f"\n {GOOD} ") == {"product": "card", "urgent": True}


VALUES: list[Any] = [
    "card",
    "other",
    "",
    1,
    1.0,
    1.5,
    -3,
    True,
    False,
    None,
    [],
    ["Bern"],
    ["Bern", 1],
    ["Rom"],
    {},
    {"a": 1},
]


def test_schema_validity_is_that_of_jsonschema() -> None:
    schema = TASK.schema_of_answers
    jsonschema.Draft202012Validator.check_schema(schema)
    reference = jsonschema.Draft202012Validator(schema)
    base = {"product": "card", "urgent": True}
    answers = [
        base,
        {},
        {"product": "card"},
        {**base, "more": 1},
        *({**base, name: value} for name in [*FIELDS, "unknown"] for value in VALUES),
    ]
    found = [meets_schema(answer, schema) for answer in answers]
    assert found == [reference.is_valid(answer) for answer in answers] and 0 < sum(found) < len(found)
    assert not meets_schema(None, schema)


@pytest.mark.parametrize(
    ("reference", "answer", "counts"),
    [
        ({"a": "x", "b": 2}, '{"a": "x", "b": 2}', (2, 2, 2)),
        ({"a": "x", "b": 2}, '{"b": 2.0, "a": " x\\n"}', (2, 2, 2)),  # numbers by value, texts up to white space
        ({"a": "x y"}, '{"a": "x  y"}', (1, 1, 1)),
        ({"a": "x"}, '{"a": "X"}', (0, 1, 1)),
        ({"a": "1"}, '{"a": 1}', (0, 1, 1)),
        ({"a": True}, '{"a": 1}', (0, 1, 1)),
        ({"a": None, "b": "y"}, '{"a": null, "b": null}', (0, 0, 1)),  # null is no field
        ({"a": ["x", "y"]}, '{"a": ["y", "x"]}', (1, 1, 1)),
        ({"a": ["x", "y"]}, '{"a": ["x", "x", "y"]}', (0, 1, 1)),
        ({"a": "x"}, '{"c": "x"}', (0, 1, 1)),
        ({"a": "x"}, "no object", (0, 0, 1)),
        ({"a": {"b": [1, 2]}}, '{"a": {"b": [2, 1]}}', (1, 1, 1)),
        ({"a": 10**30}, json.dumps({"a": 10**30 + 1}), (0, 1, 1)),  # not equal as floats are
    ],
    ids=str,
)
def test_fields_are_counted_by_hand(reference: dict, answer: str, counts: tuple[int, int, int]) -> None:
    assert field_counts(json.dumps(reference), answer) == counts


def outputs() -> TextOutputs:
    rng = np.random.default_rng(4)
    references, answers = [], []
    for _ in range(80):
        truth = {name: str(rng.choice(["x", "y", "z"])) for name in ("a", "b", "c") if rng.random() < 0.8}
        said = {
            name: str(rng.choice(["x", "y", "z"])) if rng.random() < 0.4 else truth.get(name, "x")
            for name in ("a", "b", "c")
            if rng.random() < 0.8
        }
        references.append(json.dumps(truth))
        answers.append(json.dumps(said) if rng.random() < 0.9 else json.dumps(said)[:-1])
    schema = {"type": "object", "properties": {n: {"type": "string"} for n in "abc"}, "required": []}
    return TextOutputs(references, answers, schema=schema)


def test_field_figures_equal_scikit_learn() -> None:
    """A field with its value is a label of a multilabel problem; micro averages over all of them."""
    from sklearn.metrics import f1_score, precision_score, recall_score
    from sklearn.preprocessing import MultiLabelBinarizer

    given = outputs()

    def pairs(text: str) -> set[str]:
        found = read_object(text)
        return {f"{name}={value}" for name, value in (found or {}).items()}

    truth, said = [pairs(text) for text in given.references], [pairs(text) for text in given.answers]
    binarizer = MultiLabelBinarizer().fit([*truth, *said])
    a, b = binarizer.transform(truth), binarizer.transform(said)
    assert metric("field_precision").value(given) == pytest.approx(precision_score(a, b, average="micro"))
    assert metric("field_recall").value(given) == pytest.approx(recall_score(a, b, average="micro"))
    assert metric("field_f1").value(given) == pytest.approx(f1_score(a, b, average="micro"))


def test_validity_is_a_share_of_answers() -> None:
    answers = [GOOD, '{"product": "boat", "urgent": true}', "no", '{"product": "card"}']
    given = TextOutputs(["{}"] * 4, answers, schema=TASK.schema_of_answers)
    assert metric("json_validity").value(given) == 0.75 and metric("schema_validity").value(given) == 0.25
    broken = outputs()
    assert metric("json_validity").value(broken) == sum(read_object(a) is not None for a in broken.answers) / 80 < 1


def test_answers_that_state_nothing_score_nothing() -> None:
    given = TextOutputs(['{"a": 1}', "{}"], ["{}", "{}"], schema={})
    assert [metric(f"field_{name}").value(given) for name in ("precision", "recall", "f1")] == [0.0, 0.0, 0.0]


def test_the_figures_apply_to_answers_in_json_only() -> None:
    plain = TextOutputs(["a"], ["a"])
    assert not any(
        metric(name).applies(plain)
        for name in ("json_validity", "schema_validity", "field_f1", "field_precision", "field_recall")
    )


def test_references_that_are_no_objects_are_counted_and_not_shown() -> None:
    with pytest.raises(DataError, match="2 of 3 reference answers") as refused:
        require_json_references(['{"a": 1}', "secret words", "[]"])
    assert "secret" not in str(refused.value)
    with pytest.raises(DataError):
        field_counts("no object", "{}")


def test_the_fields_stand_in_the_system_message_and_change_the_renderer() -> None:
    renderer = Renderer(tiny_tokenizer(), TASK)
    assert renderer.system.splitlines() == [
        "Extract as JSON:",
        '- "product": text, one of ["card", "loan"]',
        '- "amount": number, or null',
        '- "days": integer, or null',
        '- "urgent": boolean. Somebody waits for it.',
        '- "places": list of texts, one of ["Bern", "Graz"], or null',
    ]
    other = TASK.model_copy(update={"fields": {"product": TASK.fields["product"]}})
    assert Renderer(tiny_tokenizer(), other).hash != renderer.hash


@pytest.mark.parametrize(
    "task",
    [
        {"kind": "generation", "answer_format": "json"},
        {"kind": "classification", "answer_format": "json", "fields": {"a": {}}},
        {"kind": "generation", "fields": {"a": {}}},
        {"kind": "generation", "answer_format": "json", "fields": {"a b": {}}},
        {"kind": "generation", "answer_format": "json", "fields": {"a": {"type": "number", "choices": ["1"]}}},
        {"kind": "generation", "answer_format": "json", "fields": {"a": {"kind": "number"}}},
    ],
    ids=str,
)
def test_settings_that_cannot_be_meant_are_refused(task: dict) -> None:
    with pytest.raises(ValidationError):
        Task.model_validate(task)


def test_an_extraction_runs_from_splits_to_the_report(tmp_path: Path) -> None:
    from ft_platform.reporting.publishing.training import checkpoint_for
    from ft_platform.use_case.settings.environment import Environment

    attributes = attributes_for(save_tiny_model(tmp_path / "model"), "generation")
    attributes["task"] = TASK.model_dump(mode="json")
    use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))
    rows = rows_for("generation", 40)
    for row in rows:
        row["messages"][1]["content"] = json.dumps({"product": "card", "urgent": False})
    environment = Environment(home=tmp_path, defs=tmp_path / "defs", tracking_uri="none")
    lake = open_lake(environment)
    splits = usable_splits(lake, use_case, rows, splits_schema(use_case))
    base = publish_base_evaluation(lake, environment, use_case, splits)
    checkpoint = checkpoint_for(lake, environment, use_case, splits, logging.getLogger("test")).checkpoint
    report = publish_evaluation_report(lake, environment, use_case, splits, checkpoint, base)
    figures, predictions = read_metrics(lake, report), read_predictions(lake, report)
    assert figures["main_metric"] == "field_f1"
    assert set(figures["systems"]) == {"base_zero_shot", "base_few_shot", "fine_tuned"}
    side = side_of(use_case, lake.read_table(splits), "test")
    for system, found in outputs_in(predictions, side, [], use_case.settings.task.schema_of_answers).items():
        rows_of_system = rows_of(predictions, system)
        for name in ("field_f1", "field_precision", "field_recall", "json_validity", "schema_validity", "answer_loss"):
            assert figures["systems"][system][name]["value"] == pytest.approx(metric(name).value(found))
        right, stated, expected = (
            sum(rows_of_system[name].to_pylist()) for name in ("fields_right", "fields_stated", "fields_expected")
        )
        assert expected == 2 * len(side)
        assert figures["systems"][system]["field_f1"]["value"] == pytest.approx(2 * right / (stated + expected))
    assert "Field F1" in lake.read_file(report, "report.html").decode()
