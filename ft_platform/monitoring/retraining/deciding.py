"""Collects from the lake what a decision about retraining rests on, decides, and writes a start where there is one."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from typing import Any

import numpy as np

from ft_platform.costs.budgets import budgets_from, limits_of
from ft_platform.costs.ledger import Ledger
from ft_platform.lake.manifest import Manifest
from ft_platform.lake.parents import tables_behind, version_of_parent
from ft_platform.lake.releases import releases
from ft_platform.lake.snapshot import Snapshot
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import NOT_TAINTED, taint_of
from ft_platform.lake.versions import TableVersion
from ft_platform.monitoring.day_reports import FILE as DAY_FILE
from ft_platform.monitoring.day_reports import STAGE as DAY_STAGE
from ft_platform.monitoring.day_reports import DayReport
from ft_platform.monitoring.retraining.decide import Decision, decide
from ft_platform.monitoring.retraining.entries import Start
from ft_platform.monitoring.retraining.facts import (
    RECENT,
    Content,
    Cost,
    Day,
    History,
    Judged,
    Released,
    Training,
    Withdrawn,
    facts_of,
)
from ft_platform.monitoring.retraining.journal import alone, entries, write
from ft_platform.monitoring.traffic.tables import TrafficTables
from ft_platform.records.key_hashes import KeyIndex, collected, key_hashes
from ft_platform.stages import STAGES
from ft_platform.training.estimates import kept
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

PERMITTED, CHECKPOINT = "permitted_records", "adapter_checkpoint"
LOOKS_BACK = RECENT + timedelta(days=1)
"""Reports that a decision needs."""


def decision_at(lake: Lake, environment: Environment, use_case: NamedUseCase, at: datetime) -> Decision:
    """What would be decided now. Writes nothing.

    Args:
        at: now.

    Raises:
        VersionRefused: something that it rests on was altered, or is missing.
    """
    history = history_of(lake, environment, use_case, (at - LOOKS_BACK).date())
    return decide(facts_of(history, at), use_case.settings.retraining)


def decide_and_start(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    at: datetime,
    by: str,
    weights: Callable[[], tuple[str, str]],
) -> tuple[Decision, Start | None]:
    """The decision, and the entry of the start where it starts one. Of processes that decide at once one gets it.

    Args:
        at: now.
        by: id of the Dagster instance that will ask for the run.
        weights: what it starts from (`training.continuing.weights_of`), asked only where one starts.

    Raises:
        VersionRefused: as `decision_at`; nothing was started.
    """
    history = history_of(lake, environment, use_case, (at - LOOKS_BACK).date())
    with alone(environment, use_case.name):
        newest = replace(history, entries=entries(lake, use_case.name))
        decision = decide(facts_of(newest, at), use_case.settings.retraining)
        if not decision.would_start:
            return decision, None
        continues, why_not = weights()
        start = replace(decision.start(by), continues=continues, not_continued=why_not)
        write(lake, use_case, start)
    return decision, start


def history_of(lake: Lake, environment: Environment, use_case: NamedUseCase, since: date) -> History:
    """All that happened in a use case; of reports of days those since a day.

    Raises:
        VersionRefused: something that counts was altered, or is missing.
    """
    lake, name = Snapshot(lake), use_case.name
    permitted = list(reversed(list(lake.manifests(name, PERMITTED))))
    checkpoints = [(one, lake.manifest(one)) for one in reversed(lake.artifacts(name, CHECKPOINT))]
    verdicts = [(one, taint_of(lake, one) or lake.verdicts(one).get(NOT_TAINTED)) for one, _ in checkpoints]
    decisions = [lake.manifest(one) for one in reversed(lake.artifacts(name, "release_decision"))]
    profile = environment.profile(use_case.settings.compute.profile)
    budget = use_case.settings.retraining.when.budget_per_month
    limits = {"retraining.when.budget_per_month": budget} if budget is not None else {}
    return History(
        use_case=name,
        contents=[Content(_moment(one.written_at), one.content_hash, one.rows) for one in permitted],
        trainings=[
            Training(_moment(told.written_at), one.artifact_id, _content(lake, name, told), _base_model(told))
            for one, told in checkpoints
        ],
        decisions=[
            Judged(_moment(one.written_at), one.info["checkpoint"], one.info["decision"] == "accepted")
            for one in decisions
        ],
        releases=[
            Released(
                _moment(lake.manifest(one.version).written_at),
                one.id,
                one.checkpoint,
                _moment(one.withdrawn["at"]) if one.withdrawn else None,
            )
            for one in reversed(releases(lake, name))
        ],
        withdrawn=[
            Withdrawn(_moment(found.checked_at), one.artifact_id, 0 if found.passed else int(found.numbers["rows"]))
            for one, found in verdicts
            if found
        ],
        days=list(_days(lake, name, since)),
        feedback=_feedback(lake, name),
        costs=Ledger(lake).rows(),
        curves=[
            (_moment(lake.manifest(one).written_at), _curve(lake, one))
            for one in reversed(lake.artifacts(name, "learning_curve"))
        ],
        entries=entries(lake, name),
        new_records=_counting(lake, {one.content_hash: one for one in permitted}),
        base_model=use_case.settings.trained_base.model_dump(include={"uri", "revision", "sha256"}),
        budgets=partial(
            budgets_from,
            limits={**limits, **limits_of(environment, use_case)},
            use_case=name,
            currency=profile.currency,
        ),
        currency=profile.currency,
        estimate=_estimate(lake, environment, use_case),
    )


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _content(lake: Lake, use_case: str, checkpoint: Manifest) -> str:
    """Hash of the permitted records behind a checkpoint."""
    splits = next(one for one in checkpoint.parents if one.name == "splits")
    behind = version_of_parent(lake, use_case, splits)
    assert isinstance(behind, TableVersion)
    return tables_behind(lake, behind)[PERMITTED].content_hash


def _base_model(checkpoint: Manifest) -> dict[str, Any]:
    told = checkpoint.info.get("base_model", {})
    return {part: told.get(part) for part in ("uri", "revision", "sha256")}


def _days(lake: Snapshot, use_case: str, since: date) -> Iterator[Day]:
    for version in reversed(lake.artifacts(use_case, DAY_STAGE)):
        manifest = lake.manifest(version)
        if manifest.info["day"] >= since.isoformat():
            lake.verify_artifact(version)
            report = DayReport.model_validate(json.loads(lake.read_file(version, DAY_FILE)))
            yield Day(_moment(manifest.written_at), report)


def _feedback(lake: Lake, use_case: str) -> list[datetime]:
    """When each request got its first feedback."""
    given = TrafficTables(lake, use_case).read("feedback", columns=["request_id", "at"])
    first: dict[str, datetime] = {}
    for one in given.sort_by("at").to_pylist():
        first.setdefault(one["request_id"], one["at"])
    return sorted(first.values())


def _curve(lake: Snapshot, version: Any) -> str:
    lake.verify_artifact(version)
    found = json.loads(lake.read_file(version, "learning_curve.json"))
    return " ".join(found["conclusion"][:2])


def _counting(lake: Snapshot, manifests: dict[str, Manifest]) -> Callable[[str, str], int | None]:
    """Counts ids of records that one content has and another does not."""

    def version(manifest: Manifest) -> TableVersion:
        zone = STAGES[PERMITTED].zone
        uri = lake.uri(zone, manifest.use_case, "tables", PERMITTED)
        return TableVersion(
            manifest.use_case, PERMITTED, zone, manifest.version or 0, manifest.content_hash, manifest.rows, uri
        )

    @cache
    def count(now: str, before: str) -> int | None:
        if before not in manifests or lake.erased(version(manifests[before])):
            return None
        ids = (batch.column(0) for batch in lake.read(version(manifests[before]), ["record_id"]))
        known = KeyIndex(collected(ids, manifests[before].rows))
        batches = lake.read(version(manifests[now]), ["record_id"])
        return sum(int(np.count_nonzero(known.find(key_hashes(batch.column(0))) < 0)) for batch in batches)

    return count


def _estimate(lake: Lake, environment: Environment, use_case: NamedUseCase) -> Cost | None:
    splits = lake.latest(use_case.name, "splits")
    profile = environment.profile(use_case.settings.compute.profile)
    found = kept(environment, use_case, splits, profile) if splits else None
    if found is None:
        return None
    basis = "ft estimate, the training alone"
    return Cost(found.money, profile.currency, float(found.figures["seconds"]), basis)
