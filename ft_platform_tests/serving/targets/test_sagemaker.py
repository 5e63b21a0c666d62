"""What is particular to SageMaker."""

import pytest

from ft_platform.errors import EndpointFailed
from ft_platform.serving.protocol import TRIAL_ID
from ft_platform_tests.serving.targets.test_contract import NEW, OLD, answers, bring
from ft_platform_tests.serving.targets.worlds import BUCKET, USE_CASE, opened

LIVE = "ft-complaint-routing"


@pytest.fixture
def world(tmp_path, monkeypatch):
    with opened("sagemaker", tmp_path, monkeypatch) as made:
        yield made


def test_a_switch_is_a_blue_green_update_with_alarms(tmp_path, monkeypatch):
    with opened("sagemaker", tmp_path, monkeypatch, canary_percent=10, bake_seconds=60, switch_minutes=30) as world:
        bring(world, OLD)
        bring(world, NEW)
        (said,) = world.other.deployments
    policy = said["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"] == {
        "Type": "CANARY",
        "WaitIntervalInSeconds": 60,
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10},
    }
    assert policy["MaximumExecutionTimeoutInSeconds"] == 1800
    assert said["AutoRollbackConfiguration"] == {"Alarms": [{"AlarmName": "errors"}]}


def test_an_alarm_takes_the_traffic_back_and_is_an_error(world):
    bring(world, OLD)
    world.other.alarmed, world.other.slow = {NEW}, 2
    world.other.lag = 2
    with pytest.raises(EndpointFailed, match="rolled ft-complaint-routing back: An alarm"):
        bring(world, NEW)
    assert answers(world) == OLD and world.target().status().live == OLD


def test_the_container_loads_the_merged_weights_and_has_no_network(world):
    bring(world, OLD)
    (model,) = world.other.models.values()
    container = model["PrimaryContainer"]
    where = f"s3://{BUCKET}/fine-tuned/{USE_CASE}/{OLD}/"
    assert container["ModelDataSource"]["S3DataSource"]["S3Uri"] == where
    assert container["Environment"]["SM_VLLM_MAX_MODEL_LEN"] == "512"
    assert model["EnableNetworkIsolation"] is True
    assert {one.key.rpartition("/")[2] for one in world.other.bucket.objects.all()} >= {
        "model.safetensors",
        "config.json",
    }


def test_quota_that_is_used_up_is_said(world):
    world.other.quota = 0
    with pytest.raises(EndpointFailed, match=r"ResourceLimitExceeded.*Ask for more quota"):
        world.target().deploy(world.model(OLD))
    assert world.other.configs == world.other.models == {}


def test_other_settings_are_another_configuration(tmp_path, monkeypatch):
    with opened("sagemaker", tmp_path, monkeypatch) as world:
        target = world.target()
        before = target._config_name(OLD, 512)
        target.settings = target.settings.model_copy(update={"instance_type": "ml.g6.2xlarge"})
        assert target._config_name(OLD, 512) != before != target._config_name(OLD, 1024)


def test_what_is_asked_can_be_captured_and_trials_say_so(tmp_path, monkeypatch):
    with opened("sagemaker", tmp_path, monkeypatch) as world:
        bring(world, OLD)
        (plain,) = world.other.configs
    with opened("sagemaker", tmp_path, monkeypatch, capture_uri="s3://captures/complaints") as world:
        bring(world, OLD)
        ((name, config),) = world.other.configs.items()
    assert name != plain, "a configuration cannot be changed"
    assert config["DataCaptureConfig"]["DestinationS3Uri"] == "s3://captures/complaints"
    assert [one["CaptureMode"] for one in config["DataCaptureConfig"]["CaptureOptions"]] == ["Input", "Output"]
    assert world.other.asked_as and all(one.startswith(TRIAL_ID) for one in world.other.asked_as)


def test_it_has_only_the_routes_of_openai(world):
    bring(world, OLD)
    with pytest.raises(EndpointFailed, match="/v1/classify"):
        world.target().status().endpoint.send("/v1/classify", {})


def test_no_credentials_are_an_error_of_ours(world, monkeypatch):
    bring(world, OLD)
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(EndpointFailed, match="NoCredentialsError"):
        world.target().status()


def test_what_is_said_of_a_wrong_signature_is_not_shown():
    from botocore.exceptions import ClientError

    from ft_platform.serving.targets.sagemaker import _said

    said = {"Error": {"Code": "InvalidSignatureException", "Message": "x-amz-security-token:FwoGZXIvYXdzE"}}
    with pytest.raises(EndpointFailed) as found, _said():
        raise ClientError(said, "DescribeEndpoint")
    assert "FwoGZXIvYXdzE" not in str(found.value)


def test_moto_agrees_on_what_it_has(tmp_path, monkeypatch):
    """A second implementation of SageMaker, with its own words for what is missing or there already."""
    with opened("sagemaker", tmp_path, monkeypatch, instance_type="ml.g4dn.xlarge") as world:
        monkeypatch.setenv("AWS_ENDPOINT_URL", world.other.s3)
        came_and_went(world, monkeypatch)


def came_and_went(world, monkeypatch):
    import boto3

    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    target, model = world.target(), world.model(OLD)
    assert target.status().state == "absent"
    target.deploy(model)
    target.deploy(model)
    target.wait(model, 30, lambda _: None)
    target.switch(OLD)
    assert (target.status().state, target.status().live) == ("ready", OLD)
    assert [one["EndpointName"] for one in target._aws.list_endpoints()["Endpoints"]] == [LIVE]
    target.delete(OLD)
    target.delete(OLD)
    assert target.status().state == "absent" and target.status().others == ()
