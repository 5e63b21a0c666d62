"""What experts said, as figures: the artifact `human_review` of an evaluation."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.evaluation.agreement import ALTERNATIVE, FINE_TUNED, POINTS, TIE, agreement, win_rate
from ft_platform.evaluation.proportions import mean, share
from ft_platform.evaluation.review.answers import Answers
from ft_platform.evaluation.review.judgements import Judgement
from ft_platform.evaluation.review.online import Review
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.settings.evaluation import Evaluation

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


def online_figures(review: Review, said: Sequence[Judgement], settings: Evaluation) -> dict[str, Any]:
    """What `review.json` holds of a review in the browser.

    Returns:
        As `review_figures`, of at least one judgement. `win_rate` and `rows` are those of `sequential.standing`: its
        interval holds although the review may end at any time. And `{"sequential": {"end", "most", "least"}, "rubric":
        [{"criterion", "fine_tuned", "alternative", "difference"}], "both_bad", "comments"}`; raters have `seconds`, the
        median, `first_side`, which is `first_share` with its interval, and `first_p`, the chance that one who judges by
        answers chooses one side as often (binomial test).
    """
    from scipy.stats import binomtest

    found = review_figures(review.answers(said), review.said["evaluation"], settings)
    stand = review.standing(said)
    by_rater = {one.rater: [other for other in said if other.rater == one.rater] for one in said}
    for rater in found["raters"]:
        own = [one for one in by_rater[rater["rater"]] if one.better in ("a", "b")]
        rater["seconds"] = float(np.median([one.seconds for one in by_rater[rater["rater"]]]))
        first = sum(one.better == "a" for one in own)
        rater["first_side"] = share(first, len(own), settings.confidence) if own else None
        rater["first_p"] = float(binomtest(first, len(own)).pvalue) if own else None
    return {
        **found,
        "rows": stand.records,
        "win_rate": stand.win_rate,
        "confidence": review.said["confidence"],
        "sequential": {"end": stand.end, "most": review.most, "least": review.said["least"]},
        "rubric": [_criterion(review, one.name, said, settings.confidence) for one in review.criteria],
        "both_bad": sum(one.better == "both_bad" for one in said),
        "comments": sum(bool(one.comment) for one in said),
    }


def _criterion(review: Review, name: str, said: Sequence[Judgement], confidence: float) -> dict[str, Any]:
    """Mean scores of both systems, from 1 to 5, and their difference by the first judgement of each record."""
    first: dict[str, tuple[int, int]] = {}
    for one in said:
        if one.record not in first and name in one.scores:
            a, b = one.scores[name]
            first[one.record] = (a, b) if review.first_for(one.person, one.record) == FINE_TUNED else (b, a)
    ours, theirs = np.array(list(first.values()), float).reshape(-1, 2).T
    means = [float(one.mean()) if len(one) else None for one in (ours, theirs)]
    difference = mean(ours - theirs, confidence) if len(ours) > 1 else None
    return {"criterion": name, "fine_tuned": means[0], "alternative": means[1], "difference": difference}


def score_rows(review: Review, said: Sequence[Judgement]) -> list[dict[str, Any]]:
    """`{"record_id", "rater", "criterion", "fine_tuned", "alternative"}`."""
    return [
        {"record_id": one.record, "rater": one.rater, "criterion": name, FINE_TUNED: ours, ALTERNATIVE: theirs}
        for one in said
        for name, (a, b) in one.scores.items()
        for ours, theirs in [(a, b) if review.first_for(one.person, one.record) == FINE_TUNED else (b, a)]
    ]


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
