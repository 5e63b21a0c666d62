"""What experts said, as figures: the artifact `human_review` of an evaluation."""

import json
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.evaluation.agreement import ALTERNATIVE, FINE_TUNED, POINTS, TIE, agreement, win_rate
from ft_platform.evaluation.review.answers import Answers
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.settings.evaluation import Evaluation

STAGE = "human_review"
REVIEW = "review.json"
RATINGS = "ratings.parquet"


def read_review(lake: Lake, review: ArtifactVersion) -> dict[str, Any]:
    """All figures of a review (`review_figures`)."""
    return json.loads(lake.read_file(review, REVIEW))


def reviews_of(lake: Lake, evaluation: ArtifactVersion) -> list[ArtifactVersion]:
    """The reviews of one evaluation, newest first. Reviews of other evaluations judged other answers."""
    return [
        review
        for review in lake.artifacts(evaluation.use_case, STAGE)
        if any(p.content_hash == evaluation.content_hash for p in lake.manifest(review).parents)
    ]


def ratings_table(answers: Answers) -> pa.Table:
    """Columns record_id, rater, preferred. No text."""
    rows = [
        (record, rater, preferred)
        for rater, said in sorted(answers.ratings.items())
        for record, preferred in sorted(said.items())
    ]
    columns = list(zip(*rows, strict=True))
    return pa.table(
        {
            name: pa.array(column, pa.string())
            for name, column in zip(("record_id", "rater", "preferred"), columns, strict=True)
        }
    )


def points_of(ratings: dict[str, dict[str, str]]) -> dict[str, float]:
    """Record -> wins of the fine-tuned model, mean over the raters who judged it."""
    records = sorted(set().union(*map(set, ratings.values())))
    return {
        record: float(np.mean([POINTS[said[record]] for said in ratings.values() if record in said]))
        for record in records
    }


def review_figures(answers: Answers, evaluation: str, settings: Evaluation) -> dict[str, Any]:
    """What `review.json` holds.

    Returns:
        `{"evaluation", "alternative", "sheet", "rows", "test_rows", "identical_rows", "win_rate": {"value", "low",
        "high"}, "ties_count_half", "confidence", "agreement": ..., "answers": {...}, "raters": [...]}`. `rows` are
        records that at least one rater judged. `win_rate` is about records on which the two answers differ; the others
        were not shown.
    """
    points = points_of(answers.ratings)
    everything = [preferred for said in answers.ratings.values() for preferred in said.values()]
    return {
        "evaluation": evaluation,
        "alternative": answers.key["alternative"],
        "sheet": answers.sheet,
        "rows": len(points),
        "test_rows": answers.key["test_rows"],
        "identical_rows": answers.key["identical_rows"],
        "win_rate": win_rate(list(points.values()), settings.confidence),
        "ties_count_half": True,
        "confidence": settings.confidence,
        "agreement": agreement({rater: said for rater, said in answers.ratings.items() if said}, settings),
        "answers": _counts(everything),
        "raters": [_rater(answers, rater, settings.confidence) for rater in sorted(answers.ratings)],
    }


def _counts(preferred: list[str]) -> dict[str, int]:
    return {choice: preferred.count(choice) for choice in (FINE_TUNED, TIE, ALTERNATIVE)}


def _rater(answers: Answers, rater: str, confidence: float) -> dict[str, Any]:
    """What one rater said; `first_share` is how often the answer that stood first was chosen, among those that are no
    tie."""
    said = list(answers.ratings[rater].values())
    decided = sum(preferred != TIE for preferred in said)
    return {
        "rater": rater,
        "answers": len(said),
        "empty": answers.empty.get(rater, 0),
        **_counts(said),
        "win_rate": win_rate([POINTS[preferred] for preferred in said], confidence) if said else None,
        "first_share": answers.first_chosen.get(rater, 0) / decided if decided else None,
    }
