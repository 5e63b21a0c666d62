"""A stand-in for AWS Batch and Secrets Manager: an HTTP server that takes what botocore sends, checks it and its own
answers by botocore's model of the services, and runs jobs as processes of this machine. They go through Batch's states,
whoever asks meanwhile. Reasons for the end of a job are in the words of AWS's user guide.

It has faults: no capacity (`full`), credentials that have expired (`expired`), throttling (`throttle`), an answer that
gets lost after the job was taken (`lose_answers`), machines that are taken away with and without notice, and a queue
that no machine fits (`misconfigured`). What it cannot show: memory limits, images, IAM policies, quotas."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session
from botocore.model import OperationModel
from botocore.validate import ParamValidator

from ft_platform.process.family import descendants, kill_all
from ft_platform_tests.conftest import REPOSITORY

REGION, QUEUES, DEFINITIONS = "eu-central-1", ("gpu", "misconfigured"), {"worker": 1, "workers": 2}
"""Job definitions and the most nodes of each."""
KEY = "AKIAORCHESTRATOR0000"
STOP_SECONDS, TICK = 2.0, 0.05
"""Between SIGTERM and SIGKILL; 30 seconds in containers of AWS."""
EXITED = "Essential container in task exited"
HOST_LOST = "Host EC2 (instance i-0123456789abcdef0) terminated."
FULL = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity requested for instance type [g6]"
NEVER = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) is higher than that"


class Refused(Exception):
    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class Service:
    """The services, at `url`."""

    def __init__(self) -> None:
        session = botocore.session.get_session()
        models = (session.get_service_model(name) for name in ("batch", "secretsmanager"))
        self.operations: dict[str, OperationModel] = {
            name: model.operation_model(name) for model in models for name in model.operation_names
        }
        self.paths = {one.http["requestUri"]: name for name, one in self.operations.items() if name in dir(self)}
        self.lock = threading.RLock()
        self.jobs: dict[str, dict[str, Any]] = {}
        self.processes: dict[str, list[subprocess.Popen]] = {}
        self.secrets: dict[str, str] = {}
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.full = self.expired = False
        self.throttle = self.lose_answers = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"service": self}))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def variables(self, key: str = KEY) -> dict[str, str]:
        """What a client needs to reach it."""
        return {
            "AWS_ENDPOINT_URL_BATCH": self.url,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": "none",
        }

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        for job_id in self.processes:
            self._kill(job_id)

    def answer(self, name: str, given: dict[str, Any], key: str) -> dict[str, Any]:
        """What an operation comes to, checked on both sides by its shapes."""
        operation = self.operations[name]
        self.check(given, operation.input_shape)
        with self.lock:
            self.requests.append((name, given))
            if self.expired:
                raise Refused("ExpiredTokenException", "The security token included in the request is expired", 403)
            if key not in (KEY, "AKIAROLEOFTHEJOB0000"):
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
            raise Refused("ClientException", f"{report.generate_report()} {unknown}")

    def SubmitJob(self, given: dict[str, Any]) -> dict[str, Any]:
        definition, queue = given["jobDefinition"], given["jobQueue"]
        if queue not in QUEUES:
            raise Refused("ClientException", f"JobQueue {queue} not found")
        nodes = given.get("nodeOverrides", {}).get("numNodes", 1)
        several = "nodeOverrides" in given
        if definition not in DEFINITIONS or several != (DEFINITIONS[definition] > 1):
            raise Refused("ClientException", f"JobDefinition {definition} not found or of another type")
        if len(json.dumps(given.get("containerOverrides", {}))) > 8192:
            raise Refused("ClientException", "Container Overrides length must be at most 8192")
        job_id = str(uuid.uuid4())
        self.jobs[job_id] = {
            "jobId": job_id,
            "jobName": given["jobName"],
            "jobQueue": queue,
            "jobDefinition": definition,
            "status": "SUBMITTED",
            "createdAt": _now(),
            "startedAt": 0,
            "tags": given["tags"],
            "container": {"environment": given.get("containerOverrides", {}).get("environment", [])},
            **({"nodeProperties": {"numNodes": nodes, "mainNode": 0, "nodeRangeProperties": []}} if several else {}),
        }
        overrides = given["nodeOverrides"]["nodePropertyOverrides"][0] if several else given
        limit = given["timeout"]["attemptDurationSeconds"]
        threading.Thread(
            target=self._live, args=(job_id, overrides["containerOverrides"]["command"], nodes, limit), daemon=True
        ).start()
        if self.lose_answers:
            self.lose_answers -= 1
            raise ConnectionAbortedError
        return {"jobName": given["jobName"], "jobId": job_id}

    def ListJobs(self, given: dict[str, Any]) -> dict[str, Any]:
        """Two jobs a page, so that whoever reads the first page only is found out."""
        if given["jobQueue"] not in QUEUES:
            raise Refused("ClientException", f"JobQueue {given['jobQueue']} not found")
        [names] = [one["values"] for one in given["filters"] if one["name"] == "JOB_NAME"]
        beginnings = [name.lower() for name in names]
        found = [one for one in self.jobs.values() if one["jobName"].lower() in beginnings]
        begin = int(given.get("nextToken", 0))
        listed = [{name: one[name] for name in ("jobId", "jobName", "createdAt", "status")} for one in found]
        more = {"nextToken": str(begin + 2)} if len(listed) > begin + 2 else {}
        return {"jobSummaryList": listed[begin : begin + 2], **more}

    def DescribeJobs(self, given: dict[str, Any]) -> dict[str, Any]:
        found = []
        for job_id in given["jobs"]:
            whole, _, node = job_id.partition("#")
            if whole in self.jobs and node:
                found.append({**self.jobs[whole], "jobId": job_id, **self.jobs[whole]["nodes"][int(node)]})
            elif whole in self.jobs:
                found.append(self.jobs[whole])
        return {"jobs": [{k: v for k, v in one.items() if k != "nodes"} for one in found]}

    def TerminateJob(self, given: dict[str, Any]) -> dict[str, Any]:
        job = self.jobs.get(given["jobId"])
        if job and job["status"] not in ("SUCCEEDED", "FAILED"):
            job |= {"isTerminated": True, "statusReason": given["reason"]}
            if given["jobId"] not in self.processes:
                job |= {"status": "FAILED", "isCancelled": True}
            else:
                threading.Thread(target=self.take_away, args=(given["jobId"],), daemon=True).start()
        return {}

    def CreateSecret(self, given: dict[str, Any]) -> dict[str, Any]:
        name = given["Name"]
        if name in self.secrets:
            raise Refused("ResourceExistsException", f"The operation failed because the secret {name} already exists.")
        self.secrets[name] = given["SecretString"]
        return {"ARN": f"arn:aws:secretsmanager:{REGION}:123456789012:secret:{name}-AbCdEf", "Name": name}

    def GetSecretValue(self, given: dict[str, Any]) -> dict[str, Any]:
        name = given["SecretId"].rsplit(":", 1)[-1].removesuffix("-AbCdEf")
        if name not in self.secrets:
            raise Refused("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return {"Name": name, "SecretString": self.secrets[name]}

    def DeleteSecret(self, given: dict[str, Any]) -> dict[str, Any]:
        assert given["ForceDeleteWithoutRecovery"]
        self.secrets.pop(given["SecretId"], None)
        return {"Name": given["SecretId"]}

    def running(self) -> list[str]:
        with self.lock:
            return [name for name, job in self.jobs.items() if job["status"] == "RUNNING"]

    def waiting_or_running(self) -> list[str]:
        with self.lock:
            return [name for name, job in self.jobs.items() if job["status"] not in ("SUCCEEDED", "FAILED")]

    def take_away(self, job_id: str, reason: str = "") -> None:
        """Asks the processes to end, then ends them; `reason` is what AWS says of it."""
        if reason:
            self.jobs[job_id]["statusReason"] = reason
        for process in self.processes.get(job_id, []):
            process.send_signal(signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        while time.monotonic() < until and any(one.poll() is None for one in self.processes.get(job_id, [])):
            time.sleep(TICK)
        self._kill(job_id)

    def lose(self, job_id: str) -> None:
        """The machine is gone, without notice."""
        self.jobs[job_id]["statusReason"] = HOST_LOST
        self._kill(job_id)

    def _kill(self, job_id: str) -> None:
        for process in self.processes.get(job_id, []):
            end_container(process)

    def _live(self, job_id: str, command: list[str], nodes: int, limit: int) -> None:
        job = self.jobs[job_id]
        time.sleep(TICK)
        with self.lock:
            if job["status"] == "FAILED":
                return
            job["status"] = "RUNNABLE"
        while (self.full or job["jobQueue"] == "misconfigured") and job["status"] != "FAILED":
            job.setdefault("statusReason", FULL if self.full else NEVER)
            time.sleep(TICK)
        with self.lock:
            if job["status"] == "FAILED":
                return
            job["status"] = "STARTING"
            job.pop("statusReason", None)
            self.processes[job_id] = [self._start(job_id, command, nodes, number) for number in range(nodes)]
            job |= {"status": "RUNNING", "startedAt": _now()}
        self._watch(job_id, limit)

    def _watch(self, job_id: str, limit: int) -> None:
        """Until the main node has ended; the others end with it."""
        job, processes, until = self.jobs[job_id], self.processes[job_id], time.monotonic() + limit
        while processes[0].poll() is None:
            if time.monotonic() > until:
                self.take_away(job_id, "Job attempt duration exceeded timeout")
            self._note_nodes(job, processes)
            time.sleep(TICK)
        self._note_nodes(job, processes)
        ended = time.monotonic()
        while time.monotonic() < ended + STOP_SECONDS and any(one.poll() is None for one in processes):
            time.sleep(TICK)
        for process in processes:
            end_container(process)
        codes = [one.wait() for one in processes]
        self._note_nodes(job, processes)
        gone = job.get("statusReason") == HOST_LOST
        with self.lock:
            if "nodeProperties" not in job:
                job["container"] = {**job["container"], **({} if gone else job["nodes"][0]["container"])}
            job.setdefault("statusReason", EXITED)
            failed = codes[0] != 0 or gone or job.get("isTerminated")
            job |= {"stoppedAt": _now(), "status": "FAILED" if failed else "SUCCEEDED"}

    def _note_nodes(self, job: dict[str, Any], processes: list[subprocess.Popen]) -> None:
        """What each node of a job is doing, and when it ended."""
        with self.lock:
            nodes = job.setdefault("nodes", [{"status": "RUNNING"} for _ in processes])
            for node, process in zip(nodes, processes, strict=True):
                if node["status"] == "RUNNING" and (code := process.poll()) is not None:
                    ended = {"exitCode": 128 - code if code < 0 else code}
                    status = "FAILED" if code else "SUCCEEDED"
                    node |= {"status": status, "container": ended, "stoppedAt": _now(), "statusReason": EXITED}

    def _start(self, job_id: str, command: list[str], nodes: int, number: int) -> subprocess.Popen:
        """A container: an image with the package, the role of the job, and no variable of this process."""
        variables = {
            **self.variables("AKIAROLEOFTHEJOB0000"),
            "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "AWS_BATCH_JOB_ID": job_id,
        }
        if nodes > 1:
            variables |= {"AWS_BATCH_JOB_NODE_INDEX": str(number), "AWS_BATCH_JOB_NUM_NODES": str(nodes)}
            if number:
                variables["AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"] = "127.0.0.1"
        output = subprocess.DEVNULL
        return subprocess.Popen(command, env=variables, stdout=output, stderr=output, start_new_session=True)


class Handler(BaseHTTPRequestHandler):
    service: Service
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
        self.send_header("Content-Type", "application/json")
        if code:
            self.send_header("x-amzn-ErrorType", code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Quietly."""


def end_container(process: subprocess.Popen) -> None:
    """With its first process all that it has started ends, also what that one has left behind."""
    family = descendants(process.pid)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    kill_all(family)


def _now() -> int:
    return int(time.time() * 1000)
