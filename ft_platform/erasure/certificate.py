"""The certificate: what was done on a request, what remains and why. Signed, and without a word about the person."""

from collections.abc import Iterable
from typing import Any

from ft_platform.erasure.case_file import CaseFile
from ft_platform.erasure.places import places_of
from ft_platform.erasure.trackers import NOT_CONFIRMED
from ft_platform.lake.manifest import now
from ft_platform.lake.store import Lake
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import Person
from ft_platform.people.statements import state, statements
from ft_platform.release.erasures import CERTIFICATE, Request
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

SOURCE = "the source", "It is not the platform's. If it names the person again, the row is left out (person_erased)."
BACKUPS = (
    "backups, and earlier versions of objects that are locked",
    "The platform does not reach them; they end with their own period.",
)
OTHER_BACKUPS = (
    "backups that are not the platform's, and earlier versions of objects that are locked",
    "The platform does not reach them; they end with their own period. Its own earlier backups have ended: their keys"
    " are destroyed, wherever copies of them lie.",
)
HASHES = (
    "hashes of versions that held the rows",
    "What is left verifies by them. Whoever knows an erased row word for word could tell by them that it was there.",
)
WEIGHTS = (
    "weights of quarantined checkpoints",
    "They may still hold something of the rows. Every gate refuses them and nobody is served by them; measure what they"
    " give away with the privacy attacks, or remove the folders.",
)
SEALED = (
    "rows that were learned, sealed for one more measurement of weights",
    "They go once a checkpoint that was trained without them is measured, and on the last day of the request at the"
    " latest: ft erase measure.",
)
VAULT = "entries of the vault", "The key that opens it is not here; whoever has it destroys them: ft erase subject."
NOT_OPENED = "files whose inside could not be read", "They were searched as they lie there."
SAMPLES = (
    "a sample of made-up persons",
    "Its files are removed. The platform generates them again where a use case reads the sample, with the same made-up"
    " persons; the rows of this one are left out (person_erased).",
)
RETRAINING = {
    "by_reasons": "queued",
    "on_data_change": "asked for: it starts with the next change of the source, or with ft run",
    "on_demand": "asked for: nothing starts by itself, a person trains with ft run",
}
"""`retraining.mode` -> what follows where a checkpoint is quarantined; `ft needs` asks for it until it is done."""
NO_RETRAINING = "not needed: no model learned from the rows"
SHARED = (
    "entries of the vault whose original others wrote, too",
    "As the name of a town. They are what the records of these others stand for.",
)


def certify(
    lake: Lake, environment: Environment, use_case: NamedUseCase, request: Request, case: CaseFile, person: Person
) -> dict[str, Any]:
    """Signs what was done. Made again, the first one stays."""
    earlier = (one.said for one in statements(lake, use_case, CERTIFICATE) if one.said["request"] == request.id)
    if made := next(earlier, None):
        return made
    said = {**done(environment, request, case), "remains": _remains(case)}
    who = {"person": person.name, "known_by": person.known_by, "at": now("milliseconds")}
    note(lake, use_case, "erasure", "erased persons", person, request=request.id, rows=said["rows"])
    return state(lake, use_case, CERTIFICATE, {**said, **who}, [request.stated.version])


def done(environment: Environment, request: Request, case: CaseFile) -> dict[str, Any]:
    """What was done, as counts and ids of versions."""
    plan, searched = case.told["plan"], case.told["searched"]
    changes = {table: case.changes_of(table) for table in case.changes}
    decision = request.decision or {}
    return {
        "request": request.id,
        "requested_by": request.said["person"],
        "approved_by": decision.get("person"),
        "received": request.said["received"],
        "deadline": request.said["deadline"],
        "persons": request.said["persons"],
        "records": len(case.records),
        "rows": sum(one.rows for found in changes.values() for one in found),
        "rows_of_others_repaired": sum(one.repaired for found in changes.values() for one in found),
        "rows_by_table": {table: sum(one.rows for one in found) for table, found in sorted(changes.items())},
        "versions": [one["version"] for one in plan["versions"]],
        "checkpoints": [one["checkpoint"] for one in plan["checkpoints"]],
        "reports": [one["report"] for one in plan["reports"]],
        "trainings": plan["trainings"],
        "releases_withdrawn": plan["releases"],
        "deployments": case.told.get("deployments", {}),
        "requests": case.told["requests"],
        "vault_entries": case.told["vault"],
        "retraining": case.told.get("retraining", NO_RETRAINING),
        "backup": case.told.get("backup", ""),
        "places": places_of(case, environment),
        "searched": {"files": searched["files"], "bytes": searched["bytes"], "not_opened": len(searched["not_opened"])},
        "bytes_found_after": sum(searched["found"].values()),
        **({"weights": case.told["weights"]} if "weights" in case.told else {}),
    }


def _remains(case: CaseFile) -> list[dict[str, str]]:
    plan, told = case.told["plan"], [SOURCE, OTHER_BACKUPS if "backup" in case.told else BACKUPS, HASHES]
    if plan["checkpoints"]:
        told.append(WEIGHTS)
    if case.told.get("samples"):
        told.append(SAMPLES)
    if case.told.get("weights", {}).get("sealed_until"):
        told.append(SEALED)
    if case.told["vault"] is None:
        told.append(VAULT)
    elif case.told.get("vault_shared"):
        told.append(SHARED)
    if case.told["searched"]["not_opened"]:
        told.append(NOT_OPENED)
    return [{"what": what, "why": why} for what, why in told]


def totals(done: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Figures of several certificates."""
    made = list(done)
    return {
        "rows": sum(one["rows"] for one in made),
        **{name: sum(len(one[name]) for one in made) for name in ("versions", "checkpoints", "deployments")},
        "bytes_found_after": sum(one["bytes_found_after"] for one in made),
        "not_confirmed": sum(place["result"] == NOT_CONFIRMED for one in made for place in one.get("places", ())),
        "certificate": ", ".join(one["id"] for one in made if "id" in one),
        "found_in": [name for one in made for name in one.get("found_in", ())],
    }
