"""Deletes what is beyond its period, step by step, with the machinery of an erasure. A process that is killed anywhere
goes on where it was: each step is noted when it is done, and doing it again changes nothing.

Covered: all that `retention_plan` finds, in every version of every table, in reports and in lists of training records;
what raters said of them in open reviews; entries of the vault that only these records have; what a run wrote meanwhile,
by a second look. A model that learned from the rows stays refused, as a sweep has marked it: nobody can tell any more
whether they may be used again. Not covered: its weights, the source, backups, ids of records in statements of
experts."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from hashlib import sha256
from typing import Any

import numpy as np

from ft_platform.erasure import case_file
from ft_platform.erasure.artifacts import CHECKPOINTS, artifacts_of, erase_from_artifact
from ft_platform.erasure.case_file import DELETION, CaseFile
from ft_platform.erasure.certificate import BACKUPS, HASHES, VAULT, WEIGHTS
from ft_platform.erasure.retention_due import Due
from ft_platform.erasure.retention_plan import Plan, plan_of
from ft_platform.erasure.tables import erase_from_table, rows_by_file, tables_of
from ft_platform.erasure.vaults import erase_from_vault, tokens_of
from ft_platform.errors import DataError, TransientError
from ft_platform.evaluation.review.judgements import erase_records, records_judged
from ft_platform.governance.retention import REPORT, shown, standing_holds
from ft_platform.governance.taint import sweep
from ft_platform.lake.files import locked, read_bytes, write_bytes
from ft_platform.lake.manifest import now
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import SAW_NO_ERASED
from ft_platform.lake.training_states import remove_states
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.monitoring.traffic.shipping import ship, spool_path, tidy
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import Person
from ft_platform.people.statements import state, statements
from ft_platform.privacy.vault import use_cases_with_vault
from ft_platform.records.key_hashes import KeyHashes, joined
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

LOOKS = 3
"""How often rows may come in again from runs that were under way."""
SOURCE = (
    "the source",
    "It is not the platform's. What it still has is left out while it is due (`raw_records` counts it, by reason).",
)


class Deleting:
    """One deletion.

    Args:
        case: what it must know; its `request` is the id of the deletion.
        ids: hashes of the ids of the records.
        tell: called with the name of each step before it begins.
    """

    def __init__(
        self,
        lake: Lake,
        environment: Environment,
        use_case: NamedUseCase,
        case: CaseFile,
        ids: KeyHashes,
        person: Person,
        tell: Callable[[str], None],
    ) -> None:
        self.lake, self.environment, self.use_case, self.name = lake, environment, use_case, use_case.name
        self.case, self.person, self.tell = case, person, tell
        self.plan, self.due = Plan(**case.told["plan"]), Due(ids)

    def run(self) -> dict[str, Any]:
        """Does what is left to do. Returns the report.

        Raises:
            TransientError: a run that is under way keeps writing; run it again.
        """
        case_file.go_on(self.lake, self.case, STEPS, self, self.tell)
        self.tell("look_again")
        self._look_again()
        self.tell("report")
        made = self._report()
        self.tell("forget")
        _forget(self.lake, self.name, self.case.request)
        return made

    def _mark(self) -> None:
        """First of all: what learned from the rows is refused for good."""
        splits = sum(one["rows"] for one in self.plan.versions if one["version"].startswith("splits@"))
        for told in self.plan.checkpoints:
            for name in CHECKPOINTS:
                if found := self.lake.artifact(self.name, name, told["checkpoint"], verify=False):
                    self._mark_one(found, told["rows"] or splits)

    def _mark_one(self, checkpoint: ArtifactVersion, rows: int) -> None:
        before = self.lake.verdicts(checkpoint).get(SAW_NO_ERASED)
        known: dict[str, Any] = before.numbers if before and not before.passed else {"rows": 0, "reasons": {}}
        deletions: list[str] = known.get("deletions", [])
        if self.case.request not in deletions:
            reasons = Counter[str](known["reasons"]) + Counter({"deleted": rows})
            more = {"rows": known["rows"] + rows, "reasons": dict(reasons)}
            told = {**known, **more, "deletions": [*deletions, self.case.request]}
            self.lake.add_verdict(checkpoint, SAW_NO_ERASED, False, "", told)

    def _trainings(self) -> None:
        for checkpoint in self.plan.trainings:
            remove_states(self.lake, self.name, checkpoint)

    def _traffic(self) -> None:
        ship(self.lake, spool_path(self.environment))
        gone = tidy(self.lake, self.name, self.use_case.settings.monitoring)
        # Killed after it and before this is noted, the plan knows what went.
        self.case.told["traffic"] = {kind: max(rows, self.plan.traffic.get(kind, 0)) for kind, rows in gone.items()}

    def _tokens(self) -> None:
        """Before the rows are gone: pseudonyms that no other record has."""
        has_vault = self.name in use_cases_with_vault(self.lake)
        self.case.tokens = tokens_of(self.lake, self.name, self.due) if has_vault else []

    def _tables(self) -> None:
        for table in tables_of(self.lake, self.name):
            self.tell(f"tables {table.key}")
            files = set(self.plan.files.get(table.key, ()))
            erase_from_table(self.lake, table, self.due.with_files(files), self.case)

    def _artifacts(self) -> None:
        for artifact in artifacts_of(self.lake, self.name):
            erase_from_artifact(self.lake, artifact, self.due, None, self.case.request)

    def _judgements(self) -> None:
        """What raters said of the records in reviews that are open."""
        erase_records(self.lake, self.name, self.due.among(records_judged(self.lake, self.name)))

    def _look_again(self) -> None:
        """Rows that a run wrote from what it had read before."""
        for _ in range(LOOKS):
            if not any(rows_by_file(self.lake, table, self.due) for table in tables_of(self.lake, self.name)):
                return
            self._tables()
            self._artifacts()
        raise TransientError(
            f"a run keeps writing rows into {self.name} that were just deleted", "Wait until it has ended, then go on"
        )

    def _vault(self) -> None:
        if self.case.tokens:
            self.case.told["vault"] = erase_from_vault(self.lake, self.environment, self.case)

    def _sweep(self) -> None:
        """Marks of versions whose rows are gone are taken away."""
        sweep(self.lake, self.use_case)

    def _report(self) -> dict[str, Any]:
        """Signs what was done. Made again, the first one stays."""
        made = (
            one for one in statements(self.lake, self.use_case, REPORT) if one.said["deletion"] == self.case.request
        )
        if found := next(made, None):
            return shown(found)
        said = done(self.plan, self.case)
        note(self.lake, self.use_case, "erasure", "deleted what was beyond its period", self.person, rows=said["rows"])
        who = {"person": self.person.name, "known_by": self.person.known_by, "at": now("milliseconds")}
        said = state(self.lake, self.use_case, REPORT, {**said, **who}, [])
        return {name: value for name, value in said.items() if name not in ("signature", "key", "use_case")}


STEPS = ("mark", "trainings", "traffic", "tokens", "tables", "artifacts", "judgements", "vault", "sweep")
"""In this order: first nobody uses it, then it goes."""


def done(plan: Plan, case: CaseFile) -> dict[str, Any]:
    """What was done, as counts and ids of versions."""
    changes = {table: case.changes_of(table) for table in case.changes}
    rows = {table: sum(one.rows for one in found) for table, found in sorted(changes.items())}
    told = [SOURCE, BACKUPS, HASHES, *([WEIGHTS] if plan.checkpoints else [])]
    told += [VAULT] if case.tokens and case.told.get("vault") is None else []
    return {
        "deletion": case.request,
        "day": plan.day,
        "settings": plan.settings,
        "set_by": plan.set_by,
        "records": plan.records,
        "rows": sum(rows.values()),
        "rows_by_table": {table: count for table, count in rows.items() if count},
        "versions": plan.versions,
        "kept": plan.kept,
        "checkpoints": plan.checkpoints,
        "reports": plan.reports,
        "trainings": plan.trainings,
        "traffic": case.told.get("traffic", {}),
        "vault_entries": case.told.get("vault", 0) if case.tokens else 0,
        "remains": [{"what": what, "why": why} for what, why in told],
    }


def delete_due(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    person: Person,
    day: date,
    *,
    confirmed: bool = False,
    tell: Callable[[str], None] = lambda step: None,
) -> dict[str, Any] | None:
    """Goes on with a deletion that was killed, or deletes what is due.

    Args:
        day: today, or an earlier one.
        confirmed: a compliance officer has said that more than `retention.max_share` of the rows may go.

    Returns:
        The report; None: nothing was due, or a legal hold keeps it.

    Raises:
        DataError: more would go than goes without the word of a person; nothing was deleted.
        SourceError: the ledger cannot be read; nothing was deleted.
        TransientError: an erasure or a run is under way; run it again.
    """
    with locked(environment.lock("erasing", use_case.name)):
        case = _begun(lake, use_case) or _begin(lake, use_case, person, day, confirmed)
        if case is None:
            return None
        ids = _from_bytes(read_bytes(lake.fs, _ids_path(lake, use_case.name, case.request)))
        return Deleting(lake, environment, use_case, case, ids, person, tell).run()


def _begun(lake: Lake, use_case: NamedUseCase) -> CaseFile | None:
    """A deletion that was killed.

    Raises:
        DataError: a legal hold has come since, and stops it where it is.
        TransientError: an erasure is half done.
    """
    found = None
    _remove_lost_ids(lake, use_case.name)
    for request in case_file.open_cases(lake, use_case.name):
        if not request.startswith(DELETION):
            if case_file.started(lake, use_case.name, request):
                problem = f"the erasure {request} of {use_case.name} is half done"
                raise TransientError(problem, f"First go on with it: ft erase subject {use_case.name} {request}")
        elif standing_holds(lake, use_case):
            raise DataError(f"a legal hold keeps {use_case.name}, and {request} is half done", "It goes on afterwards")
        else:
            case_file.remove_unfinished(lake, use_case.name, request)
            found = case_file.load(lake, use_case.name, request)
    return found


def _begin(lake: Lake, use_case: NamedUseCase, person: Person, day: date, confirmed: bool) -> CaseFile | None:
    plan, found = plan_of(lake, use_case, day)
    if plan.holds or plan.finds_nothing:
        return None
    if plan.needs_a_word and not confirmed:
        raise DataError(
            f"{plan.share:.0%} of the rows of {use_case.name} are due, more than retention.max_share"
            f" ({plan.settings['max_share']:.0%}); nothing was deleted",
            f"See: ft retention delete {use_case.name} --dry-run. If it is right, a compliance officer adds --confirm",
        )
    request = DELETION + sha256(f"{use_case.name} {now('milliseconds')}".encode()).hexdigest()[:12]
    note(lake, use_case, "erasure", "deletes what is beyond its period", person, deletion=request, rows=plan.rows)
    case = CaseFile(use_case.name, request, [], told={"plan": asdict(plan)})
    path = _ids_path(lake, use_case.name, request)
    lake.close_zone("restricted")
    write_bytes(lake.fs, path, found.ids.high.tobytes() + found.ids.low.tobytes())
    lake.settle(path)
    case_file.save(lake, case)
    return case


def _remove_lost_ids(lake: Lake, use_case: str) -> None:
    """Those of a deletion that was killed before its case was written, or after it was removed."""
    folder = lake.path_of("restricted", use_case, case_file.FOLDER)
    known = {_ids_path(lake, use_case, one) for one in case_file.open_cases(lake, use_case)}
    for path in lake.fs.find(folder) if lake.fs.exists(folder) else []:
        if ".ids" in path.rsplit("/", 1)[-1] and path not in known:
            lake.fs.rm_file(path)


def _ids_path(lake: Lake, use_case: str, request: str) -> str:
    return lake.path_of("restricted", use_case, case_file.FOLDER, f"{request}.ids")


def _from_bytes(content: bytes) -> KeyHashes:
    halves = np.frombuffer(content, np.uint64)
    return KeyHashes(*np.split(halves, 2)) if len(halves) else joined([])


def _forget(lake: Lake, use_case: str, request: str) -> None:
    """Nothing is left of it then but the report. The case goes first: without it nobody looks for the ids."""
    case_file.remove(lake, use_case, request)
    path = _ids_path(lake, use_case, request)
    if lake.fs.exists(path):
        lake.fs.rm_file(path)
