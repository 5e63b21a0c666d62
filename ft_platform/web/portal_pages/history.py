"""What a use case has been through: its versions with what became of each, and what was decided, released and deployed
when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import zip_longest
from typing import Any

from ft_platform.errors import CorruptVersion
from ft_platform.evaluation.files import METRICS
from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.lake.releases import Release, blocks_of, releases, unusable
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import taint_of
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.release.standing import Standing
from ft_platform.reporting.figure import COLOURS, around, drawing
from ft_platform.reporting.formats import number
from ft_platform.reporting.published import intact_json, page_of
from ft_platform.reporting.use_case_state import State, decision_words

MOST = 20
"""Versions and events on the page, the newest."""


@dataclass(frozen=True)
class TrainedVersion:
    """A checkpoint.

    Attributes:
        page, evaluation_page, decision_page: addresses from the home page; None where there is none.
        data: id of its splits.
        metric: title of the main metric; with `value`, `low` and `high` None where it was not evaluated.
        damaged: the figures of its evaluation are not those of the manifest.
        decision: the newest about it, in words.
        releases: ids.
        before: id of the checkpoint before it; None for the first.
    """

    id: str
    trained_at: str
    page: str | None
    data: str
    before: str | None
    metric: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    damaged: bool = False
    evaluation_page: str | None = None
    decision: str | None = None
    decision_page: str | None = None
    releases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Event:
    """Something that was decided or done.

    Attributes:
        at: ISO 8601.
        state: in words.
        page: address from the home page; None where there is none.
    """

    at: str
    what: str
    state: str
    page: str | None


def versions_of(lake: Lake, name: str, standing: Standing | None, today: date) -> tuple[list[TrainedVersion], int]:
    """The newest checkpoints, newest first, and how many there are in all. Raises as `releases`.

    Args:
        standing: of the newest decision as it holds now.
    """
    checkpoints = lake.artifacts(name, "adapter_checkpoint")
    evaluations = _first(lake, name, "evaluation_report", _evaluated)
    decisions = _first(lake, name, "release_decision", lambda manifest: manifest.info.get("checkpoint"))
    released: dict[str, list[str]] = {}
    for one in releases(lake, name):
        released.setdefault(one.checkpoint, []).append(one.id)
    found = []
    for checkpoint, earlier in list(zip_longest(checkpoints, checkpoints[1:]))[:MOST]:
        manifest = lake.manifest(checkpoint)
        decision = decisions.get(checkpoint.artifact_id)
        found.append(
            TrainedVersion(
                id=checkpoint.artifact_id,
                trained_at=manifest.written_at,
                page=page_of(lake, checkpoint),
                data=next((parent.id for parent in manifest.parents if parent.name == "splits"), "–"),
                before=earlier.artifact_id if earlier else None,
                **_figures(lake, evaluations.get(checkpoint.artifact_id)),
                decision=(
                    f"{decision_words(lake, decision, standing, today)}{_since(lake, checkpoint)}" if decision else None
                ),
                decision_page=page_of(lake, decision) if decision else None,
                releases=tuple(released.get(checkpoint.artifact_id, ())),
            )
        )
    return found, len(checkpoints)


def _since(lake: Lake, checkpoint: ArtifactVersion) -> str:
    """What became of a checkpoint that was decided about."""
    taint = taint_of(lake, checkpoint)
    return f"; quarantined since, for {taint.numbers['rows']:,} of its rows" if taint else ""


def _first(lake: Lake, name: str, stage: str, about: Any) -> dict[str, ArtifactVersion]:
    """Id of a checkpoint -> the newest artifact of a stage about it."""
    found: dict[str, ArtifactVersion] = {}
    for one in lake.artifacts(name, stage):
        found.setdefault(about(lake.manifest(one)), one)
    return found


def _evaluated(manifest: Any) -> str | None:
    return next((parent.id for parent in manifest.parents if parent.name == "adapter_checkpoint"), None)


def _figures(lake: Lake, evaluation: ArtifactVersion | None) -> dict[str, Any]:
    try:
        figures = intact_json(lake, evaluation, METRICS)
    except CorruptVersion:  # one of many: the others are told
        return {"damaged": True}
    if evaluation is None or not figures:
        return {}
    main = metric(figures["main_metric"])
    found = figures["systems"][FINE_TUNED][main.name]
    told = {name: found[name] for name in ("value", "low", "high")}
    return {**told, "metric": main.title, "evaluation_page": page_of(lake, evaluation)}


def events_of(lake: Lake, name: str, now: State, today: date) -> tuple[list[Event], int]:
    """What was decided, released and deployed, newest first, and how many events there are in all. Raises as
    `releases`.

    Args:
        now: state of the use case, which says what is released.
    """
    found: list[tuple[str, Any]] = []
    known = releases(lake, name)
    blocked = blocks_of(lake, known)
    champion = now.release.id if now.release else None
    found += [(lake.manifest(one).written_at, one) for one in lake.artifacts(name, "release_decision")]
    found += [(lake.manifest(one.version).written_at, one) for one in known]
    found += [(lake.manifest(one).written_at, one) for one in lake.artifacts(name, "deployment")]
    newest = sorted(found, key=lambda one: one[0], reverse=True)
    told = []
    for at, one in newest[:MOST]:
        if isinstance(one, Release):
            what = f"{one.id} of {one.checkpoint}"
            told.append(Event(at, what, _state(lake, one, champion, blocked), page_of(lake, one.version)))
            continue
        info = lake.manifest(one).info
        decided = one.name == "release_decision"
        what = f"{one.id} about {info.get('checkpoint', '–')}" if decided else f"{info['release']} at {info['target']}"
        state = decision_words(lake, one, now.standing, today) if decided else "deployed"
        told.append(Event(at, what, state, page_of(lake, one)))
    return told, len(newest)


def _state(lake: Lake, one: Release, champion: str | None, blocked: Mapping[str, tuple[str, str]]) -> str:
    if one.withdrawn:
        return f"withdrawn: {one.withdrawn['reason']}"
    if block := blocked.get(one.checkpoint):
        return f"rolled back: {block[1]}"
    if why := unusable(lake, one):
        return f"may not be used: {why}"
    return "stands" if one.id == champion else "replaced"


def quality_picture(versions: Sequence[TrainedVersion]) -> tuple[bytes, str] | None:
    """The main metric of each version with its interval, oldest first, and the same in words; None for fewer than two.
    Squares were released."""
    points = [one for one in reversed(versions) if one.value is not None and one.metric == versions[0].metric]
    if len(points) < 2:
        return None
    told = [f"{one.id} {number(one.value)}{', released' if one.releases else ''}" for one in points]
    rows = tuple((one.trained_at[:10], one.value, one.low, one.high, bool(one.releases)) for one in points)
    return _drawn(points[0].metric or "", rows), f"{points[0].metric} of {len(points)} versions: {'; '.join(told)}."


@lru_cache(maxsize=64)
def _drawn(title: str, rows: tuple[tuple[str, float, float, float, bool], ...]) -> bytes:
    """Drawn once for the same figures."""
    with drawing(7.2, 2.6) as (_, axes, buffer):
        for place, (_, value, low, high, released) in enumerate(rows):
            how = {"fmt": "s", "color": COLOURS[0]} if released else {"fmt": "o", "color": COLOURS[1]}
            axes.errorbar(place, value, yerr=around({"value": value, "low": low, "high": high}), capsize=4, **how)
        axes.set_xticks(range(len(rows)), [day for day, *_ in rows], rotation=30, ha="right", fontsize=8)
        axes.set_ylabel(title)
        axes.set_xlabel("trained on (squares: released)")
        axes.margins(x=0.1)
        axes.grid(axis="y", alpha=0.3)
    return buffer.getvalue()
