"""A local server that answers as the Model Registry of Unity Catalog does (`databricks-uc`), with a state.

Which paths there are and what is asked and answered are MLflow's own protocol buffers (`UcModelRegistryService`): a
request with an unknown field, one that is not in them, or without a required one is an error of the caller, and an
answer that they do not know cannot be built. What a real workspace demands beyond them is here as far as MLflow's
client and Databricks' documentation tell it: names of three levels, tags and aliases that only single versions tell,
pages, files that must be there before a version is ready, and aliases only on versions that are. Whether Unity Catalog
wants a flavor is not documented: MLflow's client does not ask for one."""

# ruff: noqa: TID253  the program is nothing without MLflow

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from google.protobuf.json_format import MessageToJson, ParseDict, ParseError
from google.protobuf.message_factory import GetMessageClass
from mlflow.protos import databricks_pb2
from mlflow.protos import databricks_uc_registry_messages_pb2 as messages
from mlflow.protos.databricks_uc_registry_service_pb2 import UcModelRegistryService
from mlflow.utils.rest_utils import _REST_API_PATH_PREFIX, extract_api_info_for_service

TOKEN = "token-of-a-registrar"
PAGE = 2
READY, PENDING = messages.READY, messages.PENDING_REGISTRATION


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class UnityRegistry:
    """The state of one metastore.

    Attributes:
        asked: names of the requests so far.
        problems: requests that MLflow's messages do not know.
        refuses: a message with which every new version is refused.
        bucket: client of S3 and name of the bucket that has the files of the versions.
    """

    def __init__(self, bucket: tuple[Any, str]) -> None:
        self.models: dict[str, Any] = {}
        self.versions: dict[str, list[Any]] = {}
        self.asked: list[str] = []
        self.problems: list[str] = []
        self.refuses = ""
        self.bucket = bucket
        self.lock = Lock()
        outputs = {one.input_type.name: GetMessageClass(one.output_type) for one in _methods()}
        paths = extract_api_info_for_service(UcModelRegistryService, _REST_API_PATH_PREFIX)
        self.routes = {(method, path): (kind, outputs[kind.DESCRIPTOR.name]) for kind, (path, method) in paths.items()}

    def answer(self, method: str, path: str, told: dict[str, Any]) -> Any:
        if (method, path) not in self.routes:
            raise Refused(404, "ENDPOINT_NOT_FOUND", f"no {method} {path}")
        kind, output = self.routes[method, path]
        name = kind.DESCRIPTOR.name.removesuffix("Request")
        try:
            request = ParseDict(told, kind())
        except ParseError as error:
            self.problems.append(f"{name}: {error}")
            raise Refused(400, "INVALID_PARAMETER_VALUE", str(error)) from None
        for field in kind.DESCRIPTOR.fields:
            if field.GetOptions().Extensions[databricks_pb2.validate_required] and not request.HasField(field.name):
                self.problems.append(f"{name}: no {field.name}")
                raise Refused(400, "INVALID_PARAMETER_VALUE", f"missing {field.name}")
        with self.lock:
            self.asked.append(name)
            return output(**getattr(self, name)(request))

    def CreateRegisteredModel(self, request: Any) -> dict[str, Any]:
        if request.name.count(".") != 2:
            raise Refused(400, "INVALID_PARAMETER_VALUE", "Please specify all three levels: catalog.schema.model")
        if request.name in self.models:
            raise Refused(400, "RESOURCE_ALREADY_EXISTS", f"{request.name} already exists")
        made = messages.RegisteredModel(name=request.name, description=request.description, tags=request.tags)
        self.models[request.name], self.versions[request.name] = made, []
        return {"registered_model": made}

    def GetRegisteredModel(self, request: Any) -> dict[str, Any]:
        return {"registered_model": self._model(request.name)}

    def SearchModelVersions(self, request: Any) -> dict[str, Any]:
        name = request.filter.removeprefix("name='").removesuffix("'")
        start, found = int(request.page_token or 0), self.versions.get(name, [])
        page = [_found(one) for one in found[start : start + PAGE]]
        more = start + PAGE < len(found)
        return {"model_versions": page, "next_page_token": str(start + PAGE) if more else None}

    def GetModelVersion(self, request: Any) -> dict[str, Any]:
        return {"model_version": self._version(request)}

    def GetModelVersionByAlias(self, request: Any) -> dict[str, Any]:
        for alias in self._model(request.name).aliases:
            if alias.alias == request.alias:
                return {"model_version": self.versions[request.name][int(alias.version) - 1]}
        raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"no alias {request.alias}")

    def CreateModelVersion(self, request: Any) -> dict[str, Any]:
        self._model(request.name)
        if self.refuses:
            raise Refused(400, "INVALID_PARAMETER_VALUE", self.refuses)
        number = str(len(self.versions[request.name]) + 1)
        made = messages.ModelVersion(
            name=request.name,
            version=number,
            status=PENDING,
            storage_location=f"s3://{self.bucket[1]}/{uuid.uuid4()}",
            creation_timestamp=int(time.time() * 1000),
            source=request.source,
            run_id=request.run_id,
            description=request.description,
            tags=request.tags,
        )
        self.versions[request.name].append(made)
        return {"model_version": made}

    def GenerateTemporaryModelVersionCredentials(self, request: Any) -> dict[str, Any]:
        self._version(request)
        of_one_hour = {"access_key_id": "test", "secret_access_key": "test", "session_token": "of-one-hour"}
        until = int(time.time() * 1000) + 3_600_000
        return {"credentials": {"aws_temp_credentials": of_one_hour, "expiration_time": until}}

    def FinalizeModelVersion(self, request: Any) -> dict[str, Any]:
        version = self._version(request)
        if "MLmodel" not in self.files(version):
            raise Refused(400, "INVALID_STATE", "there is no MLmodel in the storage of the version")
        version.status = READY
        return {"model_version": version}

    def SetModelVersionTag(self, request: Any) -> dict[str, Any]:
        version = self._version(request)
        _keep(version.tags, "key", request.key)
        version.tags.add(key=request.key, value=request.value)
        return {}

    def SetRegisteredModelAlias(self, request: Any) -> dict[str, Any]:
        if self._version(request).status != READY:
            raise Refused(400, "INVALID_STATE", "the version is not ready")
        self.DeleteRegisteredModelAlias(request)
        self.models[request.name].aliases.add(alias=request.alias, version=request.version)
        self._version(request).aliases.add(alias=request.alias, version=request.version)
        return {}

    def DeleteRegisteredModelAlias(self, request: Any) -> dict[str, Any]:
        for one in (self._model(request.name), *self.versions[request.name]):
            _keep(one.aliases, "alias", request.alias)
        return {}

    def GetModelVersionDownloadUri(self, request: Any) -> dict[str, Any]:
        return {"artifact_uri": self._version(request).storage_location}

    def IsDatabricksSdkModelsArtifactRepositoryEnabled(self, _request: Any) -> dict[str, Any]:
        return {"is_databricks_sdk_models_artifact_repository_enabled": False}

    def files(self, version: Any) -> list[str]:
        client, bucket = self.bucket
        folder = version.storage_location.removeprefix(f"s3://{bucket}/")
        found = client.list_objects_v2(Bucket=bucket, Prefix=folder).get("Contents", [])
        return [one["Key"].removeprefix(f"{folder}/") for one in found]

    def _model(self, name: str) -> Any:
        if name not in self.models:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"no registered model {name}")
        return self.models[name]

    def _version(self, request: Any) -> Any:
        found = self.versions.get(request.name, [])
        if not 0 < int(request.version) <= len(found):
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"no version {request.version} of {request.name}")
        return found[int(request.version) - 1]


@contextmanager
def unity_registry(bucket: tuple[Any, str]) -> Iterator[tuple[UnityRegistry, str]]:
    """The registry and its address."""
    registry = UnityRegistry(bucket)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told = json.loads(body) if body else dict(parse_qsl(address.query))
            try:
                if self.headers["Authorization"] != f"Bearer {TOKEN}":
                    raise Refused(401, "UNAUTHENTICATED", "invalid token")
                status = 200
                answer = MessageToJson(
                    registry.answer(self.command, address.path, told), preserving_proto_field_name=True
                ).encode()
            except Refused as error:
                status, answer = error.status, json.dumps({"error_code": error.code, "message": str(error)}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_PATCH = do_DELETE = do_PUT = do_GET

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield registry, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _methods() -> list[Any]:
    return list(UcModelRegistryService.DESCRIPTOR.methods)


def _found(version: Any) -> Any:
    """A version as a search tells it."""
    copy = messages.ModelVersion()
    copy.CopyFrom(version)
    copy.ClearField("tags")
    copy.ClearField("aliases")
    return copy


def _keep(found: Any, field: str, other: str) -> None:
    """Takes those away that are called `other`."""
    for one in [one for one in found if getattr(one, field) == other]:
        found.remove(one)
