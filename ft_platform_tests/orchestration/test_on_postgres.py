"""Dagster's instance of an installation in PostgreSQL: runs, events and what the portal asks of them."""

from pathlib import Path

import dagster as dg
import pytest

from ft_platform.compute import pool
from ft_platform.orchestration.execution import run_use_case
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.postgres_server import keep_instance_there
from ft_platform_tests.sources.test_sql import postgres_port  # noqa: F401

pytestmark = pytest.mark.components(name="postgres")
pytest.importorskip("dagster_postgres")
RUN = "11111111-2222-4333-8444-555555555555"
RECORDS = "id,text,label,consent,region\n1,Water came in.,problem,yes,north\n2,Thank you.,praise,yes,south\n"


def test_a_run_is_kept_in_the_database(
    environment: Environment,
    tmp_path: Path,
    postgres_port: int,  # noqa: F811
) -> None:
    (tmp_path / "records.csv").write_text(RECORDS)
    write_use_case(environment.defs, "letters", minimal_attributes(str(tmp_path / "records.csv")))
    keep_instance_there(environment, postgres_port)
    outcome = run_use_case("letters", select=["raw_records"], environment=environment)
    assert outcome.success
    with dg.DagsterInstance.from_config(str(environment.dagster_home)) as instance:
        (run,) = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.SUCCESS
        made = instance.get_latest_materialization_event(dg.AssetKey(["letters", "raw_records"]))
        assert made and made.asset_materialization and made.run_id == run.run_id
    assert not list(environment.dagster_home.glob("**/*.db")), "nothing went to a file of its own"


def test_programs_wait_for_their_place_there(
    environment: Environment,
    postgres_port: int,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second of all programs failed: Dagster went on in a transaction that had ended."""
    keep_instance_there(environment, postgres_port)
    with dg.DagsterInstance.from_config(str(environment.dagster_home)) as instance:
        storage = instance.event_log_storage
        for step in ("training", "evaluation"):
            assert pool._is_limited(instance)
            assert storage.claim_concurrency_slot(pool.POOL, RUN, step).is_claimed
            storage.free_concurrency_slot_for_step(RUN, step)
        pool._set_to_default(storage, 1)  # as one that another process was faster than
        assert storage.get_concurrency_info(pool.POOL).limit == 1
        monkeypatch.setattr(type(instance), "global_op_concurrency_default_limit", 2)
        assert pool._is_limited(instance)
        assert storage.get_concurrency_info(pool.POOL).limit == 2
