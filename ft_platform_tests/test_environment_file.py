"""The settings of an installation, and with them its policy, are found from every folder that a command is started
from; nothing replaces them silently."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import ConfigError
from ft_platform.orchestration.instance import prepare_home
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.settings import environment_file as module
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment_file import environment_file

POLICY = "policy: {name: bank, version: '7'}\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of each test, which no installation knows."""
    for name in [name for name in os.environ if name.startswith("FT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(module, "CHECKOUT", tmp_path / "checkout")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Folder of an installation in the default layout."""
    folder = tmp_path / "installation"
    (folder / "reports" / "2026").mkdir(parents=True)
    (folder / "ft_environment.yaml").write_text(POLICY)
    return folder


@pytest.mark.parametrize("started_in", [".", "reports", "reports/2026"])
def test_the_default_layout_is_found_from_its_folder_and_from_all_below(
    root: Path, started_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root / started_in)
    found = load_environment()
    assert (found.policy.title, found.home) == ("bank 7", root / ".ft")


def test_paths_of_the_file_are_relative_to_its_folder_and_those_of_variables_to_the_working_directory(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("cache", "defs", "key_file", "vault_key_file", "vault_public_key_file", "signing_key_file", "seals_folder")
    (root / "ft_environment.yaml").write_text(
        "home: there\nlake_root: lake\n" + "".join(f"{name}: of/{name}\n" for name in names)
    )
    monkeypatch.chdir(root / "reports")
    found = load_environment()
    assert (found.home, found.lake_uri) == (root / "there", str(root / "lake"))
    assert {name: getattr(found, name) for name in names} == {name: root / "of" / name for name in names}
    (root / "ft_environment.yaml").write_text("lake_root: s3://bucket/lake")
    monkeypatch.setenv("FT_HOME", "here")
    assert (load_environment().home, load_environment().lake_uri) == (root / "reports" / "here", "s3://bucket/lake")


@pytest.mark.parametrize("place", ["home", "."])
def test_a_file_in_or_beside_the_home_is_found_from_anywhere(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "srv" / "home").mkdir(parents=True)
    (tmp_path / "srv" / place / "ft_environment.yaml").write_text(POLICY)
    monkeypatch.setenv("FT_HOME", str(tmp_path / "srv" / "home"))
    assert load_environment().policy.title == "bank 7"


def test_a_home_remembers_the_file_it_was_set_up_with(
    root: Path, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FT_HOME", str(tmp_path / "data" / "home"))
    monkeypatch.chdir(root)
    prepare_home(load_environment())
    monkeypatch.chdir(elsewhere)
    assert load_environment().policy.title == "bank 7"
    (root / "ft_environment.yaml").unlink()
    with pytest.raises(
        ConfigError, match=r"was set up with .*installation/ft_environment.yaml, which does not exist.*Put it back"
    ):
        load_environment()
    (tmp_path / "data" / "home" / "environment_file").unlink()
    assert load_environment().policy.title == "default 1" and environment_file() is None


def test_another_file_in_the_working_directory_does_not_replace_that_of_the_home(
    root: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FT_HOME", str(root / ".ft"))
    (elsewhere / "ft_environment.yaml").write_text("")
    with pytest.raises(
        ConfigError,
        match=(
            r"two files could be .*elsewhere/ft_environment.yaml and .*installation/ft_environment.yaml. Name the right"
        ),
    ):
        load_environment()
    monkeypatch.setenv("FT_ENVIRONMENT", str(root / "ft_environment.yaml"))
    assert load_environment().policy.title == "bank 7"


def test_the_folder_that_holds_the_package_is_looked_at_last(
    root: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECKOUT", root)
    assert (load_environment().policy.title, load_environment().home) == ("bank 7", root / ".ft")
    (elsewhere / "ft_environment.yaml").write_text("")
    assert load_environment().policy.title == "default 1"


@pytest.mark.parametrize("named", ["", "gone.yaml"])
def test_a_named_file_that_does_not_exist_is_an_error(root: Path, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setenv("FT_ENVIRONMENT", named)
    with pytest.raises(ConfigError, match=r"FT_ENVIRONMENT names .*, which does not exist"):
        load_environment()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_that_another_account_put_into_a_folder_above_is_not_taken(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(root / "ft_environment.yaml", 12345, -1)
    monkeypatch.chdir(root / "reports")
    with pytest.raises(ConfigError, match="was put there by another account"):
        load_environment()
    os.chown(root, 12345, -1)  # whoever owns the folder
    assert load_environment().policy.title == "bank 7"


@pytest.mark.integration
@pytest.mark.parametrize("started_in", [".", "reports"])
def test_dagster_finds_it_too(root: Path, started_in: str) -> None:
    (root / "ft_environment.yaml").write_text("surprise: 1")
    words = [sys.executable, "-m", "dagster", "definitions", "validate", "-m", "ft_platform.definitions"]
    variables = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    del variables["DAGSTER_HOME"]
    done = subprocess.run(
        words, cwd=root / started_in, env=variables, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode and "surprise: there is no such setting" in done.stdout + done.stderr


@pytest.mark.parametrize(
    "profile",
    [
        {"backend": "tpu"},
        {"environment": {"PJRT_DEVICE": "TPU"}},
        {"backend": "kubernetes", "options": {"gpu_resource": "google.com/tpu"}},
    ],
    ids=["back end", "variable", "resource"],
)
def test_a_profile_that_names_tpus_is_refused_with_the_reason(profile: dict[str, Any]) -> None:
    """Programs would compute on the CPU beside it and say nothing."""
    with pytest.raises(
        ValueError, match=r"TPUs are not supported: the newest torch_xla \(2\.9\) is built for torch 2\.9"
    ):
        ComputeProfile.model_validate(profile)
    assert ComputeProfile.model_validate({"environment": {"OUTPUT": "on"}}).environment


@pytest.mark.parametrize("backend", ["aws_ecs", "hf_jobs"])
def test_a_back_end_that_is_gone_is_refused_with_what_to_use_instead(backend: str) -> None:
    with pytest.raises(ValueError, match=f"backend: {backend}` is gone: use .*aws_batch"):
        ComputeProfile.model_validate({"backend": backend, "options": {"cluster": "ft"}})
