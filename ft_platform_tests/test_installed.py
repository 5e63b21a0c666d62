"""The wheel in a bare environment, used from an empty folder as a company would: a repository of its own, and a plain
project of Dagster that adds the component."""

import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ft_platform import __version__
from ft_platform_tests.conftest import REPOSITORY, minimal_attributes, write_use_case
from ft_platform_tests.docs.test_docs import blocks
from ft_platform_tests.graph import records, write_csv
from ft_platform_tests.installed import Installed, build_wheel, install

COMPONENT = "ft_platform.components.FineTuningUseCase"
DEFINITIONS = """
from pathlib import Path

import dagster as dg


@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""


def files(folder: Path) -> set[tuple[str, int, int]]:
    """Path, size and time of change of every file below a folder."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in found}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(tmp_path_factory.mktemp("installed"))


@pytest.fixture
def installed(place: Installed) -> Iterator[Installed]:
    """The environment; its site-packages are at the end what they were."""
    before = files(place.site)
    assert len(before) > 700
    yield place
    assert files(place.site) == before


def test_the_wheel_carries_every_file_of_the_package_and_the_notices(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    assert wheel.name == f"ft_platform-{__version__}-py3-none-any.whl"
    listed = subprocess.run(["git", "ls-files", "ft_platform"], cwd=REPOSITORY, capture_output=True, text=True)
    committed = set(listed.stdout.split())
    if not committed:
        pytest.skip("this is no checkout of git")
    with zipfile.ZipFile(wheel) as archive:
        carried, info = set(archive.namelist()), f"ft_platform-{__version__}.dist-info"
        assert committed - carried == set()
        infra = {name for name in carried if name.startswith("ft_platform/onboarding/repository/infra/")}
        assert "ft_platform/onboarding/repository/infra/gcp/platform.tf" in infra
        assert not [name for name in infra if "/docker/" in name or "secret" in name.lower()]
        assert {f"{info}/licenses/{name}" for name in ("LICENSE", "NOTICE")} <= carried
        assert "[dagster_dg_cli.registry_modules]" in archive.read(f"{info}/entry_points.txt").decode()
    kinds = {Path(name).suffix for name in carried}
    assert {".html", ".txt", ".tsv", ".yaml", ".json", ".toml", ".md", ".js"} <= kinds


@pytest.mark.integration
def test_outside_of_a_repository_a_new_use_case_is_written_nowhere(installed: Installed, tmp_path: Path) -> None:
    assert installed.run("ft --version", tmp_path) == f"ft-platform {__version__}\n"
    said = installed.run("ft new contract_questions", tmp_path, code=1)
    assert "ft init NAME" in said and said.count("\n") <= 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.integration
def test_a_repository_is_made_checked_and_run_as_its_readme_and_its_ci_say(
    installed: Installed, tmp_path: Path
) -> None:
    installed.run("ft init acme", tmp_path)
    acme = tmp_path / "acme"
    [commands] = [block.code for block in blocks(acme / "README.md") if block.info == "sh"]
    assert "1 use case in defs: all load" in installed.run(commands, acme)
    assert (acme / "defs" / "contract_questions" / "defs.yaml").is_file()

    # The sample of the new file, smaller; and a use case whose own source nobody but the company can read.
    file = acme / "defs" / "contract_questions" / "defs.yaml"
    file.write_text(file.read_text().replace("sample://complaints", "sample://complaints?rows=300", 1))
    model = {
        name: value
        for name, value in yaml.safe_load(file.read_text())["attributes"]["base_model"].items()
        if name in ("uri", "sha256")
    }
    write_use_case(acme / "defs", "claims", {**minimal_attributes("/unreadable/claims.csv"), "base_model": model})
    write_csv(acme / "defs" / "claims" / "sample_rows.csv", records(20))

    workflow = yaml.safe_load((acme / ".github" / "workflows" / "check.yml").read_text())
    steps = {step["name"]: step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step}
    assert list(steps) == ["Install", "Check", "Data half"]
    assert "2 use cases in defs: all load" in installed.run(steps["Check"], acme)
    installed.run(steps["Data half"], acme, seconds=1800)
    found = json.loads(installed.run("ft list --json", acme))
    assert {row["use_case"]: row["ended"] for row in found} == {
        "claims": "succeeded",
        "contract_questions": "succeeded",
    }
    assert (acme / ".ft" / "lake").is_dir() and sorted(path.name for path in tmp_path.iterdir()) == ["acme"]

    assert "All code locations passed validation" in installed.run(
        "dagster definitions validate -w workspace.yaml", acme
    )
    assert "All definitions loaded successfully" in installed.run("dg check defs", acme)
    installed.run(f"dg scaffold defs {COMPONENT} letters", acme)
    assert "3 use cases in defs: all load" in installed.run("ft check --files", acme)


@pytest.mark.integration
def test_a_plain_project_of_dagster_adds_the_component(installed: Installed, tmp_path: Path) -> None:
    package = tmp_path / "src" / "plain"
    (package / "defs").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "definitions.py").write_text(DEFINITIONS)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "plain"\nversion = "0"\n'
        '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "plain"\n'
    )
    # What `pip install -e .` of the project would do.
    path = f"PYTHONPATH={tmp_path / 'src'}"
    assert COMPONENT in installed.run(f"{path} dg list components --json", tmp_path)
    installed.run(f"{path} dg scaffold defs {COMPONENT} claims", tmp_path)
    shutil.copytree(package / "defs" / "claims", package / "defs" / "letters")  # what two share is there once
    assert "All definitions loaded successfully" in installed.run(f"{path} dg check defs", tmp_path)
    installed.run(f"{path} dg launch --assets claims/raw_records", tmp_path)
    assert (tmp_path / ".ft" / "lake" / "restricted" / "claims" / "tables" / "raw_records").is_dir()
