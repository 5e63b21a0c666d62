"""Weights and images in a bundle: looked at like every base model, copied as plain files, and saved by the engine."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from ft_platform.errors import BaseModelError, ConfigError
from ft_platform.lake.signing.opening import signing_keys_of
from ft_platform.models.base_model import resolve, weights_sha256
from ft_platform.onboarding.repository import images
from ft_platform.onboarding.repository.bundle import write_bundle
from ft_platform.onboarding.repository.bundle_plan import plan_bundle
from ft_platform.onboarding.repository.verify_bundle import problems_of
from ft_platform.use_case.settings.base_model import BaseModelSettings
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.repository.tiny_project import project
from ft_platform_tests.tiny_models import save_tiny_model

COMMIT = "1" * 40


@pytest.mark.integration
def test_weights_of_a_folder_and_of_the_hub_are_bundled_as_safetensors_and_load_there(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    checkout, model = project(tmp_path, monkeypatch), save_tiny_model(tmp_path / "tiny")
    (model / "notes.txt").write_text("not of the model")
    environment = Environment(home=tmp_path / "home", defs=checkout / "defs", tracking_uri="none")
    # The hub's cache as a download leaves it.
    hub = environment.cache_path / "hub" / "models--example--small"
    shutil.copytree(model, hub / "snapshots" / COMMIT)
    found = [str(model), f"example/small@{COMMIT}"]
    plan = plan_bundle(environment, checkout, sys.executable, "", "", found, [])
    told = write_bundle(plan, tmp_path / "out", signing_keys_of(environment), lambda _: None)
    assert problems_of(tmp_path / "out") == []
    assert [(one["uri"], one["commit"]) for one in told["weights"]] == [(str(model), ""), ("example/small", COMMIT)]
    for one in told["weights"]:
        folder = tmp_path / "out" / one["folder"]
        assert not (folder / "notes.txt").exists() and not any(path.is_symlink() for path in folder.iterdir())
        settings = BaseModelSettings(uri=str(folder), sha256=one["sha256"])
        assert resolve(settings, tmp_path / "cache").weights_sha256 == weights_sha256(model)
    (model / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(BaseModelError):
        plan_bundle(environment, checkout, sys.executable, "", "", [str(model)], [])


def test_without_an_engine_an_image_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ConfigError, match="needs podman or docker"):
        images.find("ft-platform-worker")


STORAGE = '[storage]\ndriver = "vfs"\ngraphroot = "{0}/graph"\nrunroot = "{0}/run"\n'


@pytest.mark.components(name="podman_images")
@pytest.mark.skipif(shutil.which("podman") is None or os.geteuid() != 0, reason="needs podman, and root")
def test_an_image_is_saved_as_an_oci_archive_that_another_machine_loads(tmp_path: Path, monkeypatch) -> None:
    def machine(name: str) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "storage.conf").write_text(STORAGE.format(tmp_path / name))
        monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(tmp_path / name / "storage.conf"))

    def podman(*words: str) -> str:
        done = subprocess.run(["podman", *words], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    machine("here")
    (tmp_path / "hello").write_text("hello")
    with tarfile.open(tmp_path / "root.tar", "w") as archive:
        archive.add(tmp_path / "hello", "hello")
    podman("import", str(tmp_path / "root.tar"), "localhost/hello:1")
    image = images.find("localhost/hello:1")
    file = tmp_path / "images" / image.file
    images.save(image, file)
    with tarfile.open(file) as archive:
        assert {"oci-layout", "index.json"} <= {name.removeprefix("./") for name in archive.getnames()}
    before = file.stat().st_mtime_ns
    images.save(image, file)
    assert file.stat().st_mtime_ns == before, "what is saved is not saved again"
    with pytest.raises(ConfigError, match="podman has no image localhost/other"):
        images.find("localhost/other:1")
    machine("there")
    podman("load", "--input", str(file))
    [told] = json.loads(podman("image", "inspect", "localhost/hello:1"))
    assert told["Id"] == image.id
