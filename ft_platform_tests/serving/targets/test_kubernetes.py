"""What is particular to Kubernetes."""

import kubernetes_validate
import pytest
from pydantic import ValidationError

from ft_platform.errors import ConfigError, EndpointFailed
from ft_platform.use_case.settings.serving_targets import KubernetesTarget
from ft_platform_tests.serving.targets.cluster import VERSION
from ft_platform_tests.serving.targets.test_contract import NEW, OLD, answers, bring
from ft_platform_tests.serving.targets.worlds import USE_CASE, opened

CHANGES = [
    {},
    {"max_replicas": 4, "cpu_percent": 60},
    {"gpus": 0, "secret": None},
    {
        "folder": None,
        "claim": None,
        "ours": True,
        "arguments": ("serve", "{use_case}", "--release", "{release}", "--host", "0.0.0.0"),
    },
    {"environment": {"VLLM_LOGGING_LEVEL": "WARNING"}, "port": 9000, "start_minutes": 1.0},
]


@pytest.mark.parametrize("changed", CHANGES)
def test_manifests_are_what_kubernetes_publishes(changed, tmp_path, monkeypatch):
    with opened("kubernetes", tmp_path, monkeypatch, **changed) as world:
        target = world.target()
        for one in [*target.manifests(world.model(OLD)), target._service(target._live, OLD)]:
            kubernetes_validate.validate(one, VERSION, strict=True)


def test_the_validator_finds_a_field_that_does_not_exist(tmp_path, monkeypatch):
    with opened("kubernetes", tmp_path, monkeypatch) as world:
        deployment = world.target().manifests(world.model(OLD))[0]
    deployment["spec"]["template"]["spec"]["runAsNonRoot"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSION, strict=True)


def test_pods_have_no_rights(tmp_path, monkeypatch):
    with opened("kubernetes", tmp_path, monkeypatch) as world:
        pod = world.target().manifests(world.model(OLD))[0]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True and pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert all(mount["readOnly"] for mount in container["volumeMounts"] if mount["name"] == "model")


def test_an_autoscaler_says_how_many_pods_there_are_and_the_deployment_does_not(tmp_path, monkeypatch):
    with opened("kubernetes", tmp_path, monkeypatch, max_replicas=4) as world:
        deployment, _, scaler = world.target().manifests(world.model(OLD))
    assert "replicas" not in deployment["spec"]
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (1, 4)
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]


def test_the_key_is_in_no_manifest(tmp_path, monkeypatch):
    with opened("kubernetes", tmp_path, monkeypatch) as world:
        assert world.secrets[0] not in str(world.target().manifests(world.model(OLD)))


def test_pods_see_the_folder_of_their_release(tmp_path, monkeypatch):
    with opened("kubernetes", tmp_path, monkeypatch) as world:
        bring(world, OLD)
        assert (tmp_path / "volume" / USE_CASE / OLD / "model.safetensors").is_file()
        mounts = world.target().manifests(world.model(OLD))[0]["spec"]["template"]["spec"]["containers"][0]
        assert {"subPath": f"{USE_CASE}/{OLD}"}.items() <= mounts["volumeMounts"][-1].items()
        world.target().delete(OLD)
        assert not (tmp_path / "volume" / USE_CASE / OLD).exists()


def test_old_pods_run_on_until_they_are_deleted(tmp_path, monkeypatch):
    with opened("kubernetes", tmp_path, monkeypatch) as world:
        bring(world, OLD)
        bring(world, NEW)
        assert len(world.other.paid()) == 2
        world.target().delete(OLD)
        assert len(world.other.paid()) == 1 and answers(world) == NEW


def test_a_deployment_that_someone_deleted_is_told(tmp_path, monkeypatch):
    with opened("kubernetes", tmp_path, monkeypatch) as world:
        bring(world, OLD)
        del world.other.things["Deployment", "ft-complaint-routing-release-0a11"]
        status = world.target().status()
        assert (status.state, status.replicas) == ("failed", 0) and "not there" in status.message


def test_a_missing_kubectl_is_named(tmp_path, monkeypatch):
    with opened("kubernetes", tmp_path, monkeypatch, kubectl=str(tmp_path / "nothing")) as world:
        target = world.target()
        with pytest.raises(ConfigError, match="Install kubectl"):
            target.status()


def test_what_kubectl_refuses_is_said(tmp_path, monkeypatch):
    with opened("kubernetes", tmp_path, monkeypatch) as world:
        world.other.faults = {1: "refused"}
        with pytest.raises(EndpointFailed, match="exceeded quota"):
            world.target().deploy(world.model(OLD))


@pytest.mark.parametrize("wrong", [{"claim": "models"}, {"min_replicas": 3, "max_replicas": 2}, {"image": "vllm"}])
def test_settings_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValidationError):
        KubernetesTarget(**{"kind": "kubernetes", "namespace": "models", "image": "vllm:0.32", **wrong})
