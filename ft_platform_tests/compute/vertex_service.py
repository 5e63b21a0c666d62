"""A stand-in for Vertex AI and Secret Manager. Requests and answers are checked by Google's discovery documents.
Credentials are those of a service account, which a token server answers as Google's does.

It has the faults of `cloud_service`. What it cannot show: images, machine types, memory limits, IAM, quotas, and how
Vertex begins a failed worker anew."""

import base64
import json
import shutil
import socket
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ft_platform_tests.compute.cloud_service import CloudJob, CloudService, Refused
from ft_platform_tests.compute.discovery import faults

PROJECT, REGION, IMAGE, NEVER = "ft-project", "europe-west4", "registry.example/ft-worker:1", "no-machine-1"
PLACE = f"projects/{PROJECT}/locations/{REGION}"
JOB = "GoogleCloudAiplatformV1CustomJob"
STATES = {"queued": "JOB_STATE_QUEUED", "running": "JOB_STATE_RUNNING"}
ENDS = {
    "cancelled": ("JOB_STATE_CANCELLED", {"code": 1, "message": "CANCELED"}),
    "time_limit": ("JOB_STATE_FAILED", {"code": 4, "message": "The job ran longer than its timeout."}),
    "lost": ("JOB_STATE_FAILED", {"code": 13, "message": "Internal error occurred for the current attempt."}),
    "preempted": ("JOB_STATE_FAILED", {"code": 14, "message": "The Spot VM of workerpool0-0 was preempted."}),
}
"""Why a job ended -> its state and error. Of the last three Google publishes the codes, not the words."""


class Vertex(CloudService):
    def __init__(self) -> None:
        super().__init__("token-of-google")
        self.folder = Path(tempfile.mkdtemp(prefix="ft-vertex-"))
        self.credentials = self.folder / "key.json"
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        account = {
            "type": "service_account",
            "project_id": PROJECT,
            "client_email": f"ft@{PROJECT}.iam.gserviceaccount.com",
            "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "private_key_id": "1",
            "token_uri": f"{self.url}/token",
        }
        self.credentials.write_text(json.dumps(account))
        secrets = f"/v1/projects/{PROJECT}/secrets"
        self.routes = [
            ("POST", f"/v1/{PLACE}/customJobs", lambda _m, given: self.create(given)),
            ("GET", f"/v1/{PLACE}/customJobs", lambda _m, given: self.list_jobs(given)),
            ("GET", f"/v1/({PLACE}/customJobs/\\d+)", lambda match, _given: self.get(match[1])),
            ("POST", f"/v1/({PLACE}/customJobs/\\d+):cancel", lambda match, _given: (self.cancel(match[1]), {})[1]),
            ("POST", secrets, lambda _m, given: self.create_secret(given)),
            ("POST", f"{secrets}/([\\w-]+):addVersion", lambda match, given: self.add_version(match[1], given)),
            ("GET", f"{secrets}/([\\w-]+)/versions/latest:access", lambda match, _given: self.access(match[1])),
            ("DELETE", f"{secrets}/([\\w-]+)", lambda match, _given: self.delete(match[1])),
        ]

    def variables(self) -> dict[str, str]:
        return {
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": f"{self.url}/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": f"{self.url}/",
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.credentials),
        }

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def answer(self, method: str, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        if path == "/token":
            return {"access_token": self.token, "expires_in": 3600, "token_type": "Bearer"}
        return super().answer(method, path, body, token)

    def check(self, name: str, value: dict[str, Any], api: str = "aiplatform.v1") -> dict[str, Any]:
        if found := faults(api, name, value):
            raise Refused(400, "INVALID_ARGUMENT", "; ".join(found))
        return value

    def create(self, given: dict[str, Any]) -> dict[str, Any]:
        self.check(JOB, given)
        pools = given["jobSpec"]["workerPoolSpecs"]
        if any(pool["machineSpec"]["machineType"] == NEVER for pool in pools):
            raise Refused(400, "INVALID_ARGUMENT", f"Machine type {NEVER} is not supported.")
        name = f"{PLACE}/customJobs/{1000 + len(self.jobs)}"
        machines = [
            (number, index, pool) for number, pool in enumerate(pools) for index in range(int(pool["replicaCount"]))
        ]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        cluster: dict[str, list[str]] = {}
        for number, index, _ in machines:
            cluster.setdefault(f"workerpool{number}", []).append(f"127.0.0.1:{port if index + number == 0 else 2222}")
        commands = []
        for number, index, pool in machines:
            task = {"type": f"workerpool{number}", "index": index}
            spec = json.dumps({"cluster": cluster, "environment": "cloud", "task": task})
            commands.append((pool["containerSpec"]["command"], {**self.variables(), "CLUSTER_SPEC": spec}))
        limit = float(given["jobSpec"]["scheduling"]["timeout"].removesuffix("s"))
        self.begin(name, CloudJob(given["displayName"], commands, limit, given))
        return self.get(name)

    def get(self, name: str) -> dict[str, Any]:
        if name not in self.jobs:
            raise Refused(404, "NOT_FOUND", f"The CustomJob does not exist: {name}")
        job = self.jobs[name]
        said = {**job.asked, "name": name, "createTime": _time(job.created), "state": STATES.get(job.state, "")}
        if job.started:
            said["startTime"] = _time(job.started)
        if job.state == "ended":
            state, error = ENDS.get(job.why, ("JOB_STATE_SUCCEEDED", {}))
            if job.code and not job.why:
                status = f"{-job.code}(SIGKILL)" if job.code == -9 else str(job.code)
                words = (
                    f"The replica workerpool0-0 exited with a non-zero status of {status}. Termination reason: Error. "
                )
                state, error = (
                    "JOB_STATE_FAILED",
                    {"code": 3, "message": f"{words}\nTraceback (most recent call last):"},
                )
            said |= {"state": state, "endTime": _time(job.ended), **({"error": error} if error else {})}
        return self.check(JOB, said)

    def list_jobs(self, given: dict[str, Any]) -> dict[str, Any]:
        """Two jobs a page, so that whoever reads the first page only is found out."""
        name, begin = given["filter"].removeprefix('display_name="').removesuffix('"'), int(given.get("pageToken", 0))
        found = [self.get(one) for one, job in self.jobs.items() if job.name == name]
        more = {"nextPageToken": str(begin + 2)} if len(found) > begin + 2 else {}
        said = {"customJobs": found[begin : begin + 2], **more}
        return self.check("GoogleCloudAiplatformV1ListCustomJobsResponse", said)

    def create_secret(self, given: dict[str, Any]) -> dict[str, Any]:
        name = given.pop("secretId")
        self.check("Secret", given, "secretmanager.v1")
        if name in self.secrets:
            raise Refused(409, "ALREADY_EXISTS", f"Secret [{name}] already exists.")
        self.secrets[name] = ""
        return {"name": f"projects/1/secrets/{name}"}

    def add_version(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        self.check("AddSecretVersionRequest", given, "secretmanager.v1")
        self.secrets[name] = base64.b64decode(given["payload"]["data"]).decode()
        return {"name": f"projects/1/secrets/{name}/versions/1"}

    def access(self, name: str) -> dict[str, Any]:
        if not self.secrets.get(name):
            raise Refused(404, "NOT_FOUND", f"Secret [{name}] not found or has no versions.")
        return {"payload": {"data": base64.b64encode(self.secrets[name].encode()).decode()}}

    def delete(self, name: str) -> dict[str, Any]:
        if self.secrets.pop(name, None) is None:
            raise Refused(404, "NOT_FOUND", f"Secret [{name}] not found.")
        return {}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
