"""From splits to published evaluations with a tiny random model that is really trained."""

import dataclasses
import json
from pathlib import Path

import pytest

from ft_platform.errors import VersionRefused
from ft_platform.evaluation.champion_system import require_same_rendering
from ft_platform.evaluation.files import read_metrics, read_predictions
from ft_platform.evaluation.inputs import evaluation_inputs
from ft_platform.evaluation.metric import metric, metrics_of
from ft_platform.evaluation.predictions import outputs_in, rows_of, systems_in
from ft_platform.evaluation.records import side_of
from ft_platform.lake.gate import problems_with
from ft_platform.models.base_model import load, resolve
from ft_platform.models.rendering.renderer import Renderer, labels_of
from ft_platform.process import progress
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
from ft_platform_tests.evaluation.tiny_case import CANARY, TinyCase, rows_for, tiny_case

SYSTEMS = {
    "classification": [
        "majority",
        "nearest_neighbour",
        "tfidf_logreg",
        "linear_probe",
        "base_zero_shot",
        "base_few_shot",
        "fine_tuned",
    ],
    "generation": ["base_zero_shot", "base_few_shot", "fine_tuned"],
}


NOT_OF_PLAIN_TEXTS = {
    "style",
    "similarity",
    "preference_rate",
    "json_validity",
    "schema_validity",
    "field_f1",
    "field_precision",
    "field_recall",
    "tool_calls",
}
"""Metrics that need pairs of answers, answers in JSON, calls of tools, a style, or a model for similarity."""


@pytest.fixture(scope="module")
def classified(tmp_path_factory: pytest.TempPathFactory) -> TinyCase:
    return tiny_case(tmp_path_factory.mktemp("classification"), "classification")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> TinyCase:
    return tiny_case(tmp_path_factory.mktemp("generation"), "generation")


@pytest.fixture(params=["classification", "generation"])
def case(request: pytest.FixtureRequest, classified: TinyCase, generated: TinyCase) -> TinyCase:
    return classified if request.param == "classification" else generated


def test_every_system_has_every_metric_with_an_interval(case: TinyCase) -> None:
    kind = case.use_case.settings.task.kind
    figures = read_metrics(case.lake, case.report)
    assert list(figures["systems"]) == SYSTEMS[kind]
    assert list(read_metrics(case.lake, case.base)["systems"]) == SYSTEMS[kind][:-1]
    for found in figures["systems"].values():
        assert set(found) == {m.name for m in metrics_of(kind)} - NOT_OF_PLAIN_TEXTS
        assert all(set(f) == {"value", "low", "high"} and f["low"] <= f["high"] for f in found.values())
    assert set(figures["seconds"]) == set(SYSTEMS[kind]) == {*figures["differences"], "fine_tuned"}


def test_only_test_records_are_evaluated_and_all_of_them(case: TinyCase) -> None:
    expected = sorted(r["record_id"] for r in rows_for(case.use_case.settings.task.kind) if r["split"] == "test")
    predictions = read_predictions(case.lake, case.report)
    for system in systems_in(predictions):
        assert rows_of(predictions, system)["record_id"].to_pylist() == expected
    assert read_metrics(case.lake, case.report)["test_rows"] == len(expected)


def test_predictions_hold_no_text_of_a_record(case: TinyCase) -> None:
    for version in (case.base, case.report):
        predictions = read_predictions(case.lake, version)
        assert "messages" not in predictions.schema.names
        assert CANARY not in str(predictions.to_pylist())


def test_metrics_can_be_computed_again_from_the_predictions(case: TinyCase) -> None:
    figures, predictions = read_metrics(case.lake, case.report), read_predictions(case.lake, case.report)
    test = side_of(case.use_case, case.lake.read_table(case.splits), "test")
    for system, outputs in outputs_in(predictions, test, figures["labels"]).items():
        for name, found in figures["systems"][system].items():
            assert metric(name).value(outputs) == pytest.approx(found["value"])


def test_confusion_matrix_and_label_table_belong_to_the_predictions(classified: TinyCase) -> None:
    from sklearn.metrics import confusion_matrix

    figures = read_metrics(classified.lake, classified.report)
    predictions = read_predictions(classified.lake, classified.report)
    for system in SYSTEMS["classification"]:
        rows = rows_of(predictions, system)
        assert (
            figures["confusion"][system]
            == confusion_matrix(
                rows["label"].to_pylist(), rows["predicted"].to_pylist(), labels=figures["labels"]
            ).tolist()
        )
        found = rows["correct"].to_pylist()
        assert found == [t == p for t, p in zip(rows["label"].to_pylist(), rows["predicted"].to_pylist(), strict=True)]


def test_the_fine_tuned_system_runs_with_the_adapter(generated: TinyCase) -> None:
    found = read_metrics(generated.lake, generated.report)["systems"]
    assert found["fine_tuned"]["answer_loss"]["value"] < found["base_zero_shot"]["answer_loss"]["value"] - 0.05


def test_equal_inputs_are_not_evaluated_again(classified: TinyCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ft_platform.models.base_model.load", lambda *_: pytest.fail("a model was loaded"))
    where = (classified.lake, classified.environment, classified.use_case, classified.splits)
    assert publish_base_evaluation(*where) == classified.base
    assert publish_evaluation_report(*where, classified.checkpoint, classified.base) == classified.report


def test_ids_follow_settings_and_content(classified: TinyCase) -> None:
    case, use_case = classified, classified.use_case
    update = {"evaluation": use_case.settings.evaluation.model_copy(update={"few_shot_examples": 3})}
    seeded = use_case.model_copy(update={"settings": use_case.settings.model_copy(update=update)})
    other_rows = dataclasses.replace(case.splits, content_hash="0" * 64)
    other_checkpoint = dataclasses.replace(case.checkpoint, content_hash="0" * 64)
    ids = [
        evaluation_inputs(use_case, "base", case.splits)[0],
        evaluation_inputs(seeded, "base", case.splits)[0],
        evaluation_inputs(use_case, "base", other_rows)[0],
        evaluation_inputs(use_case, "tuned", case.splits, case.checkpoint, case.base)[0],
        evaluation_inputs(use_case, "tuned", case.splits, other_checkpoint, case.base)[0],
    ]
    assert len(set(ids)) == 5
    assert ids[0] == case.base.artifact_id and ids[3] == case.report.artifact_id


def test_every_published_version_passes_the_gate(case: TinyCase) -> None:
    for version in (case.base, case.report, case.fairness, case.card):
        assert problems_with(case.lake, case.use_case, version) == []


def test_progress_counts_to_the_end_and_names_the_system(classified: TinyCase, tmp_path: Path) -> None:
    updates: list[progress.Update] = []
    with progress.listening(updates.append):
        from ft_platform.evaluation.evaluate import Evaluator

        model, tokenizer = load(resolve(classified.use_case.settings.base_model, tmp_path))
        table = classified.lake.read_table(classified.splits)
        Evaluator(
            classified.use_case,
            table,
            model,
            tokenizer,
            Renderer(tokenizer, classified.use_case.settings.task, labels_of(table)),
            "base_evaluation",
        ).base()
    assert [u.done for u in updates] == sorted(u.done for u in updates)
    # Six systems, and 48 records that the linear probe learns from.
    assert updates[-1].done == 6 * 12 + 48 and {u.total for u in updates} == {6 * 12 + 48}
    assert {u.fields["system"] for u in updates} == set(SYSTEMS["classification"][:-1])
    assert {(u.stage, u.unit) for u in updates} == {("base_evaluation", "examples")}


@pytest.mark.parametrize("field", ["renderer_hash", "base_model"])
def test_a_checkpoint_of_another_renderer_or_base_model_is_refused(
    classified: TinyCase, tmp_path: Path, field: str
) -> None:
    training = json.loads(classified.lake.read_file(classified.checkpoint, "training.json"))
    resolved = resolve(classified.use_case.settings.base_model, tmp_path)
    _, tokenizer = load(resolved)
    splits = classified.lake.read_table(classified.splits)
    renderer = Renderer(tokenizer, classified.use_case.settings.task, labels_of(splits))
    require_same_rendering(training, renderer, resolved, classified.checkpoint)
    base_model = {"base_model": {**training["base_model"], "sha256": "0" * 64}}
    training |= {"renderer_hash": {"renderer_hash": "0" * 64}, "base_model": base_model}[field]
    with pytest.raises(VersionRefused, match=field.split("_")[0]):
        require_same_rendering(training, renderer, resolved, classified.checkpoint)


def test_nothing_is_published_for_a_checkpoint_of_another_renderer(
    classified: TinyCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Renderer, "_hash", lambda self: "0" * 64)
    update = {"evaluation": classified.use_case.settings.evaluation.model_copy(update={"few_shot_examples": 3})}
    other = classified.use_case.model_copy(update={"settings": classified.use_case.settings.model_copy(update=update)})
    before = classified.lake.artifacts(other.name, "evaluation_report")
    with pytest.raises(VersionRefused, match="renderer"):
        publish_evaluation_report(
            classified.lake, classified.environment, other, classified.splits, classified.checkpoint, classified.base
        )
    assert classified.lake.artifacts(other.name, "evaluation_report") == before


def test_figures_of_other_test_records_are_refused(classified: TinyCase) -> None:
    test = side_of(classified.use_case, classified.lake.read_table(classified.splits), "test")
    with pytest.raises(VersionRefused, match="other test records"):
        outputs_in(read_predictions(classified.lake, classified.base), test.take(list(range(11))), [])


def test_majority_is_what_it_says(classified: TinyCase) -> None:
    predictions = rows_of(read_predictions(classified.lake, classified.base), "majority")
    assert len(set(predictions["predicted"].to_pylist())) == 1
