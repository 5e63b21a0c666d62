"""A Kubernetes cluster with a state, and a `kubectl` that asks it. Manifests are validated against the schemas that
Kubernetes publishes (`kubernetes-validate`, strict). No kubelet: pods become ready after some looks."""

import json
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

from ft_platform_tests.serving.targets.stand_in import Reply, Request, StandIn

NAMESPACE = "models"
KEY = "vllm-key-77aa"
VERSION = "1.37"
PLURALS = {
    "deployments": "Deployment",
    "services": "Service",
    "service": "Service",
    "horizontalpodautoscalers": "HorizontalPodAutoscaler",
}
FLAGS = {
    *("--context", "--namespace", "--request-timeout", "-f", "-l", "-o", "--timeout", "--wait", "--ignore-not-found"),
    *("--server-side", "--field-manager", "--force-conflicts"),
}
SCRIPT = """\
#!{python} -ISE
import json, socket, sys
text = json.dumps({{"words": sys.argv[1:], "given": sys.stdin.read()}}).encode()
head = b"POST /kubectl HTTP/1.1\\r\\nHost: cluster\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(text)
with socket.create_connection(("127.0.0.1", {port}), timeout=60) as cluster:
    cluster.sendall(head + text)
    answer = cluster.makefile("rb").read()
if not answer:
    print("Unable to connect to the server: unexpected EOF", file=sys.stderr)
    sys.exit(1)
said = json.loads(answer.partition(b"\\r\\n\\r\\n")[2])
print(said["out"], end="")
print(said["err"], end="", file=sys.stderr)
sys.exit(said["code"])
"""


class Cluster(StandIn):
    STATE = ("things",)

    def __init__(self) -> None:
        self.things: dict[tuple[str, str], dict[str, Any]] = {}
        super().__init__()

    def kubectl(self, folder: Path) -> str:
        """The program, written there."""
        path = folder / "kubectl"
        path.write_text(SCRIPT.format(python=sys.executable, port=self.server.server_address[1]))
        path.chmod(0o755)
        return str(path)

    def paid(self) -> list[str]:
        return sorted(name for kind, name in self.things if kind == "Deployment")

    def refusal(self, request: Request, busy: bool) -> Reply:
        words = "Too Many Requests" if busy else f"Forbidden: exceeded quota: gpus {self.said}"
        return _ended("", f"Error from server: {words}", 1)

    def handle(self, request: Request) -> Reply:
        if request.path.startswith("/svc/"):
            return self._answered(request)
        words, given = request.body["words"], request.body["given"]
        flags = [one for one in words if one.startswith("-") and one != "-"]
        known = (
            "--namespace",
            "--request-timeout=",
            "--server-side",
            "--field-manager=ft-platform",
            "--force-conflicts",
        )
        known += ("-f", "-l", "-o", "--ignore-not-found", "--timeout=", "--wait=true")
        if wrong := [one for one in flags if not one.startswith(known)]:
            return _ended("", f"error: unknown flag: {wrong[0]}", 1)
        if words[words.index("--namespace") + 1] != NAMESPACE:
            return _ended("", f'Error from server (NotFound): namespaces "{words[1]}" not found', 1)
        verb = words[3]
        if verb == "apply":
            return self._applied(list(yaml.safe_load_all(given)))
        selector = words[words.index("-l") + 1] if "-l" in words else None
        kinds = {PLURALS[one] for one in words[4].split(",")}
        if verb == "get":
            found = [
                self._seen(k, n) for k, n in list(self.things) if k in kinds and _fits(self.things[k, n], selector)
            ]
            return _ended(json.dumps({"apiVersion": "v1", "kind": "List", "items": [one for one in found if one]}))
        assert verb == "delete"
        names = [words[5]] if selector is None else None
        gone = [
            key
            for key, one in self.things.items()
            if key[0] in kinds and (key[1] in names if names is not None else _fits(one, selector))
        ]
        for key in gone:
            del self.things[key]
        return _ended("".join(f"{kind} {name} deleted\n" for kind, name in gone))

    def _applied(self, manifests: list[dict[str, Any]]) -> Reply:
        for one in manifests:
            kubernetes_validate.validate(one, VERSION, strict=True)
            assert one["metadata"]["namespace"] == NAMESPACE
            key = (one["kind"], one["metadata"]["name"])
            before = self.things.get(key)
            if before and before["spec"] == one["spec"]:
                continue
            metadata = {**one["metadata"], "generation": before["metadata"]["generation"] + 1 if before else 1}
            hidden = 0 if before else self.lag
            self.things[key] = {**one, "metadata": metadata, "status": {}, "looks": 0, "hidden": hidden}
        return _ended("applied\n")

    def _seen(self, kind: str, name: str) -> dict[str, Any] | None:
        """A thing as it is now; None while it does not show."""
        one = self.things[kind, name]
        if one["hidden"] > 0:
            one["hidden"] -= 1
            return None
        if kind == "Deployment":
            one["looks"] += 1
            if not one["status"].get("readyReplicas"):
                one["status"] = self._status(one)
        return {key: value for key, value in one.items() if key not in ("looks", "hidden")}

    def _status(self, one: dict[str, Any]) -> dict[str, Any]:
        wanted, release = one["spec"].get("replicas", 1), one["metadata"]["labels"]["ft-platform/release"]
        if one["looks"] <= self.slow:
            return {"replicas": wanted, "observedGeneration": one["metadata"]["generation"]}
        status = {"replicas": wanted, "observedGeneration": one["metadata"]["generation"]}
        if release in self.broken:
            message = {"reason": "ProgressDeadlineExceeded", "message": "ReplicaSet has timed out progressing."}
            return {**status, "conditions": [{"type": "Progressing", "status": "False", **message}]}
        return {**status, "updatedReplicas": wanted, "availableReplicas": wanted, "readyReplicas": wanted}

    def _answered(self, request: Request) -> Reply:
        service = self.things.get(("Service", request.path.split("/")[3]))
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return Reply(401, {"error": "Unauthorized"})
        selector = service["spec"]["selector"] if service else {}
        for (kind, _), one in self.things.items():
            if not service or kind != "Deployment" or not one["status"].get("readyReplicas"):
                continue
            pod = one["spec"]["template"]
            labels, arguments = pod["metadata"]["labels"], pod["spec"]["containers"][0]["args"]
            if selector.items() <= labels.items():
                if request.body["model"] not in arguments:
                    return Reply(404, {"error": {"message": "The model does not exist."}})
                return self.answer(labels["ft-platform/release"], request.body)
        return Reply(503, {"error": "no endpoints available for service"})


def _fits(one: dict[str, Any], selector: str | None) -> bool:
    labels = one["metadata"]["labels"]
    for part in (selector or "").split(","):
        name, _, value = part.partition("=")
        if name.startswith("!"):
            if name[1:] in labels:
                return False
        elif name and labels.get(name) != value:
            return False
    return True


def _ended(out: str, err: str = "", code: int = 0) -> Reply:
    return Reply(body={"out": out, "err": err, "code": code})
