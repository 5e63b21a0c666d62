"""A bundle of a small repository: made by the real pip without a network, gone on with, refused, and installed where
there is no network."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ft_platform.errors import BaseModelError, ConfigError, CorruptVersion, DiskFull
from ft_platform.lake.signing.opening import signing_keys_of
from ft_platform.onboarding.repository import bundle as making
from ft_platform.onboarding.repository import packages
from ft_platform.onboarding.repository.bundle import write_bundle
from ft_platform.onboarding.repository.bundle_plan import Plan, plan_bundle, project_around
from ft_platform.onboarding.repository.verify_bundle import SIGNATURE, problems_of
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.repository.tiny_project import project, wheel

pytestmark = pytest.mark.integration
LEAF, OTHER, OWN = (f"{name}-py3-none-any.whl" for name in ("leaf_lib-1.0", "other_lib-1.0", "acme-1.2"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        yield project(tmp_path_factory.mktemp("company"), patch)


@pytest.fixture
def environment(tmp_path: Path, checkout: Path) -> Environment:
    return Environment(home=tmp_path / "home", defs=checkout / "defs", tracking_uri="none")


@pytest.fixture(scope="module")
def plan(checkout: Path) -> Plan:
    return planned(Environment(home=checkout.parent / "home", defs=checkout / "defs"), checkout)


def planned(environment: Environment, checkout: Path, python: str = sys.executable, *models: str) -> Plan:
    return plan_bundle(environment, project_around(checkout / "defs"), python, "more", "", models, [])


def made(plan: Plan, environment: Environment, target: Path) -> Path:
    write_bundle(plan, target, signing_keys_of(environment), lambda _: None)
    return target


def test_it_holds_packages_sources_and_the_signature_of_the_installation(plan, environment, tmp_path):
    keys = signing_keys_of(environment)
    assert keys.newest
    target = made(plan, environment, tmp_path / "out")
    assert sorted(path.name for path in (target / "wheels").iterdir()) == sorted([LEAF, OTHER, OWN])
    assert {path.name for path in (target / "sources").iterdir()} == {"pyproject.toml", "run.sh"}
    assert os.access(target / "sources" / "run.sh", os.X_OK)
    told = json.loads((target / "bundle.json").read_text())
    assert (told["python"], told["packages"]) == (f"{sys.version_info.major}.{sys.version_info.minor}", 2)
    assert told["changed_since_commit"] is False and len(told["commit"]) == 40
    roots = tmp_path / "roots.pem"
    roots.write_text("".join(key.root for key in keys.public.values()))
    assert problems_of(target, roots) == []
    with pytest.raises(ConfigError, match="is there already"):
        made(plan, environment, target)


def test_without_a_key_it_is_not_signed_and_no_key_is_made(plan, environment, tmp_path):
    target = made(plan, environment, tmp_path / "out.tar")
    with tarfile.open(target) as archive:
        names = archive.getnames()
        assert {one.uname for one in archive.getmembers()} == {""}
    assert f"out/wheels/{LEAF}" in names and f"out/{SIGNATURE}" not in names
    assert not (tmp_path / "out.tar.partial").exists() and not environment.signing_key_path.exists()


def test_after_an_interruption_what_is_there_is_not_fetched_again(plan, environment, tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(making, "build_wheel", killed)
        with pytest.raises(KeyboardInterrupt):
            made(plan, environment, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    wheel(tmp_path / "out.partial" / "wheels", "left-over")
    asked, pip = [], packages._pip
    monkeypatch.setattr(packages, "_pip", lambda python, words: asked.append(words[0:2]) or pip(python, words))
    target = made(plan, environment, tmp_path / "out")
    assert asked == [["wheel", "--no-deps"]], "the own project alone is built"
    assert sorted(path.name for path in (target / "wheels").iterdir()) == sorted([LEAF, OTHER, OWN])


def test_a_wheel_that_is_not_the_pinned_one_is_refused_by_name(plan, environment, tmp_path, checkout):
    wheel(tmp_path / "out.partial" / "wheels", "leaf-lib", says="something else")
    with pytest.raises(CorruptVersion, match=LEAF):
        made(plan, environment, tmp_path / "out")
    shutil.rmtree(tmp_path / "out.partial")
    index, kept = checkout.parent / "index", (checkout.parent / "index" / LEAF).read_bytes()
    wheel(index, "leaf-lib", says="changed in the index after the plan")
    with pytest.raises(CorruptVersion, match=r"leaf-lib==1\.0"):
        made(plan, environment, tmp_path / "out")
    (index / LEAF).write_bytes(kept)
    assert not (tmp_path / "out").exists()


def test_two_do_not_make_the_same_and_a_full_disk_is_told_before(plan, environment, tmp_path, monkeypatch):
    (tmp_path / "out.partial").mkdir()
    with making._alone(tmp_path / "out.partial"), pytest.raises(ConfigError, match="another process"):
        made(plan, environment, tmp_path / "out")
    full = shutil.disk_usage(tmp_path)._replace(free=making.SPARE_BYTES)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(DiskFull, match="GB free"):
        made(plan, environment, tmp_path / "out")


def test_changes_are_told_and_weights_must_be_pinned(plan, environment, checkout, tmp_path):
    (checkout / "run.sh").write_text("#!/bin/sh\nexit 0\n")
    assert making._describe(plan, [])["changed_since_commit"]
    (checkout / "run.sh").write_text("#!/bin/sh\n")
    assert not making._describe(plan, [])["changed_since_commit"]
    with pytest.raises(BaseModelError, match="is not pinned"):
        planned(environment, checkout, sys.executable, "org/model")
    with pytest.raises(ConfigError, match="no Python that starts"):
        planned(environment, checkout, "/bin/false")
    with pytest.raises(ConfigError, match="in no checkout"):
        project_around(tmp_path)


def test_no_network_is_needed_to_install_it_and_nothing_wrong_is_installed(plan, environment, tmp_path, no_network):
    target = made(plan, environment, tmp_path / "out")
    command = ["bash", str(target / "install.sh"), str(tmp_path / "there")]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    hostile = {
        **variables,
        "PYTHON": sys.executable,
        "PIP_FIND_LINKS": "/nowhere",
        "PIP_INDEX_URL": "http://127.0.0.1:9",
    }
    done = no_network(command, hostile)
    assert done.returncode == 0, done.stderr
    says = "import leaf_lib, other_lib; print(leaf_lib.SAYS, other_lib.SAYS)"
    python = tmp_path / "there" / ".venv" / "bin" / "python"
    assert subprocess.run([python, "-c", says], capture_output=True, text=True).stdout == "leaf other\n"
    wheel(target / "wheels", "leaf-lib", says="changed on the way")
    done = no_network(command, hostile)
    assert done.returncode == 1 and f"wheels/{LEAF} has another hash" in done.stderr
