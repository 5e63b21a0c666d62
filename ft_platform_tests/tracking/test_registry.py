"""What is released stands in MLflow's Model Registry, and who moves an alias by hand is seen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ft_platform.lake.releases import releases
from ft_platform.release.releasing import roll_back, withdraw
from ft_platform.settings.environment import Environment
from ft_platform.tracking.registry import disagreement, show_releases
from ft_platform_tests.mlflow_server import mlflow_server
from ft_platform_tests.release.test_releasing import REASON, Case

pytest.importorskip("model_signing", reason="the extra `signing` is not installed")
pytest.importorskip("mlflow", reason="the extra `tracking` is not installed")
pytestmark = pytest.mark.integration


@pytest.fixture(params=["sqlite", pytest.param("server", marks=pytest.mark.components(name="mlflow"))])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Case, Environment, Any]]:
    from mlflow.tracking import MlflowClient

    case = Case(tmp_path / "home")
    case.publish()
    if request.param == "sqlite":
        environment = Environment(home=tmp_path / "home")
        yield case, environment, MlflowClient(environment.mlflow_uri)
        return
    (tmp_path / "server").mkdir()
    with mlflow_server(tmp_path / "server") as uri:
        yield case, Environment(home=tmp_path / "home", tracking_uri=uri), MlflowClient(uri)


def shown(case: Case, environment: Environment, card: str = "") -> Any:
    return show_releases(environment, case.lake, "complaints", card)


def test_every_release_is_a_version_and_aliases_follow_the_lake(registry: tuple[Case, Environment, Any]) -> None:
    case, environment, client = registry
    first = case.released()
    assert shown(case, environment, "# Card") == {"tracker": "mlflow", "model": "complaints", "versions": 1}
    champion = client.get_model_version_by_alias("complaints", "champion")
    assert (champion.tags["release"], champion.description) == (first.id, "# Card")
    assert champion.tags["content_hash"] == case.versions["adapter_checkpoint"].content_hash
    case.again("second")
    second = case.released()
    shown(case, environment)
    assert client.get_model_version_by_alias("complaints", "champion").tags["release"] == second.id
    assert client.get_model_version_by_alias("complaints", "previous").tags["release"] == first.id
    back = roll_back(case.lake, case.use_case, reason=REASON)
    shown(case, environment)
    assert shown(case, environment)["versions"] == 3, "the same again makes no version"
    assert client.get_model_version_by_alias("complaints", "champion").tags["release"] == back.id
    for one in releases(case.lake, "complaints"):
        withdraw(case.lake, case.use_case, one.id, reason=REASON)
    shown(case, environment)
    assert not client.get_registered_model("complaints").aliases
    assert {one.tags["withdrawn"] for one in client.search_model_versions("name='complaints'")} == {"true"}
    assert disagreement(environment, case.lake, "complaints") is None


def test_what_somebody_changes_by_hand_is_named(registry: tuple[Case, Environment, Any]) -> None:
    case, environment, client = registry
    first = case.released()
    case.again("second")
    second = case.released()
    shown(case, environment)
    assert disagreement(environment, case.lake, "complaints") is None
    version = client.get_model_version_by_alias("complaints", "previous").version
    client.set_registered_model_alias("complaints", "champion", version)
    found = disagreement(environment, case.lake, "complaints") or ""
    assert f"champion is on {first.id}, not on {second.id}" in found
    shown(case, environment)
    assert disagreement(environment, case.lake, "complaints") is None
    client.set_model_version_tag("complaints", version, "content_hash", "0" * 64)
    assert "as it was released" in (disagreement(environment, case.lake, "complaints") or "")


def test_a_version_has_the_model_and_nothing_to_execute(registry: tuple[Case, Environment, Any]) -> None:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc import load_model

    case, environment, client = registry
    case.released()
    shown(case, environment)
    source = client.get_model_version_by_alias("complaints", "champion").source
    folder = Path(download_artifacts(source, tracking_uri=environment.mlflow_uri))
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
    assert str(shown(case, nobody)).startswith("failed: ")
    assert disagreement(nobody, case.lake, "complaints") is None
    off = Environment(home=tmp_path, tracking_uri="none")
    assert str(shown(case, off)).startswith("off: ") and disagreement(off, case.lake, "complaints") is None
