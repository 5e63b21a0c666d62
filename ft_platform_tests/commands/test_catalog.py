"""`ft catalog`, and what `ft run` says of a Unity Catalog."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ft_platform import cli
from ft_platform.commands.run import _show_in_catalog
from ft_platform.orchestration.execution import prepare_home
from ft_platform.process import unity_catalog
from ft_platform.use_case.environment import load_environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case

pytest.importorskip("databricks.sdk", reason="the SDK of Databricks is not installed")
from ft_platform_tests.tracking.unity_server import UnityServer

SECTION = "unity_catalog:\n  tables: {splits: ml.datasets}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with one use case, of which nothing was made."""
    (tmp_path / "ft_environment.yaml").write_text(SECTION + "tracking_uri: none\ndefs: defs\n")
    write_use_case(tmp_path / "defs", "complaints", minimal_attributes("records.csv"))
    monkeypatch.chdir(tmp_path)
    for name in ("FT_HOME", "FT_LAKE_ROOT", "FT_DEFS", "FT_ENVIRONMENT", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(unity_catalog, "WAIT_SECONDS", 0.01)
    prepare_home(load_environment())
    return tmp_path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[UnityServer]:
    """The catalogue that the installation names, empty."""
    server = UnityServer("ml.datasets")
    for name, value in server.variables().items():
        monkeypatch.setenv(name, value)
    yield server
    server.stop()


def test_it_says_what_is_shown_and_fails_where_something_is_not_as_it_should_be(
    folder: Path, server: UnityServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["catalog"]) == 0
    assert capsys.readouterr().out == "ml.datasets.complaints_splits: not shown (the lake has no such table)\n"
    server.tables["ml.datasets.complaints_splits"] = {
        "name": "complaints_splits",
        "storage_location": "s3://others/splits",
    }
    assert cli.main(["catalog", "--json"]) == 1
    assert [one["state"] for one in json.loads(capsys.readouterr().out)] == ["failed"]
    _show_in_catalog(load_environment(), "complaints")
    assert "Unity Catalog was not told: ml.datasets.complaints_splits: failed" in capsys.readouterr().err


def test_a_catalogue_that_is_down_costs_no_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-of-nobody")
    _show_in_catalog(load_environment(), "complaints")
    said = capsys.readouterr().err
    assert "Unity Catalog was not told" in said and "does not answer" in said and "dapi" not in said
    assert cli.main(["catalog"]) != 0


def test_tables_of_a_use_case_that_does_not_load_are_a_failure(
    folder: Path, server: UnityServer, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "defs" / "complaints" / "defs.yaml").write_text("attributes: [")
    assert cli.main(["catalog"]) == 1
    assert "tables of complaints: failed (its file does not load: ft check)" in capsys.readouterr().out


def test_without_the_section_it_says_what_to_write(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "ft_environment.yaml").write_text("tracking_uri: none\ndefs: defs\n")
    assert cli.main(["catalog"]) != 0
    assert "`unity_catalog` in ft_environment.yaml" in capsys.readouterr().err
