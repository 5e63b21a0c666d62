"""Amazon SageMaker: merged weights in S3, for each release a model and an endpoint configuration, vLLM as container.

One endpoint of the use case has the traffic; its name stays. A release is tried at an endpoint of its own, which is
deleted after the switch. A switch is SageMaker's blue/green update: new machines are started beside the old ones, and
an alarm takes the traffic back. Models and configurations cost nothing and stay until `delete`, so a roll back is a
switch. Every name follows from use case, release and settings: what a killed process left is found again.

Covered: no endpoint is left by a deployment that failed; an update that SageMaker rolled back is an error. Not covered:
a process that is killed leaves the endpoint it had just made until the next `deploy` or `delete`."""

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ft_platform.errors import EndpointFailed, EndpointUnavailable, ExportRefused, MissingExtra
from ft_platform.lake.files import sha256_file
from ft_platform.serving.exporting.matrix import problem
from ft_platform.serving.protocol import TRIAL_ID
from ft_platform.serving.targets.contract import Endpoint, Model, State, Status
from ft_platform.serving.targets.patience import cleared, fitting, tried, until, without
from ft_platform.use_case.settings.serving_targets import SageMakerTarget

LONGEST_NAME = 63
VARIANT = "all"
GONE_SECONDS, BEGIN_SECONDS = 900.0, 300.0
SECONDS = 60
"""Of one call."""
USE_CASE, RELEASE = "ft:use_case", "ft:release"
"""Tags that say whose a thing is."""
ABSENT = ("Could not find", "does not exist", "NotFound", "not found")
EXISTS = ("already exist", "existing")
"""SageMaker answers with the code ValidationException to both; words tell them apart."""
PASSES = frozenset({
    *("ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown"),
    *("InternalFailure", "InternalServerException", "InternalError", "ServiceUnavailable", "ModelNotReadyException"),
    *("ConnectionClosedError", "ConnectTimeoutError", "EndpointConnectionError", "ReadTimeoutError"),
})  # fmt: skip
"""Codes of AWS and classes of botocore that may be gone on the next try."""
SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID")
STATES: dict[str, State] = {
    "Creating": "starting",
    "Updating": "ready",
    "SystemUpdating": "ready",
    "RollingBack": "ready",
    "InService": "ready",
}
"""The others are `failed`."""


class SageMaker:
    """The endpoints of one use case.

    Raises:
        MissingExtra: boto3 is not installed.
        EndpointFailed: region or credentials are not set.
    """

    def __init__(self, settings: SageMakerTarget, use_case: str) -> None:
        self.settings, self.use_case = settings, use_case
        self._bucket, _, folder = settings.models_uri.removeprefix("s3://").partition("/")
        self._folder = "/".join(part for part in (folder.strip("/"), use_case) if part)
        self._live = fitting(f"ft-{use_case}", LONGEST_NAME)
        self._aws, self._runtime, self._s3 = (_client(name) for name in ("sagemaker", "sagemaker-runtime", "s3"))

    def deploy(self, model: Model) -> None:
        if why := problem(model.kind, "merged", "vllm"):
            raise ExportRefused(why)
        release, name = model.release, self._trial(model.release)
        config = self._config_name(release, model.context_tokens)
        before = self._configs(release)

        def clear() -> None:
            self._delete_endpoint(name)
            if not before:
                self._delete_rest(release)

        with cleared(clear):
            if self._configured(self._live) == config:
                return
            found = self._describe(name)
            if found and (found["EndpointStatus"] == "Failed" or found["EndpointConfigName"] != config):
                self._delete_endpoint(name)
                found = None
            if found is None or found["EndpointStatus"] == "Deleting":
                self._upload(model.exported("merged"), release)
                self._create_config(release, config, model.context_tokens)
                until(lambda: self._create_endpoint(name, config, release), GONE_SECONDS)

    def wait(self, model: Model, seconds: float, on_wait: Callable[[str], None]) -> Endpoint:
        config, trial = self._config_name(model.release, model.context_tokens), self._trial(model.release)
        with cleared(lambda: self._delete_endpoint(trial)):
            name = self._live if self._configured(self._live) == config else trial
            until(lambda: self._serves(name, config), seconds, on_wait)
        return self._endpoint(name)

    def switch(self, release: str) -> None:
        live = self._describe(self._live)
        config = self._configured(self._trial(release)) or next(iter(self._configs(release)), None)
        if config is None:
            raise EndpointFailed(f"{release} is not at SageMaker", f"Run: ft deploy {self.use_case}")
        if live is None:
            with cleared(lambda: self._delete_endpoint(self._live)):
                until(lambda: self._create_endpoint(self._live, config, release), GONE_SECONDS)
                until(lambda: self._serves(self._live, config), self.settings.switch_minutes * 60)
        else:
            until(lambda: self._settled(self._live), self.settings.switch_minutes * 60)
            if self._described(self._live)["EndpointConfigName"] != config:
                with _said(busy=True):  # a try whose answer was lost may have begun it
                    self._aws.update_endpoint(
                        EndpointName=self._live, EndpointConfigName=config, DeploymentConfig=self._deployment()
                    )
                until(lambda: self._begun(config), BEGIN_SECONDS)
            until(lambda: self._serves(self._live, config), self.settings.switch_minutes * 60)
        self._delete_endpoint(self._trial(release))

    def delete(self, release: str) -> None:
        live = self._configured(self._live)
        if live and self._release_of(live) == release:
            self._delete_endpoint(self._live)
        self._delete_endpoint(self._trial(release))
        self._delete_rest(release)

    def status(self) -> Status:
        live = self._describe(self._live)
        if live and live["EndpointStatus"] == "Deleting":
            live = None
        served = self._release_of(live["EndpointConfigName"]) if live else None
        there = {self._release_of(one) for one in self._configs()} - {served, None}
        others = tuple(sorted(one for one in there if one))
        if live is None:
            return Status("absent", others=others)
        state = STATES.get(live["EndpointStatus"], "failed")
        replicas = sum(one.get("CurrentInstanceCount", 0) for one in live.get("ProductionVariants", []))
        message = without(live.get("FailureReason", ""), [])
        return Status(
            state, served, others, replicas, message, self._endpoint(self._live) if state == "ready" else None
        )

    def cost_per_day(self) -> float | None:
        each = self.settings.cost_per_hour
        if each is None:
            return None
        names = [one for one in self._endpoints() if one == self._live or one.startswith(f"{self._live}-")]
        found = [one for one in map(self._describe, names) if one]
        paid = [one for one in found if one["EndpointStatus"] not in ("Deleting", "Failed")]
        return each * 24 * sum(_machines(variant) for one in paid for variant in one.get("ProductionVariants", []))

    def _trial(self, release: str) -> str:
        return fitting(f"ft-{self.use_case}-{release}", LONGEST_NAME)

    def _config_name(self, release: str, context: int) -> str:
        """Name of configuration and model: other settings, other name, for neither can be changed."""
        settings = [self._container(release, context), self._variant(""), *self._capture().values()]
        said = json.dumps(settings, sort_keys=True)
        return f"{self._base(release)}{hashlib.sha256(said.encode()).hexdigest()[:8]}"

    def _base(self, release: str) -> str:
        return f"{fitting(f'ft-{self.use_case}-{release}', LONGEST_NAME - 9)}-"

    def _container(self, release: str, context: int) -> dict[str, Any]:
        return {
            "Image": self.settings.image,
            "ModelDataSource": {
                "S3DataSource": {
                    "S3Uri": f"s3://{self._bucket}/{self._folder}/{release}/",
                    "S3DataType": "S3Prefix",
                    "CompressionType": "None",
                }
            },
            "Environment": {
                "SM_VLLM_MODEL": "/opt/ml/model",
                "SM_VLLM_SERVED_MODEL_NAME": self.use_case,
                "SM_VLLM_MAX_MODEL_LEN": str(context),
                **self.settings.environment,
            },
        }

    def _variant(self, model: str) -> dict[str, Any]:
        return {
            "VariantName": VARIANT,
            "ModelName": model,
            "InstanceType": self.settings.instance_type,
            "InitialInstanceCount": self.settings.instances,
            "InitialVariantWeight": 1.0,
        }

    def _capture(self) -> dict[str, Any]:
        if self.settings.capture_uri is None:
            return {}
        return {
            "DataCaptureConfig": {
                "EnableCapture": True,
                "InitialSamplingPercentage": 100,
                "DestinationS3Uri": self.settings.capture_uri,
                "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
                "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
            }
        }

    def _deployment(self) -> dict[str, Any]:
        settings = self.settings
        routing: dict[str, Any] = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": settings.bake_seconds}
        if settings.canary_percent:
            routing |= {"Type": "CANARY", "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": settings.canary_percent}}
        policy = {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": 120,
            "MaximumExecutionTimeoutInSeconds": int(settings.switch_minutes * 60),
        }
        alarms = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in settings.alarms]}}
        return {"BlueGreenUpdatePolicy": policy, **(alarms if settings.alarms else {})}

    def _upload(self, folder: Path, release: str) -> None:
        """Puts every file there; one with the same hash is not sent again."""
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            key, digest = f"{self._folder}/{release}/{path.relative_to(folder).as_posix()}", sha256_file(path)
            with _said(absent=True):
                if self._s3.head_object(Bucket=self._bucket, Key=key)["Metadata"].get("sha256") == digest:
                    continue
            with _said():
                self._s3.upload_file(str(path), self._bucket, key, ExtraArgs={"Metadata": {"sha256": digest}})

    def _create_config(self, release: str, name: str, context: int) -> None:
        tags = self._tags(release)
        with _said(exists=True):
            self._aws.create_model(
                ModelName=name,
                PrimaryContainer=self._container(release, context),
                ExecutionRoleArn=self.settings.role_arn,
                EnableNetworkIsolation=True,
                Tags=tags,
            )
        with _said(exists=True):
            self._aws.create_endpoint_config(
                EndpointConfigName=name, ProductionVariants=[self._variant(name)], Tags=tags, **self._capture()
            )

    def _create_endpoint(self, name: str, config: str, release: str) -> str | None:
        """Makes an endpoint. One that is being deleted is waited for."""
        found = self._describe(name)
        if found and found["EndpointStatus"] == "Deleting":
            return f"{name} is still being deleted"
        with _said(exists=True):
            self._aws.create_endpoint(EndpointName=name, EndpointConfigName=config, Tags=self._tags(release))
        return None

    def _tags(self, release: str) -> list[dict[str, str]]:
        return [{"Key": USE_CASE, "Value": self.use_case}, {"Key": RELEASE, "Value": release}]

    def _serves(self, name: str, config: str) -> str | None:
        """What is waited for; None: it answers with this configuration.

        Raises:
            EndpointFailed: it failed, or SageMaker took the old configuration again.
        """
        found = self._describe(name)
        if found is None:
            return f"{name} is not listed yet"
        status, why = found["EndpointStatus"], without(found.get("FailureReason") or "no reason is given", [])
        if status in ("Failed", "UpdateRollbackFailed", "OutOfService", "Deleting"):
            raise EndpointFailed(f"the endpoint {name} is {status}: {why}", "Read its log in CloudWatch")
        if status != "InService":
            return f"{name} is {status}"
        if found["EndpointConfigName"] != config:
            raise EndpointFailed(f"SageMaker rolled {name} back: {why}", "See alarms and log in CloudWatch")
        return None

    def _begun(self, config: str) -> str | None:
        """What is waited for until an update shows: what is described may be as it was before for a while."""
        found = self._described(self._live)
        waits = found["EndpointStatus"] == "InService" and found["EndpointConfigName"] != config
        return f"the update of {self._live} has not begun" if waits else None

    def _settled(self, name: str) -> str | None:
        """What is waited for before it can be updated."""
        status = self._described(name)["EndpointStatus"]
        return f"{name} is {status}" if status in ("Creating", "Updating", "SystemUpdating", "RollingBack") else None

    def _describe(self, name: str) -> dict[str, Any] | None:
        with _said(absent=True):
            return self._aws.describe_endpoint(EndpointName=name)
        return None

    def _configured(self, name: str) -> str | None:
        found = self._describe(name)
        return found["EndpointConfigName"] if found else None

    def _described(self, name: str) -> dict[str, Any]:
        found = self._describe(name)
        if found is None:
            raise EndpointFailed(f"the endpoint {name} is gone", "Deploy again")
        return found

    def _configs(self, release: str = "") -> list[str]:
        """Endpoint configurations of the use case, or of a release, the newest first."""
        prefix = self._base(release) if release else f"{self._live}-"
        pages = self._aws.get_paginator("list_endpoint_configs")
        with _said():
            found = [
                one["EndpointConfigName"]
                for page in pages.paginate(NameContains=prefix, SortBy="CreationTime", SortOrder="Descending")
                for one in page["EndpointConfigs"]
            ]
        return [one for one in found if one.startswith(prefix) and (not release or self._release_of(one) == release)]

    def _endpoints(self) -> list[str]:
        with _said():
            pages = self._aws.get_paginator("list_endpoints").paginate(NameContains=self._live)
            return [one["EndpointName"] for page in pages for one in page["Endpoints"]]
        return []

    def _release_of(self, config: str) -> str | None:
        """As its tags say; None where it is gone or of another use case."""
        with _said(absent=True):
            arn = self._aws.describe_endpoint_config(EndpointConfigName=config)["EndpointConfigArn"]
            tags = {one["Key"]: one["Value"] for one in self._aws.list_tags(ResourceArn=arn)["Tags"]}
            return tags.get(RELEASE) if tags.get(USE_CASE) == self.use_case else None
        return None

    def _delete_endpoint(self, name: str) -> None:
        """Takes it away and waits until it is gone. One that is being made or changed cannot be deleted before."""

        def gone() -> str | None:
            found = self._describe(name)
            if found is None:
                return None
            if found["EndpointStatus"] != "Deleting":
                with _said(absent=True, busy=True):
                    self._aws.delete_endpoint(EndpointName=name)
            return f"{name} is still there"

        with _said(absent=True, busy=True):  # asked for even if it is not shown: it may be new
            self._aws.delete_endpoint(EndpointName=name)
        until(gone, GONE_SECONDS)

    def _delete_rest(self, release: str) -> None:
        """Configurations, models and weights."""
        for name in self._configs(release):
            with _said(absent=True):
                self._aws.delete_endpoint_config(EndpointConfigName=name)
        with _said():
            pages = self._aws.get_paginator("list_models").paginate(NameContains=self._base(release))
            models = [one["ModelName"] for page in pages for one in page["Models"]]
        for name in (one for one in models if one.startswith(self._base(release))):
            with _said(absent=True):
                self._aws.delete_model(ModelName=name)
        with _said():
            pages = self._s3.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=f"{self._folder}/{release}/"):
                keys = [{"Key": one["Key"]} for one in page.get("Contents", [])]
                if keys:
                    self._s3.delete_objects(Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True})

    def _endpoint(self, name: str) -> Endpoint:
        url = f"{self._runtime.meta.endpoint_url}/endpoints/{name}/invocations"
        return Endpoint(url, self.use_case, send=lambda path, body: self._invoke(name, path, body))

    def _invoke(self, name: str, path: str, body: Mapping[str, Any]) -> Any:
        """One request, signed. vLLM takes a chat or a text by the fields of its body: there is one path only."""
        if path not in ("/v1/chat/completions", "/v1/completions"):
            raise EndpointFailed(f"an endpoint of SageMaker has no {path}")

        def once() -> Any:
            with _said():
                found = self._runtime.invoke_endpoint(
                    EndpointName=name,
                    ContentType="application/json",
                    Accept="application/json",
                    Body=json.dumps(body),
                    InferenceId=f"{TRIAL_ID}{uuid.uuid4()}",
                )
                return json.loads(found["Body"].read())

        try:
            return tried(once, lambda error: isinstance(error, EndpointUnavailable))
        except ValueError:
            raise EndpointFailed(f"{name} sends no JSON", "Check the image") from None


def _machines(variant: Mapping[str, Any]) -> int:
    """That are paid for."""
    return max(variant.get("CurrentInstanceCount", 0), variant.get("DesiredInstanceCount", 0))


@contextmanager
def _said(absent: bool = False, exists: bool = False, busy: bool = False) -> Iterator[None]:
    """Errors of AWS as ours.

    Args:
        absent: go on if the thing is not there.
        exists: go on if it is there already.
        busy: go on if it is being changed.

    Raises:
        EndpointFailed: AWS refuses, e.g. for want of quota.
        EndpointUnavailable: it is too busy, or cannot be reached.
    """
    try:
        yield
    except Exception as error:  # botocore makes classes of its own for each service
        said = getattr(error, "response", None)
        code = said.get("Error", {}).get("Code", "") if isinstance(said, dict) else ""
        words = str(said.get("Error", {}).get("Message", "")) if isinstance(said, dict) else ""
        # What is said of a wrong signature quotes the headers that were signed, with the session's token.
        words = "" if "Signature" in code else without(words, map(os.environ.get, SECRETS))
        name = code or type(error).__name__
        if absent and (code in ("404", "NoSuchKey", "ResourceNotFound") or any(one in words for one in ABSENT)):
            return
        if exists and (code == "ResourceInUse" or any(one in words for one in EXISTS)):
            return
        if busy and "in-progress" in words:
            return
        if name in PASSES:
            raise EndpointUnavailable(f"AWS answers with {name} {words}".strip(), "Try again later") from None
        if type(error).__module__.startswith(("botocore", "boto3")):
            raise EndpointFailed(
                f"AWS answers with {name} {words}".strip(),
                "Ask for more quota" if code == "ResourceLimitExceeded" else "Check region, permissions and settings",
            ) from None
        raise


def _client(service: str) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise MissingExtra("boto3", "aws") from None
    with _said():
        retries: Any = {"mode": "standard", "max_attempts": 5}
        return boto3.client(
            service,
            config=Config(retries=retries, connect_timeout=SECONDS, read_timeout=SECONDS),  # pyright: ignore
        )


target = SageMaker
