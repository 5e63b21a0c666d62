"""A stand-in for AWS Batch: jobs go through Batch's states, whoever asks meanwhile. Reasons for the end of a job are in
the words of AWS's user guide. Beside the faults of `containers.py` there is a queue that no machine fits
(`misconfigured`)."""

import json
import subprocess
import threading
import time
import uuid
from typing import Any

from ft_platform_tests.compute.aws_service import AwsService, Refused
from ft_platform_tests.compute.containers import STOP_SECONDS, TICK, end_container

QUEUES, DEFINITIONS = ("gpu", "misconfigured"), {"worker": 1, "workers": 2}
"""Job definitions and the most nodes of each."""
EXITED = "Essential container in task exited"
HOST_LOST = "Host EC2 (instance i-0123456789abcdef0) terminated."
FULL = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity requested for instance type [g6]"
NEVER = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) is higher than that"


class Service(AwsService):
    SERVICES = {"batch": "AWS_ENDPOINT_URL_BATCH"}

    def ended(self, job: dict[str, Any]) -> bool:
        return job["status"] in ("SUCCEEDED", "FAILED")

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
        self.lost_answer()
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
                threading.Thread(target=self.ask_to_end, args=(given["jobId"],), daemon=True).start()
        return {}

    def take_away(self, job_id: str, reason: str = "Your Spot Task was interrupted.") -> None:
        """Asks the processes to end, then ends them; `reason` is what AWS says of it."""
        self.jobs[job_id]["statusReason"] = reason
        self.ask_to_end(job_id)

    def lose(self, job_id: str) -> None:
        """The machine is gone, without notice."""
        self.jobs[job_id]["statusReason"] = HOST_LOST
        self.kill(job_id)

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
        more = {"AWS_BATCH_JOB_ID": job_id}
        if nodes > 1:
            more |= {"AWS_BATCH_JOB_NODE_INDEX": str(number), "AWS_BATCH_JOB_NUM_NODES": str(nodes)}
            if number:
                more["AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"] = "127.0.0.1"
        return self.container(command, more)


def _now() -> int:
    return int(time.time() * 1000)
