"""A review in the browser: what a manager started, which of two answers stands first for whom, and how far it is."""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from ft_platform.errors import ConfigError, DataError, VersionRefused
from ft_platform.evaluation.agreement import ALTERNATIVE, FINE_TUNED, POINTS, TIE
from ft_platform.evaluation.pairs import Pair, newest_evaluation, pairs_of
from ft_platform.evaluation.review.answers import Answers
from ft_platform.evaluation.review.judgements import Judgement, Judgements
from ft_platform.evaluation.review.sequential import Standing, standing
from ft_platform.lake.gate import require_usable
from ft_platform.lake.manifest import now
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.people.actions import ACTIONS
from ft_platform.people.audit_log.opening import note
from ft_platform.people.may import Permissions
from ft_platform.people.person import Person, named
from ft_platform.people.statements import Stated, state, statements, take_back
from ft_platform.process.reasons import require_reason
from ft_platform.use_case.named import NamedUseCase

REVIEWS = "reviews"
"""Statements: what was started, by whom."""
PAIRS = "review_pairs"
PAIRS_SCHEMA = pa.schema([(name, pa.string()) for name in ("record_id", "question", FINE_TUNED, ALTERNATIVE)])
"""The records of a review, in the lake, where an erasure finds them."""
MOST_RECORDS = 1000
MOST_CRITERIA = 6
TWICE = 5
"""Every so many records another rater judges the same one, which shows how far they agree."""


@dataclass(frozen=True)
class Criterion:
    """What both answers get a score from 1 to 5 for, with what 1 and 5 mean."""

    name: str
    low: str
    high: str


def criteria_in(lines: Sequence[str]) -> list[Criterion]:
    """Criteria as people write them: `name: what 1 means | what 5 means`.

    Raises:
        ConfigError: a line is written otherwise.
    """
    found = []
    for line in filter(None, map(str.strip, lines)):
        name, colon, anchors = line.partition(":")
        low, bar, high = anchors.partition("|")
        if not (colon and bar):
            raise ConfigError(["a criterion is written as `name: what 1 means | what 5 means`"])
        found.append(Criterion(name.strip(), low.strip(), high.strip()))
    return found


@dataclass(frozen=True)
class Review:
    """What was started.

    Attributes:
        stated: its statement.
    """

    lake: Lake
    stated: Stated

    @property
    def said(self) -> Mapping[str, Any]:
        return self.stated.said

    @property
    def id(self) -> str:
        return str(self.said["id"])

    @property
    def most(self) -> int:
        return int(self.said["most"])

    @property
    def raters(self) -> list[str]:
        """E-mail addresses and roles; empty: everybody who may judge."""
        return list(self.said["raters"])

    @property
    def criteria(self) -> list[Criterion]:
        return [Criterion(**one) for one in self.said["criteria"]]

    @property
    def judgements(self) -> Judgements:
        return Judgements(self.lake, self.said["use_case"], self.id)

    @cached_property
    def pairs(self) -> dict[str, Pair]:
        """Record -> answers, in the order that was drawn; those that were erased since are gone."""
        version = TableVersion(self.said["use_case"], PAIRS, "shared", self.said["pairs_version"], "", 0, "")
        found = [Pair(**row) for row in self.lake.read_table(version).to_pylist()]
        return {one.record_id: one for one in _drawn(self.said["secret"], found)}

    @property
    def wanted(self) -> dict[str, int]:
        """Record -> judgements that it should have."""
        return {record: 1 if place % TWICE else 2 for place, record in enumerate(self.pairs)}

    def first_for(self, person: str, record: str) -> str:
        """Whose answer a rater sees first. Nobody without the secret can tell, which no page shows."""
        return (FINE_TUNED, ALTERNATIVE)[_draw(self.said["secret"], person, record)[0] & 1]

    def preferred(self, one: Judgement) -> str:
        """`fine_tuned`, `alternative` or `tie`."""
        first = self.first_for(one.person, one.record)
        second = ALTERNATIVE if first == FINE_TUNED else FINE_TUNED
        return {"a": first, "b": second}.get(one.better, TIE)

    def standing(self, said: Sequence[Judgement]) -> Standing:
        """How far it is. The first judgement of a record counts, up to the first record that has none: a record that
        takes long may not be skipped for one that is quickly judged."""
        first: dict[str, float] = {}
        for one in said:
            first.setdefault(one.record, POINTS[self.preferred(one)])
        points: list[float] = []
        for record in self.pairs:
            if record not in first:
                break
            points.append(first[record])
        # Where records were erased, fewer are left than was planned.
        found = standing(points, self.most, self.said["confidence"], self.said["least"])
        everything = not found.end and len(points) == len(self.pairs) > 0
        return Standing(found.records, found.win_rate, "all") if everything else found

    def answers(self, said: Sequence[Judgement]) -> Answers:
        """As `evaluation.review.figures` takes them."""
        key = {name: self.said[name] for name in ("evaluation", "alternative", "test_rows", "identical_rows")}
        found = Answers(self.id, key)
        for one in said:
            found.ratings.setdefault(one.rater, {})[one.record] = self.preferred(one)
            found.first_chosen[one.rater] = found.first_chosen.get(one.rater, 0) + (one.better == "a")
        return found


def start_review(
    lake: Lake,
    use_case: NamedUseCase,
    person: Person,
    permissions: Permissions,
    *,
    alternative: str = "base_few_shot",
    most: int = 100,
    raters: Sequence[str] = (),
    criteria: Sequence[Criterion] = (),
) -> Review:
    """Lets raters judge the answers of the newest evaluation in the portal. Only records whose answers differ are
    judged, in a random order.

    Args:
        most: records that are judged at most; the review may end earlier.
        raters: e-mail addresses, or roles; empty: everybody who may judge here.

    Raises:
        ConfigError: a value is out of range, there is no such alternative or role, or somebody may not judge.
        DataError: another review is open, there is no evaluation, or no answers differ.
        VersionRefused: the evaluation may not be used.
    """
    if open_review(lake, use_case):
        raise DataError(f"a review of {use_case.name} is open", f"Publish or drop it: ft review status {use_case.name}")
    _require_good(use_case, permissions, most, raters, criteria)
    evaluation = newest_evaluation(lake, use_case)
    require_usable(lake, use_case, evaluation)
    pairs = pairs_of(lake, use_case, evaluation, alternative)
    secret = secrets.token_hex(16)
    rows = [vars(one) for one in _drawn(secret, pairs.differing)[:most]]
    note(lake, use_case, "evidence", "started a review of answers", person, evaluation=evaluation.id, most=len(rows))
    table = pa.Table.from_pylist(rows, schema=PAIRS_SCHEMA)
    written = lake.write_table(
        use_case.name, PAIRS, table.to_batches(), PAIRS_SCHEMA, zone="shared", input_hash=secret[:16]
    )
    settings = use_case.settings
    said: dict[str, Any] = {
        "evaluation": evaluation.id,
        "alternative": alternative,
        "test_rows": pairs.test_rows,
        "identical_rows": pairs.identical_rows,
        "pairs_version": written.version,
        "most": len(rows),
        "raters": [one.strip().lower() for one in raters],
        "criteria": [vars(one) for one in criteria],
        "confidence": settings.evaluation.confidence,
        "least": settings.gate.min_human_win_rate or 0.5,
        "secret": secret,
        "at": now("milliseconds"),
        "person": person.name,
        "known_by": person.known_by,
    }
    state(lake, use_case, REVIEWS, said, [evaluation])
    review = newest_review(lake, use_case)
    assert review
    return review


def _drawn(secret: str, pairs: Sequence[Pair]) -> list[Pair]:
    """In a random order, which stays the same where some are erased."""
    return sorted(pairs, key=lambda one: _draw(secret, one.record_id))


def _draw(secret: str, *about: str) -> bytes:
    return hmac.digest(secret.encode(), "\n".join(about).encode(), "sha256")


def _require_good(
    use_case: NamedUseCase,
    permissions: Permissions,
    most: int,
    raters: Sequence[str],
    criteria: Sequence[Criterion],
) -> None:
    """
    Raises:
        ConfigError: with all that is wrong.
    """
    problems = []
    if not 5 <= most <= MOST_RECORDS:
        problems.append(f"a review has 5 to {MOST_RECORDS} records at most, got {most}")
    names = [one.name.casefold() for one in criteria]
    if len(criteria) > MOST_CRITERIA or len(set(names)) < len(names):
        problems.append(f"a review has up to {MOST_CRITERIA} different criteria, got {len(criteria)}")
    if any(not (one.name and one.low and one.high) or len(one.name) > 60 for one in criteria):
        problems.append("a criterion has a name of up to 60 characters and says what 1 and 5 mean: `name: 1 | 5`")
    roles = ACTIONS["review"].roles
    for one in (given.strip().lower() for given in raters):
        if "@" not in one and one not in roles:
            problems.append(f"a rater is an e-mail address or {' or '.join(roles)}, got {one!r}")
        elif "@" in one and not (ruling := permissions.may(named(one), "review", use_case.name)):
            problems.append(f"{one}: {ruling.why}")
    if problems:
        raise ConfigError(problems)


def newest_review(lake: Lake, use_case: NamedUseCase) -> Review | None:
    """The review that was started last and was not dropped."""
    found = [one for one in statements(lake, use_case, REVIEWS) if not one.taken_back]
    newest = max(found, key=lambda one: one.said["at"], default=None)
    return Review(lake, newest) if newest else None


def open_review(lake: Lake, use_case: NamedUseCase) -> Review | None:
    """The newest review, unless it is published."""
    review = newest_review(lake, use_case)
    return None if review is None or published(lake, review) else review


def published(lake: Lake, review: Review) -> ArtifactVersion | None:
    """The report of a review."""
    made = lake.artifacts(review.said["use_case"], "human_review")
    return next((one for one in made if lake.manifest(one).info.get("sheet") == review.id), None)


def evaluation_of(review: Review) -> ArtifactVersion:
    """
    Raises:
        VersionRefused: the evaluation that was judged is not in the lake any more.
    """
    name = review.said["evaluation"]
    found = review.lake.artifact(review.said["use_case"], "evaluation_report", name)
    if found is None:
        raise VersionRefused(f"the evaluation {name} that {review.id} is about is no longer in the lake", "Drop it")
    return found


def may_judge(review: Review, person: Person, permissions: Permissions) -> str:
    """Why somebody may not judge; empty: they may."""
    use_case = review.said["use_case"]
    if not (ruling := permissions.may(person, "review", use_case)):
        return ruling.why
    roles = {*permissions.roles(person), *permissions.roles(person, use_case), ruling.role or ""}
    if review.raters and person.name.casefold() not in review.raters and not roles.intersection(review.raters):
        return f"{person.name} is not among the raters of this review"
    return ""


def drop(lake: Lake, use_case: NamedUseCase, person: Person, reason: str) -> str:
    """Ends the open review without a report, and removes what was said. Returns its id.

    Raises:
        ConfigError: no reason is named.
        DataError: no review is open.
    """
    reason = require_reason(reason)
    review = require_open(lake, use_case)
    note(lake, use_case, "evidence", "dropped a review of answers", person, review=review.id)
    review.judgements.end(person.name)
    take_back(lake, use_case, review.stated, by=person.name, known_by=person.known_by, reason=reason)
    review.judgements.forget()
    return review.id


def require_open(lake: Lake, use_case: NamedUseCase) -> Review:
    """
    Raises:
        DataError: no review is open.
    """
    if review := open_review(lake, use_case):
        return review
    raise DataError(f"no review of {use_case.name} is open", f"Start one: ft review start {use_case.name}")
