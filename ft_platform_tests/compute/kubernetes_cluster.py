"""A stand-in for the API of Kubernetes, its Job controller and one kubelet. Manifests are validated against the schemas
that Kubernetes publishes (`kubernetes-validate`, strict), rights against `infra/kubernetes/rbac.yaml`, pods against the
Pod Security Standard `restricted`; answers are read by Kubernetes' own client into its model types. A pod is a process
of this machine that nothing limits, whatever its image; or, by `podman_pods.py`, a pod of podman. Nothing is
scheduled."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate
import yaml

from ft_platform_tests.conftest import REPOSITORY

NAMESPACE, TOKEN, VERSION, IMAGE = "ft-programs", "token-of-the-orchestrator", "1.37", "registry.test/worker:1"
PATH = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/v1)/namespaces/(?P<ns>[^/]+)/(?P<what>[a-z]+)(?:/(?P<name>[^/]+))?"
)
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
MARK = "FT_POD_UID"
RBAC = REPOSITORY / "infra" / "kubernetes" / "rbac.yaml"
Thing = dict[str, Any]


class Refused(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        self.code, self.status = code, {"reason": reason, "message": message, "code": code}


class Cluster:
    """It runs until `stop`.

    Attributes:
        full: no machine is free.
        expired: whoever asks is not known any more.
        lose: kinds of things whose creation is done, and its answer lost, once.
        refuse: kind -> (code, reason, message) with which its creation is refused.
        used: (verb, resource) that were asked for.
        made: how many pods there were.
    """

    def __init__(self, folder: Path, kind: "type[Pod] | None" = None) -> None:
        self.kind = kind or Pod
        self.lock = threading.RLock()
        self.things: dict[tuple[str, str], Thing] = {}
        self.pods: dict[str, Pod] = {}
        self.full = self.expired = False
        self.lose: set[str] = set()
        self.refuse: dict[str, tuple[int, str, str]] = {}
        self.used: set[tuple[str, str]] = set()
        self.made = 0
        rules = next(one for one in yaml.safe_load_all(RBAC.read_text()) if one["kind"] == "Role")["rules"]
        self.rights = {(verb, what) for rule in rules for what in rule["resources"] for verb in rule["verbs"]}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump(_kubeconfig(f"http://127.0.0.1:{self.server.server_address[1]}")))

    def stop(self) -> None:
        for one in list(self.pods.values()):
            one.kill()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, method: str, url: str, token: str, body: Any) -> Thing:
        parts = urlsplit(url)
        found, query = PATH.fullmatch(parts.path), parse_qs(parts.query)
        if self.expired or token != f"Bearer {TOKEN}":
            raise Refused(401, "Unauthorized", "Unauthorized")
        if not found:
            raise Refused(404, "", "the server could not find the requested resource")
        what, name = found["what"], found["name"]
        verb = {"GET": "get" if name else "list", "POST": "create"}.get(method, method.lower())
        self.used.add((verb, what))
        if (verb, what) not in self.rights or found["ns"] == "others":
            raise Refused(403, "Forbidden", f'{what} is forbidden: User "orchestrator" cannot {verb} resource "{what}"')
        if found["ns"] != NAMESPACE:
            raise Refused(404, "NotFound", f'namespaces "{found["ns"]}" not found')
        with self.lock:
            if verb == "create":
                return self._create(what, body, query)
            if verb == "list":
                return self._list(what, query)
            if (what, name) not in self.things:
                raise Refused(404, "NotFound", f'{what} "{name}" not found')
            if verb == "delete":
                self._delete(what, name, query)
            if verb == "patch":
                notes = self.things[what, name]["metadata"].setdefault("annotations", {})
                assert set(body) == {"metadata"} and set(body["metadata"]) == {"annotations"}
                notes |= body["metadata"]["annotations"]
            return self.things.get((what, name), {"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def _create(self, what: str, body: Thing, query: dict[str, list[str]]) -> Thing:
        assert query["fieldValidation"] == ["Strict"]
        try:
            kubernetes_validate.validate(body, VERSION, strict=True)
        except kubernetes_validate.ValidationError as error:
            raise Refused(422, "Invalid", f"{body['kind']} is invalid: {error.message}") from None
        name = body["metadata"]["name"]
        if what in self.refuse:
            raise Refused(*self.refuse[what])
        if (what, name) in self.things:
            raise Refused(409, "AlreadyExists", f'{what} "{name}" already exists')
        made = {**body, "metadata": {**body["metadata"], "uid": str(uuid.uuid4()), "creationTimestamp": now()}}
        self.things[what, name] = made
        if what == "jobs":
            made["status"] = {"conditions": [_condition("Suspended")] if body["spec"].get("suspend") else []}
            self.begin(name)
        if what in self.lose:
            self.lose.discard(what)
            raise ConnectionResetError
        return made if what != "secrets" else {**made, "stringData": None}

    def begin(self, name: str) -> None:
        """Its pods, if it is not suspended; as Kueue does once there is room."""
        job = self.things["jobs", name]
        if any(one["type"] == "Suspended" for one in job["status"]["conditions"]):
            return
        if wrong := violations(job["spec"]["template"]["spec"]):
            self.event(name, f'Error creating: pods is forbidden: violates PodSecurity "restricted:latest": {wrong}')
            return
        for index in range(job["spec"].get("completions", 1)):
            pod = self.kind(self, job, index)
            self.pods[pod.name] = pod
            self.made += 1
            self.things["pods", pod.name] = pod.thing
            threading.Thread(target=pod.live, daemon=True).start()

    def event(self, job: str, message: str) -> None:
        about = {"kind": "Job", "name": job, "namespace": NAMESPACE}
        metadata = {"name": f"{job}.{uuid.uuid4().hex[:8]}", "namespace": NAMESPACE}
        event = {"reason": "FailedCreate", "message": message, "involvedObject": about, "metadata": metadata}
        self.things["events", metadata["name"]] = event

    def _list(self, what: str, query: dict[str, list[str]]) -> Thing:
        key, _, value = query.get("labelSelector", ["="])[0].partition("=")
        name = query.get("fieldSelector", [""])[0].rpartition("involvedObject.name=")[2]
        found = [
            one
            for (kind, _), one in self.things.items()
            if kind == what
            and one["metadata"].get("labels", {}).get(key, "") == value
            and (not name or one["involvedObject"]["name"] == name)
        ]
        return {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": found}

    def _delete(self, what: str, name: str, query: dict[str, list[str]]) -> None:
        if what == "pods":
            assert query["gracePeriodSeconds"] == ["0"]
            self.pods[name].kill()
            return
        assert query["propagationPolicy"] == ["Foreground"]
        self.things[what, name]["metadata"].setdefault("deletionTimestamp", now())
        for one in self.of(name):
            one.end()
        self.settle(name)

    def of(self, job: str) -> list["Pod"]:
        return [one for one in self.pods.values() if one.job == job]

    def settle(self, name: str) -> None:
        """What the Job controller and the garbage collector do when a pod has ended."""
        with self.lock:
            job = self.things.get(("jobs", name))
            if job is None:
                return
            own, phases = self.of(name), [one.thing["status"]["phase"] for one in self.of(name)]
            if "Failed" in phases:
                for one in own:
                    one.end()
            if not set(phases) <= {"Succeeded", "Failed"}:
                return
            if "deletionTimestamp" in job["metadata"]:
                for one in own:
                    del self.pods[one.name], self.things["pods", one.name]
                uid = job["metadata"]["uid"]
                for key, one in list(self.things.items()):
                    if one["metadata"].get("uid") == uid or any(
                        owner["uid"] == uid for owner in one["metadata"].get("ownerReferences", [])
                    ):
                        del self.things[key]
            elif own and not any(one["type"] in ("Complete", "Failed") for one in job["status"]["conditions"]):
                kind = "Failed" if "Failed" in phases else "Complete"
                job["status"]["conditions"].append(_condition(kind))

    def unfinished(self) -> list[str]:
        """Names of Jobs that wait or run."""
        with self.lock:
            jobs = [one for (kind, _), one in self.things.items() if kind == "jobs"]
            ends = ("Complete", "Failed")
            return [
                j["metadata"]["name"] for j in jobs if not any(c["type"] in ends for c in j["status"]["conditions"])
            ]

    def running(self) -> list["Pod"]:
        return [one for one in self.pods.values() if one.started and one.thing["status"]["phase"] == "Running"]


class Pod:
    """One pod, and the process that it is here."""

    def __init__(self, cluster: Cluster, job: Thing, index: int) -> None:
        self.cluster, self.job, self.uid = cluster, job["metadata"]["name"], str(uuid.uuid4())
        self.name, self.index = f"{self.job}-{index}-{self.uid[:5]}", index
        self.process: subprocess.Popen[bytes] | None = None
        self.started = False
        self.ends = threading.Event()
        template = job["spec"]["template"]
        labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": self.job}
        metadata = {"name": self.name, "namespace": NAMESPACE, "uid": self.uid, "labels": labels}
        self.spec = template["spec"]
        self.thing: Thing = {"metadata": metadata, "spec": self.spec, "status": {"phase": "Pending", "conditions": []}}

    def live(self) -> None:
        """From its creation to its end; the thread that starts a process must live as long."""
        if self._wait():
            self._run()
        else:
            self.thing["status"] |= {"phase": "Failed"}
        self.cluster.settle(self.job)

    def _wait(self) -> bool:
        """False: it is to end before it began."""
        message = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
        while self.cluster.full and not self.ends.is_set():
            unschedulable = {**_condition("PodScheduled", "False"), "reason": "Unschedulable", "message": message}
            self.thing["status"]["conditions"] = [unschedulable]
            time.sleep(0.05)
        self.thing["status"]["conditions"] = []
        while not self.ends.is_set():
            if self.spec["containers"][0]["image"] != IMAGE:
                self._state({"waiting": {"reason": "ErrImagePull", "message": "failed to resolve: not found"}})
            elif lacking := self._lacks():
                self._state({"waiting": {"reason": "CreateContainerConfigError", "message": lacking}})
            else:
                return True
            time.sleep(0.05)
        return False

    def _lacks(self) -> str:
        names = [one["secretRef"]["name"] for one in self.spec["containers"][0]["envFrom"]]
        return ", ".join(f'secret "{name}" not found' for name in names if ("secrets", name) not in self.cluster.things)

    def _environment(self) -> dict[str, str]:
        found: dict[str, str] = {MARK: self.uid}
        for one in self.spec["containers"][0]["envFrom"]:
            found |= self.cluster.things["secrets", one["secretRef"]["name"]]["stringData"]
        if self.spec["containers"][0].get("env"):
            found["JOB_COMPLETION_INDEX"] = str(self.index)
        return found

    def _command(self) -> list[str]:
        """All pods are on this machine, so the first of several is found there."""
        here = {f"{self.job}-0.{self.job}": "127.0.0.1", "$(JOB_COMPLETION_INDEX)": str(self.index)}
        return [_replaced(word, here) for word in self.spec["containers"][0]["command"]]

    def _run(self) -> None:
        variables, command = (
            {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", **self._environment()},
            self._command(),
        )
        output = open(os.devnull, "w")  # noqa: SIM115
        begin = now()
        self.process = subprocess.Popen(command, env=variables, stdout=output, stderr=output, start_new_session=True)
        self.started = True
        self.thing["status"]["phase"] = "Running"
        self._state({"running": {"startedAt": begin}})
        if self.ends.is_set():
            self._terminate()
        self.process.wait()
        self._clear()
        code = self.process.returncode if self.process.returncode >= 0 else 128 - self.process.returncode
        end = {"exitCode": code, "reason": "Error" if code else "Completed", "startedAt": begin, "finishedAt": now()}
        self._state({"terminated": end})
        self.thing["status"]["phase"] = "Failed" if code else "Succeeded"

    def _state(self, state: Thing) -> None:
        container = {"name": "program", "image": IMAGE, "imageID": "", "ready": "running" in state, "restartCount": 0}
        self.thing["status"]["containerStatuses"] = [{**container, "state": state}]

    def end(self) -> None:
        """Asks it to end, and ends it by force after its grace."""
        if self.ends.is_set() or self.thing["status"]["phase"] in ("Succeeded", "Failed"):
            return
        grace = self.spec["terminationGracePeriodSeconds"]
        self.thing["metadata"] |= {"deletionTimestamp": now(), "deletionGracePeriodSeconds": grace}
        self.ends.set()
        if self.started:
            self._terminate()

    def _terminate(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        timer = threading.Timer(self.spec["terminationGracePeriodSeconds"], self._clear)
        timer.daemon = True
        timer.start()

    def disrupt(self, reason: str, by_force: bool = False) -> None:
        """Kubernetes takes it off its node; or the node is gone with it."""
        with self.cluster.lock:
            self.thing["status"]["conditions"].append({**_condition("DisruptionTarget"), "reason": reason})
            self.kill() if by_force else self.end()

    def kill(self) -> None:
        self.ends.set()
        self._clear()

    def _clear(self) -> None:
        """Ends all that runs in it."""
        for file in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"{MARK}={self.uid}".encode() in file.read_bytes().split(b"\0"):
                    os.kill(int(file.parent.name), signal.SIGKILL)
            except OSError:
                continue


def violations(spec: Thing) -> str:
    """What the Pod Security Standard `restricted` forbids (kubernetes.io/docs/concepts/security/pod-security-standards)
    and the pod asks for."""
    pod, found = spec.get("securityContext", {}), []
    for one in spec["containers"]:
        own = one.get("securityContext", {})
        both = {**pod, **own}
        found += ["privilege escalation"] * (own.get("allowPrivilegeEscalation") is not False)
        found += ["capabilities"] * (own.get("capabilities", {}).get("drop") != ["ALL"] or "add" in own["capabilities"])
        found += ["root"] * (both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0)
        found += ["seccomp"] * (both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"))
        found += ["privileged"] * bool(own.get("privileged"))
        found += ["host port"] * any("hostPort" in port for port in one.get("ports", []))
    found += [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    found += [kind for one in spec.get("volumes", []) for kind in set(one) - {"name"} - VOLUMES]
    return ", ".join(found)


def _replaced(word: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        word = word.replace(name, value)
    return word


def _condition(kind: str, status: str = "True") -> Thing:
    return {"type": kind, "status": status}


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _kubeconfig(server: str) -> Thing:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "test", "user": {"token": TOKEN}}],
    }


def _handler(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = self.headers.get("Authorization", "")
            try:
                code, said = 200, cluster.answer(self.command, self.path, token, json.loads(content or b"null"))
                text = json.dumps(said).encode()
            except Refused as error:
                code, text = error.code, json.dumps({"kind": "Status", "status": "Failure", **error.status}).encode()
            except ConnectionResetError:
                self.close_connection = True
                return
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_DELETE = respond

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
