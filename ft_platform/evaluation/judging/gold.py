"""What people said about pairs of answers, for a judge to be compared with: a file, or the newest human review."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ft_platform.errors import DataError
from ft_platform.evaluation.agreement import ALTERNATIVE, FINE_TUNED, TIE
from ft_platform.evaluation.pairs import Pair
from ft_platform.evaluation.review.figures import RATINGS, points_of, read_review, reviews_of
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.allowed_sources import require_allowed

FIELDS = ("question", "answer_1", "answer_2", "better")
BETTER = {"1": FINE_TUNED, "2": ALTERNATIVE, "tie": TIE}
"""In a file the first answer stands where the fine-tuned model's does, and the second where the alternative's does."""
MOST_BYTES = 100_000_000
GOLD_LINE = "line of the gold file "
"""Begins the id of a pair of a file; no record id has blanks."""


@dataclass(frozen=True)
class Gold:
    """Pairs that people judged.

    Attributes:
        source: where they come from, in words: no path, no name.
        hash: changes with them (64 hex digits), or empty where there are none.
        pairs: by an id.
        preferred: what people prefer: id -> one of `agreement.CHOICES`.
    """

    source: str
    hash: str
    pairs: dict[str, Pair]
    preferred: dict[str, str]


NO_GOLD = Gold("none", "", {}, {})


def gold_hash(lake: Lake, use_case: NamedUseCase, evaluation: ArtifactVersion) -> str:
    """What the gold set that a judge would be compared with adds to its inputs. Empty without one.

    Raises:
        SourceError, DataError: the file may not be read, or is not there.
    """
    settings = use_case.settings.judge
    if settings.gold:
        return hashlib.sha256(_bytes(settings.gold)).hexdigest()
    review = _review(lake, evaluation, settings.alternative)
    return review.content_hash if review else ""


def read_gold(lake: Lake, use_case: NamedUseCase, evaluation: ArtifactVersion, pairs: list[Pair]) -> Gold:
    """The gold set of a judge: `judge.gold`, otherwise the newest human review of this evaluation with the same
    alternative.

    Args:
        pairs: those of the evaluation.

    Raises:
        SourceError: the installation does not allow the file.
        DataError: a line of it is not as it must be; names the line, quotes nothing.
    """
    settings = use_case.settings.judge
    if settings.gold:
        return _from_file(settings.gold)
    review = _review(lake, evaluation, settings.alternative)
    if review is None:
        return NO_GOLD
    lake.verify_artifact(review)
    ratings: dict[str, dict[str, str]] = {}
    for row in pq.read_table(lake.open_file(review, RATINGS)).to_pylist():
        ratings.setdefault(row["rater"], {})[row["record_id"]] = row["preferred"]
    preferred = {
        record: FINE_TUNED if points > 0.5 else ALTERNATIVE if points < 0.5 else TIE
        for record, points in points_of(ratings).items()
    }
    judged = {pair.record_id: pair for pair in pairs if pair.record_id in preferred}
    source = f"human review {review.id}"
    return Gold(source, review.content_hash, judged, {record: preferred[record] for record in judged})


def _review(lake: Lake, evaluation: ArtifactVersion, alternative: str) -> ArtifactVersion | None:
    return next(
        (review for review in reviews_of(lake, evaluation) if read_review(lake, review)["alternative"] == alternative),
        None,
    )


def _bytes(path: str) -> bytes:
    require_allowed(path, "judge.gold")
    place = Path(path).expanduser()
    if not place.is_file() or place.stat().st_size > MOST_BYTES:
        raise DataError(
            f"judge.gold names {path}, which is no file of at most {MOST_BYTES:,} bytes", "Correct judge.gold"
        )
    return place.read_bytes()


def _from_file(path: str) -> Gold:
    content = _bytes(path)
    pairs, preferred = {}, {}
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"judge.gold: {path} is not UTF-8 (byte {error.start})", "Save it as UTF-8") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        found = _line(line, f"judge.gold: {path}:{number}")
        name = f"{GOLD_LINE}{number}"
        pairs[name] = Pair(name, found["question"], found["answer_1"], found["answer_2"])
        preferred[name] = BETTER[found["better"]]
    return Gold("a file of judged pairs", hashlib.sha256(content).hexdigest(), pairs, preferred)


def _line(line: str, where: str) -> dict[str, str]:
    try:
        found: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise DataError(f"{where}: is no JSON", "Write one object a line") from None
    if (
        not isinstance(found, dict)
        or sorted(found) != sorted(FIELDS)
        or not all(isinstance(value, str) for value in found.values())
    ):
        raise DataError(
            f"{where}: must have the fields {', '.join(FIELDS)}, each a text, and no other", "Correct this line"
        )
    if found["better"] not in BETTER:
        raise DataError(
            f"{where}: better must be 1, 2 or tie, got a text of {len(found['better'])} characters", "Correct this line"
        )
    return found
