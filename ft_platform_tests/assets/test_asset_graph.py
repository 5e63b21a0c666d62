"""What people see in the UI: every asset says what it is, whose it is and where it runs."""

import dagster as dg
import pytest

from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.loading import load_definitions
from ft_platform.redaction.instance import _texts
from ft_platform.stages import STAGES
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case


@pytest.fixture(scope="module")
def two_use_cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two_use_cases")
    made = Environment(home=folder / "home", defs=folder / "defs", tracking_uri="none")
    write_use_case(made.defs, "complaints", minimal_attributes("records.csv"))
    write_use_case(made.defs, "claims", minimal_attributes("claims.csv"))
    return made


@pytest.fixture(scope="module")
def repository(two_use_cases):
    return load_definitions(two_use_cases).get_repository_def()


def key_of(stage: str, use_case: str = "complaints") -> dg.AssetKey:
    return dg.AssetKey([use_case, stage, *(["local"] if stage == "deployment" else [])])


def test_every_stage_is_an_asset_of_every_use_case(repository):
    keys = {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()}
    names = {"source", *STAGES, "deployment/local"} - {"deployment"}
    names |= {"served_traffic", "monitoring_report", "retraining_decision"}
    assert keys == {f"{name}/{stage}" for name in ("complaints", "claims") for stage in names}


def test_lineage_follows_the_table_of_stages(repository):
    graph = repository.asset_graph
    for name, stage in STAGES.items():
        parents = {key.path[-1] for key in graph.get(key_of(name)).parent_keys}
        assert parents == ({*stage.parents, *stage.after} or {"source"}), name


@pytest.mark.parametrize("stage", list(STAGES))
def test_every_asset_has_description_group_owner_kinds_and_tags(repository, stage):
    node = repository.asset_graph.get(key_of(stage))
    assert node.description and len(node.description) > 40
    assert node.group_name == ("complaints_on_demand" if STAGES[stage].on_demand else "complaints")
    assert node.owners == ["team:complaints"]
    assert node.kinds
    assert node.tags["zone"] == STAGES[stage].zone
    assert node.code_version


@pytest.mark.parametrize("stage", list(STAGES))
def test_the_overview_of_every_asset_says_where_its_versions_lie(repository, two_use_cases, stage):
    """Dagster's overview shows `dagster/uri` of the definition, as text; a path or JSON entry would show as a broken
    link."""
    shown = repository.asset_graph.get(key_of(stage)).metadata["dagster/uri"]
    spec = STAGES[stage]
    folder = [stage] if spec.kind in ("checkpoint", "report") else ["tables", stage]
    lake = open_lake(two_use_cases)
    assert dg.MetadataValue.text(lake.uri(spec.zone, "complaints", *folder)) in (shown, dg.MetadataValue.text(shown))


@pytest.mark.parametrize(("mode", "off"), [("on_demand", True), ("on_data_change", False)])
def test_what_is_outside_has_owner_tags_and_place_too_and_says_when_nothing_watches_it(environment, mode, off):
    attributes = {**minimal_attributes("records.csv"), "retraining": {"mode": mode}}
    attributes["record"]["subject"] = "person"
    attributes["governance"] = {**attributes["governance"], "consent_ledger": "ledger.csv"}
    write_use_case(environment.defs, "complaints", attributes)
    graph = load_definitions(environment).get_repository_def().asset_graph
    # The name of a source's file may be that of a person.
    for name, uri in {"source": "<file>", "consent_ledger": "ledger.csv"}.items():
        node = graph.get(key_of(name))
        assert node.group_name == "complaints" and node.owners == ["team:complaints"] and node.kinds == {"file"}
        expected = {"zone": "restricted", "task": "classification", "compute": "external", "dagster/kind/file": ""}
        assert node.tags == expected
        assert node.metadata["dagster/uri"] == uri
    assert ("it is off" in str(graph.get(dg.AssetKey(["complaints", "source"])).description)) is off


def test_no_step_waits_in_a_pool_before_it_knows_whether_a_program_is_needed(repository):
    found = {repository.asset_graph.get(key_of(stage)).assets_def.op.pool for stage in STAGES}
    assert found == {None}


def test_what_a_person_starts_is_in_no_job_but_its_own_and_in_no_automation(environment):
    for mode in ("on_demand", "on_data_change"):
        attributes = {**minimal_attributes("records.csv"), "retraining": {"mode": mode}}
        write_use_case(environment.defs, "complaints", attributes)
        repository = load_definitions(environment, only="complaints").get_repository_def()
        experiments = {name for name, stage in STAGES.items() if stage.on_demand}
        assert experiments == {
            "hyperparameter_search",
            "learning_curve",
            "canary_audit",
            "human_review",
            "judge_report",
            "seed_variation",
            "release",
            "deployment",
        }
        jobs = {
            job.name: {node.name.removeprefix("complaints__").partition("__")[0] for node in job.graph.nodes}
            for job in repository.get_all_jobs()
            if job.name.startswith("complaints")
        }
        assert not experiments & jobs["complaints"] and experiments == jobs["complaints_on_demand"]
        for name in experiments:
            assert repository.asset_graph.get(key_of(name)).automation_condition is None


def test_no_job_has_a_configuration_that_dagsters_database_refuses(repository):
    for job in repository.get_all_jobs():
        assert not list(_texts(job.run_config or {}, ())), job.name


def test_accepted_decisions_are_released_by_themselves_only_where_the_use_case_says_so(environment):
    release = {"intended_use": "Routing of complaints.", "mode": "when_accepted"}
    write_use_case(environment.defs, "complaints", {**minimal_attributes("records.csv"), "release": release})
    graph = load_definitions(environment, only="complaints").get_repository_def().asset_graph
    assert graph.get(dg.AssetKey(["complaints", "release"])).automation_condition is not None


def test_every_verdict_the_gate_asks_for_has_a_blocking_check(repository):
    graph = repository.asset_graph
    for name, stage in STAGES.items():
        blocking = {
            key.name
            for key in graph.get_check_keys_for_assets({dg.AssetKey(["complaints", name])})
            if graph.get_check_spec(key).blocking
        }
        assert blocking == set(stage.checks), name


def test_a_changed_setting_changes_the_code_version_of_the_stages_that_read_it(environment):
    write_use_case(environment.defs, "complaints", minimal_attributes("records.csv"))

    def versions(overrides: dict) -> dict:
        graph = load_definitions(environment, only="complaints", overrides=overrides).get_repository_def().asset_graph
        return {stage: graph.get(key_of(stage)).code_version for stage in STAGES}

    before = versions({})
    for path, value in {
        "training.learning_rate": 0.002,
        "cleaning.min_characters": 9,
        "splits.seed": 3,
        "fairness.max_gap": 0.5,
        "business.adoption": 0.5,
    }.items():
        section = path.split(".")[0]
        after = versions({path: value})
        assert {s for s in STAGES if after[s] != before[s]} == {
            s for s, stage in STAGES.items() if section in stage.reads
        }, path


@pytest.mark.parametrize("stage", ["source", *STAGES])
def test_every_asset_links_the_home_page_of_its_use_case(repository, stage):
    shown = repository.asset_graph.get(key_of(stage, "claims")).metadata["home"]
    assert shown == dg.MetadataValue.url("/portal/claims/")
