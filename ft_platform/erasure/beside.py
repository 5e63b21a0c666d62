"""What lies beside the tables and reports of the lake: generated samples, runs in trackers, databases and output of
Dagster and MLflow, earlier versions of objects. Done each time before the proof, since runs go on writing."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ft_platform.erasure.caches import samples_with
from ft_platform.erasure.case_file import CaseFile, save
from ft_platform.erasure.dagster_places import dagster_places
from ft_platform.erasure.databases import databases_in, holds, mend_database
from ft_platform.erasure.needles import Needles
from ft_platform.erasure.old_versions import erase_old_versions
from ft_platform.erasure.output import mend_output
from ft_platform.erasure.postgres import mend_postgres, place_of
from ft_platform.erasure.proof import mlflow_places, postgres_of
from ft_platform.erasure.trackers import ask_trackers, open_places
from ft_platform.lake.store import Lake
from ft_platform.use_case.settings.environment import Environment


def samples(lake: Lake, environment: Environment, case: CaseFile, needles: Needles) -> None:
    """Removes samples that the platform generated: it makes them again where a use case reads them."""
    for path in samples_with(environment, needles):
        path.unlink(missing_ok=True)
        case.told["samples"] = case.told.get("samples", 0) + 1
        save(lake, case)


def trackers(lake: Lake, environment: Environment, case: CaseFile, needles: Needles) -> None:
    """Asks trackers to delete runs. What was asked before and not confirmed is asked again."""
    told = case.told
    if "trackers" in told and not open_places(told["trackers"]):
        return
    learned = {one["checkpoint"] for one in told["plan"]["checkpoints"]} | set(told["plan"]["trainings"])
    asked = ask_trackers(lake, environment, case.use_case, case.request, learned, needles)
    before = {one["place"]: one["deleted"] for one in told.get("trackers", [])}
    for one in asked:
        one["deleted"] = sorted({*before.get(one["place"], ()), *one["deleted"]})
    told["trackers"] = asked


def databases(lake: Lake, environment: Environment, case: CaseFile, needles: Needles) -> None:
    """Mends databases, and what steps printed.

    Raises:
        TransientError: another process holds a database, or a server does not answer.
    """
    places, mlflow = dagster_places(environment), mlflow_places(environment)
    told = case.told.setdefault("databases", {"sqlite": 0, "output": 0, "postgres": {}, "touched": []})

    def touch(kind: str) -> None:
        """Noted before something is changed: a process that is killed afterwards could not tell that it was."""
        if kind not in told["touched"]:
            told["touched"].append(kind)
            save(lake, case)

    for path in [*databases_in(places.databases), *mlflow.databases]:
        if holds(path, needles):
            touch("sqlite")
            told["sqlite"] += mend_database(path, needles)
            save(lake, case)
    told["output"] += mend_output([*places.output, *mlflow.output], needles, lambda: touch("output"))
    for address in postgres_of(environment):
        place = place_of(address)
        known = told["postgres"].setdefault(place, {"rows": 0, "not_rewritten": []})

        def keep(tables: list[str], known: dict[str, Any] = known, place: str = place) -> None:
            known["not_rewritten"] = tables
            touch(place)
            save(lake, case)

        done = mend_postgres(address, needles, known["not_rewritten"], keep)
        known |= {"rows": known["rows"] + done["rows"], "not_rewritten": done["not_rewritten"]}
        save(lake, case)


def old_versions(lake: Lake, environment: Environment, case: CaseFile, needles: Needles) -> None:
    """Deletes earlier versions of objects that hold something."""
    before = case.told.get("old_versions") or {"deleted": 0}
    if found := erase_old_versions(lake, needles):
        case.told["old_versions"] = {**asdict(found), "deleted": found.deleted + before["deleted"]}


BESIDE: dict[str, Callable[[Lake, Environment, CaseFile, Needles], None]] = {
    "samples": samples,
    "trackers": trackers,
    "databases": databases,
    "old_versions": old_versions,
}
"""Name -> what does it; in this order."""
