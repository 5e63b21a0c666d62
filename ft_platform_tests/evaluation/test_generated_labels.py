"""`evaluation.label_answers: generated`: base model, champion and fine-tuned model write their labels, which are read
as those of endpoints are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ft_platform.errors import ConfigError
from ft_platform.evaluation.evaluate import Evaluator
from ft_platform.evaluation.fairness_outputs import swapped_answers
from ft_platform.evaluation.files import read_metrics, read_predictions
from ft_platform.evaluation.inputs import evaluation_inputs
from ft_platform.evaluation.predictions import rows_of
from ft_platform.evaluation.systems.endpoint import UNREADABLE, label_in
from ft_platform.evaluation.systems.generation import generate
from ft_platform.lake.gate import problems_with
from ft_platform.models.base_model import load, resolve
from ft_platform.models.rendering.renderer import Renderer, labels_of
from ft_platform.stages import check_settings_hash
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.fairness import OutputMitigation, Swap
from ft_platform_tests.evaluation.tiny_case import HOSTILE, TinyCase, attributes_for, tiny_case

WRITES = {"swipe": "Card!", "house": "The answer is: loan", "wire": "hard to say"}
SYSTEMS = ("base_zero_shot", "base_few_shot", "fine_tuned")


def written(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    end_of_turn: Any,
    max_new_tokens: int,
    on_rows: Any = None,
) -> list[str]:
    """What a model that knows its task would write; of the last word, so that examples in the prompt do not count."""
    answers = []
    for prompt in prompts:
        text = tokenizer.decode(prompt)
        word = max(WRITES, key=text.rfind)
        answers.append(WRITES[word])
    return answers


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> TinyCase:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ft_platform.evaluation.evaluate.generate", written)
        return tiny_case(tmp_path_factory.mktemp("generated"), "classification", label_answers="generated")


def evaluator_of(case: TinyCase, folder: Path) -> Evaluator:
    model, tokenizer = load(resolve(case.use_case.settings.base_model, folder))
    table = case.lake.read_table(case.splits)
    return Evaluator(
        case.use_case,
        table,
        model,
        tokenizer,
        Renderer(tokenizer, case.use_case.settings.task, labels_of(table)),
        "evaluation_report",
    )


@pytest.mark.parametrize("system", SYSTEMS)
def test_labels_are_read_from_what_is_written_and_unreadable_answers_are_counted(case: TinyCase, system: str) -> None:
    figures = read_metrics(case.lake, case.report)
    predictions = rows_of(read_predictions(case.lake, case.report), system)
    truth = predictions["label"].to_pylist()
    assert predictions["predicted"].to_pylist() == [label if label != HOSTILE else UNREADABLE for label in truth]
    wrong = truth.count(HOSTILE)
    assert 0 < wrong < len(truth)
    assert figures["systems"][system]["accuracy"]["value"] == pytest.approx(1 - wrong / len(truth))
    assert figures["info"][system] == {"label_answers": "generated", "unreadable": wrong}
    assert predictions["confidence"].null_count == len(truth)


def test_there_is_no_confidence_and_the_report_says_so(case: TinyCase) -> None:
    figures = read_metrics(case.lake, case.report)
    assert set(figures["calibration"]) == {"tfidf_logreg", "linear_probe"}, "baselines still have probabilities"
    page, files = case.lake.read_file(case.report, "report.html").decode(), case.lake.manifest(case.report).files
    assert "calibration.png" not in files and "confusion_matrix.png" in files
    assert "which has no confidence" in page and "The model wrote its labels as free text." in page
    assert "Fine-tuned model 4." in page
    size = len(figures["labels"])
    assert figures["labels"][-1] == UNREADABLE
    assert all([len(row) for row in matrix] == [size] * size for matrix in figures["confusion"].values())


def test_all_evidence_is_published_and_usable(case: TinyCase) -> None:
    for version in (case.base, case.report, case.fairness, case.card):
        assert problems_with(case.lake, case.use_case, version) == []


def test_evidence_of_the_other_setting_is_stale(case: TinyCase) -> None:
    settings = case.use_case.settings
    update = {"evaluation": settings.evaluation.model_copy(update={"label_answers": "scored"})}
    scored = case.use_case.model_copy(update={"settings": settings.model_copy(update=update)})
    for version in (case.base, case.report):
        assert problems_with(case.lake, scored, version)
    assert evaluation_inputs(scored, "base", case.splits) != evaluation_inputs(case.use_case, "base", case.splits)
    parents = (case.splits, case.checkpoint, case.base)
    assert evaluation_inputs(scored, "tuned", *parents) != evaluation_inputs(case.use_case, "tuned", *parents)
    audits = [check_settings_hash(use_case, "splits", "passes_training_audit") for use_case in (scored, case.use_case)]
    assert audits[0] != audits[1], "written answers need room in the context"


def test_swapped_prompts_are_answered_in_the_same_way(
    case: TinyCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ft_platform.evaluation.evaluate.generate", written)
    evaluator = evaluator_of(case, tmp_path)
    evaluator.tuned()
    swaps = OutputMitigation(swaps=[Swap(name="things", terms=[["swipe", "wire"]])])
    rows = swapped_answers(evaluator, swaps).to_pylist()
    found = {(row["label"], row["predicted"], row["swapped"], row["changed"]) for row in rows}
    assert found == {("card", "card", UNREADABLE, True), (HOSTILE, UNREADABLE, "card", True)}


def test_the_model_itself_writes(case: TinyCase, tmp_path: Path) -> None:
    evaluator = evaluator_of(case, tmp_path)
    found, confidence = evaluator.predicted_labels(evaluator.records.prompts, lambda done: None)
    prompts, settings = evaluator.records.prompts, evaluator.settings
    answers = generate(
        evaluator.model, evaluator.tokenizer, prompts, evaluator.renderer.end_of_turn, settings.max_new_tokens
    )
    assert found == [label_in(answer, evaluator.renderer.labels) for answer in answers] and confidence is None


def test_a_model_with_a_label_head_writes_nothing(case: TinyCase, tmp_path: Path) -> None:
    from ft_platform.models.label_head import add_label_head

    evaluator = evaluator_of(case, tmp_path)
    add_label_head(evaluator.model, 3)
    with pytest.raises(ConfigError, match="does not work with a label head"):
        evaluator.tuned()


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        ("generation", {}, "needs `task.kind: classification`"),
        (
            "classification",
            {"training": {"objective": "label_head"}},
            "does not work with `training.objective: label_head`",
        ),
        (
            "classification",
            {"gate": {"max_calibration_error": 0.1}},
            ("does not work with `gate.max_calibration_error`"),
        ),
        (
            "classification",
            {"fairness": {"sensitive_features": ["region"], "mitigation": "threshold_optimizer"}},
            "does not work with `fairness.mitigation: threshold_optimizer`",
        ),
    ],
)
def test_what_needs_scores_is_refused(kind: str, changes: dict[str, Any], reason: str) -> None:
    attributes = {**attributes_for(Path("model"), kind), **changes}
    NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))
    attributes["evaluation"]["label_answers"] = "generated"
    with pytest.raises(ValidationError, match=reason):
        UseCase.model_validate(attributes)
