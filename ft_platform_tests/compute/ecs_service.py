"""A stand-in for Amazon ECS: tasks go through ECS's states, whoever asks meanwhile. Reasons are in the words of AWS's
developer guide. Beside the faults of `containers.py`, lists may lag behind (`blind`), as ECS says of its own."""

import json
import threading
import time
import uuid
from typing import Any

from ft_platform_tests.compute.aws_service import ACCOUNT, REGION, AwsService, Refused
from ft_platform_tests.compute.containers import TICK

CLUSTER, DEFINITION, CONTAINER = "ft", "ft-worker", "worker"
PROVIDERS = ("FARGATE", "FARGATE_SPOT", "gpu", "scaled")
"""The last has machines started for what waits; of `gpu` there is a fixed number."""
EXITED = "Essential container in task exited"
FARGATE_FULL = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
STATES = ("PROVISIONING", "PENDING", "ACTIVATING", "RUNNING")


class Service(AwsService):
    SERVICES = {"ecs": "AWS_ENDPOINT_URL_ECS"}

    def __init__(self) -> None:
        super().__init__()
        self.tokens: dict[str, tuple[dict[str, Any], dict[str, Any] | Refused]] = {}
        self.blind = 0

    def ended(self, job: dict[str, Any]) -> bool:
        return job["lastStatus"] == "STOPPED"

    def RunTask(self, given: dict[str, Any]) -> dict[str, Any]:
        """With the same token the same answer, refusals too."""
        self._known(given["cluster"])
        token = given["clientToken"]
        assert len(token) <= 64 and len(given["startedBy"]) <= 128
        if token in self.tokens:
            asked, said = self.tokens[token]
            if asked != given:
                raise Refused("ConflictException", "The client token was used with other parameters")
        else:
            said = self._place(given)
            self.tokens[token] = (given, said)
        if isinstance(said, Refused):
            raise said
        if said["tasks"]:
            self.lost_answer()
        return said

    def _place(self, given: dict[str, Any]) -> dict[str, Any] | Refused:
        [strategy], overrides = given["capacityProviderStrategy"], given["overrides"]
        [container], provider = overrides["containerOverrides"], strategy["capacityProvider"]
        if given["taskDefinition"] != DEFINITION or container["name"] != CONTAINER:
            return Refused("ClientException", "TaskDefinition not found, or container of another name.")
        if provider not in PROVIDERS:
            return Refused("InvalidParameterException", f"The specified capacity provider '{provider}' was not found.")
        if provider.startswith("FARGATE") and (
            "resourceRequirements" in container or "networkConfiguration" not in given
        ):
            return Refused("InvalidParameterException", "GPUs, or no network configuration, on Fargate")
        if len(json.dumps(overrides)) > 8192:
            return Refused("InvalidParameterException", "Overrides length must be at most 8192")
        if self.full and provider.startswith("FARGATE"):
            return Refused("ClientException", FARGATE_FULL)
        if self.full and provider == "gpu":
            return {"tasks": [], "failures": [{"arn": "arn:aws:ecs:machine", "reason": "RESOURCE:GPU"}]}
        arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{CLUSTER}/{uuid.uuid4().hex}"
        self.jobs[arn] = {
            "taskArn": arn,
            "startedBy": given["startedBy"],
            "lastStatus": "PROVISIONING",
            "desiredStatus": "RUNNING",
            "createdAt": time.time(),
            "overrides": overrides,
            "tags": given["tags"],
            "capacityProviderName": provider,
            "containers": [{"name": CONTAINER, "lastStatus": "PENDING"}],
        }
        threading.Thread(target=self._live, args=(arn, container["command"]), daemon=True).start()
        return {"tasks": [{"taskArn": arn}], "failures": []}

    def ListTasks(self, given: dict[str, Any]) -> dict[str, Any]:
        """Two tasks a page."""
        self._known(given["cluster"])
        if "startedBy" in given and {"family", "desiredStatus"} & set(given):
            raise Refused("InvalidParameterException", "startedBy must be the only filter")
        wanted = given.get("desiredStatus", "RUNNING")
        found = [
            arn
            for arn, one in self.jobs.items()
            if one["desiredStatus"] == wanted
            and given.get("startedBy", one["startedBy"]) == one["startedBy"]
            and given.get("family", DEFINITION) == DEFINITION
        ]
        if self.blind:
            self.blind -= 1
            found = []
        begin = int(given.get("nextToken", 0))
        return {"taskArns": found[begin : begin + 2], **({"nextToken": str(begin + 2)} if found[begin + 2 :] else {})}

    def DescribeTasks(self, given: dict[str, Any]) -> dict[str, Any]:
        self._known(given["cluster"])
        assert 0 < len(given["tasks"]) <= 100
        return {
            "tasks": [self.jobs[arn] for arn in given["tasks"] if arn in self.jobs],
            "failures": [{"arn": arn, "reason": "MISSING"} for arn in given["tasks"] if arn not in self.jobs],
        }

    def StopTask(self, given: dict[str, Any]) -> dict[str, Any]:
        self._known(given["cluster"])
        arn = given["task"]
        if not self.ended(self.jobs[arn]):
            self._say(arn, "UserInitiated", given["reason"])
            threading.Thread(target=self.ask_to_end, args=(arn,), daemon=True).start()
        return {"task": self.jobs[arn]}

    def _known(self, cluster: str) -> None:
        if cluster != CLUSTER:
            raise Refused("ClusterNotFoundException", "Cluster not found.")

    def _say(self, arn: str, stop_code: str, reason: str) -> None:
        """Why it ends, which whoever says it first knows."""
        with self.lock:
            task = self.jobs[arn]
            task |= {"desiredStatus": "STOPPED"}
            if "stopCode" not in task:
                task |= {"stopCode": stop_code, "stoppedReason": reason}

    def take_away(self, arn: str) -> None:
        self._say(arn, "SpotInterruption", "Your Spot Task was interrupted.")
        self.ask_to_end(arn)

    def lose(self, arn: str) -> None:
        self._say(arn, "TerminationNotice", "Host EC2 (instance i-0123456789abcdef0) terminated.")
        self.kill(arn)

    def _live(self, arn: str, command: list[str]) -> None:
        task = self.jobs[arn]
        for status in STATES:
            while self.full and status == "PENDING" and task["desiredStatus"] == "RUNNING":
                time.sleep(TICK)
            time.sleep(TICK)
            with self.lock:
                if task["desiredStatus"] == "STOPPED":
                    task |= {"lastStatus": "STOPPED", "stoppedAt": time.time()}
                    return
                if status == "RUNNING":
                    self.processes[arn] = [self.container(command, {"ECS_AGENT_URI": "none"})]
                    task |= {"startedAt": time.time()}
                task["lastStatus"] = status
        self.wait(arn)
        [process] = self.processes[arn]
        self._say(arn, "EssentialContainerExited", EXITED)
        task |= {"lastStatus": "DEACTIVATING", "executionStoppedAt": time.time()}
        self.kill(arn)
        code = process.wait()
        gone = task["stopCode"] == "TerminationNotice"
        ended = {} if gone else {"exitCode": 128 - code if code < 0 else code}
        with self.lock:
            task["containers"] = [{"name": CONTAINER, "lastStatus": "STOPPED", **ended}]
            task |= {"lastStatus": "STOPPED", "stoppedAt": time.time()}
