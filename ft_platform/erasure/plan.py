"""What an erasure will touch: everything of a use case that holds rows of persons, or learned from them.

Covered: every version of every table in both zones, quarantine and removed rows among them, reports with rows per
record, lists of training records, checkpoints that learned from the rows and those continued from them, saved states of
trainings, releases and deployments of such checkpoints, captured requests, the vault, remembered findings. Texts in
records of others are counted by themselves. Not covered: the source, copies outside the lake and home, other
services."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from ft_platform.erasure.artifacts import CHECKPOINTS, artifacts_of, rows_in, training_rows
from ft_platform.erasure.selecting import Selection
from ft_platform.erasure.tables import Identified, files_of, identify, rows_by_file, tables_of, versions_of
from ft_platform.lake.deployments import STAYS, deployments
from ft_platform.lake.provenance import trainings_on
from ft_platform.lake.releases import standing_releases
from ft_platform.lake.store import Lake
from ft_platform.lake.subjects import require_access
from ft_platform.monitoring.traffic.tables import TrafficTables
from ft_platform.privacy.pseudonyms import subject_pseudonyms
from ft_platform.privacy.vault import use_cases_with_vault
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


@dataclass
class Plan:
    """What was found. Names versions and counts rows; never a person.

    Attributes:
        records: different records of the persons; `rows` in all files, `repairs`: rows of others with one of the texts.
        names_persons: whether any record of the use case says whose it is.
        versions: `{"version", "rows", "repairs"}` of tables.
        checkpoints: `{"checkpoint", "rows"}`; rows are null where a checkpoint keeps no list, or was continued.
        reports: `{"report", "rows"}`.
        trainings: ids of checkpoints that are being trained on the rows.
        releases: that stand, and `targets` that have something of them.
        requests: captured ones of the persons.
        vault: there is one.
        beside: place -> how many of what it names, beside all these (`plan_beside`); empty where nobody looked there.
        files: of the installation that hold something and that no erasure changes, such as copies of sources: it ends
            only when they are gone.
    """

    use_case: str
    records: int = 0
    rows: int = 0
    repairs: int = 0
    names_persons: bool = False
    versions: list[dict[str, Any]] = field(default_factory=list)
    checkpoints: list[dict[str, Any]] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    trainings: list[str] = field(default_factory=list)
    releases: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    requests: int = 0
    vault: bool = False
    beside: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    @property
    def finds_nothing(self) -> bool:
        found = self.rows or self.repairs or self.requests or self.reports or self.files
        return not (found or any(self.beside.values()))


def identified(
    lake: Lake,
    environment: Environment,
    use_case: str,
    subjects: Collection[str],
    pseudonyms: Collection[str] = (),
    records: Collection[str] = (),
) -> Identified:
    """Persons with all their ids, pseudonyms by every key there is, and records.

    Raises:
        FtError: the restricted zone may not be read.
        KeyMissing: there is no pseudonym key.
    """
    require_access(lake, use_case)
    found, before = Identified(set(subjects), set(pseudonyms), set(records)), -1
    while len(found.subjects) > before:
        before = len(found.subjects)
        for subject in list(found.subjects):
            found.pseudonyms |= set(subject_pseudonyms(environment, use_case, subject).values())
        identify(lake, use_case, found)
    return found


def plan_of(lake: Lake, use_case: NamedUseCase, found: Identified, texts: Collection[str] = ()) -> Plan:
    """What an erasure of these persons would touch. Changes nothing."""
    name = use_case.name
    plan = Plan(name, records=len(found.records), names_persons=found.names_persons)
    for table in tables_of(lake, name):
        files = rows_by_file(lake, table, found.selection(table.zone, texts))
        plan.rows += sum(rows for rows, _ in files.values())
        plan.repairs += sum(naming for _, naming in files.values())
        for version, manifest in versions_of(lake, table) if files else ():
            hit = [files[one] for one in files_of(lake, version, manifest) if one in files]
            if hit:
                rows, repairs = (sum(numbers) for numbers in zip(*hit, strict=True))
                plan.versions.append({"version": version.id, "rows": rows, "repairs": repairs})
    _models(lake, use_case, found, texts, plan)
    asked = TrafficTables(lake, name).subjects()
    plan.requests = sum(len(asked.get(one, ())) for one in {*found.subjects, *found.pseudonyms})
    plan.vault = name in use_cases_with_vault(lake)
    return plan


def _models(lake: Lake, use_case: NamedUseCase, found: Identified, texts: Collection[str], plan: Plan) -> None:
    name, selection = use_case.name, found.selection("shared", texts)
    splits = [one["version"] for one in plan.versions if one["version"].startswith("splits@") and one["rows"]]
    plan.checkpoints = learned(lake, name, found.selection("shared"), splits)
    plan.trainings = [one["checkpoint"] for one in trainings_on(lake, name, splits)]
    for artifact in artifacts_of(lake, name):
        rows = 0 if artifact.name in CHECKPOINTS else rows_in(lake, artifact, selection)
        if rows:
            plan.reports.append({"report": artifact.id, "rows": rows})
    tainted = {one["checkpoint"] for one in plan.checkpoints}
    plan.releases = [one.id for one in standing_releases(lake, name) if one.checkpoint in tainted]
    plan.targets = _targets(lake, use_case, plan.releases)


def learned(lake: Lake, use_case: str, selection: Selection, splits: Iterable[str]) -> list[dict[str, Any]]:
    """Checkpoints that were trained on these rows, and those that were continued from one of them.

    Args:
        splits: versions that hold some; a checkpoint without a list of its records counts if it was trained on one.
    """
    found: dict[str, dict[str, Any]] = {}
    held = set(splits)
    made = [(one, lake.manifest(one)) for name in CHECKPOINTS for one in reversed(lake.artifacts(use_case, name))]
    for checkpoint, manifest in made:  # the oldest first
        rows = training_rows(lake, checkpoint, selection)
        unknown = rows is None and any(parent.id in held for parent in manifest.parents)
        continued = any(parent.name in CHECKPOINTS and parent.id in found for parent in manifest.parents)
        if rows or unknown or continued:
            found[checkpoint.artifact_id] = {"checkpoint": checkpoint.artifact_id, "rows": rows or None}
    return list(found.values())


def _targets(lake: Lake, use_case: NamedUseCase, releases: Collection[str]) -> list[str]:
    """Targets whose newest deployment is one of these releases, and was not taken away."""
    found = []
    for target in use_case.settings.serving.targets:
        newest = next(iter(deployments(lake, use_case.name, target)), None)
        if newest and newest.record["release"] in releases:
            gone = lake.verdicts(newest.version).get(STAYS)
            if gone is None or gone.passed:
                found.append(target)
    return found
