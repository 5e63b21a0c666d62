"""What a deletion will touch, why, and what stays. Names versions and counts rows; never a record."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ft_platform.erasure.artifacts import CHECKPOINTS, artifacts_of, rows_in
from ft_platform.erasure.plan import learned
from ft_platform.erasure.retention_due import Due, Found, find_due
from ft_platform.erasure.retention_versions import Old, old_versions
from ft_platform.erasure.tables import files_of, rows_by_file, tables_of, versions_of
from ft_platform.governance.retention import standing_holds
from ft_platform.lake.provenance import trainings_on
from ft_platform.lake.store import Lake
from ft_platform.lake.subjects import require_access
from ft_platform.monitoring.traffic.tables import TrafficTables
from ft_platform.process.git import last_change
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.monitoring import Monitoring

WITHOUT_TEXTS = ("requests", "feedback", "shadows")


@dataclass
class Plan:
    """What was found.

    Attributes:
        settings: the periods, and `set_by` who set them: owners, and commit and author of the file where git knows.
        holds: ids of legal holds; while there is one, nothing else is listed and nothing is deleted.
        records: that are due, by reason; `share`: of the rows of the newest `raw_records`.
        rows: in all files, each once.
        versions: `{"version", "rows", "why"}`; `kept`: `{"version", "why"}` of those beyond their period.
        checkpoints: `{"checkpoint", "rows"}` that learned from the rows; rows are null where nobody knows how many.
        reports: `{"report", "rows"}`. trainings: on their way, on versions with the rows.
        traffic: rows of captured traffic beyond their period, by kind.
        files: key of a table -> names of files that lose all rows.
    """

    use_case: str
    day: str
    settings: dict[str, Any]
    set_by: dict[str, str]
    holds: list[str] = field(default_factory=list)
    records: dict[str, int] = field(default_factory=dict)
    share: float = 0.0
    rows: int = 0
    versions: list[dict[str, Any]] = field(default_factory=list)
    kept: list[dict[str, str]] = field(default_factory=list)
    checkpoints: list[dict[str, Any]] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    trainings: list[str] = field(default_factory=list)
    traffic: dict[str, int] = field(default_factory=dict)
    files: dict[str, list[str]] = field(default_factory=dict)

    @property
    def finds_nothing(self) -> bool:
        return not (self.rows or self.reports or any(self.traffic.values()))

    @property
    def needs_a_word(self) -> bool:
        """Whether more would go than goes without the word of a person."""
        return self.share > float(self.settings["max_share"])


def plan_of(lake: Lake, use_case: NamedUseCase, day: date) -> tuple[Plan, Found]:
    """What would be deleted on a day. Changes nothing.

    Raises:
        FtError: the restricted zone may not be read.
        SourceError: the ledger cannot be read, so nobody can tell who withdrew.
    """
    require_access(lake, use_case.name)
    settings = use_case.settings.retention.model_dump(mode="json")
    plan = Plan(use_case.name, day.isoformat(), settings, _set_by(use_case))
    plan.holds = standing_holds(lake, use_case) if lake.signing else []
    if plan.holds:
        return plan, Found()
    found, old = find_due(lake, use_case, day), old_versions(lake, use_case, day)
    plan.records, plan.share = dict(sorted((+found.records).items())), round(found.share, 4)
    plan.files, plan.kept = old.files, old.kept
    _rows(lake, plan, found, old)
    _models(lake, plan, found, old)
    plan.traffic = _traffic(lake, use_case.name, use_case.settings.monitoring, day)
    return plan, found


def _set_by(use_case: NamedUseCase) -> dict[str, str]:
    owners = use_case.settings.owners
    return {
        "accountable": owners.accountable,
        "compliance": owners.of("compliance"),
        **(last_change(use_case.path) if use_case.path else {}),
    }


def _rows(lake: Lake, plan: Plan, found: Found, old: Old) -> None:
    """Rows by version. A file that loses all rows counts with the versions that are old."""
    plan.versions = list(old.gone)
    due = Due(found.ids)
    for table in tables_of(lake, plan.use_case):
        emptied = set(plan.files.get(table.key, ()))
        by_file = rows_by_file(lake, table, due) if len(found.ids) else {}
        files = {name: rows for name, (rows, _) in by_file.items() if name not in emptied}
        plan.rows += sum(files.values())
        for version, manifest in versions_of(lake, table) if files else ():
            if rows := sum(files.get(name, 0) for name in files_of(lake, version, manifest)):
                plan.versions.append({"version": version.id, "rows": rows, "why": "rows that are due"})
    plan.rows += old.rows


def _models(lake: Lake, plan: Plan, found: Found, old: Old) -> None:
    name, due = plan.use_case, Due(found.ids)
    held = [one["version"] for one in plan.versions if one["version"].startswith("splits@")]
    if len(found.ids):
        plan.checkpoints = learned(lake, name, due, held)
        plan.trainings = [one["checkpoint"] for one in trainings_on(lake, name, held)]
        for artifact in artifacts_of(lake, name):
            rows = 0 if artifact.name in CHECKPOINTS else rows_in(lake, artifact, due)
            if rows:
                plan.reports.append({"report": artifact.id, "rows": rows})
    known = {one["checkpoint"] for one in plan.checkpoints}
    plan.checkpoints += [{"checkpoint": one, "rows": None} for one in old.checkpoints if one not in known]


def _traffic(lake: Lake, use_case: str, monitoring: Monitoring, day: date) -> dict[str, int]:
    """As `shipping.tidy` deletes it today."""
    tables, today = TrafficTables(lake, use_case), datetime.now(UTC).date()
    texts, others = monitoring.capture.retention_days, monitoring.retention_days
    firsts: dict[str, int] = {**dict.fromkeys(WITHOUT_TEXTS, others), "texts": texts}
    return {
        kind: sum(rows for on, rows in tables.rows_of_days(kind).items() if on < _first(max(day, today), days))
        for kind, days in firsts.items()
    }


def _first(day: date, days: int) -> str:
    return (day - timedelta(days)).isoformat()
