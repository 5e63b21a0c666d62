"""What `ft init NAME` writes, and where `ft new` writes then. `test_installed.py` uses it from a wheel."""

import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from ft_platform import __version__, cli
from ft_platform.orchestration import instance
from ft_platform.stages import STAGES
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.environment_file import beside_environment_file
from ft_platform_tests.conftest import REPOSITORY

TABLES = [name for name, stage in STAGES.items() if stage.kind == "table" and name != "quarantined_records"]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, without variables of an installation."""
    for name in ("FT_HOME", "FT_ENVIRONMENT", "FT_DEFS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DAGSTER_HOME", "")  # set first, so that it is put back as it was: commands set it
    monkeypatch.delenv("DAGSTER_HOME")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def acme(empty: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new repository, which is also the working directory."""
    assert cli.main(["init", "acme"]) == 0
    monkeypatch.chdir(empty / "acme")
    return empty / "acme"


def test_it_has_these_files_and_nothing_in_them_is_left_to_fill_in(acme: Path) -> None:
    files = {str(path.relative_to(acme)): path.read_text() for path in acme.rglob("*") if path.is_file()}
    assert set(files) == {
        ".github/workflows/check.yml",
        ".gitignore",
        "README.md",
        "dagster.yaml",
        "defs/.gitkeep",
        "ft_environment.yaml",
        "pyproject.toml",
        "workspace.yaml",
    }
    assert not [name for name, text in files.items() if "{name}" in text or "{version}" in text]
    assert files["README.md"].startswith("# acme\n") and len(files["README.md"].splitlines()) == 10
    assert ".ft/" in files[".gitignore"].splitlines()


def test_it_pins_the_platform_for_the_versions_of_python_that_the_platform_has(acme: Path) -> None:
    project = tomllib.loads((acme / "pyproject.toml").read_text())["project"]
    own = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    [pinned] = map(Requirement, project["dependencies"])
    assert (project["name"], pinned.name, str(pinned.specifier)) == ("acme", own["name"], f"=={__version__}")
    assert project["requires-python"] == own["requires-python"]
    assert pinned.extras <= set(own["optional-dependencies"])


def test_its_workflow_checks_and_runs_the_data_half(acme: Path) -> None:
    workflow = yaml.safe_load((acme / ".github" / "workflows" / "check.yml").read_text())
    commands = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step]
    assert commands[1].startswith("ft check --files")
    assert commands[2].split("--select")[1].split()[: len(TABLES)] == TABLES


def test_every_setting_that_its_environment_file_shows_is_one(acme: Path) -> None:
    file = acme / "ft_environment.yaml"
    shown = re.sub(r"^# (?=\w+:)", "", file.read_text(), flags=re.MULTILINE)
    assert len(yaml.safe_load(shown)) == 5
    file.write_text(shown)
    assert load_environment().lake_uri == "s3://bucket/prefix"


def test_a_new_use_case_is_written_into_it_from_any_folder_below(
    acme: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(acme / ".github")
    assert cli.main(["new", "contract_questions"]) == 0
    assert (acme / "defs" / "contract_questions" / "defs.yaml").is_file()
    assert cli.main(["check"]) == 0
    assert "1 use case" in capsys.readouterr().out


def test_nothing_is_written_over(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder with other files, such as a fresh clone, is filled; one with a file of the same name is left alone."""
    (empty / "acme").mkdir()
    (empty / "acme" / "LICENSE").touch()
    assert cli.main(["init", "acme"]) == 0
    (empty / "other").mkdir()
    (empty / "other" / "README.md").write_text("mine")
    capsys.readouterr()
    assert cli.main(["init", "other"]) == 1
    assert capsys.readouterr().err == "ft init: other/README.md is there already\n"
    assert [path.name for path in (empty / "other").iterdir()] == ["README.md"]


@pytest.mark.parametrize("name", ["", "A", "../acme", "1x", "a", "a b", "acme-", "x" * 62])
def test_a_name_that_no_project_can_have_is_refused(empty: Path, name: str) -> None:
    assert cli.main(["init", name]) == 1
    assert list(empty.iterdir()) == []


def test_an_installed_package_is_never_written_into(
    empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "ft_platform.use_case.settings.environment.CHECKOUT", empty
    )  # no pyproject.toml beside the package
    before = set(Environment(home=empty).defs.iterdir())
    for defs in (None, Environment(home=empty).defs / "mine"):
        if defs:
            monkeypatch.setenv("FT_DEFS", str(defs))
        assert cli.main(["new", "contract_questions"]) == 1
        said = capsys.readouterr().err
        assert "Make a repository once: ft init NAME && cd NAME" in said and said.count("\n") <= 5
    assert set(Environment(home=empty).defs.iterdir()) == before


def test_in_a_checkout_of_the_platform_they_are_written_beside_the_shipped_ones(empty: Path) -> None:
    assert Environment(home=empty).writable_defs == REPOSITORY / "ft_platform" / "defs"


def test_a_new_instance_has_the_settings_of_the_repository(acme: Path) -> None:
    assert (acme / "dagster.yaml").read_bytes() == instance.INSTANCE_SETTINGS.read_bytes()
    (acme / "dagster.yaml").write_text(
        (acme / "dagster.yaml").read_text().replace("default_limit: 1", "default_limit: 2")
    )
    instance.prepare_home(load_environment())
    assert "default_limit: 2" in (acme / ".ft" / "dagster" / "dagster.yaml").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other accounts")
def test_settings_that_another_account_put_there_are_not_used(acme: Path) -> None:
    assert beside_environment_file("dagster.yaml") == acme / "dagster.yaml"
    os.chown(acme / "dagster.yaml", 12345, -1)
    assert beside_environment_file("dagster.yaml") is None
