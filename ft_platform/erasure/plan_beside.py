"""What a plan counts beside tables, models and requests: places of the installation that may name a person, too."""

from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path

from ft_platform.erasure.artifacts import CHECKPOINTS, artifacts_of
from ft_platform.erasure.caches import exports_of, generated_files, remembered, samples_with
from ft_platform.erasure.dagster_places import dagster_places
from ft_platform.erasure.databases import databases_in, holds
from ft_platform.erasure.needles import Needles
from ft_platform.erasure.output import files_with
from ft_platform.erasure.plan import Plan
from ft_platform.erasure.postgres import count_in_postgres, place_of
from ft_platform.erasure.proof import folders_of, mlflow_places, postgres_of, words_in_audit_log
from ft_platform.erasure.searching import files_with_any
from ft_platform.erasure.tables import Identified
from ft_platform.evaluation.review.judgements import count_of_records
from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic.shipping import spool_path
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.tracking.deleting import unwanted
from ft_platform.use_case.settings.environment import Environment


def beside(
    lake: Lake, environment: Environment, plan: Plan, found: Identified, texts: Collection[str]
) -> dict[str, int]:
    """Place -> how many of what it names. Reads every byte of Dagster's and MLflow's stores; changes nothing.

    Raises:
        TransientError: a database server does not answer.
    """
    words = {*found.subjects, *found.pseudonyms, *found.records}
    needles, name = Needles(words, texts), plan.use_case
    dagster, mlflow = dagster_places(environment), mlflow_places(environment)
    databases = chain(databases_in(dagster.databases), mlflow.databases)
    counted = {
        "judgements in reviews that are open": count_of_records(lake, name, found.records, texts),
        "words in the audit log": sum(1 for _ in words_in_audit_log(AuditLog(lake), words, texts)),
        "databases of Dagster and MLflow in SQLite": sum(holds(path, needles) for path in databases),
        "files with output of steps and runs": sum(1 for _ in files_with([*dagster.output, *mlflow.output], needles)),
    }
    counted["samples that the platform generated"] = len(samples_with(environment, needles))
    for address in postgres_of(environment):
        counted[f"tables in {place_of(address)}"] = len(count_in_postgres(address, needles))
    if plan.rows or plan.repairs:
        counted["remembered findings and answers of experiments"] = len(remembered(environment, name))
    checkpoints = {one["checkpoint"] for one in plan.checkpoints}
    counted["exports"] = sum(
        len(exports_of(environment, one)) for one in artifacts_of(lake, name) if one.artifact_id in checkpoints
    )
    return counted | dict(_runs(lake, environment, plan, checkpoints | set(plan.trainings)))


def files_beside(environment: Environment, lake: Lake, found: Identified, texts: Collection[str]) -> list[str]:
    """Files of the installation that hold something and that no step of an erasure changes."""
    needles = Needles({*found.subjects, *found.pseudonyms, *found.records}, texts)
    dagster, mlflow, home = dagster_places(environment), mlflow_places(environment), environment.home
    ours = [Path(lake.folder), *dagster.folders, *mlflow.databases, *mlflow.output, environment.cache_path]
    ours += [environment.seals_path, *(home / name for name in ("findings", "experiments", "exports", "vault"))]
    ours += [spool_path(environment), *generated_files(environment)]
    return files_with_any(folders_of(environment), needles, ours)


def _runs(lake: Lake, environment: Environment, plan: Plan, learned: Collection[str]) -> Iterator[tuple[str, int]]:
    """Trackers -> runs that manifests name. Runs that name the person themselves are looked for when it is done."""
    reports = {one["report"] for one in plan.reports}
    about = [
        one
        for one in artifacts_of(lake, plan.use_case)
        if one.id in reports
        or one.artifact_id in learned
        or any(parent.name in CHECKPOINTS and parent.id in learned for parent in lake.manifest(one).parents)
    ]
    runs = unwanted(lake, plan.use_case, about, lambda text: False).runs
    for tracker in sorted({*environment.trackers, *runs}):
        yield f"runs in {tracker}", len(runs.get(tracker, ()))
