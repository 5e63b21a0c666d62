"""What a use case is now: decided, released, live, alarmed, withdrawn, down. Every page, command and report that shows
it asks here, and none is more hopeful than `ft decide`.

Covered: the decision as the rules judge it today, what the lake says of releases and deployments, and what the
platform's own server on this machine answers with. Not covered: servers of others between two checks of
`serves_what_was_evaluated`; their last answer counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cache

from ft_platform.errors import FtError
from ft_platform.lake.deployments import STAYS, Deployment, deployments, had_traffic
from ft_platform.lake.releases import Release, blocks_of, releases, unusable
from ft_platform.lake.snapshot import Snapshot
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.monitoring.answering import answering
from ft_platform.monitoring.day_reports import day_reports
from ft_platform.release.collecting import newest_about
from ft_platform.release.standing import ACCEPTED as MAY_BE
from ft_platform.release.standing import ENDED, STAGE, UNREADABLE, Standing, standing_of
from ft_platform.release.standing_now import standing_now
from ft_platform.stages import SERVED_CHECK
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.serving_targets import LocalTarget

NOTHING, DATA, TRAINED, EVALUATED = "nothing", "data", "trained", "evaluated"
ACCEPTED, REFUSED, RELEASED, LIVE = "accepted", "refused", "released", "live"
ALARMED, BLOCKED, WITHDRAWN, DOWN, UNKNOWN = "alarmed", "blocked", "withdrawn", "down", "unknown"
STATES = (
    *(NOTHING, DATA, TRAINED, EVALUATED, ACCEPTED, REFUSED, RELEASED, LIVE),
    *(ALARMED, BLOCKED, WITHDRAWN, DOWN, UNKNOWN),
)
"""Every state there is."""
REACHED = (
    (EVALUATED, "evaluation_report", "It is evaluated."),
    (TRAINED, "adapter_checkpoint", "A model is trained, and not evaluated yet."),
)
NO_DECISION = "There is no release decision yet."
WITHOUT_FILE = "its file cannot be read, so nobody can tell whether the rules still hold"


@dataclass(frozen=True)
class State:
    """What a use case is now.

    Attributes:
        name: one of `STATES`.
        words: in a sentence or two.
        standing: the newest decision; None: there is none.
        decided_about: id of its checkpoint.
        release: the newest that people may be served by; None: there is none.
        live: target -> release that has the traffic.
        is_down: something was deployed, and nothing that may be used answers.
    """

    name: str
    words: str
    standing: Standing | None = None
    decided_about: str = ""
    release: Release | None = None
    live: Mapping[str, str] = field(default_factory=dict)
    is_down: bool = False

    @property
    def is_good(self) -> bool:
        """Whether all that was reached is as it should be."""
        accepted = self.standing is not None and self.standing.state == MAY_BE
        return accepted and self.name in (ACCEPTED, RELEASED, LIVE)

    @property
    def all_words(self) -> list[str]:
        """What it is, and what was decided beside that; each once."""
        return list(dict.fromkeys(filter(None, [self.words, self.decision_words])))

    @property
    def decision_words(self) -> str:
        """Whether the newest checkpoint that was decided about may be released; empty: it is what is released."""
        if self.standing is None:
            return NO_DECISION
        if self.standing.state == MAY_BE:
            is_out = self.release is not None and self.release.checkpoint == self.decided_about
            return "" if is_out else "It may be released."
        if self.standing.state == ENDED:
            return f"It may no longer be released: {self.standing.why or 'a waiver has ended'}."
        if self.standing.state == UNREADABLE:
            return "Its release decision was altered or cannot be read, so it may not be released."
        return "It may not be released."


def state_of(lake: Lake, name: str, use_case: NamedUseCase | None, today: date | None = None) -> State:
    """Never raises for what cannot be read: that is a state as well.

    Args:
        use_case: None: it has no file that can be read.
    """
    seen, day = Snapshot.of(lake), today or datetime.now(UTC).date()
    try:
        decision = next(iter(seen.artifacts(name, STAGE)), None)
        standing = standing_now(seen, use_case, day) if use_case else _recorded(seen, name, day)
        about = str(seen.manifest(decision).info.get("checkpoint", "")) if decision else ""
        known = releases(seen, name)
        found = _released(seen, name, use_case, known) if known else _unreleased(seen, name, standing)
    except FtError as error:
        return State(UNKNOWN, f"Nobody can tell what may be used: {error.message}.")
    return replace(found, standing=standing, decided_about=about)


def decision_words(lake: Lake, decision: ArtifactVersion, now: Standing | None, today: date | None = None) -> str:
    """What a decision says: whether it holds now, or, of one that is not judged any more, what it said on its day.

    Args:
        now: the newest decision, as it holds now.
    """
    if now and now.id == decision.artifact_id:
        return now.words
    return f"{standing_of(lake, decision, today).words}, as of {lake.manifest(decision).written_at[:10]}"


def about_release(lake: Lake, name: str, checkpoint: str | None, stage: str) -> ArtifactVersion | None:
    """The newest report of a stage about the released checkpoint, or where nothing is released the newest of all."""
    if checkpoint is None:
        return next(iter(lake.artifacts(name, stage)), None)
    released = lake.artifact(name, "adapter_checkpoint", checkpoint, verify=False)
    return newest_about(lake, released, stage) if released else None


def _recorded(lake: Snapshot, name: str, today: date) -> Standing | None:
    decision = next(iter(lake.artifacts(name, STAGE)), None)
    found = standing_of(lake, decision, today) if decision else None
    return replace(found, state=ENDED, why=WITHOUT_FILE) if found and found.state == MAY_BE else found


def _unreleased(lake: Snapshot, name: str, standing: Standing | None) -> State:
    if standing is not None:
        found = State(ACCEPTED if standing.state == MAY_BE else REFUSED, "", standing)
        return replace(found, words=found.decision_words)
    for state, stage, words in REACHED:
        if lake.artifacts(name, stage):
            return State(state, f"{words} {NO_DECISION}" if state == EVALUATED else words)
    if lake.latest(name, "raw_records"):
        return State(DATA, "There are records, and no model yet.")
    return State(NOTHING, "Nothing was made yet.")


def _released(lake: Snapshot, name: str, use_case: NamedUseCase | None, known: Sequence[Release]) -> State:
    """Of a use case that has releases, whether or not one may still be used."""
    blocked, by_id = blocks_of(lake, known), {one.id: one for one in known}

    @cache  # of those that matter: it compares every byte
    def reason(release_id: str) -> str:
        found = by_id.get(release_id)
        return unusable(lake, found) if found else f"{release_id} is not in the lake"

    release = next((one for one in known if one.checkpoint not in blocked and not reason(one.id)), None)
    newest = {target: one for target, one in _newest(lake, name).items() if not _was_taken_away(lake, one)}
    live, problems = {}, []
    for target, one in newest.items():
        wanted, now = one.record["release"], _answering(use_case, target)
        has, why = wanted if now is None else now, reason(wanted)
        if not reason(has):
            live[target] = has
            # One that may be used, in place of one that may not, is as it should be.
            why = "" if why else _failed_check(lake, one) or (has != wanted and f"{has} answers there") or ""
        elif not why:
            why = "nothing answers there"
        if why:
            problems.append(f"{wanted} was deployed to {target}, and {why}")
    is_down = bool(newest) and not live
    down = f" Production is down: {'; '.join(problems)}." if is_down else "".join(f" {one}." for one in problems)
    where = " and ".join(live)
    if release is None:
        first = known[0]
        why = reason(first.id) or _rolled_back(*blocked[first.checkpoint])
        state = WITHDRAWN if reason(first.id) else BLOCKED
        return State(state, f"Nothing that was released may be used: {why}.{down}", None, "", None, live, is_down)
    first = next(one for one in known if not one.withdrawn)
    about: tuple = (None, "", release, live, is_down)
    if block := blocked.get(first.checkpoint):
        now = f"{release.id} is live at {where}" if live else f"{release.id} is released before it"
        return State(BLOCKED, f"{_rolled_back(*block)}. {now}.{down}", *about)
    if is_down:
        return State(DOWN, down.strip(), *about)
    if not live:
        return State(RELEASED, f"{release.id} of {release.checkpoint} is released, and not deployed.", *about)
    words = f"{' and '.join(dict.fromkeys(live.values()))} is live at {where}."
    if release.id not in live.values():
        words += f" {release.id} is released, and not deployed."
    alarms = _alarms(lake, name, live)
    if alarms or problems:
        return State(ALARMED, f"{words}{alarms}{down}", *about)
    return State(LIVE, words, *about)


def _rolled_back(release_id: str, reason: str) -> str:
    return f"{release_id} was rolled back: {reason}"


def _newest(lake: Lake, name: str) -> dict[str, Deployment]:
    """Target -> the newest deployment that got all its traffic."""
    found: dict[str, Deployment] = {}
    for one in deployments(lake, name):
        if had_traffic(lake, one):
            found.setdefault(one.record["target"], one)
    return found


def _was_taken_away(lake: Lake, deployment: Deployment) -> bool:
    """By a person (`ft deploy --remove`): nothing is meant to answer there."""
    verdict = lake.verdicts(deployments(lake, deployment.version.use_case, deployment.record["target"])[0].version)
    gone = verdict.get(STAYS)
    return gone is not None and not gone.passed


def _answering(use_case: NamedUseCase | None, target: str) -> str | None:
    """The release that the platform's own server answers with; empty: none. None: nobody can tell."""
    settings = use_case.settings.serving.targets.get(target) if use_case else None
    return answering(settings, use_case.name) if use_case and isinstance(settings, LocalTarget) else None


def _failed_check(lake: Lake, deployment: Deployment) -> str:
    verdict = lake.verdicts(deployment.version).get(SERVED_CHECK)
    return str(verdict.numbers.get("says", "")) if verdict and not verdict.passed else ""


def _alarms(lake: Lake, name: str, live: Mapping[str, str]) -> str:
    for _, day in day_reports(lake, name, newest=1):
        if day.alarms and {*live.values()} & {*day.releases}:
            return f" {len(day.alarms):,} {'alarm' if len(day.alarms) == 1 else 'alarms'} on {day.day}."
    return ""
