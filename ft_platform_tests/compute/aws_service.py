"""What stand-ins for services of AWS share: they take what botocore sends, check it and their own answers by botocore's
model of the services, and keep secrets. Faults and containers: `containers.py`."""

import json
import subprocess
from http.server import BaseHTTPRequestHandler
from typing import Any

import botocore.session
from botocore.model import OperationModel
from botocore.validate import ParamValidator

from ft_platform_tests.compute.containers import Containers

REGION, ACCOUNT = "eu-central-1", "123456789012"
KEY, ROLE_KEY = "AKIAORCHESTRATOR0000", "AKIAROLEOFTHEJOB0000"


class Refused(Exception):
    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class AwsService(Containers):
    """Services, at `url`.

    Attributes:
        SERVICES: name of botocore -> that of the variable which holds the address.
        secrets: name -> content and token.
    """

    SERVICES: dict[str, str]
    SECRETS = {"secretsmanager": "AWS_ENDPOINT_URL_SECRETS_MANAGER"}

    def __init__(self) -> None:
        session = botocore.session.get_session()
        models = (session.get_service_model(name) for name in {**self.SECRETS, **self.SERVICES})
        self.operations: dict[str, OperationModel] = {
            name: model.operation_model(name)
            for model in models
            for name in list(model.operation_names)  # type: ignore[call-overload]
        }
        self.paths = {one.http["requestUri"]: name for name, one in self.operations.items() if name in dir(self)}
        self.secrets: dict[str, tuple[str, str]] = {}
        super().__init__(Handler)

    def variables(self, key: str = KEY) -> dict[str, str]:
        """What a client needs to reach it."""
        return {
            **dict.fromkeys({**self.SECRETS, **self.SERVICES}.values(), self.url),
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": "none",
        }

    def answer(self, name: str, given: dict[str, Any], key: str) -> dict[str, Any]:
        """What an operation comes to, checked on both sides by its shapes."""
        operation = self.operations[name]
        self.check(given, operation.input_shape)
        with self.lock:
            self.requests.append((name, given))
            if self.expired:
                raise Refused("ExpiredTokenException", "The security token included in the request is expired", 403)
            if key not in (KEY, ROLE_KEY):
                raise Refused(
                    "UnrecognizedClientException", "The security token included in the request is invalid", 403
                )
            if self.throttle:
                self.throttle -= 1
                raise Refused("TooManyRequestsException", "Too Many Requests", 429)
            said = getattr(self, name)(given)
            self.check(said, operation.output_shape)
            return said

    def check(self, value: dict[str, Any], shape: Any) -> None:
        report = ParamValidator().validate(value, shape)
        unknown = sorted(set(value) - set(shape.members))
        if report.has_errors() or unknown:
            raise Refused("ValidationException", f"{report.generate_report()} {unknown}")

    def CreateSecret(self, given: dict[str, Any]) -> dict[str, Any]:
        """The same again, with the same token, is no other secret."""
        name, there = given["Name"], (given["SecretString"], given["ClientRequestToken"])
        if self.secrets.setdefault(name, there) != there:
            raise Refused("ResourceExistsException", f"The operation failed because the secret {name} already exists.")
        return {"ARN": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf", "Name": name}

    def GetSecretValue(self, given: dict[str, Any]) -> dict[str, Any]:
        name = given["SecretId"].rsplit(":", 1)[-1].removesuffix("-AbCdEf")
        if name not in self.secrets:
            raise Refused("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return {"Name": name, "SecretString": self.secrets[name][0]}

    def DeleteSecret(self, given: dict[str, Any]) -> dict[str, Any]:
        assert given["ForceDeleteWithoutRecovery"]
        self.secrets.pop(given["SecretId"], None)
        return {"Name": given["SecretId"]}

    def left(self) -> list[str]:
        return list(self.secrets)

    def container(self, command: list[str], more: dict[str, str]) -> subprocess.Popen:
        """With the role of the job."""
        return self.start(command, {**self.variables(ROLE_KEY), **more})


class Handler(BaseHTTPRequestHandler):
    service: AwsService
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        target = self.headers.get("X-Amz-Target", "")
        name = target.rpartition(".")[2] if target else self.service.paths[self.path]
        key = self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
        try:
            self.reply(200, self.service.answer(name, json.loads(body), key))
        except ConnectionAbortedError:
            self.close_connection = True
        except Refused as error:
            self.reply(error.status, {"__type": error.code, "message": str(error)}, error.code)

    def reply(self, status: int, said: dict[str, Any], code: str = "") -> None:
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        if code:
            self.send_header("x-amzn-ErrorType", code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Quietly."""
