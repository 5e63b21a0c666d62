"""An installation of version 0.2 (`lake_of_0_1/make.py`) opens with today's code: its signatures verify, it is checked,
copied, backed up and restored, and a new run goes on from it. Persons are fictitious."""

import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from ft_platform.lake.opening import open_lake
from ft_platform.lake.versions import TableVersion
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.settings.environment import STORAGE_VARIABLES
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.lake_of_0_1.test_lake_of_0_1 import TABLES, ft

CHECKPOINT = "ckpt-061db91601df"


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The unpacked folder, which is also the working directory, after the step of `Moving from 0.2` that it needs."""
    for name in ("FT_HOME", "FT_ENVIRONMENT", "FT_DEFS", "FT_LAKE_ROOT", *STORAGE_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    # Set first, so that it is put back as it was: commands set it.
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
    here = tmp_path / "here"
    with tarfile.open(Path(__file__).with_name("lake.tar.xz")) as archive:
        archive.extractall(here, filter="data")
    file = here / "defs" / "complaints" / "defs.yaml"
    file.write_text(file.read_text().replace("  training:\n", "  training:\n    recipe: manual\n"))
    monkeypatch.chdir(here)
    return here


def test_each_release_has_left_an_installation_that_it_wrote() -> None:
    released = re.findall(r"^## (\d+)\.(\d+)\.\d+$", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    folders = [REPOSITORY / "ft_platform_tests" / f"lake_of_{major}_{minor}" for major, minor in released]
    assert folders and [one.name for one in folders if not (one / "lake.tar.xz").is_file()] == []


def test_what_was_signed_verifies_and_every_row_is_read(installation: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "complaints: intact" in ft(capsys, "seals", "verify")
    assert "the lake is intact" in ft(capsys, "lake", "check")
    lake = open_lake(load_environment())
    for name in TABLES:
        version = lake.latest("complaints", name)
        assert isinstance(version, TableVersion) and lake.manifest(version).code.startswith("0.2.0+")
        assert sum(batch.num_rows for batch in lake.rows(version).batches()) == version.rows == 30
    [checkpoint] = lake.artifacts("complaints", "adapter_checkpoint")
    assert checkpoint.id == CHECKPOINT


def test_it_is_backed_up_restored_and_copied(
    installation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(installation / "ft_environment.yaml", "a") as file:
        file.write(json.dumps({"backup": {"to": f"{tmp_path}/backups", "keys": f"{tmp_path}/keys"}})[1:-1] + "\n")
    ft(capsys, "backup")
    monkeypatch.setenv("FT_HOME", str(tmp_path / "drill"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    ft(capsys, "restore")
    assert "the lake is intact" in ft(capsys, "lake", "check")
    ft(capsys, "lake", "copy", str(tmp_path / "drill" / "lake"), str(tmp_path / "other"))
    monkeypatch.setenv("FT_LAKE_ROOT", str(tmp_path / "other"))
    assert "the lake is intact" in ft(capsys, "lake", "check")
    [row] = json.loads(ft(capsys, "list", "--json"))
    assert (row["use_case"], row["ended"]) == ("complaints", "succeeded")


@pytest.mark.integration
def test_a_new_run_goes_on_from_it_and_trains_nothing(installation: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ft(capsys, "init")
    # As its own program: the server from which steps are forked stays in the working directory that it began in.
    words = ["run", "complaints", "--select", *TABLES, "adapter_checkpoint"]
    done = subprocess.run([sys.executable, "-m", "ft_platform.cli", *words], capture_output=True, text=True)
    assert done.returncode == 0 and "adapter_checkpoint" in done.stdout, done.stderr
    lake = open_lake(load_environment())
    assert [one.id for one in lake.artifacts("complaints", "adapter_checkpoint")] == [CHECKPOINT]
    assert "complaints: intact" in ft(capsys, "seals", "verify")
