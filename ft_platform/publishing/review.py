"""Filled-in review sheets become the artifact `human_review`."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ft_platform.errors import VersionRefused
from ft_platform.evaluation.review.answers import read_answers
from ft_platform.evaluation.review.figures import RATINGS, REVIEW, STAGE, ratings_table, read_review, review_figures
from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.audit_log.opening import note
from ft_platform.publishing.review_sheets import read_key
from ft_platform.settings.hash import settings_hash
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase


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
    from ft_platform.reporting.review_report import write_review_report

    note(lake, use_case, "evidence", "imported answers of experts", review=draft.id, sheet=answers.sheet)
    figures = review_figures(answers, evaluation.id, use_case.settings.evaluation)
    with draft.folder() as folder:
        pq.write_table(ratings_table(answers), folder / RATINGS)
        (folder / REVIEW).write_text(json.dumps(figures, indent=1), encoding="utf-8")
        write_review_report(folder, draft, figures)
        report = draft.publish(
            folder,
            counts={
                "rows": figures["rows"],
                "raters": len(figures["raters"]),
                "ratings": sum(rater["answers"] for rater in figures["raters"]),
            },
            info={"win_rate": figures["win_rate"]["value"], "sheet": answers.sheet},
        )
    return report, figures
