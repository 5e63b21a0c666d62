"""Carries out an approved erasure, step by step. A process that is killed anywhere goes on where it was: each step is
noted when it is done, and doing it again changes nothing.

Covered: all that `plan` finds; what a run that was under way wrote meanwhile is found by a second look; backups, whose
earlier moments end. A model that
learned from the rows is quarantined, not mended: what its weights still hold nobody can take out, so it is refused by
every gate and loses its traffic, and the certificate says so."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ft_platform.erasure import case_file
from ft_platform.erasure.artifacts import CHECKPOINTS, artifacts_of, erase_from_artifact, erase_from_statement
from ft_platform.erasure.beside import BESIDE
from ft_platform.erasure.caches import remove_caches
from ft_platform.erasure.case_file import CaseFile
from ft_platform.erasure.certificate import RETRAINING, certify, done
from ft_platform.erasure.confirming import ask_again
from ft_platform.erasure.control_files import erase_from_control_files
from ft_platform.erasure.needles import Needles
from ft_platform.erasure.plan import identified, plan_of
from ft_platform.erasure.postgres import count_in_postgres
from ft_platform.erasure.proof import folders_of, postgres_of, words_in_audit_log
from ft_platform.erasure.requests import case_of, require_no_hold
from ft_platform.erasure.searching import search
from ft_platform.erasure.tables import Identified, erase_from_table, rows_by_file, tables_of
from ft_platform.erasure.tombstones import bury, key_of, stand_ins
from ft_platform.erasure.vaults import erase_from_vault, originals_of, tokens_of
from ft_platform.erasure.weights import measure_before
from ft_platform.errors import FtError, TransientError
from ft_platform.evaluation.review.judgements import erase_records
from ft_platform.lake.backup.taking import take_backup
from ft_platform.lake.files import locked
from ft_platform.lake.manifest import now
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import SAW_NO_ERASED
from ft_platform.lake.training_states import remove_states
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.monitoring.retraining.journal import ask, entries
from ft_platform.monitoring.traffic.shipping import forget_subject, ship, spool_path
from ft_platform.monitoring.traffic.spool import reading
from ft_platform.monitoring.traffic.tables import TrafficTables
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.opening import note
from ft_platform.people.noted import Noted
from ft_platform.people.person import Person
from ft_platform.release.erasures import Request, requests
from ft_platform.release.releasing import withdraw
from ft_platform.serving.upkeep import take_away_withdrawn
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

LOOKS = 3
"""How often rows may come in again from runs that were under way."""


class Erasing:
    """One erasure.

    Args:
        request: that was approved, and `case`, whom it is about.
        person: who starts it.
        tell: called with the name of each step before it begins.
    """

    def __init__(
        self,
        lake: Lake,
        environment: Environment,
        use_case: NamedUseCase,
        request: Request,
        case: CaseFile,
        person: Person,
        tell: Callable[[str], None] = lambda step: None,
    ) -> None:
        self.lake, self.environment, self.use_case, self.name = lake, environment, use_case, use_case.name
        self.request, self.case, self.person, self.tell = request, case, person, tell

    def run(self) -> dict[str, Any] | None:
        """Does what is left to do.

        Returns:
            The certificate; None where something of the person was still found: `case.told["searched"]` says where.

        Raises:
            TransientError: a run that is under way keeps writing, or a target cannot be reached; run it again.
            VersionRefused: a backup of what is left does not match what was signed, so earlier ones stay.
        """
        self.case.told.pop("stopped", None)
        case_file.remove_unfinished(self.lake, self.name, self.request.id)
        if not self.case.steps:
            note(self.lake, self.use_case, "erasure", "erases persons", self.person, request=self.request.id)
        try:
            return self._all_steps()
        except FtError as error:
            self._stopped(" ".join(filter(None, [error.message, error.next_step])))
            raise

    def _all_steps(self) -> dict[str, Any] | None:
        case_file.go_on(self.lake, self.case, STEPS, self, self.tell)
        self.tell("look_again")
        self._look_again()
        for step, do in BESIDE.items():
            self.tell(step)
            do(self.lake, self.environment, self.case, self._needles)
            case_file.save(self.lake, self.case)
        self.tell("prove")
        if left := self._prove():
            files = sorted(self.case.told["searched"]["found"])
            self._stopped(f"{left:,} bytes of the person are left", files)
            return None
        self._backups()
        self.tell("certify")
        made = certify(self.lake, self.environment, self.use_case, self.request, self.case, self.person)
        self.tell("forget")
        case_file.remove(self.lake, self.name, self.request.id)
        return made

    def _stopped(self, why: str, files: Sequence[str] = ()) -> None:
        """Notes why it does not go on, for those who started it."""
        self.case.told["stopped"] = {"why": why, "files": list(files), "at": now("milliseconds")}
        case_file.save(self.lake, self.case)

    def so_far(self) -> dict[str, Any]:
        """What was done, and the files in which something of the person is still found."""
        said = done(self.environment, self.request, self.case)
        return {**said, "found_in": sorted(self.case.told["searched"]["found"])}

    @property
    def _needles(self) -> Needles:
        case = self.case
        records = stand_ins(key_of(self.environment, self.name), case.records)
        return Needles({*case.subjects, *case.pseudonyms, *case.asked}, case.texts, records)

    def _found(self) -> Identified:
        return Identified(set(self.case.subjects), set(self.case.pseudonyms), set(self.case.records))

    def _identify(self) -> None:
        case = self.case
        found = identified(self.lake, self.environment, self.name, case.asked_subjects, case.asked_pseudonyms)
        plan = plan_of(self.lake, self.use_case, found, case.texts)
        self._keep(found)
        if plan.vault:
            case.tokens = tokens_of(self.lake, self.name, found.selection("shared"))
            known = originals_of(self.lake, self.environment, self.name, found.selection("restricted"), self.request.id)
            case.originals, case.told["vault_shared"] = known.own, known.shared
        case.told["plan"] = asdict(plan)

    def _keep(self, found: Identified) -> None:
        self.case.subjects, self.case.pseudonyms = sorted(found.subjects), sorted(found.pseudonyms)
        self.case.records = sorted(found.records)

    def _tombstone(self) -> None:
        """First of all: from now on nobody is brought back."""
        said = {"request": self.request.id, "at": now("milliseconds"), "known_by": self.person.known_by}
        bury(self.lake, self.environment, self.use_case, self.case.subjects, said, self.person)

    def _quarantine(self) -> None:
        """Checkpoints that learned from the rows are refused from now on, for good."""
        for told in self.case.told["plan"]["checkpoints"]:
            for checkpoint in self._checkpoints(told["checkpoint"]):
                rows = told["rows"] or 0
                numbers = {"rows": rows, "reasons": {"erased": rows}, "request": self.request.id}
                self.lake.add_verdict(checkpoint, SAW_NO_ERASED, False, "", numbers)
        for release in self.case.told["plan"]["releases"]:
            withdraw(self.lake, self.use_case, release, reason=f"Erasure: {self.request.id}", by=self.person.name)

    def _checkpoints(self, wanted: str) -> Iterator[ArtifactVersion]:
        for name in CHECKPOINTS:
            if found := self.lake.artifact(self.name, name, wanted, verify=False):
                yield found

    def _trainings(self) -> None:
        for checkpoint in self.case.told["plan"]["trainings"]:
            remove_states(self.lake, self.name, checkpoint)

    def _weights(self) -> None:
        """Where the request says so: what the checkpoints give away of the rows, while the rows are there."""
        if self.request.said.get("measure_weights"):
            today = datetime.now(UTC).date()
            of = (self.lake, self.environment, self.use_case, self.request, self.case, today)
            self.case.told["weights"] = measure_before(*of)

    def _traffic(self) -> None:
        spool, persons = spool_path(self.environment), {*self.case.subjects, *self.case.pseudonyms}
        ship(self.lake, spool)
        with reading(spool) as reader:
            if reader:
                for person in sorted(persons):
                    reader.remove_texts_of(self.name, person)
        known = set(TrafficTables(self.lake, self.name).subjects())
        self.case.told["requests"] = sum(
            forget_subject(self.lake, spool, self.name, person) for person in sorted(persons & known)
        )

    def _tables(self) -> None:
        found = self._found()
        for table in tables_of(self.lake, self.name):
            self.tell(f"tables {table.key}")
            erase_from_table(self.lake, table, found.selection(table.zone, self.case.texts), self.case)

    def _artifacts(self) -> None:
        selection, needles = self._found().selection("shared", self.case.texts), self._needles
        for artifact in artifacts_of(self.lake, self.name):
            self.tell(f"artifacts {artifact.id}")
            erase_from_artifact(self.lake, artifact, selection, needles, self.request.id)
        for statement in artifacts_of(self.lake, self.name, signed=True):
            erase_from_statement(self.lake, statement, needles, self.request.id)

    def _look_again(self) -> None:
        """Rows that a run wrote from what it had read before."""
        for _ in range(LOOKS):
            case = self.case
            found = identified(self.lake, self.environment, self.name, case.subjects, case.pseudonyms, case.records)
            self._keep(found)
            case_file.save(self.lake, case)
            if not any(
                rows_by_file(self.lake, table, found.selection(table.zone, case.texts))
                for table in tables_of(self.lake, self.name)
            ):
                return
            for step in ("tables", "artifacts"):
                case.steps.remove(step)  # killed in between, it is not done
            case_file.save(self.lake, case)
            self._tables()
            self._artifacts()
            case.steps += ["tables", "artifacts"]
            case_file.save(self.lake, case)
        raise TransientError(
            f"a run keeps writing rows into {self.name} that were just erased", "Wait until it has ended, then go on"
        )

    def _control_files(self) -> None:
        self.case.told["control_files"] = erase_from_control_files(self.lake, self.name, self._needles)

    def _vault(self) -> None:
        self.case.told["vault"] = (
            erase_from_vault(self.lake, self.environment, self.case) if self.case.told["plan"]["vault"] else 0
        )

    def _caches(self) -> None:
        """What is made again where it is needed: remembered findings, answers of experiments, exports; and what raters
        said of the records in reviews that are open."""
        checkpoints = [
            one for told in self.case.told["plan"]["checkpoints"] for one in self._checkpoints(told["checkpoint"])
        ]
        remove_caches(self.environment, self.name, checkpoints)
        erase_records(self.lake, self.name, self._found().records, self.case.texts)

    def _audit_log(self) -> None:
        """Entries that name a person lose the name; the chain stays."""
        log = AuditLog(self.lake)
        about = {"request": self.request.id}
        words = {*self.case.subjects, *self.case.pseudonyms, *self.case.records}
        for word in words_in_audit_log(log, words, self.case.texts):
            log.forget(word, Noted("erasure", self.person, "erased a person from the log", self.name, about))

    def _deployments(self) -> None:
        """The newest clean release that is still there gets the traffic, or nothing does."""
        if self.case.told["plan"]["targets"]:
            changed = take_away_withdrawn(self.lake, self.environment, self.use_case)
            self.case.told["deployments"] = {**self.case.told.get("deployments", {}), **changed}

    def _retraining(self) -> None:
        if not self.case.told["plan"]["checkpoints"]:
            return
        mode, reason = self.use_case.settings.retraining.mode, f"Erasure: {self.request.id}"
        if mode == "by_reasons" and all(one.reason != reason for one in entries(self.lake, self.name).requests):
            ask(self.lake, self.environment, self.use_case, reason, datetime.now(UTC), AuditLog(self.lake))
        self.case.told["retraining"] = RETRAINING[mode]

    def _prove(self) -> int:
        """Bytes of the person that are still found."""
        own = case_file.path_of(self.lake, self.name, self.request.id)
        searched = search(folders_of(self.environment), self.lake, self._needles, [own])
        for address in postgres_of(self.environment):
            searched.found |= count_in_postgres(address, self._needles)
        self.case.told["searched"] = asdict(searched)
        return sum(searched.found.values())

    def _backups(self) -> None:
        """A backup of what was just searched; the keys of everything that only earlier ones hold are destroyed."""
        if self.environment.backup is None:
            return
        self.tell("backups")
        own = case_file.path_of(self.lake, self.name, self.request.id).removeprefix(f"{self.lake.folder}/")
        made = take_backup(self.environment, AuditLog(self.lake), end_earlier=True, leave_out=[own])
        self.case.told["backup"] = made.id


STEPS = (
    "identify",
    "tombstone",
    "quarantine",
    "trainings",
    "weights",
    "traffic",
    "tables",
    "artifacts",
    "control_files",
    "vault",
    "caches",
    "audit_log",
    "deployments",
    "retraining",
)
"""In this order: first nothing comes in any more, then nobody uses it, then it goes."""


def erase_approved(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    request: Request,
    person: Person,
    tell: Callable[[str], None] = lambda step: None,
) -> dict[str, Any]:
    """The certificate of a request that was done before, or is done now; without an `id` where something was still
    found. A second process waits.

    Raises:
        VersionRefused: no second person approved it, or a legal hold stands and nothing was erased yet.
        TransientError: something is under way that keeps writing; go on later.
    """
    if request.certificate:
        case_file.remove(lake, use_case.name, request.id)  # a process may have been killed in between
        return ask_again(lake, environment, use_case, request, person)
    with locked(environment.lock("erasing", use_case.name)):
        again = next(one for one in requests(lake, use_case) if one.id == request.id)
        if again.certificate:  # another process has done it meanwhile
            return again.certificate
        if not case_file.started(lake, use_case.name, request.id):
            require_no_hold(lake, use_case)
        _require_alone(lake, use_case.name, request.id)
        case = case_of(lake, environment, use_case, again)
        erasing = Erasing(lake, environment, use_case, again, case, person, tell)
        return erasing.run() or erasing.so_far()


def _require_alone(lake: Lake, use_case: str, request: str) -> None:
    """What a version has lost is signed after its files were written anew: nobody else may change them in between."""
    for other in case_file.open_cases(lake, use_case):
        if other.startswith(case_file.DELETION):
            problem, command = "a deletion by the retention", f"ft retention delete {use_case}"
        elif other != request and case_file.started(lake, use_case, other, short_of=STEPS):
            problem, command = f"the erasure {other}", f"ft erase subject {use_case} {other}"
        else:
            continue
        raise TransientError(f"{problem} of {use_case} is half done", f"First go on with it: {command}")
