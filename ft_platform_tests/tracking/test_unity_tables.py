"""Tables of the lake in a Unity Catalog: a stand-in that checks requests by the types of Databricks' SDK and of the
open-source client, and clients that others wrote. Persons and texts are fictitious."""

import copy
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ft_platform.erasure.case_file import CaseFile
from ft_platform.erasure.selecting import Selection
from ft_platform.erasure.tables import Table, erase_from_table
from ft_platform.errors import ConfigError, FtError, SourceError, TransientError
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import NOT_TAINTED
from ft_platform.lake.versions import TableVersion
from ft_platform.process import unity_catalog
from ft_platform.records.schemas import anonymized_schema, raw_schema, splits_schema
from ft_platform.stages import STAGES, check_settings_hash
from ft_platform.tracking.unity_tables import Shown, show_tables
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.unity_catalog import UnityCatalog
from ft_platform_tests.serving.clients import FOLDER
from ft_platform_tests.tables import table, use_case

pytest.importorskip("databricks.sdk", reason="the SDK of Databricks is not installed")
from ft_platform_tests.tracking import unity_server

CASE = use_case()
READER = Path(__file__).parent / "duckdb_reader.py"
SCHEMAS = {"anonymized_records": anonymized_schema, "splits": splits_schema, "raw_records": raw_schema}
SHARED = {"anonymized_records": "ml.datasets", "splits": "ml.datasets"}
RECORDS, SPLITS = "ml.datasets.tests_anonymized_records", "ml.datasets.tests_splits"
RAW = {"tables": {"raw_records": "ml.persons"}, "restricted_readers": ["stewards"]}


class Shop:
    """A lake, a catalogue, and what is to be shown of the one in the other."""

    def __init__(self, lake: Lake, environment: Environment, server: unity_server.UnityServer) -> None:
        self.lake, self.environment, self.server = lake, environment, server
        self.settings: dict[str, Any] = {"tables": SHARED}

    def look(self, **more: Any) -> dict[str, Shown]:
        catalogue = UnityCatalog.model_validate(self.settings)
        environment = self.environment.model_copy(update={"unity_catalog": catalogue})
        return {one.table: one for one in show_tables(environment, self.lake, more.pop("cases", [CASE]), **more)}

    def states(self, **more: Any) -> dict[str, str]:
        return {name.rsplit(".", 1)[1].removeprefix("tests_"): one.state for name, one in self.look(**more).items()}

    def write(
        self, stage: str, *texts: str, passes: bool = True, parents: tuple[TableVersion, ...] = ()
    ) -> TableVersion:
        schema = SCHEMAS[stage](CASE)
        rows = table(schema, texts or ("hello", "goodbye"))
        version = self.lake.write_table(
            CASE.name,
            stage,
            rows.to_batches(),
            schema,
            zone=STAGES[stage].zone,
            parents=parents,
            settings_hash=STAGES[stage].settings_hash(CASE),
        )
        for check in STAGES[stage].checks:
            self.lake.add_verdict(version, check, passes, check_settings_hash(CASE, stage, check))
        return version

    def without_ids(self) -> dict[str, Any]:
        return {name: {**copy.deepcopy(one), "table_id": ""} for name, one in self.server.tables.items()}

    def both(self) -> None:
        self.write("splits", parents=(self.write("anonymized_records"),))


def shop_of(lake: Lake, environment: Environment, monkeypatch: pytest.MonkeyPatch, open_source: bool) -> Iterator[Shop]:
    if open_source:
        pytest.importorskip(
            "unitycatalog.client", reason="unitycatalog-client is missing; 0.7 does not go with kubernetes 37"
        )
    server = unity_server.UnityServer("ml.datasets", "ml.persons", "ml.other", open_source=open_source)
    for name, value in server.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(unity_catalog, "WAIT_SECONDS", 0.01)
    yield Shop(lake, environment, server)
    server.stop()


@pytest.fixture(params=[False, True], ids=["databricks", "open_source"])
def shop(
    request: pytest.FixtureRequest, lake: Lake, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    yield from shop_of(lake, environment, monkeypatch, request.param)


@pytest.fixture
def databricks(lake: Lake, environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    yield from shop_of(lake, environment, monkeypatch, False)


def test_tables_appear_with_columns_comments_version_and_lineage_and_a_second_look_changes_nothing(shop: Shop) -> None:
    shop.both()
    assert shop.states() == {"anonymized_records": "registered", "splits": "registered"}
    entry = shop.server.tables[SPLITS]
    assert entry["storage_location"] == f"file://{shop.lake.uri('shared', 'tests', 'tables', 'splits')}"
    facts = entry["properties"] | shop.server.tags.get(SPLITS, {})
    assert facts["ft_version"] == "splits@0" and facts["ft_made_from"] == "anonymized_records@0"
    assert facts["ft_stage"] == "splits" and facts["ft_use_case"] == "tests" and facts["ft_rows"] == "2"
    columns = {one["name"]: one for one in entry["columns"]}
    assert columns["messages"]["type_text"] == "array<struct<role:string,content:string>>"
    assert columns["split"]["comment"] == "train, validation or test"
    before = list(shop.server.calls)
    assert shop.states() == {"anonymized_records": "there", "splits": "there"}
    assert shop.server.calls == before


def test_a_new_version_changes_what_is_said_of_it(shop: Shop) -> None:
    shop.both()
    shop.look()
    shop.server.calls.clear()
    newer = shop.write("anonymized_records", "good morning")
    assert shop.states()["anonymized_records"] == ("registered" if shop.server.open_source else "described")
    said = shop.server.tables[RECORDS]["properties"] | shop.server.tags.get(RECORDS, {})
    assert (said["ft_version"], said["ft_data_version"]) == (newer.id, newer.content_hash[:32])
    if not shop.server.open_source:
        assert {one.split()[0] for one in shop.server.calls} == {"tag"}, "a table that is there is not made again"


def test_other_columns_make_another_entry(databricks: Shop) -> None:
    databricks.both()
    databricks.look()
    databricks.server.tables[SPLITS]["columns"].pop()
    assert databricks.states() == {"anonymized_records": "there", "splits": "registered"}
    assert databricks.server.tables[SPLITS]["columns"][-1]["name"] == splits_schema(CASE).names[-1]


@pytest.mark.parametrize("reason", ["a check failed", "rows were withdrawn", "it was erased", "there is none"])
def test_what_may_not_be_trained_on_is_not_shown_any_more(
    databricks: Shop, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    databricks.both()
    databricks.look()
    if reason == "a check failed":
        databricks.write("anonymized_records", "call Ana", passes=False)
    elif reason == "rows were withdrawn":
        version = databricks.lake.latest("tests", "anonymized_records")
        assert version
        databricks.lake.add_verdict(version, NOT_TAINTED, False, "", {"rows": 1, "reasons": {"consent": 1}})
    elif reason == "it was erased":
        monkeypatch.setattr(Lake, "erased", lambda _, version: "asked" if version.name != "splits" else "")
    else:
        latest = Lake.latest
        monkeypatch.setattr(Lake, "latest", lambda of, case, name: None if name != "splits" else latest(of, case, name))
    assert databricks.states() == {"anonymized_records": "taken out", "splits": "there"}
    assert (
        RECORDS not in databricks.server.tables
        and Path(databricks.lake.uri("shared", "tests", "tables", "splits")).is_dir()
    )
    assert databricks.states()["anonymized_records"] == "not shown"
    monkeypatch.undo()
    for name, value in databricks.server.variables().items():
        os.environ[name] = value
    databricks.write("anonymized_records", "good evening")
    assert databricks.states()["anonymized_records"] == "registered"


def test_a_version_whose_check_is_missing_is_never_shown(databricks: Shop) -> None:
    databricks.lake.write_table("tests", "splits", [], splits_schema(CASE), zone="shared")
    assert databricks.states() == {"anonymized_records": "not shown", "splits": "not shown"}
    assert databricks.server.tables == {}


def test_a_name_that_belongs_to_another_table_is_left_alone(databricks: Shop) -> None:
    databricks.both()
    theirs = {
        "name": "tests_splits",
        "catalog_name": "ml",
        "schema_name": "datasets",
        "table_type": "MANAGED",
        "data_source_format": "DELTA",
        "storage_location": "s3://others/splits",
        "properties": {"ft_use_case": "tests", "ft_stage": "splits"},
    }
    databricks.server.tables[SPLITS] = dict(theirs)
    found = databricks.look()
    assert found[SPLITS].state == "failed" and "not of this lake" in found[SPLITS].why
    databricks.settings = {"tables": {}}
    databricks.look()
    assert databricks.server.tables == {SPLITS: theirs}


def test_a_stage_that_moves_or_is_taken_out_of_the_settings_leaves_nothing_behind(databricks: Shop) -> None:
    databricks.both()
    databricks.look()
    databricks.settings = {"tables": {"splits": "ml.other"}}
    databricks.look()
    assert set(databricks.server.tables) == {"ml.other.tests_splits"}
    databricks.server.schemas.remove("ml.datasets")
    databricks.settings = {"tables": {}}
    assert {one.state for one in databricks.look().values()} == {"taken out"} and databricks.server.tables == {}


def test_tables_of_a_use_case_that_is_gone_go_once_the_lake_has_them_no_more(
    databricks: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    databricks.both()
    databricks.look()
    assert databricks.look(cases=[], known=["others"]) == {} == databricks.look(cases=[])
    monkeypatch.setattr(Lake, "latest", lambda *_: None)
    assert databricks.look(cases=[]) == {} == databricks.look(cases=[], known=["tests"])
    assert {one.state for one in databricks.look(cases=[], known=["others"]).values()} == {"taken out"}


FAULTS = ["answers get lost", "too many requests", "down", "bad credentials"]


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_end_with_the_same_tables_at_the_latest_with_the_next_look(shop: Shop, fault: str) -> None:
    shop.both()
    shop.look()
    wanted = shop.without_ids()
    for one in [*shop.server.tables.values()]:
        one["properties"]["ft_zone"] = "elsewhere"  # so that each is made again
    if fault == "answers get lost":
        shop.server.lose = 3
    elif fault == "too many requests":
        shop.server.throttle = 2
    else:
        setattr(shop.server, *{"down": ("breaks_after", 4), "bad credentials": ("expired", True)}[fault])
        with pytest.raises(FtError) as caught:
            shop.look()
        assert unity_server.TOKEN not in str(caught.value) and len(str(caught.value).splitlines()) <= 5
        shop.server.breaks_after, shop.server.expired = None, False
    shop.look()
    assert shop.without_ids() == wanted and set(shop.states().values()) == {"there"}


def test_wherever_a_look_is_killed_the_next_one_finishes(databricks: Shop) -> None:
    databricks.both()
    for requests in range(40):
        databricks.server.breaks_after = requests
        try:
            databricks.look()
        except TransientError:
            databricks.server.breaks_after = None
            assert set(databricks.states().values()) <= {"there", "registered", "described"}
            assert {tag for tags in databricks.server.tags.values() for tag in tags} >= {"ft_version", "ft_rows"}
            databricks.server.tables.clear()
            databricks.server.tags.clear()
        else:
            break
    assert 12 < requests < 39, "it was killed at each request, and once at none"


def test_two_looks_at_once_register_once(databricks: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    databricks.both()
    create, again = databricks.server.create, [True]

    def slow(given: dict[str, Any]) -> dict[str, Any]:
        if again:
            again.clear()
            create(given)
        return create(given)

    monkeypatch.setattr(databricks.server, "create", slow)
    assert set(databricks.states().values()) == {"registered"}
    assert len(databricks.server.tables) == 2


def test_a_service_principal_gets_a_new_token_when_the_old_one_ends(
    databricks: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    databricks.both()
    monkeypatch.delenv("DATABRICKS_TOKEN")
    for name, value in databricks.server.principal().items():
        monkeypatch.setenv(name, value)
    create = databricks.server.create

    def ended(given: dict[str, Any]) -> dict[str, Any]:
        databricks.server.token = "another"
        return create(given)

    monkeypatch.setattr(databricks.server, "create", ended)
    assert set(databricks.states().values()) == {"registered"} and databricks.server.granted == 3
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "dose-of-nobody")
    with pytest.raises(SourceError, match="gives this service principal no token") as caught:
        databricks.look()
    assert "dose" not in str(caught.value)


def test_personal_data_is_shown_only_while_nobody_else_holds_a_grant(databricks: Shop) -> None:
    databricks.settings, grants = RAW, databricks.server.grants
    databricks.write("raw_records")
    grants["ml"] = [{"principal": "everybody", "privileges": ["USE_CATALOG"]}]
    grants["ml.persons"] = [{"principal": "stewards", "privileges": ["SELECT"]}]
    assert databricks.states() == {"raw_records": "registered"}
    name = "ml.persons.tests_raw_records"
    for place in ("ml", "ml.persons", name):
        before = grants.get(place, [])
        grants[place] = [*before, {"principal": "bo@example.org", "privileges": ["ALL_PRIVILEGES"]}]
        found = databricks.look()[name]
        assert found.state == "taken out" and "1 principals" in found.why and "bo@" not in found.why
        assert databricks.look()[name].state == ("registered" if place == name else "not shown")
        grants[place] = before
        databricks.look()


def test_tables_with_and_without_personal_data_share_no_schema() -> None:
    with pytest.raises(ValueError, match="name `restricted_readers`"):
        UnityCatalog.model_validate({"tables": {"raw_records": "ml.persons"}})
    with pytest.raises(ValueError, match="grants are per schema"):
        UnityCatalog.model_validate({**RAW, "tables": {"raw_records": "ml.a", "splits": "ml.a"}})
    tables = {name for name, stage in STAGES.items() if stage.kind in ("table", "quarantine")}
    shared = {name for name in tables if STAGES[name].zone == "shared"}
    assert shared == set(SHARED)
    for name in tables:
        UnityCatalog.model_validate({"tables": {name: "ml.a"}, "restricted_readers": ["x"]})


def test_a_schema_that_is_not_there_is_named_with_the_next_step(databricks: Shop) -> None:
    databricks.settings = {"tables": {"splits": "ml.nowhere"}}
    with pytest.raises(FtError, match=r"does not list ml\.nowhere.*infra/databricks"):
        databricks.look()


def test_without_variables_nothing_is_asked(databricks: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABRICKS_TOKEN")
    with pytest.raises(ConfigError, match="DATABRICKS_CLIENT_SECRET"):
        databricks.look()
    assert databricks.server.requests == []


@pytest.mark.components(name="duckdb")
def test_clients_of_others_read_what_is_shown_also_after_an_erasure(shop: Shop) -> None:
    """DuckDB finds the tables and reads their rows, and Databricks' SDK finds them."""
    if not (FOLDER / "bin" / "python").exists():
        pytest.skip("needs DuckDB: scripts/install_clients.sh FOLDER, then FT_TEST_CLIENTS=FOLDER")
    shop.server.page = 100  # DuckDB reads the first one only
    shop.both()
    shop.look()

    def rows() -> list[str]:
        command = [str(FOLDER / "bin" / "python"), str(READER), shop.server.url, unity_server.TOKEN, SPLITS]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    assert rows() == ["goodbye", "hello"]
    shop.write("splits", "good morning", "good night", parents=(shop.write("anonymized_records", "good morning"),))
    assert rows() == ["good morning", "good night"], "the newest commit, without another look"
    shop.look()
    case = CaseFile("tests", "erasure_request-1", ["anyone"])
    erase_from_table(shop.lake, Table("shared", "tests", "splits"), Selection([], ["r000"]), case)
    assert rows() == ["good night"], "the files as they were written anew"
    shop.look()
    said = shop.server.tables[SPLITS]["properties"] | shop.server.tags.get(SPLITS, {})
    assert said["ft_rows"] == "1"
    if not shop.server.open_source:
        from databricks.sdk import WorkspaceClient

        client = WorkspaceClient(host=shop.server.url, token=unity_server.TOKEN)
        assert [one.full_name for one in client.tables.list("ml", "datasets")] == [RECORDS, SPLITS]
        assert client.tables.get(SPLITS).storage_location == shop.server.tables[SPLITS]["storage_location"]
