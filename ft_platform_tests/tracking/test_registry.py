"""What is released stands in MLflow's Model Registry, and who moves an alias by hand is seen."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ft_platform.cli import main
from ft_platform.lake.deployments import STAYS
from ft_platform.lake.releases import releases
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.release.releasing import roll_back, withdraw
from ft_platform.tracking.registry import disagreement, show_releases
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.aws_server import s3_bucket
from ft_platform_tests.mlflow_server import mlflow_server
from ft_platform_tests.release.test_releasing import REASON, Case

pytest.importorskip("model_signing", reason="the extra `signing` is not installed")
pytest.importorskip("mlflow", reason="the extra `tracking` is not installed")
pytestmark = pytest.mark.integration


@contextmanager
def unity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str = "") -> Iterator[tuple[Any, str]]:
    """A registry of Unity Catalog that this process uses, with files in a server of S3; the registry and its URI."""
    pytest.importorskip("databricks.sdk", reason="databricks-sdk is not installed")
    from ft_platform_tests.tracking.unity_registry import TOKEN, unity_registry

    with s3_bucket("metastore", monkeypatch) as client, unity_registry((client, "metastore")) as (state, address):
        settings = tmp_path / "databrickscfg"
        settings.write_text(f"[{profile}]\nhost = {address}\ntoken = {TOKEN}\n" if profile else "")
        monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(settings))
        for name, value in {"HOST": address, "TOKEN": TOKEN}.items():
            monkeypatch.delenv(f"DATABRICKS_{name}", raising=False)
            if not profile:
                monkeypatch.setenv(f"DATABRICKS_{name}", value)
        uri = f"databricks-uc://{profile}" if profile else "databricks-uc"
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", uri)
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", client.meta.endpoint_url)
        yield state, uri


class Registry:
    """A use case, and MLflow's own client of the registry that shows its releases."""

    def __init__(self, case: Case, environment: Environment, registry_uri: str | None = None) -> None:
        from mlflow.tracking import MlflowClient

        self.case, self.environment = case, environment
        self.model = f"{environment.registry_prefix}complaints"
        self.client = MlflowClient(environment.mlflow_uri, registry_uri)

    def show(self, card: str = "") -> Any:
        return show_releases(self.environment, self.case.lake, "complaints", card)

    def disagreement(self) -> str | None:
        return disagreement(self.environment, self.case.lake, "complaints")

    @property
    def aliases(self) -> dict[str, str]:
        """Alias -> release."""
        found = self.client.get_registered_model(self.model).aliases
        return {alias: self.client.get_model_version(self.model, to).tags["release"] for alias, to in found.items()}

    def deploy(self, release: str, target: str = "local") -> ArtifactVersion:
        """Notes a deployment as `serving.deploying` does."""
        return deployed(self.case.lake, release, target)


def deployed(lake: Lake, release: str, target: str) -> ArtifactVersion:
    name = f"deployment-{len(lake.artifacts('complaints', 'deployment'))}"
    with lake.scratch("complaints", "deployment") as folder:
        folder.mkdir(parents=True)
        (folder / "deployment.json").write_text(json.dumps({"target": target, "release": release}))
        return lake.publish(
            "complaints",
            "deployment",
            name,
            folder,
            parents=[],
            settings_hash="s",
            input_hash=name,
            info={"target": target},
        )


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("server", marks=pytest.mark.components(name="mlflow")),
        "unity",
    ]
)
def registry(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    case = Case(tmp_path / "home")
    case.publish()
    if request.param == "sqlite":
        yield Registry(case, Environment(home=tmp_path / "home"))
    elif request.param == "server":
        (tmp_path / "server").mkdir()
        with mlflow_server(tmp_path / "server") as uri:
            yield Registry(case, Environment(home=tmp_path / "home", tracking_uri=uri))
    else:
        with unity(tmp_path, monkeypatch) as (state, uri):
            yield Registry(case, Environment(home=tmp_path / "home", registry_prefix="main.models."), uri)
            assert state.problems == [], "MLflow's messages know every request"


def test_every_release_is_a_version_and_aliases_follow_the_lake(registry: Registry) -> None:
    case, client, model = registry.case, registry.client, registry.model
    first = case.released()
    assert registry.show("# Card") == {"tracker": "mlflow", "model": model, "versions": 1}
    champion = client.get_model_version_by_alias(model, "champion")
    assert (champion.tags["release"], champion.description) == (first.id, "# Card")
    assert champion.tags["content_hash"] == case.versions["adapter_checkpoint"].content_hash
    case.again("second")
    second = case.released()
    registry.show()
    assert registry.aliases == {"champion": second.id, "previous": first.id}
    back = roll_back(case.lake, case.use_case, reason=REASON)
    registry.show()
    assert registry.show()["versions"] == 3, "the same again makes no version"
    assert registry.aliases == {"champion": back.id, "previous": second.id}
    for one in releases(case.lake, "complaints"):
        withdraw(case.lake, case.use_case, one.id, reason=REASON)
    registry.show()
    assert registry.aliases == {}
    versions = [client.get_model_version(model, one.version) for one in client.search_model_versions(f"name='{model}'")]
    assert [one.tags["withdrawn"] for one in versions] == ["true"] * len(versions) and len(versions) >= 2
    assert registry.disagreement() is None


def test_a_candidate_is_the_newest_release_until_it_was_deployed(registry: Registry) -> None:
    case = registry.case
    first = case.released()
    registry.show()
    assert "candidate" not in registry.aliases, "nothing was deployed: the newest release has the traffic"
    at_ours = registry.deploy(first.id)
    case.again("second")
    second = case.released()
    registry.show()
    assert registry.aliases == {"champion": second.id, "previous": first.id, "candidate": second.id}
    assert registry.disagreement() is None
    by_hand = registry.client.get_model_version_by_alias(registry.model, "previous").version
    registry.client.set_registered_model_alias(registry.model, "candidate", by_hand)
    assert f"candidate is on {first.id}, not on {second.id}" in (registry.disagreement() or "")
    at_ours = registry.deploy(second.id)
    assert f"candidate is on {first.id}, not on any" in (registry.disagreement() or "")
    registry.show()
    assert "candidate" not in registry.aliases and registry.disagreement() is None
    registry.case.lake.add_verdict(at_ours, STAYS, False, "s", {"by": "ana"})
    registry.show()
    assert registry.aliases["candidate"] == second.id, "it was taken away from its only target"
    registry.deploy(second.id, "elsewhere")
    withdraw(case.lake, case.use_case, second.id, reason=REASON)
    registry.show()
    assert registry.aliases == {"champion": first.id, "candidate": first.id}, "and so was the first, at this target"


def test_what_somebody_changes_by_hand_is_named(registry: Registry) -> None:
    case, client, model = registry.case, registry.client, registry.model
    first = case.released()
    case.again("second")
    second = case.released()
    registry.show()
    assert registry.disagreement() is None
    version = client.get_model_version_by_alias(model, "previous").version
    client.set_registered_model_alias(model, "champion", version)
    assert f"champion is on {first.id}, not on {second.id}" in (registry.disagreement() or "")
    registry.show()
    assert registry.disagreement() is None
    client.set_model_version_tag(model, version, "content_hash", "0" * 64)
    assert "as it was released" in (registry.disagreement() or "")


def test_a_version_has_the_model_and_nothing_to_execute(registry: Registry) -> None:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc import load_model

    case = registry.case
    case.released()
    registry.show()
    source = registry.client.get_model_version_by_alias(registry.model, "champion").source
    folder = Path(download_artifacts(source, tracking_uri=registry.environment.mlflow_uri))
    held = Path(case.versions["adapter_checkpoint"].uri) / "weights.json"
    assert (folder / "weights.json").read_bytes() == held.read_bytes()
    assert {"MLmodel", "release.json", "model.sig", "training.json"} <= {one.name for one in folder.iterdir()}
    with pytest.raises(MlflowException, match="python_function"):
        load_model(str(folder))


def test_a_registry_that_fails_costs_no_release(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.publish()
    case.released()
    nobody = Environment(home=tmp_path, tracking_uri="http://127.0.0.1:9")
    assert str(show_releases(nobody, case.lake, "complaints")).startswith("failed: ")
    assert disagreement(nobody, case.lake, "complaints") is None
    off = Environment(home=tmp_path, tracking_uri="none")
    assert str(show_releases(off, case.lake, "complaints")).startswith("off: ")
    assert disagreement(off, case.lake, "complaints") is None


@pytest.mark.parametrize("profile", ["", "registrar"])
def test_unity_catalog_gets_the_files_with_its_own_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    with unity(tmp_path, monkeypatch, profile) as (state, uri):
        case = Case(tmp_path / "home")
        case.publish()
        made = case.released()
        registry = Registry(case, Environment(home=tmp_path / "home", registry_prefix="main.models."), uri)
        assert registry.show() == {"tracker": "mlflow", "model": "main.models.complaints", "versions": 1}
        (version,) = state.versions["main.models.complaints"]
        assert {"MLmodel", "release.json", "model.sig", "weights.json"} <= set(state.files(version))
        assert {tag.key: tag.value for tag in version.tags}["release"] == made.id
        expected = ["CreateModelVersion", "GenerateTemporaryModelVersionCredentials", "FinalizeModelVersion"]
        assert [one for one in state.asked if one in expected] == expected and state.problems == []
        assert (Path(version.source) / "MLmodel").exists(), "MLflow left the files of the run where they are"


def test_a_registry_that_wants_a_flavor_says_so_and_the_release_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unity(tmp_path, monkeypatch) as (state, uri):
        case = Case(tmp_path / "home")
        case.publish()
        first = case.released()
        registry = Registry(case, Environment(home=tmp_path / "home", registry_prefix="main.models."), uri)
        registry.show()
        case.again("second")
        second = case.released()
        state.refuses = "The model has no python_function flavor"
        told = str(registry.show())
        assert told.startswith("failed: artifacts: RestException (INVALID_PARAMETER_VALUE: ") and state.refuses in told
        assert releases(case.lake, "complaints")[0].id == second.id
        assert registry.aliases == {"previous": first.id}, "no alias is left on another release"
        assert registry.disagreement() is None
        experiment: Any = registry.client.get_experiment_by_name("complaints")
        runs = registry.client.search_runs([experiment.experiment_id])
        assert sorted(one.info.status for one in runs) == ["FAILED", "FINISHED"]
        state.refuses = ""
        assert registry.show()["versions"] == 2 and registry.aliases["champion"] == second.id


@pytest.mark.parametrize(
    ("prefix", "token", "told"),
    [
        ("", None, "failed: read: Unity Catalog needs FT_REGISTRY_PREFIX=<catalog>.<schema>."),
        ("models.", None, "failed: read: Unity Catalog needs FT_REGISTRY_PREFIX=<catalog>.<schema>."),
        ("main.models.", "token-of-nobody", "failed: read: "),
    ],
)
def test_what_unity_catalog_lacks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str, token: str | None, told: str
) -> None:
    case = Case(tmp_path / "home")
    case.publish()
    case.released()
    with unity(tmp_path, monkeypatch) as (state, _):
        if token:
            monkeypatch.setenv("DATABRICKS_TOKEN", token)
        environment = Environment(home=tmp_path / "home", registry_prefix=prefix)
        assert str(show_releases(environment, case.lake, "complaints")).startswith(told)
        assert state.models == {}


def test_one_command_sets_the_registry_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case(tmp_path)
    case.publish()
    case.released()
    registry = Registry(case, Environment(home=tmp_path))
    registry.show()
    case.again("second")
    second = case.released()
    parts = (registry.environment, case.use_case, case.lake)
    monkeypatch.setattr("ft_platform.commands.releases.opened", lambda _: parts)
    assert main(["releases", "complaints"]) == 0 and "ft releases complaints --sync" in capsys.readouterr().out
    assert main(["releases", "complaints", "--sync"]) == 0 and "disagrees" not in capsys.readouterr().out
    assert registry.aliases["champion"] == second.id
