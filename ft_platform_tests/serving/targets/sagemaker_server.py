"""SageMaker with a state: endpoints that take time, blue/green updates, roll backs. moto has neither `UpdateEndpoint`
nor time. S3 is moto's, behind the same faults.

Every request and every answer is compared with the service model that AWS publishes in botocore: types, required
fields, patterns, enums and bounds."""

import http.client
import json
import re
import time
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.validate import ParamValidator

from ft_platform_tests.serving.targets.stand_in import Reply, Request, StandIn

MODELS = {name: botocore.session.get_session().get_service_model(name) for name in ("sagemaker", "sagemaker-runtime")}
ARN = "arn:aws:sagemaker:eu-central-1:123456789012"


class Refused(Exception):
    def __init__(self, message: str, code: str = "ValidationException") -> None:
        super().__init__(message)
        self.code = code


class SageMakerServer(StandIn):
    """
    Attributes:
        alarmed: releases whose update an alarm rolls back.
        quota: most endpoints.
        asked_as: the ids that requests came with.
        bucket: where the weights are, as boto3's resource.
    """

    STATE = ("models", "configs", "endpoints", "tags")

    def __init__(self, s3: str) -> None:
        self.s3 = s3
        self.bucket: Any = None
        self.models: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, dict[str, Any]] = {}
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, list[dict[str, str]]] = {}
        self.alarmed: set[str] = set()
        self.quota = 10
        self.asked_as: set[str] = set()
        self.deployments: list[dict[str, Any]] = []
        super().__init__()

    def saved(self) -> dict[str, Any]:
        return {**super().saved(), "objects": {one.key for one in self.bucket.objects.all()}}

    def restore(self, saved: dict[str, Any]) -> None:
        """Objects that came later are taken away; nobody reads those that were taken away."""
        super().restore({name: found for name, found in saved.items() if name != "objects"})
        for one in self.bucket.objects.all():
            if one.key not in saved["objects"]:
                one.delete()

    def paid(self) -> list[str]:
        return sorted(name for name, one in self.endpoints.items() if one["status"] not in ("Failed", "Deleting"))

    def is_traffic(self, request: Request) -> bool:
        return request.path.endswith("/invocations")

    def refusal(self, request: Request, busy: bool) -> Reply:
        if "X-Amz-Target" not in request.headers:
            code = "SlowDown" if busy else "AccessDenied"
            body = f"<Error><Code>{code}</Code><Message>{self.said}</Message></Error>".encode()
            return Reply(503 if busy else 403, body, {"Content-Type": "application/xml"})
        if busy:
            return _error("ThrottlingException", "Rate exceeded")
        return _error("ResourceLimitExceeded", f"The account-level service limit is 0 Instances {self.said}")

    def handle(self, request: Request) -> Reply:
        if request.path.endswith("/invocations"):
            return self._invoked(request)
        if "X-Amz-Target" not in request.headers:
            return self._forwarded(request)
        name = request.headers["X-Amz-Target"].partition(".")[2]
        operation = MODELS["sagemaker"].operation_model(name)
        if "AWS4-HMAC-SHA256" not in request.headers.get("Authorization", ""):
            return _error("AccessDeniedException", "not signed")
        try:
            require(request.body, operation.input_shape)
            found = getattr(self, f"_{name}")(request.body)
        except Refused as error:
            return _error(error.code, str(error))
        if operation.output_shape:
            require(found, operation.output_shape)
        return Reply(body=found, headers={"Content-Type": "application/x-amz-json-1.1"})

    def _forwarded(self, request: Request) -> Reply:
        place = urlsplit(self.s3)
        asked = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
        query = f"?{request.query}" if request.query else ""
        asked.request(request.method, request.path + query, request.content, dict(request.headers))
        answer = asked.getresponse()
        headers = {k: v for k, v in answer.getheaders() if k.lower() not in ("date", "server", "transfer-encoding")}
        return Reply(answer.status, answer.read(), headers)

    def _invoked(self, request: Request) -> Reply:
        name = request.path.split("/")[2]
        one = self.endpoints.get(name)
        if "/sagemaker/aws4_request" not in request.headers.get("Authorization", ""):
            return Reply(403, {"message": "Missing Authentication Token"})
        if one is None or one["serving"] is None:
            return Reply(400, {"message": f"Endpoint {name} of account 123456789012 not found."})
        self.asked_as.add(request.headers.get("X-Amzn-SageMaker-Inference-Id", ""))
        return self.answer(self._release(one["serving"]), request.body)

    def _release(self, config: str) -> str:
        """By the weights that the container loads."""
        model = self.models[self.configs[config]["ProductionVariants"][0]["ModelName"]]
        return model["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]["S3Uri"].rstrip("/").rpartition("/")[2]

    def _CreateModel(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"ModelArn": self._made("model", self.models, body["ModelName"], body)}

    def _CreateEndpointConfig(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["ProductionVariants"][0]["ModelName"] not in self.models:
            raise Refused('Could not find model "x".')
        return {"EndpointConfigArn": self._made("endpoint-config", self.configs, body["EndpointConfigName"], body)}

    def _CreateEndpoint(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["EndpointConfigName"] not in self.configs:
            raise Refused(f'Could not find endpoint configuration "{body["EndpointConfigName"]}".')
        if len(self.endpoints) >= self.quota:
            raise Refused("The account-level service limit 'Endpoints' is reached.", "ResourceLimitExceeded")
        arn = self._made("endpoint", self.endpoints, body["EndpointName"], {})
        self.endpoints[body["EndpointName"]] = {
            "config": body["EndpointConfigName"],
            "pending": None,
            "serving": None,
            "status": "Creating",
            "looks": 0,
            "hidden": self.lag,
            "arn": arn,
            "reason": "",
        }
        return {"EndpointArn": arn}

    def _made(self, kind: str, things: dict[str, Any], name: str, body: dict[str, Any]) -> str:
        arn = f"{ARN}:{kind}/{name}"
        if name in things:
            raise Refused(f'Cannot create already existing {kind} "{arn}".')
        things[name], self.tags[arn] = body, body.get("Tags", [])
        return arn

    def _UpdateEndpoint(self, body: dict[str, Any]) -> dict[str, Any]:
        one = self._found(body["EndpointName"])
        if one["status"] != "InService":
            raise Refused("Cannot update in-progress endpoint.")
        if body["EndpointConfigName"] not in self.configs:
            raise Refused("Could not find endpoint configuration.")
        if body["EndpointConfigName"] == one["config"]:
            raise Refused("Cannot update endpoint with the configuration that it has.")
        self.deployments.append(body.get("DeploymentConfig", {}))
        one.update(status="Updating", pending=body["EndpointConfigName"], looks=0, stale=self.lag)
        return {"EndpointArn": one["arn"]}

    def _DescribeEndpoint(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body["EndpointName"]
        one = self._found(name)
        if one["hidden"] > 0:
            one["hidden"] -= 1
            raise Refused(f'Could not find endpoint "{name}".')
        shown = one["status"]
        if one.get("stale", 0) > 0:
            one["stale"] -= 1
            shown = "InService"
        else:
            self._goes_on(name, one)
            shown = one["status"]
        if name not in self.endpoints:
            raise Refused(f'Could not find endpoint "{name}".')
        count = int(one["serving"] is not None)
        variants = [{"VariantName": "all", "CurrentInstanceCount": count, "DesiredInstanceCount": 1}]
        found = {
            "EndpointName": name,
            "EndpointArn": one["arn"],
            "EndpointConfigName": one["config"],
            "EndpointStatus": shown,
            "CreationTime": time.time(),
            "LastModifiedTime": time.time(),
            "ProductionVariants": variants,
        }
        return {**found, **({"FailureReason": one["reason"]} if one["reason"] else {})}

    def _goes_on(self, name: str, one: dict[str, Any]) -> None:
        one["looks"] += 1
        if one["looks"] <= self.slow:
            return
        if one["status"] == "Deleting":
            del self.endpoints[name]
        elif one["status"] == "Creating" and self._release(one["config"]) in self.broken:
            one.update(status="Failed", reason="The primary container did not pass the ping health check.")
        elif one["status"] == "Creating":
            one.update(status="InService", serving=one["config"])
        elif one["status"] == "Updating" and self._release(one["pending"]) in self.broken | self.alarmed:
            one.update(status="RollingBack", looks=0)
        elif one["status"] == "RollingBack":
            one.update(status="InService", pending=None, reason="An alarm was raised, the update was rolled back.")
        elif one["status"] == "Updating":
            one.update(status="InService", config=one["pending"], serving=one["pending"], pending=None, reason="")

    def _DeleteEndpoint(self, body: dict[str, Any]) -> dict[str, Any]:
        one = self._found(body["EndpointName"])
        if one["status"] in ("Updating", "RollingBack"):
            raise Refused("Cannot update in-progress endpoint.")
        one.update(status="Deleting", looks=0, serving=None, hidden=0)
        return {}

    def _found(self, name: str) -> dict[str, Any]:
        if name not in self.endpoints:
            raise Refused(f'Could not find endpoint "{ARN}:endpoint/{name}".')
        return self.endpoints[name]

    def _DescribeEndpointConfig(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body["EndpointConfigName"]
        if name not in self.configs:
            raise Refused(f'Could not find endpoint configuration "{name}".')
        arn, variants = f"{ARN}:endpoint-config/{name}", self.configs[name]["ProductionVariants"]
        return {
            "EndpointConfigName": name,
            "EndpointConfigArn": arn,
            "ProductionVariants": variants,
            "CreationTime": 1.0,
        }

    def _ListTags(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"Tags": self.tags[body["ResourceArn"]]}

    def _ListEndpoints(self, body: dict[str, Any]) -> dict[str, Any]:
        return {
            "Endpoints": [
                {
                    "EndpointName": name,
                    "EndpointArn": one["arn"],
                    "EndpointStatus": one["status"],
                    "CreationTime": 1.0,
                    "LastModifiedTime": 1.0,
                }
                for name, one in self.endpoints.items()
                if body["NameContains"] in name
            ]
        }

    def _ListEndpointConfigs(self, body: dict[str, Any]) -> dict[str, Any]:
        found = [
            {"EndpointConfigName": n, "EndpointConfigArn": f"{ARN}:endpoint-config/{n}", "CreationTime": 1.0}
            for n in self.configs
            if body["NameContains"] in n
        ]
        return {"EndpointConfigs": found[::-1]}

    def _ListModels(self, body: dict[str, Any]) -> dict[str, Any]:
        named = [n for n in self.models if body["NameContains"] in n]
        return {"Models": [{"ModelName": n, "ModelArn": f"{ARN}:model/{n}", "CreationTime": 1.0} for n in named]}

    def _DeleteEndpointConfig(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body["EndpointConfigName"]
        if any(name in (one["config"], one["pending"]) for one in self.endpoints.values()):
            raise Refused("Cannot delete a configuration that an endpoint uses.")
        if self.configs.pop(name, None) is None:
            raise Refused(f'Could not find endpoint configuration "{name}".')
        return {}

    def _DeleteModel(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.models.pop(body["ModelName"], None) is None:
            raise Refused(f'Could not find model "{body["ModelName"]}".')
        return {}


def require(value: Any, shape: Any) -> None:
    """That a value is what the service model says; botocore's own validator knows no patterns and enums."""
    if report := ParamValidator().validate(value, shape).generate_report():
        raise AssertionError(f"{shape.name}: {report}")
    _require_words(value, shape)


def _require_words(value: Any, shape: Any) -> None:
    if shape.type_name == "structure":
        for name, part in value.items():
            _require_words(part, shape.members[name])
    elif shape.type_name == "list":
        for part in value:
            _require_words(part, shape.member)
    elif shape.type_name == "string":
        allowed, pattern = shape.metadata.get("enum"), shape.metadata.get("pattern")
        assert not allowed or value in allowed, f"{shape.name}: {value}"
        assert len(value) <= shape.metadata.get("max", 10_000), f"{shape.name}: {value} is too long"
        if pattern and "\\p{" not in pattern:  # `re` has no classes of Unicode
            assert re.fullmatch(pattern, value), f"{shape.name}: {value} is not {pattern}"
    elif shape.type_name in ("integer", "float"):
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        assert (low is None or value >= low) and (high is None or value <= high), f"{shape.name}: {value}"


def _error(code: str, message: str) -> Reply:
    kind = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": code}
    return Reply(400, json.dumps({"__type": code, "message": message}).encode(), kind)
