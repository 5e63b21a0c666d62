"""Hugging Face as huggingface-hub 2.4 asks it: the API of Inference Endpoints, and uploads to the hub (LFS, not Xet).

Its own client parses every answer, so a field that is missing or wrong here fails there."""

import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qs

from ft_platform_tests.serving.targets.stand_in import Reply, Request, StandIn

TOKEN = "hf_planted_token_9e1c"
NAMESPACE = "acme"
NOW = "2026-11-27T12:00:00.000Z"
REQUIRED = {
    "": {"name", "type", "compute", "model", "provider"},
    "compute": {"accelerator", "instanceSize", "instanceType", "scaling"},
    "model": {"framework", "repository", "image"},
    "provider": {"region", "vendor"},
}
"""Fields that the API wants, as `create_inference_endpoint` says."""


class HfServer(StandIn):
    """Machines are replaced one after the other: until an update is done, the old revision answers."""

    STATE = ("endpoints", "repositories", "objects")

    def __init__(self) -> None:
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.repositories: dict[str, dict[str, Any]] = {}
        self.objects: set[str] = set()
        super().__init__()

    def paid(self) -> list[str]:
        return sorted(
            name for name, one in self.endpoints.items() if one["state"] not in ("paused", "scaledToZero", "failed")
        )

    def refusal(self, request: Request, busy: bool) -> Reply:
        if busy:
            return Reply(429, {"error": "Too many requests"}, {"Retry-After": "1"})
        return Reply(403, {"error": f"Quota exceeded {self.said}"}, {"X-Error-Message": f"Quota exceeded {self.said}"})

    def handle(self, request: Request) -> Reply:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}" and not request.path.startswith("/lfs/"):
            return Reply(401, {"error": "Invalid credentials"})
        parts = request.path.strip("/").split("/")
        if parts[0] == "v2":
            return self._endpoint(request, parts[2:])
        if parts[0] == "served":
            return self._served(request, parts[1])
        return self._hub(request, parts)

    def _served(self, request: Request, name: str) -> Reply:
        one = self.endpoints.get(name)
        serving = one and one["serving"]
        if one and serving is None and one["state"] == "scaledToZero":
            one["state"] = "initializing"
        if not one or serving is None:
            return Reply(503, {"error": "no replica is ready"})
        arguments = serving["args"]
        start = arguments.index("--served-model-name") + 1
        names = arguments[start : start + 2]
        if request.path.endswith("/v1/models"):
            return Reply(body={"object": "list", "data": [{"id": one, "object": "model"} for one in names]})
        if request.body["model"] not in names:
            return Reply(404, {"error": {"message": "The model does not exist."}})
        return self.answer(serving["env"]["FT_RELEASE"], request.body)

    def _endpoint(self, request: Request, parts: list[str]) -> Reply:
        if parts[0] != NAMESPACE:
            return Reply(403, {"error": "Forbidden"})
        if len(parts) == 1:
            if request.method == "POST":
                return self._create(request.body)
            return Reply(body={"items": [self._view(one) for one in self.endpoints.values()]})
        one = self.endpoints.get(parts[1])
        if one is None or (one["hidden"] > 0 and request.method == "GET"):
            if one:
                one["hidden"] -= 1
            return Reply(404, {"error": "Endpoint not found"}, {"X-Error-Message": "Endpoint not found"})
        if request.method == "DELETE":
            one["looks"], one["gone"] = 0, True
            if not self.slow:
                del self.endpoints[parts[1]]
            return Reply(body={})
        if request.method == "PUT":
            for key, value in request.body.items():
                one["asked"][key] = {**one["asked"].get(key, {}), **value} if isinstance(value, dict) else value
            one["state"], one["looks"] = "updating", 0
        elif parts[2:] == ["resume"]:
            one["state"], one["looks"] = "initializing", 0
        elif parts[2:] == ["pause"]:
            one["state"], one["serving"] = "paused", None
        elif parts[2:] == ["scale-to-zero"]:
            one["state"], one["serving"] = "scaledToZero", None
        else:
            self._goes_on(parts[1], one)
            if parts[1] not in self.endpoints:
                return Reply(404, {"error": "Endpoint not found"}, {"X-Error-Message": "Endpoint not found"})
        return Reply(body=self._view(one))

    def _create(self, body: dict[str, Any]) -> Reply:
        missing = [k for part, keys in REQUIRED.items() for k in keys if k not in (body[part] if part else body)]
        image = body["model"]["image"].get("custom", {})
        if missing or not image.get("url") or len(body["name"]) > 32 or body["name"] != body["name"].lower():
            return Reply(400, {"error": f"missing {missing}, or a wrong name"})
        if body["model"]["revision"] not in self.repositories.get(body["model"]["repository"], {}).get("commits", ()):
            return Reply(400, {"error": "no such repository or revision"})
        if body["name"] in self.endpoints:
            return Reply(409, {"error": "Endpoint name already exists"})
        made = {"asked": body, "state": "pending", "looks": 0, "serving": None, "hidden": self.lag, "gone": False}
        self.endpoints[body["name"]] = made
        return Reply(body=self._view(made))

    def _goes_on(self, name: str, one: dict[str, Any]) -> None:
        """What changes between two looks."""
        one["looks"] += 1
        if one["looks"] <= self.slow:
            one["state"] = "initializing" if one["state"] == "pending" else one["state"]
            return
        if one["gone"]:
            del self.endpoints[name]
        elif one["state"] in ("pending", "initializing", "updating"):
            if one["asked"]["model"]["env"]["FT_RELEASE"] in self.broken:
                one["state"] = "updateFailed" if one["state"] == "updating" else "failed"
            else:
                one["state"], one["serving"] = "running", dict(one["asked"]["model"])

    def _view(self, one: dict[str, Any]) -> dict[str, Any]:
        who = {"id": "1", "name": "acme"}
        running = one["serving"] is not None
        deployed = {"url": f"{self.url}/served/{one['asked']['name']}"} if running else {}
        status = {
            "state": one["state"],
            "message": "",
            "createdAt": NOW,
            "updatedAt": NOW,
            "createdBy": who,
            "updatedBy": who,
            "private": None,
            "readyReplica": int(running),
            "targetReplica": 1,
            **deployed,
        }
        return {**one["asked"], "healthRoute": "/health", "status": status}

    def _hub(self, request: Request, parts: list[str]) -> Reply:
        path = request.path
        body = request.body if path.startswith("/api/repos/") else {}
        if path == "/api/repos/create":
            name = f"{body['organization']}/{body['name']}"
            if name in self.repositories:
                return Reply(409, {"error": "You already created this model repo", "url": f"{self.url}/{name}"})
            if body.get("visibility") != "private" and body.get("private") is not True:
                return Reply(400, {"error": "it would be public"})
            self.repositories[name] = {"commits": [], "files": {}, "tags": {}}
            return Reply(body={"url": f"{self.url}/{name}"})
        if path == "/api/repos/delete":
            found = self.repositories.pop(f"{body['organization']}/{body['name']}", None)
            return Reply(body={}) if found else _no_repository()
        if path == "/api/models":
            author = parse_qs(request.query)["author"][0]
            return Reply(body=[{"id": name} for name in self.repositories if name.startswith(f"{author}/")])
        if path == "/api/validate-yaml":  # asked of every README.md before a commit
            return Reply(body={"errors": [], "warnings": []})
        if parts[0] == "lfs":
            if hashlib.sha256(request.content).hexdigest() != parts[1]:
                return Reply(400, {"error": "another content"})
            self.objects.add(parts[1])
            return Reply(body={})
        name = "/".join(parts[2:4]) if parts[0] == "api" else f"{parts[0]}/{parts[1].removesuffix('.git')}"
        repository = self.repositories.get(name)
        if repository is None:
            return _no_repository()
        return self._repository(request, repository, name, parts[4:] if parts[0] == "api" else parts[2:])

    def _repository(self, request: Request, repository: dict[str, Any], name: str, what: list[str]) -> Reply:
        if what == ["info", "lfs", "objects", "batch"]:
            objects = []
            for one in request.body["objects"]:
                upload = {"actions": {"upload": {"href": f"{self.url}/lfs/{one['oid']}"}}}
                objects.append({**one, **({} if one["oid"] in self.objects else upload)})
            return Reply(body={"transfer": "basic", "objects": objects})
        if what[:1] == ["preupload"]:
            modes = [_mode(one, repository) for one in request.body["files"]]
            return Reply(body={"files": modes})
        if what[:1] == ["commit"]:
            return self._commit(request, repository, name)
        if what[:1] == ["tag"] and request.method == "POST":
            tags, tag = repository["tags"], request.body["tag"]
            if tag in tags:
                return Reply(409, {"error": "Tag already exists"})
            tags[tag] = what[1]
            return Reply(body={})
        if what == ["refs"]:
            tags = [{"name": t, "ref": f"refs/tags/{t}", "targetCommit": c} for t, c in repository["tags"].items()]
            return Reply(body={"branches": [], "converts": [], "tags": tags})
        commits = repository["commits"] or ["0" * 40]
        return Reply(body={"id": name, "sha": commits[-1], "siblings": [], "private": True})

    def _commit(self, request: Request, repository: dict[str, Any], name: str) -> Reply:
        for line in request.content.splitlines():
            said = json.loads(line)
            if said["key"] == "lfsFile":
                if said["value"]["oid"] not in self.objects:
                    return Reply(400, {"error": "the object was not sent"})
                repository["files"][said["value"]["path"]] = said["value"]["oid"]
            elif said["key"] == "file":
                content = base64.b64decode(said["value"]["content"])
                repository["files"][said["value"]["path"]] = _blob(content)
        oid = hashlib.sha1(json.dumps(repository["files"], sort_keys=True).encode()).hexdigest()
        repository["commits"].append(oid)
        return Reply(body={"success": True, "commitOid": oid, "commitUrl": f"{self.url}/{name}/commit/{oid}"})


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _mode(one: dict[str, Any], repository: dict[str, Any]) -> dict[str, Any]:
    large = one["path"].endswith(".safetensors")
    mode = {"path": one["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
    known = repository["files"].get(one["path"])
    return {**mode, **({"oid": known} if known else {})}


def _no_repository() -> Reply:
    words = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
    return Reply(404, {"error": "Repository not found"}, words)
