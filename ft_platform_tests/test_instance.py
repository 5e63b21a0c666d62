"""The Dagster instance of an installation has the settings of the package, above all the limit of the pool `gpu`."""

from pathlib import Path

import dagster as dg
import pytest

import ft_platform
from ft_platform import instance
from ft_platform.environment import Environment
from ft_platform.errors import ConfigError
from ft_platform_tests.conftest import REPOSITORY


@pytest.fixture(autouse=True)
def no_instance_yet(monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")


@pytest.fixture
def installation(tmp_path) -> Environment:
    return Environment(home=tmp_path / "home", defs=tmp_path / "defs")


def test_the_packaged_settings_are_those_of_the_repository():
    assert instance.INSTANCE_SETTINGS.read_bytes() == (REPOSITORY / "dagster.yaml").read_bytes()


def test_the_settings_lie_inside_the_package_so_that_a_wheel_has_them():
    assert Path(ft_platform.__file__).parent in instance.INSTANCE_SETTINGS.parents
    assert instance.INSTANCE_SETTINGS.is_file() and not instance.INSTANCE_SETTINGS.is_symlink()


def test_a_new_installation_runs_one_step_of_the_gpu_pool_at_a_time(installation):
    instance.prepare_home(installation)
    with dg.DagsterInstance.get() as made:
        assert made.get_concurrency_config().pool_config.default_pool_limit == 1


def test_without_the_packaged_settings_nothing_is_created_half(installation, monkeypatch, tmp_path):
    monkeypatch.setattr(instance, "INSTANCE_SETTINGS", tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match=r"there is no .*nowhere\.yaml\. Install ft-platform again"):
        instance.prepare_home(installation)
    with instance.existing_instance(installation) as found:
        assert found is None


def test_settings_that_are_there_stay(installation):
    installation.dagster_home.mkdir(parents=True)
    (installation.dagster_home / "dagster.yaml").write_text("concurrency: {pools: {default_limit: 3}}\n")
    instance.prepare_home(installation)
    with instance.existing_instance(installation) as found:
        assert found and found.get_concurrency_config().pool_config.default_pool_limit == 3
