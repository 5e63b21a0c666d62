"""Every place that may have had something of the persons, and what came of it there: for the certificate."""

from collections.abc import Iterator
from typing import Any

from ft_platform.erasure.case_file import CaseFile
from ft_platform.erasure.trackers import NOT_CONFIRMED
from ft_platform.use_case.settings.environment import Environment

ERASED, NOTHING, TOLD_NOBODY = "erased", "nothing was found", "gets nothing of persons"
NOT_REACHED = "not reached"
LOG_OF_POSTGRES = (
    "Its write-ahead log, replicas and backups may hold earlier rows until the server recycles them: ask its operator."
)
NOT_REWRITTEN = "VACUUM FULL was requested and not confirmed for {}, whose unused space may hold earlier rows."
KEPT = "They are locked, or this account may not list or delete them ({}): ask the owner of the bucket."
SENT = "Entries with names were sent there before. It is not the platform's: ask its operator to delete them."


def places_of(case: CaseFile, environment: Environment) -> list[dict[str, Any]]:
    """Place, result, and how many where that can be counted; no word about the persons."""
    told = case.told
    found = [
        _counted(
            "tables of the lake", sum(one.rows + one.repaired for t in case.changes for one in case.changes_of(t))
        ),
        _counted("reports and lists of training records", sum(one["rows"] for one in told["plan"]["reports"])),
        _counted("manifests and verdicts", told.get("control_files", 0)),
        _counted("captured requests", told["requests"]),
    ]
    if told.get("samples"):
        found.append(_counted("samples that the platform generated", told["samples"]))
    if told["plan"]["vault"]:
        entries = told["vault"]
        missing = {"place": "vault", "result": NOT_REACHED, "why": "the key that opens it is not here"}
        found.append(missing if entries is None else _counted("vault", entries))
    if old := told.get("old_versions"):
        found.append(_old_versions(old))
    databases = told.get("databases") or {"sqlite": 0, "output": 0, "postgres": {}, "touched": []}
    touched = databases["touched"]
    found.append(_counted("databases of Dagster and MLflow in SQLite", databases["sqlite"], "sqlite" in touched))
    found += [_postgres(place, one, place in touched) for place, one in sorted(databases["postgres"].items())]
    found.append(_counted("output of steps, and files of runs", databases["output"], "output" in touched))
    found += [tracker_place(one) for one in told.get("trackers", [])]
    return found + list(others(environment))


def _counted(place: str, count: int, touched: bool = False) -> dict[str, Any]:
    """A process that is killed may have `touched` more than was counted."""
    return {"place": place, "result": ERASED if count or touched else NOTHING, "count": count}


def _old_versions(done: dict[str, Any]) -> dict[str, Any]:
    said = _counted("earlier versions of objects in the bucket", done["deleted"])
    if not done["why"]:
        return said
    return {**said, "result": NOT_REACHED, "not_deleted": done["kept"], "why": KEPT.format(done["why"])}


def _postgres(place: str, done: dict[str, Any], touched: bool) -> dict[str, Any]:
    left = [NOT_REWRITTEN.format(", ".join(done["not_rewritten"]))] if done["not_rewritten"] else []
    why = {"why": " ".join([*left, LOG_OF_POSTGRES])} if touched else {}
    return {**_counted(place, done["rows"], touched), **why}


def tracker_place(asked: dict[str, Any]) -> dict[str, Any]:
    """What one tracker was asked, and what came of it."""
    result = "deleted" if asked["deleted"] else NOTHING
    said = {"place": asked["place"], "result": result if asked["confirmed"] else NOT_CONFIRMED}
    said |= {"count": len(asked["deleted"]), "deleted": asked["deleted"], "not_confirmed": asked["not_confirmed"]}
    return {**said, **({"why": why} if (why := asked["why"] or asked["note"]) else {})}


def others(environment: Environment) -> Iterator[dict[str, Any]]:
    """Services that are told something and cannot be asked."""
    for name in sorted(environment.alerting.channels):
        yield {"place": f"alert channel {name}", "result": TOLD_NOBODY}
    if environment.lineage:
        yield {"place": "collector of lineage", "result": TOLD_NOBODY}
    for number, receiver in enumerate(environment.audit_log.forward, 1):
        place = {"place": f"receiver {number} of the audit log ({receiver.kind})"}
        yield {**place, "result": NOT_REACHED, "why": SENT} if receiver.persons else {**place, "result": TOLD_NOBODY}
