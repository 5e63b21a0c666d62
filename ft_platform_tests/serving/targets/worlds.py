"""A target with what stands in for its other side, one for each kind. A new target is one more entry in `WORLDS`."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from moto.server import ThreadedMotoServer

from ft_platform.serving.targets.contract import Endpoint, Model, Target
from ft_platform.use_case.settings.serving_targets import (
    HfEndpointTarget,
    KubernetesTarget,
    LocalTarget,
    OpenAIEndpointTarget,
    SageMakerTarget,
    VllmTarget,
)
from ft_platform_tests.serving.targets import cluster, hf_server, noting_servers, vllm_server
from ft_platform_tests.serving.targets.stand_in import StandIn

USE_CASE = "complaint_routing"
AWS_SECRETS = ("planted-aws-secret-4410", "planted-aws-session-8d02")
BUCKET = "models-of-acme"


@dataclass
class World:
    """A target and its other side.

    Attributes:
        target: a new process that knows the settings only.
        other: the stand-in.
        secrets: those that the other side knows.
        is_free: a release without traffic costs nothing here.
        seconds: how long a release is waited for.
        prepare: what others do before a release is deployed.
        cannot: test of the contract that says nothing about this target -> why.
    """

    target: Callable[[], Target]
    other: StandIn
    folder: Path
    secrets: tuple[str, ...]
    is_free: bool = False
    seconds: float = 30.0
    prepare: Callable[[str], None] = lambda release: None
    cannot: Mapping[str, str] = field(default_factory=dict)

    def model(self, release: str, use_case: str = USE_CASE) -> Model:
        self.prepare(release)
        return Model(use_case, release, "written_label", ("a", "b"), lambda form: self._exported(release, form), 512)

    def _exported(self, release: str, form: str) -> Path:
        """A folder as `ft export` writes it, with small files."""
        folder = self.folder / "exported" / f"{release}-{form}"
        if not folder.exists():
            folder.mkdir(parents=True)
            weights = "adapter_model.safetensors" if form == "adapter" else "model.safetensors"
            (folder / weights).write_bytes(f"weights of {release}".encode())
            (folder / ("adapter_config.json" if form == "adapter" else "config.json")).write_text("{}")
            (folder / "chat_template.jinja").write_text("{{ messages }}")
            told = {"form": form, "checkpoint": release, "end_of_turn": {"id": 2, "text": "<|im_end|>"}}
            (folder / "export.json").write_text(json.dumps(told))
        return folder


def ask(endpoint: Endpoint) -> str:
    """The release that answers."""
    body = {"model": endpoint.model, "messages": [{"role": "user", "content": "Who are you?"}], **endpoint.extra}
    if endpoint.send:
        found = endpoint.send("/v1/chat/completions", body)
    else:
        headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
        answer = httpx2.post(f"{endpoint.url}/v1/chat/completions", json=body, headers=headers, trust_env=False)
        assert answer.status_code == 200, answer.status_code
        found = answer.json()
    return found["choices"][0]["message"]["content"]


def vllm(folder: Path, monkeypatch: pytest.MonkeyPatch, /, **changed: Any) -> World:
    from ft_platform.serving.targets.vllm import Vllm

    monkeypatch.setenv("VLLM_KEY", vllm_server.KEY)
    other = vllm_server.VllmServer(folder / "shared")
    said: dict[str, Any] = {"folder": str(folder / "shared"), "folder_there": vllm_server.THERE, "cost_per_hour": 2.0}
    said |= {"switch_by": "in_place", **changed}
    settings = VllmTarget(kind="vllm", url=other.url, api_key_env="VLLM_KEY", **said)
    return World(lambda: Vllm(settings, USE_CASE), other, folder, (vllm_server.KEY,), is_free=True)


def hf_endpoint(folder: Path, monkeypatch: pytest.MonkeyPatch, /, **changed: Any) -> World:
    import huggingface_hub
    from huggingface_hub import constants

    from ft_platform.serving.targets.hf_endpoint import HfEndpoint

    other = hf_server.HfServer()
    monkeypatch.setenv("HF_KEY", hf_server.TOKEN)
    monkeypatch.setattr(constants, "INFERENCE_ENDPOINTS_ENDPOINT", f"{other.url}/v2")
    monkeypatch.setattr(constants, "ENDPOINT", other.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    made = huggingface_hub.HfApi
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda token: made(endpoint=other.url, token=token))
    said: dict[str, Any] = {"namespace": hf_server.NAMESPACE, "token_env": "HF_KEY", "region": "eu-west-1"}
    said |= {"instance_type": "nvidia-l4", "instance_size": "x1", "image": "vllm/vllm-openai:v0.32.0"}
    said["cost_per_hour"] = 2.0
    settings = HfEndpointTarget(kind="hf_endpoint", **said | changed)
    return World(lambda: HfEndpoint(settings, USE_CASE), other, folder, (hf_server.TOKEN,))


def sagemaker(folder: Path, monkeypatch: pytest.MonkeyPatch, /, **changed: Any) -> World:
    import boto3

    from ft_platform.serving.targets.sagemaker import SageMaker
    from ft_platform_tests.serving.targets.sagemaker_server import SageMakerServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    other = SageMakerServer(f"http://{host}:{port}")
    httpx2.post(f"{other.s3}/moto-api/reset", trust_env=False)  # moto keeps buckets of an earlier server
    close = other.close
    other.close = lambda: (close(), server.stop())[0]
    for name, value in {
        "AWS_ENDPOINT_URL": other.url,
        "AWS_ACCESS_KEY_ID": "planted-id",
        "AWS_SECRET_ACCESS_KEY": AWS_SECRETS[0],
        "AWS_SESSION_TOKEN": AWS_SECRETS[1],
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    place = {"Bucket": BUCKET, "CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"}}
    other.bucket = boto3.resource("s3", endpoint_url=other.s3).create_bucket(**place)
    said: dict[str, Any] = {"models_uri": f"s3://{BUCKET}/fine-tuned", "instance_type": "ml.g6.xlarge"}
    said |= {"image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/vllm:0.32"}
    said |= {"role_arn": "arn:aws:iam::123456789012:role/serving", "alarms": ("errors",), "cost_per_hour": 2.0}
    settings = SageMakerTarget(kind="sagemaker", **said | changed)
    return World(lambda: SageMaker(settings, USE_CASE), other, folder, AWS_SECRETS)


def kubernetes(folder: Path, monkeypatch: pytest.MonkeyPatch, /, **changed: Any) -> World:
    from ft_platform.serving.targets.kubernetes import Kubernetes

    monkeypatch.setenv("CLUSTER_KEY", cluster.KEY)
    other = cluster.Cluster()
    said: dict[str, Any] = {"namespace": cluster.NAMESPACE, "kubectl": other.kubectl(folder), "gpus": 1}
    said |= {"address": f"{other.url}/svc/{{namespace}}/{{service}}", "image": "vllm/vllm-openai:v0.32.0"}
    said |= {"folder": str(folder / "volume"), "claim": "models", "secret": "vllm", "api_key_env": "CLUSTER_KEY"}
    said["cost_per_hour"] = 2.0
    settings = KubernetesTarget(kind="kubernetes", **said | changed)
    return World(lambda: Kubernetes(settings, USE_CASE), other, folder, (cluster.KEY,))


def local(folder: Path, monkeypatch: pytest.MonkeyPatch, /, **changed: Any) -> World:
    from ft_platform.serving.targets import local as module

    monkeypatch.setenv("OWN_KEY", noting_servers.KEY)
    monkeypatch.setattr(module, "SWITCH_SECONDS", 1.0)
    other = noting_servers.OwnServer(folder, USE_CASE, monkeypatch)
    other.dies_before_its_next_write(monkeypatch)
    monkeypatch.setattr(module.subprocess, "Popen", lambda command, **_: other.servers.append(command[-1]))
    settings = LocalTarget(url=other.url, api_key_env="OWN_KEY", **{"cost_per_hour": 2.0, **changed})
    cannot = {
        "test_deleting_takes_away_everything": "the newest release stays, for it can be tried as @candidate",
        "test_a_label_head_is_refused_before_anything_is_asked": "the platform's own server serves label heads",
        "test_in_the_middle_of_a_switch_the_status_is_what_answers": "a switch is one write: it has no middle",
        "test_what_was_taken_away_there_is_absent": "the server loads again what the file names: it is starting",
    }
    made: Callable[[], Target] = lambda: module.Local(settings, folder, USE_CASE)  # noqa: E731
    return World(made, other, folder, (noting_servers.KEY,), True, 2.0, other.put, cannot)


def openai_endpoint(folder: Path, monkeypatch: pytest.MonkeyPatch, /, **changed: Any) -> World:
    from ft_platform.serving.targets import openai_endpoint as module

    monkeypatch.setenv("TEAM_KEY", noting_servers.KEY)
    other = noting_servers.OpenAIServer(folder, USE_CASE, "target-production")
    other.dies_before_its_next_write(monkeypatch)
    said: dict[str, Any] = {"model": f"{USE_CASE}-{{release}}", "api_key_env": "TEAM_KEY", "cost_per_hour": 2.0}
    settings = OpenAIEndpointTarget(kind="openai_endpoint", url=other.url, **said | changed)
    theirs = "the platform team sends the traffic of its clients: a model has the name of its release"
    cannot = {
        "test_the_address_of_clients_stays_after_a_switch": theirs,
        "test_a_switch_loses_no_request": theirs,
    }
    made: Callable[[], Target] = lambda: module.OpenAIEndpoint(settings, folder, USE_CASE, "production")  # noqa: E731
    return World(made, other, folder, (noting_servers.KEY,), True, 2.0, other.put, cannot)


WORLDS: dict[str, Callable[..., World]] = {
    "vllm": vllm,
    "hf_endpoint": hf_endpoint,
    "sagemaker": sagemaker,
    "kubernetes": kubernetes,
    "local": local,
    "openai_endpoint": openai_endpoint,
}


@contextmanager
def opened(name: str, place: Path, monkeypatch: pytest.MonkeyPatch, /, **changed: Any) -> Iterator[World]:
    """A world that is new. Pauses take no time."""
    import time

    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(min(seconds, 0.001)))
    place.mkdir(parents=True, exist_ok=True)
    world = WORLDS[name](place, monkeypatch, **changed)
    try:
        yield world
    finally:
        world.other.close()
