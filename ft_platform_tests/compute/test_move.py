"""One use case moves from a laptop to Slurm, and on to pods of Kubernetes, with its lake on an S3 server: data versions
and weights are the same, and only the environment says something else.

Each place has a lake of its own, so that each computes everything; the pseudonym key travels, as in a real move. Slurm
is real. Pods run in podman, from the image of the worker, where FT_TEST_CONTAINERS names a folder for images; elsewhere
they are processes."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.stages import STAGES
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.compute.contract.case import profile_module
from ft_platform_tests.conftest import REPOSITORY, minimal_attributes, write_use_case
from ft_platform_tests.graph import records, write_csv
from ft_platform_tests.infra.s3 import ADMIN, WEED, s3_server
from ft_platform_tests.tiny_models import save_tiny_model

pytestmark = [
    pytest.mark.slow,
    *(pytest.mark.components(name=name) for name in ("kubernetes", "s3_lake", "slurm")),
]
PLACES = ("local", "slurm", "kubernetes")
TABLES = [name for name, stage in STAGES.items() if stage.kind in ("table", "quarantine")]
UNTIL = "adapter_checkpoint"


@dataclass(frozen=True)
class Place:
    """An installation, and what the run there said."""

    environment: Environment
    said: dict[str, Any]

    @property
    def lake(self) -> Lake:
        return open_lake(self.environment)

    def tables(self) -> dict[str, tuple[int, str]]:
        found = {name: self.lake.latest("complaints", name) for name in TABLES}
        return {name: (one.version, one.content_hash) for name, one in found.items() if one}

    def weights(self) -> dict[str, bytes]:
        """What a model is loaded from, and the records it learned from, as they lie in the bucket. Reports and
        `training.json` say how long it took."""
        [checkpoint] = self.lake.artifacts("complaints", "adapter_checkpoint")
        ends = (".safetensors", "adapter_config.json", ".parquet")
        names = [name for name in self.lake.manifest(checkpoint).files if name.endswith(ends)]
        return {name: self.lake.read_file(checkpoint, name) for name in names}


def profile(name: str, folder: Path) -> dict[str, Any]:
    """What the environment says of the place: a laptop needs no word."""
    says: Any = profile_module(name)
    found = says.settings()
    if name == "kubernetes":
        found["options"] |= {"memory_gib": 2, **says.volumes(folder)}
    return {"backend": name, "environment": {"PYTHONPATH": str(REPOSITORY)}, **found}


def ft_run(home: Path, *words: str) -> dict[str, Any]:
    """`ft run` as a person types it, who is where the settings say."""
    command = [sys.executable, "-m", "ft_platform.cli", "run", "complaints", "--json", *words]
    variables = {**os.environ, "FT_ENVIRONMENT": str(home / "ft_environment.yaml"), "PYTHONPATH": str(REPOSITORY)}
    made = subprocess.run(command, env=variables, cwd=home, capture_output=True, text=True, timeout=1200)
    assert made.returncode == 0, made.stderr[-3000:]
    return json.loads(made.stdout)


def settings(root: Path, name: str) -> dict[str, Any]:
    """Of the environment file."""
    return {
        "home": str(root / name / "home"),
        "lake_root": f"s3://example-lake/{name}",
        "tracking_uri": "none",
        "defs": str(root / "defs"),
        "profiles": {"work": profile(name, root)},
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder with the use case, its base model and the installations; the store is there too."""
    if not WEED.exists():
        pytest.skip("needs SeaweedFS: scripts/install_clients.sh FOLDER, then FT_TEST_CLIENTS=FOLDER")
    root = tmp_path_factory.mktemp("move")
    attributes = {
        **minimal_attributes(str(write_csv(root / "complaints.csv", records()))),
        "base_model": {"uri": str(save_tiny_model(root / "model")), "dtype": "float32"},
        "training": {"recipe": "manual", "max_steps": 6, "batch_rows": 8, "rank": 4},
        "evaluation": {"bootstrap_samples": 100},
        "compute": {"profile": "work", "threads": 1},
    }
    write_use_case(root / "defs", "complaints", attributes)
    store = {"AWS_ACCESS_KEY_ID": ADMIN["accessKey"], "AWS_SECRET_ACCESS_KEY": ADMIN["secretKey"]}
    with (
        pytest.MonkeyPatch.context() as patch,
        s3_server(tmp_path_factory.mktemp("s3") / "server", "000000000000", {}) as server,
    ):
        place = {"AWS_ENDPOINT_URL": server.address, "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}
        for variable, value in {**store, **place}.items():
            patch.setenv(variable, value)
        yield root


@pytest.fixture(scope="module")
def use_case(root: Path) -> bytes:
    """The YAML before the first run."""
    return (root / "defs" / "complaints" / "defs.yaml").read_bytes()


@pytest.fixture(scope="module")
def places(root: Path, use_case: bytes) -> dict[str, Place]:
    made = {}
    for name in PLACES:
        home = root / name / "home"
        (home / "vault").mkdir(parents=True, mode=0o700)
        if made:
            shutil.copy(root / "local" / "home" / "vault" / "pseudonym.key", home / "vault")
        else:
            (home / "vault" / "pseudonym.key").write_text("5" * 64)
        written = settings(root, name)
        (root / name / "ft_environment.yaml").write_text(yaml.safe_dump(written))
        made[name] = Place(Environment.model_validate(written), ft_run(root / name, "--until", UNTIL))
    return made


def test_every_place_has_the_same_versions_of_the_data(places: dict[str, Place]) -> None:
    assert set(places["local"].tables()) == set(TABLES)
    assert places["slurm"].tables() == places["local"].tables()
    assert places["kubernetes"].tables() == places["local"].tables()


def test_every_place_has_trained_to_the_same_bytes(places: dict[str, Place]) -> None:
    weights = {name: place.weights() for name, place in places.items()}
    assert any(name.endswith(".safetensors") for name in weights["local"])
    assert weights["slurm"] == weights["local"] and weights["kubernetes"] == weights["local"]
    assert [place.said["trained"] for place in places.values()] == [True, True, True]


def test_each_place_ran_the_programs(places: dict[str, Place]) -> None:
    slurm, kubernetes = (profile_module(name) for name in ("slurm", "kubernetes"))
    assert slurm and len(list(slurm.cluster().folder.glob("ft-*.txt"))) == 2, "logs of the audit and the training"
    assert kubernetes and kubernetes.cluster().made == 2


def test_the_use_case_is_as_it_was_and_of_the_environment_only_the_profile_is_another(
    root: Path, use_case: bytes, places: dict[str, Place]
) -> None:
    assert (root / "defs" / "complaints" / "defs.yaml").read_bytes() == use_case
    own = {"home", "lake_root", "profiles"}
    found = [yaml.safe_load((root / name / "ft_environment.yaml").read_text()) for name in PLACES]
    assert all(
        {k: v for k, v in one.items() if k not in own} == {k: v for k, v in found[0].items() if k not in own}
        for one in found
    )


def test_where_the_lake_moves_along_nothing_is_computed_again(root: Path, places: dict[str, Place]) -> None:
    file = root / "local" / "ft_environment.yaml"
    kept, before = file.read_text(), places["local"].tables()
    file.write_text(yaml.safe_dump({**yaml.safe_load(kept), "profiles": {"work": profile("slurm", root)}}))
    said = ft_run(root / "local", "--until", UNTIL)
    file.write_text(kept)
    assert said["trained"] is False and places["local"].tables() == before
