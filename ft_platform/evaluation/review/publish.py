"""What experts said, as figures: the artifact `human_review` of an evaluation."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ft_platform.errors import VersionRefused
from ft_platform.evaluation.agreement import ALTERNATIVE, FINE_TUNED, POINTS, TIE, agreement, win_rate
from ft_platform.evaluation.review.answers import Answers, read_answers
from ft_platform.evaluation.review.export import read_key
from ft_platform.lake import ArtifactVersion, Lake
from ft_platform.stages import STAGES
from ft_platform.use_case import Evaluation, NamedUseCase, settings_hash

STAGE = "human_review"
REVIEW = "review.json"
RATINGS = "ratings.parquet"


def import_answers(lake: Lake, use_case: NamedUseCase, paths: list[Path]) -> tuple[ArtifactVersion, dict[str, Any]]:
    """The artifact `human_review` of filled-in sheets: an existing one of the same answers, or a new one; and its
    figures.

    Args:
        paths: all filled-in files of one export.

    Raises:
        AnswersRefused: with every problem of the files.
        VersionRefused: the evaluation that was judged is not in the lake any more, or is damaged.
    """
    started = time.monotonic()
    answers = read_answers(paths, lambda sheet: read_key(lake, use_case, sheet))
    evaluation = lake.artifact(use_case.name, "evaluation_report", answers.key["evaluation"])
    if evaluation is None:
        raise VersionRefused(
            f"the evaluation {answers.key['evaluation']} that {answers.sheet} is about is not in the lake any more",
            "Export sheets again",
        )
    settings = STAGES[STAGE].settings_hash(use_case)
    said = {"ratings": answers.ratings, "first_chosen": answers.first_chosen, "empty": answers.empty}
    inputs = settings_hash({"stage": settings, "evaluation": evaluation.content_hash, "sheet": answers.sheet, **said})
    artifact_id = f"review-{inputs[:12]}"
    if existing := lake.intact_artifact(use_case.name, STAGE, artifact_id):
        return existing, read_review(lake, existing)
    from ft_platform.reporting.review_report import write_review_report

    figures = review_figures(answers, evaluation.id, use_case.settings.evaluation)
    with lake.scratch(use_case.name, STAGE) as folder:
        folder.mkdir(parents=True)
        pq.write_table(ratings_table(answers), folder / RATINGS)
        (folder / REVIEW).write_text(json.dumps(figures, indent=1), encoding="utf-8")
        write_review_report(folder, lake, use_case, artifact_id, evaluation, figures)
        report = lake.publish(
            use_case.name,
            STAGE,
            artifact_id,
            folder,
            parents=[evaluation],
            settings_hash=settings,
            input_hash=inputs,
            counts={
                "rows": figures["rows"],
                "raters": len(figures["raters"]),
                "ratings": sum(rater["answers"] for rater in figures["raters"]),
            },
            info={"win_rate": figures["win_rate"]["value"], "sheet": answers.sheet},
            seconds=time.monotonic() - started,
        )
    return report, figures


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
