"""`training.method: tfidf_logreg`: the regression that evaluations compare with (`evaluation.systems.tfidf_logreg`),
learned from the same records as every other training. No steps and no base model."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ft_platform.errors import DataError
from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.outputs import LabelOutputs
from ft_platform.evaluation.systems.tfidf_logreg import LabelledTexts, fitted, shared_terms
from ft_platform.models.text_classifier import TextClassifier
from ft_platform.training.rendered import RenderedSplit

if TYPE_CHECKING:
    from ft_platform.training.run import TrainingRun


def learned(
    sides: Mapping[str, RenderedSplit], persons: Sequence[str | None], decode: Any, labels: list[str]
) -> TextClassifier:
    """The classifier of the train side, tuned on the validation side. Its file lists its terms, so it knows no term
    that a single person uses.

    Args:
        persons: of the rows of the train side; None: nobody is named, so a record counts as a person.
        decode: ids of a prompt -> its text.

    Raises:
        DataError: no training record has one of the labels, or no two persons use the same word.
    """
    if missing := sorted(set(labels) - set(sides["train"].answers)):
        raise DataError(
            f"no training record has the label {', '.join(missing)}", "Look at the labels in splits, or use `lora`"
        )
    texts = {
        name: LabelledTexts([decode(row.input_ids[: row.prompt_length]) for row in side.rows], side.answers)
        for name, side in sides.items()
    }
    whose = [person or record for person, record in zip(persons, sides["train"].record_ids, strict=True)]
    if not (terms := shared_terms(texts["train"].texts, whose)):
        raise DataError("no two persons use the same word", "Look at the texts in splits, or use `lora`")
    vectorizer, regression, _ = fitted(texts["train"], texts["validation"], terms)
    return TextClassifier.of(vectorizer, regression, labels)


def run_of(model: TextClassifier, side: RenderedSplit, labels: list[str]) -> "TrainingRun":
    """The course of a training that made no step: what the validation records say of it.

    Args:
        side: validation.

    Raises:
        DataError: no validation record has one of the labels.
    """
    import torch

    from ft_platform.training.run import TrainingRun
    from ft_platform.training.state import hardware

    began = time.monotonic()
    log_probabilities = model.of_prompts([row.input_ids[: row.prompt_length] for row in side.rows])
    of_answers = [
        row[labels.index(answer)]
        for row, answer in zip(log_probabilities, side.answers, strict=True)
        if answer in labels
    ]
    if not of_answers:
        raise DataError(
            "no validation record has a label of the training records", "Look at the labels in splits, and at its sizes"
        )
    loss = float(-sum(of_answers) / len(of_answers))
    outputs = LabelOutputs(
        sorted({*labels, *side.answers}), side.answers, [labels[place] for place in log_probabilities.argmax(axis=1)]
    )
    point = {"step": 0, "validation_loss": loss, "validation_macro_f1": metric("macro_f1").value(outputs)}
    run = TrainingRun(0, curve=[point], best_loss=loss)
    run.attempts.append({"from_step": 0, **hardware(torch.device("cpu"))})
    run.seconds = max(time.monotonic() - began, 1e-3)
    return run
