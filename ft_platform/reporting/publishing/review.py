"""Filled-in review sheets, and judgements in the portal, become the artifact `human_review`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ft_platform.errors import DataError, VersionRefused
from ft_platform.evaluation.review.answers import Answers, read_answers
from ft_platform.evaluation.review.figures import (
    RATINGS,
    REVIEW,
    STAGE,
    online_figures,
    ratings_table,
    read_review,
    review_figures,
    score_rows,
)
from ft_platform.evaluation.review.online import evaluation_of, require_open
from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import Person
from ft_platform.reporting.publishing.review_sheets import read_key
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash


def import_answers(lake: Lake, use_case: NamedUseCase, paths: list[Path]) -> tuple[ArtifactVersion, dict[str, Any]]:
    """The artifact `human_review` of filled-in sheets: an existing one of the same answers, or a new one; and its
    figures.

    Args:
        paths: all filled-in files of one export.

    Raises:
        AnswersRefused: with every problem of the files.
        VersionRefused: the evaluation that was judged is not in the lake any more, or is damaged.
    """
    answers = read_answers(paths, lambda sheet: read_key(lake, use_case, sheet))
    evaluation = lake.artifact(use_case.name, "evaluation_report", answers.key["evaluation"])
    if evaluation is None:
        raise VersionRefused(
            f"the evaluation {answers.key['evaluation']} that {answers.sheet} is about is no longer in the lake",
            "Export the sheets again",
        )
    settings = STAGES[STAGE].settings_hash(use_case)
    said = {"ratings": answers.ratings, "first_chosen": answers.first_chosen, "empty": answers.empty}
    inputs = settings_hash({"stage": settings, "evaluation": evaluation.content_hash, "sheet": answers.sheet, **said})
    draft = Draft(lake, use_case, STAGE, f"review-{inputs[:12]}", inputs, [evaluation])
    if existing := draft.existing():
        return existing, read_review(lake, existing)
    note(lake, use_case, "evidence", "imported answers of experts", review=draft.id, sheet=answers.sheet)
    figures = review_figures(answers, evaluation.id, use_case.settings.evaluation)
    return _published(draft, answers, figures, {}), figures


def publish_review(lake: Lake, use_case: NamedUseCase, person: Person) -> tuple[ArtifactVersion, dict[str, Any]]:
    """The artifact `human_review` of the review that is open in the portal, which ends it; and its figures.

    Raises:
        DataError: no review is open, or nothing that counts was judged.
        VersionRefused: the evaluation that was judged is not in the lake any more, or is damaged.
    """
    review = require_open(lake, use_case)
    evaluation = evaluation_of(review)
    if not review.standing(review.judgements.all()).records:
        raise DataError(f"nobody has judged an answer in {review.id}", "Drop it, or wait for the first judgements")
    note(lake, use_case, "evidence", "published a review of answers", person, review=review.id)
    review.judgements.end(person.name)
    said = review.judgements.all()
    figures = online_figures(review, said, use_case.settings.evaluation)
    told = [[one.rater, one.record, review.preferred(one), one.scores, one.comment] for one in said]
    settings = STAGES[STAGE].settings_hash(use_case)
    inputs = settings_hash(
        {"stage": settings, "evaluation": evaluation.content_hash, "sheet": review.id, "judgements": told}
    )
    draft = Draft(lake, use_case, STAGE, f"review-{inputs[:12]}", inputs, [evaluation])
    comments = [{"record_id": one.record, "rater": one.rater, "comment": one.comment} for one in said if one.comment]
    beside = {"scores.parquet": score_rows(review, said), "comments.parquet": comments}
    return _published(draft, review.answers(said), figures, beside), figures


def _published(
    draft: Draft, answers: Answers, figures: dict[str, Any], beside: Mapping[str, Sequence[dict[str, Any]]]
) -> ArtifactVersion:
    """
    Args:
        beside: name of a table -> its rows; where there are none, there is no table.
    """
    from ft_platform.reporting.review_report import write_review_report

    with draft.folder() as folder:
        pq.write_table(ratings_table(answers), folder / RATINGS)
        for name, rows in beside.items():
            if rows:
                pq.write_table(pa.Table.from_pylist(list(rows)), folder / name)
        (folder / REVIEW).write_text(json.dumps(figures, indent=1), encoding="utf-8")
        write_review_report(folder, draft, figures)
        return draft.publish(
            folder,
            counts={
                "rows": figures["rows"],
                "raters": len(figures["raters"]),
                "ratings": sum(rater["answers"] for rater in figures["raters"]),
            },
            info={"win_rate": figures["win_rate"]["value"], "sheet": answers.sheet},
        )
