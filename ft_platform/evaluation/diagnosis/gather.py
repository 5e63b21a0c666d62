"""The facts of an evaluation that was just made, and the training records whose label is doubted."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.evaluation.diagnosis.facts import Facts
from ft_platform.evaluation.diagnosis.of_labels import BASELINE, suspects, wrong_labels
from ft_platform.evaluation.diagnosis.wrong_labels import LabelOpinion, label_opinion
from ft_platform.evaluation.evaluate import Evaluated, Evaluator
from ft_platform.evaluation.outputs import LabelOutputs, Outputs, TextOutputs
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.systems.tfidf_logreg import LabelledTexts
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.models.rendering.renderer import Renderer

CURVE = "learning_curve"
LONGEST = 131_072
"""Tokens up to which prompts are counted: no setting allows more."""


def facts_of(
    lake: Lake,
    evaluator: Evaluator,
    evaluated: Evaluated,
    figures: Mapping[str, Any],
    checkpoint: ArtifactVersion,
    scores: np.ndarray,
) -> Facts:
    """What is known of a checkpoint.

    Args:
        figures: of `evaluated`, `evaluation.scores`.
        scores: of the fine-tuned model, one per test record (`slices.record_scores`).
    """
    use_case, renderer = evaluator.use_case, evaluator.renderer
    training = json.loads(lake.read_file(checkpoint, "training.json"))
    settings, side = use_case.settings.evaluation, evaluated.records.side
    opinion, sides = _opinion(evaluator, evaluated.outputs, figures)
    prompts = np.array([len(renderer.prompt_ids(messages, LONGEST)) for messages in side.messages()])
    references = [len(ids) for ids in evaluated.records.references]
    dates = side.rows["record_date"].to_pylist() if use_case.settings.record.date else []
    known = evaluator.train.rows["record_date"].to_pylist() if use_case.settings.record.date else []
    curve = next(lake.manifests(use_case.name, CURVE), None)
    return Facts(
        name=use_case.name,
        figures=figures,
        checkpoint=checkpoint.artifact_id,
        training=training,
        confidence=settings.confidence,
        scores=scores,
        shortened=prompts > renderer.ids_for(settings.max_prompt_tokens),
        longest=(int(prompts.max()), max(references)),
        limits=(training["training"]["max_length"], settings.max_prompt_tokens, settings.max_new_tokens),
        unfinished=_unfinished(evaluated.outputs[FINE_TUNED], renderer, settings.max_new_tokens),
        long_references=None
        if evaluator.classification
        else sum(tokens > settings.max_new_tokens for tokens in references),
        labels=Counter(evaluator.train.answers) if evaluator.classification else {},
        opinion=opinion,
        sides=sides,
        dates=np.array([date or "" for date in dates], object),
        newest=max((date for date in known if date), default=""),
        doubling=curve.info.get("doubling") if curve else None,
    )


def _opinion(
    evaluator: Evaluator, outputs: Mapping[str, Outputs], figures: Mapping[str, Any]
) -> tuple[LabelOpinion | None, tuple[int, int]]:
    tuned, baseline, train = outputs[FINE_TUNED], outputs.get(BASELINE), evaluator.train
    if not isinstance(tuned, LabelOutputs) or not isinstance(baseline, LabelOutputs) or baseline.confidence is None:
        return None, (0, 0)
    opinion = label_opinion(
        LabelledTexts(train.texts, train.answers),
        train.rows["group_id"].to_pylist(),
        figures["info"].get(BASELINE, {}),
        evaluator.settings.confidence,
    )
    if opinion is None:
        return None, (0, 0)
    asked = zip(baseline.truth, baseline.predicted, baseline.confidence, tuned.predicted, strict=True)
    said = [
        (other == said, other == label)
        for label, said, sure, other in asked
        if said != label and sure >= opinion.thresholds.get(said, 1.0)
    ]
    return opinion, (sum(one for one, _ in said), sum(one for _, one in said))


def _unfinished(outputs: Outputs, renderer: Renderer, most: int) -> int | None:
    """Answers that are empty or as long as may be written."""
    if not isinstance(outputs, TextOutputs):
        return None
    written = [renderer.text.content(answer.strip()) for answer in outputs.answers]
    return sum(not ids or len(ids) >= most for ids in written)


def doubted(facts: Facts, evaluator: Evaluator) -> pa.Table | None:
    """Training records whose label is probably wrong, the surest first: record_id, label, suggested, confidence. No
    text. None where labels are not held for wrong (`of_labels.wrong_labels`)."""
    if wrong_labels(facts) is None or facts.opinion is None:
        return None
    count, train = suspects(facts), evaluator.train
    places = facts.opinion.places[:count].tolist()
    return pa.table(
        {
            "record_id": train.rows["record_id"].take(pa.array(places, pa.int64())),
            "label": pa.array([train.answers[place] for place in places], pa.string()),
            "suggested": pa.array(facts.opinion.suggested[:count], pa.string()),
            "confidence": pa.array(facts.opinion.confidence[:count], pa.float64()),
        }
    )
