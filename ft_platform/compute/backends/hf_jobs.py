"""Back end `hf_jobs`: the program is a job of Hugging Face Jobs, on one machine with up to eight GPUs.

All variables go as `secrets`, which nobody can read again; nothing else of the request is secret. The orchestrator
needs a token of the Hub (`HF_TOKEN`, or `hf auth login`), which the job does not get. The lake must be reachable from
there.

Not run against the service: a stand-in with jobs, states and faults, whose answers are read by the Hub's own client.
Hugging Face does not publish which words a job ends with, so most failures without a word of the program's own only
say that it failed.

`options` of the profile: `image`, `flavor` (`hf jobs hardware`), `namespace` (user or organization); `python` in the
image.
"""

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ft_platform.compute.backend import CredentialsRefused, Job, Launch, Look, Unreachable
from ft_platform.compute.cloud_jobs import wait_for_end
from ft_platform.errors import MissingExtra, SubmissionRefused

if TYPE_CHECKING:
    from huggingface_hub import JobInfo

    from ft_platform.settings.compute_profile import ComputeProfile

T = TypeVar("T")
MEMORY: Literal["there"] = "there"
OPTIONS = ("image", "flavor", "namespace")
ANSWER_SECONDS, END_SECONDS = 60.0, 180.0
VARIABLE_BYTES = 131_072
"""The longest variable that Linux gives to a process (MAX_ARG_STRLEN)."""
USE_CASE, PROGRAM = "ft-use-case", "ft-program"
"""Labels, beside the name."""
EXIT_CODE = re.compile(r"exit code:? (\d+)", re.I)
TIMED_OUT = re.compile("time ?out|timed out|time limit", re.I)
NO_MEMORY = re.compile("OOM|out of memory", re.I)
NOT_IN_LABELS = re.compile("[^A-Za-z0-9_-]")


def check(profile: "ComputeProfile") -> None:
    options = profile.options
    if unknown := sorted(set(options) - {*OPTIONS, "python"}):
        raise ValueError(f"`backend: hf_jobs` has no option {', '.join(unknown)}; it has {', '.join(OPTIONS)}, python")
    if missing := [name for name in OPTIONS if not isinstance(options.get(name), str)]:
        raise ValueError(f"`backend: hf_jobs` needs `options` {', '.join(missing)}")


def run(launch: Launch) -> dict[str, Any]:
    from ft_platform.compute.elsewhere import run_elsewhere

    return run_elsewhere(launch, HfJobs(launch.profile.options))


class HfJobs:
    """One namespace of the Hub, as `Scheduler`.

    Raises:
        MissingExtra: huggingface_hub is not installed.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        try:
            from huggingface_hub import HfApi
        except ImportError:
            raise MissingExtra("huggingface_hub", "hf_jobs") from None
        self.api, self.options = HfApi(endpoint=os.environ.get("HF_ENDPOINT")), options
        self.namespace = str(options["namespace"])

    def submit(self, job: Job) -> str:
        if long := sorted(name for name, value in job.variables.items() if len(value.encode()) >= VARIABLE_BYTES):
            raise SubmissionRefused(
                f"variables of program {job.launch.program} are too long for a process: {', '.join(long)}",
                "Put long texts of the use case into files",
            )
        self._check_flavor(job.launch.profile.gpus)
        limits = job.launch.resources
        labels = {USE_CASE: job.launch.use_case.name, PROGRAM: job.launch.program}
        made = ask(
            lambda: self.api.run_job(
                image=str(self.options["image"]),
                command=command(job.launch),
                secrets=job.variables,
                flavor=str(self.options["flavor"]),
                timeout=limits.timeout_seconds + limits.grace_seconds,
                name=job.name,
                labels={name: NOT_IN_LABELS.sub("-", value)[:100] for name, value in labels.items()},
                namespace=self.namespace,
            )
        )
        return made.id

    def _check_flavor(self, gpus: int) -> None:
        """Costs and processes follow `gpus` of the profile."""
        flavor = str(self.options["flavor"])
        found = {one.name: one.accelerator for one in ask(self.api.list_jobs_hardware)}
        if flavor not in found:
            raise SubmissionRefused(f"Hugging Face Jobs has no flavor {flavor}", f"It has {', '.join(sorted(found))}")
        accelerator = found[flavor]
        has = int(accelerator.quantity) if accelerator and accelerator.type == "gpu" else 0
        if has != gpus:
            raise SubmissionRefused(
                f"flavor {flavor} has {has} GPUs, and the compute profile {gpus}", f"Set `gpus: {has}`, and `processes`"
            )

    def find(self, name: str) -> str | None:
        listed = ask(lambda: list(self.api.list_jobs(labels={"name": name}, namespace=self.namespace)))
        found = [one for one in listed if (one.labels or {}).get("name") == name]
        return max(found, key=lambda one: str(one.created_at)).id if found else None

    def look(self, job_id: str) -> Look:
        from huggingface_hub.errors import JobNotFoundError

        def inspect() -> "JobInfo | None":
            try:
                return self.api.inspect_job(job_id=job_id, namespace=self.namespace)
            except JobNotFoundError:
                return None

        job = ask(inspect)
        return look_at(job) if job else Look("unknown")

    def stop(self, job_id: str, grace_seconds: float) -> None:
        """What signal a job gets, and how long it has then, Hugging Face does not say."""
        if self.look(job_id).phase in ("waits", "runs"):
            ask(lambda: self.api.cancel_job(job_id=job_id, namespace=self.namespace))
        wait_for_end(self, job_id, grace_seconds + END_SECONDS)


def command(launch: Launch) -> list[str]:
    python = str(launch.profile.options.get("python", "python"))
    if not launch.works_together:
        return [python, "-m", launch.module]
    group = ["--standalone", f"--nproc-per-node={launch.resources.processes}", "--module", launch.module]
    return [python, "-m", "ft_platform.programs.together", *group]


def look_at(job: "JobInfo") -> Look:
    stage, message = str(getattr(job.status.stage, "value", job.status.stage)), job.status.message or ""
    if stage in ("SCHEDULING", "RUNNING"):
        return Look("runs") if stage == "RUNNING" else Look("waits", reason=message)
    seconds = float(job.durations.running_secs or 0) if job.durations else 0.0
    if stage == "COMPLETED":
        return Look("ended", seconds=seconds)
    if stage != "ERROR":  # canceled or deleted, by somebody
        return Look("ended", "cancelled", 1, f"{stage.lower()} {message}".strip(), seconds)
    code = EXIT_CODE.search(message)
    number = int(code[1]) if code else 1
    exit_code = 128 - number if 128 < number < 193 else number
    if NO_MEMORY.search(message):
        return Look("ended", "out_of_memory", exit_code, message, seconds)
    if TIMED_OUT.search(message):
        return Look("ended", "time_limit", exit_code, message, seconds)
    never = job.started_at is None and code is None
    return Look("ended", "refused" if never else "program", exit_code, message or "no reason", seconds)


def ask(call: Callable[[], T]) -> T:
    """The Hub's answer.

    Raises:
        Unreachable, CredentialsRefused: it does not answer now, or does not know who asks.
        SubmissionRefused: it answers that it will not.
    """
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled
    from huggingface_hub.utils import get_session

    get_session().timeout = ANSWER_SECONDS  # without one, a server that hangs would be waited for without end
    try:
        return call()
    except HfHubHTTPError as error:
        status, words = error.response.status_code, error.server_message or ""
        if status == 401:
            raise CredentialsRefused(f"Hugging Face answers 401 {words}".strip()) from None
        if status in (408, 429) or status >= 500:
            raise Unreachable(f"Hugging Face answers {status}") from None
        raise SubmissionRefused(
            f"Hugging Face answers {status} {words}".strip(),
            "Look at `options` of the compute profile, the rights of the token (`job.write`), and the credit",
        ) from None
    except LocalTokenNotFoundError:
        raise CredentialsRefused("there is no token of Hugging Face: set HF_TOKEN") from None
    except OfflineModeIsEnabled:
        raise SubmissionRefused("HF_HUB_OFFLINE is set, so Hugging Face is not asked", "Unset it") from None
    except httpx2.TransportError as error:
        raise Unreachable(type(error).__name__) from None
