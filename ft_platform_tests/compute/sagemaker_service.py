"""A stand-in for training jobs of Amazon SageMaker AI: they go through its primary and secondary statuses, whoever asks
meanwhile. Words of failures are those that SageMaker writes. Beside the faults of `containers.py` there is a quota
that others use up (`quota`), and Spot machines that are interrupted (`take_away`), after which SageMaker itself starts
the job again."""

import json
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from ft_platform.compute.backends.aws_sagemaker import CONFIG
from ft_platform_tests.compute.aws_service import ACCOUNT, REGION, AwsService, Refused
from ft_platform_tests.compute.containers import TICK

IMAGE, ROLE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/ft-worker:0.3", f"arn:aws:iam::{ACCOUNT}:role/ft-workers"
HOSTS = ("127.0.0.1", "localhost")
"""Names of nodes, `algo-1` and `algo-2` at AWS."""
NO_QUOTA = (
    "The account-level service limit 'ml.g5.xlarge for training job usage' is {limit} Instances, with current"
    " utilization of {limit} Instances and a request delta of 1 Instances. Please use AWS Service Quotas to request an"
    " increase."
)
FULL = "Insufficient capacity error from EC2 while launching instances, retrying!"
ENDED = ("Completed", "Failed", "Stopped")


class Service(AwsService):
    SERVICES = {"sagemaker": "AWS_ENDPOINT_URL_SAGEMAKER"}

    def __init__(self) -> None:
        super().__init__()
        self.quota: int | None = None
        self.interrupted: set[str] = set()
        self.folder = tempfile.TemporaryDirectory(prefix="ft-sagemaker-")

    def stop(self) -> None:
        super().stop()
        self.folder.cleanup()

    def ended(self, job: dict[str, Any]) -> bool:
        return job["TrainingJobStatus"] in ENDED

    def CreateTrainingJob(self, given: dict[str, Any]) -> dict[str, Any]:
        name, machines, stopping = given["TrainingJobName"], given["ResourceConfig"], given["StoppingCondition"]
        if name in self.jobs:
            raise Refused("ResourceInUse", "Training job names must be unique within an AWS account and region")
        if given["RoleArn"] != ROLE or given["AlgorithmSpecification"]["TrainingImage"] != IMAGE:
            raise Refused("ValidationException", f"Could not assume role {given['RoleArn']}, or no such image.")
        if given["EnableManagedSpotTraining"]:
            if stopping.get("MaxWaitTimeInSeconds", 0) < stopping["MaxRuntimeInSeconds"]:
                raise Refused("ValidationException", "MaxWaitTimeInSeconds must be at least MaxRuntimeInSeconds")
            if "KeepAlivePeriodInSeconds" in machines:
                raise Refused("ValidationException", "Warm pools are not supported with managed spot training")
        elif "MaxWaitTimeInSeconds" in stopping:
            raise Refused("ValidationException", "MaxWaitTimeInSeconds is for managed spot training")
        if self.quota is not None:
            raise Refused("ResourceLimitExceeded", NO_QUOTA.format(limit=self.quota))
        arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}"
        kept = {key: value for key, value in given.items() if key != "Tags"}
        self.jobs[name] = {
            **kept,
            "TrainingJobArn": arn,
            "ModelArtifacts": {"S3ModelArtifacts": f"{given['OutputDataConfig']['S3OutputPath']}/{name}/model.tar.gz"},
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Starting",
            "CreationTime": time.time(),
            "SecondaryStatusTransitions": [],
        }
        self._step(name, "Starting", "Launching requested ML instances")
        threading.Thread(target=self._live, args=(name,), daemon=True).start()
        self.lost_answer()
        return {"TrainingJobArn": arn}

    def DescribeTrainingJob(self, given: dict[str, Any]) -> dict[str, Any]:
        return self._known(given["TrainingJobName"])

    def StopTrainingJob(self, given: dict[str, Any]) -> dict[str, Any]:
        name = given["TrainingJobName"]
        job = self._known(name)
        if self.ended(job):
            status = job["TrainingJobStatus"]
            raise Refused(
                "ValidationException", f"The request was rejected because the training job is in status {status}"
            )
        self._end(name, "Stopping", "Stopping", "Stopping the training job")
        threading.Thread(target=self.ask_to_end, args=(name,), daemon=True).start()
        return {}

    def _known(self, name: str) -> dict[str, Any]:
        if name not in self.jobs:
            raise Refused("ValidationException", "Requested resource not found.")
        return self.jobs[name]

    def take_away(self, name: str) -> None:
        """Interrupted, with notice; without Spot there is no such thing."""
        assert self.jobs[name]["EnableManagedSpotTraining"]
        self.interrupted.add(name)
        self.ask_to_end(name)

    def lose(self, name: str) -> None:
        self.jobs[name]["FailureReason"] = "InternalServerError: We encountered an internal error. Please try again."
        self.kill(name)

    def _step(self, name: str, status: str, message: str) -> None:
        with self.lock:
            job = self.jobs[name]
            job["SecondaryStatus"] = status
            job["SecondaryStatusTransitions"].append(
                {"Status": status, "StartTime": time.time(), "StatusMessage": message}
            )

    def _end(self, name: str, status: str, detail: str, message: str) -> None:
        with self.lock:
            self.jobs[name]["TrainingJobStatus"] = status
            self._step(name, detail, message)
            if status in ENDED:
                self.jobs[name]["TrainingEndTime"] = time.time()

    def _stopping(self, name: str) -> bool:
        return self.jobs[name]["TrainingJobStatus"] == "Stopping"

    def _live(self, name: str) -> None:
        """Again and again, as long as it is interrupted."""
        while True:
            time.sleep(TICK)
            if self.full:
                self._step(name, "Starting", FULL)
            while self.full and not self._stopping(name):
                time.sleep(TICK)
            with self.lock:
                if not self._stopping(name):
                    self._step(name, "Downloading", "Downloading the training image")
                    self.processes[name] = self._start(name)
                    self.jobs[name].setdefault("TrainingStartTime", time.time())
                    self._step(name, "Training", "Training image download completed. Training in progress.")
            self._run(name)
            if name not in self.interrupted:
                return
            self.interrupted.discard(name)
            self._step(name, "Interrupted", "Training job interrupted")
            time.sleep(5 * TICK)
            self._step(name, "Starting", "Launching requested ML instances")

    def _run(self, name: str) -> None:
        """Until all nodes have ended, or one has failed."""
        job, nodes = self.jobs[name], self.processes.get(name, [])
        until = time.monotonic() + job["StoppingCondition"]["MaxRuntimeInSeconds"]
        over = False
        while any(one.poll() is None for one in nodes) and not any(one.poll() for one in nodes):
            if time.monotonic() > until and not over:
                over = True
                self.ask_to_end(name)
            time.sleep(TICK)
        failed = next((code for one in nodes if (code := one.poll())), 0)
        self.ask_to_end(name)
        if name in self.interrupted:
            return
        if over:
            self._end(name, "Stopped", "MaxRuntimeExceeded", "Training job runtime exceeded MaxRuntimeInSeconds")
        elif self._stopping(name):
            self._end(name, "Stopped", "Stopped", "Training job stopped")
        elif failed or "FailureReason" in job:
            code = 128 - failed if failed < 0 else failed
            job.setdefault("FailureReason", f"AlgorithmError: , exit code: {code}")
            self._end(name, "Failed", "Failed", "Training job failed")
        else:
            self._step(name, "Uploading", "Uploading generated training model")
            self._end(name, "Completed", "Completed", "Training job completed")

    def _start(self, name: str) -> list[subprocess.Popen]:
        """One container a node, each with its own file about the nodes."""
        job, started = self.jobs[name], []
        what, hosts = job["AlgorithmSpecification"], HOSTS[: job["ResourceConfig"]["InstanceCount"]]
        for host in hosts:
            file = Path(self.folder.name) / f"{name}-{host}.json"
            file.write_text(json.dumps({"current_host": host, "hosts": hosts, "network_interface_name": "eth0"}))
            words = [*what["ContainerEntrypoint"], *what["ContainerArguments"]]
            command = [str(file) if word == CONFIG else word for word in words]
            started.append(self.container(command, {"TRAINING_JOB_NAME": name}))
        return started
