"""What a rater does: begin, judge the record before them, correct an earlier one."""

from collections.abc import Mapping
from typing import Any, get_args

import pyarrow as pa

from ft_platform.errors import AnswersRefused, ConfigError, MayNot, NotCurrent
from ft_platform.evaluation.review.judgements import Better
from ft_platform.evaluation.review.online import Review, may_judge, require_open
from ft_platform.lake.store import Lake
from ft_platform.people.audit_log.opening import note
from ft_platform.people.may import Permissions
from ft_platform.people.person import Person
from ft_platform.privacy.residual import residual
from ft_platform.records.columns import MESSAGES
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import feature_columns
from ft_platform.use_case.named import NamedUseCase

MOST_CHARACTERS = 2000
"""Of a comment."""
SIDES = ("a", "b")


def begin(lake: Lake, use_case: NamedUseCase, person: Person, permissions: Permissions) -> None:
    """Makes somebody a rater, and gives them a record.

    Raises:
        DataError: no review is open.
        MayNot: they may not judge.
    """
    review = _for_rater(lake, use_case, person, permissions)
    judgements = review.judgements
    if person.name not in judgements.raters():
        note(lake, use_case, "annotation", "began to judge answers", person, review=review.id)
    judgements.begin(person.name)
    _give(review, person)


def judge(
    lake: Lake, use_case: NamedUseCase, person: Person, permissions: Permissions, place: int, said: Mapping[str, str]
) -> None:
    """Keeps what a rater says, and gives them the next record; none where the review may end.

    Args:
        place: of the record in the order that was drawn.
        said: `better`, `comment`, and `score_<criterion>_<a or b>` with criteria counted from 0.

    Raises:
        DataError: no review is open.
        MayNot: they may not judge.
        ConfigError: a value is missing, or is not one of the form.
        AnswersRefused: the comment holds personal data.
        NotCurrent: the record is not theirs, or is gone.
    """
    review = _for_rater(lake, use_case, person, permissions)
    records = list(review.pairs)
    if not 0 <= place < len(records):
        raise NotCurrent("this record is gone, so nothing was recorded", "Go on with the next")
    better, comment = said.get("better", ""), said.get("comment", "").strip()
    if better not in get_args(Better):
        raise ConfigError([f"the better answer must be one of {', '.join(get_args(Better))}"])
    scores = _scores(review, said)
    _require_clean(use_case, comment)
    review.judgements.say(person.name, records[place], better, scores, comment)  # type: ignore[arg-type]
    _give(review, person)


def _for_rater(lake: Lake, use_case: NamedUseCase, person: Person, permissions: Permissions) -> Review:
    review = require_open(lake, use_case)
    if why := may_judge(review, person, permissions):
        raise MayNot([why])
    return review


def _give(review: Review, person: Person) -> None:
    judgements = review.judgements
    over = review.standing(judgements.all()).end
    judgements.give(person.name, {} if over else review.wanted)


def _scores(review: Review, said: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    found = {}
    for number, criterion in enumerate(review.criteria):
        given = [said.get(f"score_{number}_{side}", "") for side in SIDES]
        if any(score not in ("1", "2", "3", "4", "5") for score in given):
            raise ConfigError([f"{criterion.name}: both answers need a score from 1 to 5"])
        found[criterion.name] = (int(given[0]), int(given[1]))
    return found


def _require_clean(use_case: NamedUseCase, comment: str) -> None:
    """
    Raises:
        AnswersRefused: the second scan finds direct identifiers, or it is too long.
    """
    if len(comment) > MOST_CHARACTERS:
        raise AnswersRefused([f"a comment has at most {MOST_CHARACTERS:,} characters, got {len(comment):,}"])
    if not comment:
        return
    columns: dict[str, Any] = {
        "record_id": pa.array(["comment"]),
        "messages": pa.array([[{"role": "user", "content": comment}]], MESSAGES),
        **{name: pa.nulls(1, pa.string()) for name in ("label", *feature_columns(use_case))},
    }
    if findings := residual(use_case, TableRows(pa.table(columns)))["findings"]:
        kinds = ", ".join(f"{name} {count}" for name, count in findings.items())
        raise AnswersRefused([f"the comment holds personal data ({kinds}), so nothing was recorded"], "Leave it out")
