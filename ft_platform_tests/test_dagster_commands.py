"""`dg` and Dagster's pages on a small installation: one instance for `ft` and `dg`, and runs that stand on every page.

Commands are processes of their own, in a folder that is a project as the repository is one."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

pytest.importorskip("dagster_webserver")
pytest.importorskip("dagster_dg_cli")
from ft_platform.commands.ui import WORKSPACE
from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.execution import readable_tags
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.redaction.run_origin import LOCATION
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import REPOSITORY, minimal_attributes, write_use_case
from ft_platform_tests.graph import records, write_csv
from ft_platform_tests.web.server import PLAIN, webserver

pytestmark = pytest.mark.integration
BIN = Path(sys.executable).parent


class Installation:
    """A home with one use case, and a project folder to start commands in."""

    def __init__(self, folder: Path) -> None:
        self.environment = Environment(home=folder / "home", defs=folder / "defs", tracking_uri="none")
        write_use_case(
            self.environment.defs, "complaints", minimal_attributes(str(write_csv(folder / "c.csv", records())))
        )
        self.project = folder / "project"
        self.project.mkdir()
        for name in ("pyproject.toml", "dagster.yaml", "workspace.yaml"):
            shutil.copy(REPOSITORY / name, self.project)
        (self.project / "ft_platform").symlink_to(REPOSITORY / "ft_platform")
        (self.project / ".venv").symlink_to(BIN.parent)

    @property
    def variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("FT_", "DAGSTER_"))}
        return {**kept, **self.environment.to_variables(), "PYTHONPATH": str(REPOSITORY)}

    def says(self, *words: str, code: int = 0) -> str:
        """Standard output of a command, after it ended as it should."""
        done = subprocess.run(
            [str(BIN / words[0]), *words[1:]], env=self.variables, cwd=self.project, capture_output=True, text=True
        )
        assert done.returncode == code, done.stdout + done.stderr
        self.told = done.stderr
        return done.stdout

    def runs(self) -> list[dg.DagsterRun]:
        with dg.DagsterInstance.from_config(str(self.environment.home / "dagster")) as instance:
            return [record.dagster_run for record in instance.get_run_records()]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    made = Installation(tmp_path_factory.mktemp("installation"))
    made.says(
        *("python", "-m", "ft_platform.cli", "run", "complaints", "--select", "raw_records"),
        *("--set", "cleaning.min_characters=6", "--set", "release.intended_use=Marta's tests"),
    )
    return made


@pytest.fixture(scope="module")
def launched(installation: Installation) -> Installation:
    installation.says("dg", "launch", "--assets", "key:complaints/permitted_records")
    return installation


@pytest.fixture(scope="module")
def port(launched: Installation) -> Iterator[int]:
    home = launched.environment.home / "dagster"
    words = (*PLAIN[:2], "--workspace", str(REPOSITORY / "workspace.yaml"))
    with webserver(
        words, home, **{k: v for k, v in launched.variables.items() if k.startswith(("FT_", "PYTHON"))}
    ) as found:
        yield found


def asked(port: int, query: str) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


def test_dg_launch_leaves_its_run_where_ft_ui_shows_it(launched: Installation) -> None:
    newest = launched.runs()[-2]
    assert newest.asset_selection == {dg.AssetKey(["complaints", "permitted_records"])} and newest.is_success
    assert f"in {launched.environment.home / 'dagster'}, as ft ui" in launched.told
    assert not list(launched.project.glob(".tmp_dagster_home_*"))


def test_every_run_is_in_the_audit_log_whatever_started_it(launched: Installation) -> None:
    noted = [one.details for one in AuditLog(open_lake(launched.environment)).entries() if one.kind == "run"]
    assert [told and told["run"] for told in noted] == [run.run_id for run in reversed(launched.runs())]


def test_dg_launch_takes_settings_for_one_run(launched: Installation) -> None:
    config = {"resources": {"settings": {"config": {"cleaning": {"min_characters": 90}}}}}
    launched.says("dg", "launch", "--assets", "key:complaints/cleaned_records", "--config-json", json.dumps(config))
    with dg.DagsterInstance.from_config(str(launched.environment.home / "dagster")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["complaints", "cleaned_records"]))
    shortest = min(len(row["text"]) for row in records())
    assert shortest < 90 and event and event.asset_materialization
    assert event.asset_materialization.metadata["dagster/row_count"].value == len(
        [row for row in records() if len(row["text"]) >= 90]
    )


def test_the_launchpad_offers_the_settings_with_their_types(launched: Installation, port: int) -> None:
    found = asked(
        port,
        """{ runConfigSchemaOrError(selector: {
          repositoryName: "__repository__", repositoryLocationName: "ft_platform", pipelineName: "complaints"
        }) { ... on RunConfigSchema { allConfigTypes {
          ... on CompositeConfigType { fields { name description configType { recursiveConfigTypes { key } } } }
        } } } }""",
    )["runConfigSchemaOrError"]["allConfigTypes"]
    offered = {field["name"]: field for kind in found for field in kind.get("fields", [])}
    assert "Most optimizer steps" in offered["max_steps"]["description"]
    assert "Int" in {kind["key"] for kind in offered["max_steps"]["configType"]["recursiveConfigTypes"]}


def test_every_run_stands_in_overview_and_jobs(launched: Installation, port: int) -> None:
    found = asked(
        port,
        """{ runsOrError(
          filter: {tags: [{key: ".dagster/repository", value: "__repository__@ft_platform"}]}
        ) { ... on Runs { results { jobName repositoryOrigin { repositoryName repositoryLocationName } } } } }""",
    )["runsOrError"]["results"]
    origin = {"repositoryName": "__repository__", "repositoryLocationName": "ft_platform"}
    assert len(found) >= 2 and all(run["repositoryOrigin"] == origin for run in found)
    jobs = asked(
        port,
        """{ repositoryOrError(
          repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "ft_platform"}
        ) { ... on Repository { pipelines { name runs(limit: 5) { status } } } } }""",
    )["repositoryOrError"]["pipelines"]
    assert {job["name"]: len(job["runs"]) for job in jobs}["complaints"] == 1


def test_the_tags_of_a_run_say_in_words_what_was_typed(installation: Installation) -> None:
    tags = installation.runs()[-1].tags
    shown = {name: value for name, value in tags.items() if not name.startswith(".dagster/")}
    assert shown == {
        "dagster/code_location": "ft_platform",
        "ft/use_case": "complaints",
        "ft/task": "classification",
        "ft/command": "ft run",
        "ft/select": "raw_records",
        "ft/set": "cleaning.min_characters=6 release.intended_use",
    }


def test_a_run_of_everything_as_it_is_has_no_empty_tags() -> None:
    assert readable_tags(None, None) == {"ft/command": "ft run"}
    assert readable_tags([], {"a.b": None, "a.c": True, "a.d": [1]})["ft/set"] == "a.b=null a.c=true a.d"


def test_dg_and_ft_ui_name_the_code_location_alike() -> None:
    """A run belongs to a name: under another one it would stand on neither page."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    assert project["code_location_name"] == LOCATION
    for text in ((REPOSITORY / "workspace.yaml").read_text(), WORKSPACE):
        assert yaml.safe_load(text)["load_from"][0]["python_module"]["location_name"] == LOCATION


def test_dg_check_defs_and_dg_list_defs_see_the_same_use_cases(installation: Installation) -> None:
    assert "All definitions loaded successfully" in installation.says("dg", "check", "defs", "--no-check-yaml")
    assert "as ft ui" in installation.told
    listed = json.loads(installation.says("dg", "list", "defs", "--json"))
    assert "complaints" in {job["name"] for job in listed["jobs"]}
    assert '"complaints/splits"' in json.dumps(listed["assets"])


def test_dg_before_ft_init_says_that_its_runs_are_lost(tmp_path: Path) -> None:
    made = Installation(tmp_path)
    made.says("dg", "check", "defs", "--no-check-yaml")
    assert "lost when it ends: there is no installation yet. Run: ft init" in made.told
