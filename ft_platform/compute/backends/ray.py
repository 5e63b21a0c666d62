"""Back end `ray`: the program is a job of a Ray cluster (KubeRay or your own), submitted over HTTP (Ray Jobs API).

The orchestrator needs no Ray. On the head node the job is a driver (`compute/ray_driver.py`) that reserves a placement
group, starts the program on its nodes and watches it: torchrun on each node, so the arithmetic is that of the other
back ends. It ends with exit codes that say what Ray knows of the end.

Ray shows variables of jobs to whoever may ask its API, and writes them into its logs. So they go encrypted through the
lake (`compute/handed_over.py`), and Ray gets the key. Nodes have credentials of their own for the lake. Seen on CPUs
(gloo); with GPUs (NCCL) it has not been run.

`options` of the profile: `address`, of the dashboard; `nodes`, which share `processes` and `gpus`; `cpus`, `memory_gib`
and `resources` (`name=1,...`) of each; `placement`, as Ray calls its strategies; `python` on the nodes.
"""

import json
import math
import os
import re
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ft_platform.compute.backend import Cause, CredentialsRefused, Job, Launch, Look, Unreachable
from ft_platform.errors import SubmissionRefused

if TYPE_CHECKING:
    from ft_platform.use_case.settings.compute_profile import ComputeProfile

MEMORY: Literal["there"] = "there"
FORMS = {
    "address": (r"https?://[^\s/@?#]+(/[^\s@?#]*)?", "the dashboard, such as http://ray-head:8265"),
    "resources": (r"[^\s,=]+=\d+(\.\d+)?(,[^\s,=]+=\d+(\.\d+)?)*", "name=1,..."),
    "placement": ("SPREAD|PACK|STRICT_SPREAD|STRICT_PACK", "SPREAD, PACK, STRICT_SPREAD or STRICT_PACK"),
    "python": (r"\S+", "a program"),
}
"""Option -> what it looks like, as a pattern and in words."""
NUMBERS = {"nodes": 1, "cpus": 0.001, "memory_gib": 0.001}
"""Option -> its least value."""
PLACES = ("FT_HOME", "FT_LAKE_ROOT", "FT_KEY_PROVIDER", "FT_KEY_FILE", "FT_SEALS_FOLDER")
STORES = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ALLOW_HTTP", "FT_LAKE_KEYS")
"""Variables that the driver finds the lake by. None is a secret; credentials are those of the nodes."""
ORDERS = "FT_RAY_ORDERS"
SAYS = "ft-platform: "
"""How lines of the driver's log begin that are meant for this back end."""
SINCE = "the program runs since "
LOST, TOO_LARGE, REFUSED, TOO_LONG = 75, 76, 78, 79
CAUSES: dict[int, Cause] = {
    LOST: "machine_lost",
    TOO_LARGE: "out_of_memory",
    REFUSED: "refused",
    TOO_LONG: "time_limit",
    126: "refused",
    127: "refused",
}
"""What exit codes of the driver mean; the last two are the shell's, for an interpreter that is not there."""
NEVER_STARTED = ("JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE", "RUNTIME_ENV_SETUP_FAILURE")
CALL_SECONDS, END_SECONDS, ANSWER_BYTES = 30.0, 60.0, 8 << 20


def check(profile: "ComputeProfile") -> None:
    options = profile.options
    if unknown := sorted(set(options) - {*FORMS, *NUMBERS}):
        raise ValueError(f"`backend: ray` has no option {', '.join(unknown)}; it has {', '.join((*FORMS, *NUMBERS))}")
    if "address" not in options:
        raise ValueError("`backend: ray` needs `options.address`, such as http://ray-head:8265")
    for name, (form, words) in FORMS.items():
        if name in options and not re.fullmatch(form, str(options[name])):
            raise ValueError(f"options.{name} must be {words}")  # an address may hold a password
    for name, least in NUMBERS.items():
        value = options.get(name, 1)
        if isinstance(value, bool | str) or (name == "nodes" and not isinstance(value, int)) or value < least:
            raise ValueError(f"options.{name} must be a number of {least} or more, got {value!r}")
    if own := {"CPU", "GPU", "memory"} & set(re.findall(r"[^,=]+(?==)", str(options.get("resources", "")))):
        raise ValueError(f"options.resources are custom ones; {', '.join(sorted(own))} has a setting of its own")
    nodes = int(options.get("nodes", 1))
    if profile.processes % nodes or profile.gpus % nodes:
        raise ValueError(f"`processes` and `gpus` must be multiples of `nodes`, got nodes {nodes}")


def run(launch: Launch) -> dict[str, Any]:
    from ft_platform.compute.elsewhere import run_elsewhere

    return run_elsewhere(launch, Cluster(str(launch.profile.options["address"])))


class Cluster:
    """The cluster behind a dashboard, as `Scheduler`. The id of a job is its name: Ray takes a second job of that name
    for none."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        self._keys: dict[str, str] = {}  # job -> of its variables; what is submitted again has the same

    def submit(self, job: Job) -> str:
        from ft_platform.compute.handed_over import hand_over
        from ft_platform.lake.opening import open_lake

        launch = job.launch
        if job.name not in self._keys:
            named = launch.profile.environment
            keys = set(launch.environment.storage_options()) - {*STORES, *named}
            variables = {name: value for name, value in job.variables.items() if name not in keys}
            self._keys[job.name] = hand_over(open_lake(launch.environment), launch.use_case.name, job.name, variables)
        try:
            self._ask("POST", "/api/jobs/", request(job, self._keys[job.name]))
        except SubmissionRefused:
            if self.find(job.name) is None:
                raise
        return job.name

    def find(self, name: str) -> str | None:
        return name if self._ask("GET", f"/api/jobs/{name}") else None

    def look(self, job_id: str) -> Look:
        job = self._ask("GET", f"/api/jobs/{job_id}")
        if job is None:
            return Look("unknown")
        if job["status"] == "PENDING":
            return Look("waits", reason="Ray starts its driver")
        logs = self._ask("GET", f"/api/jobs/{job_id}/logs") if job["driver_agent_http_address"] else None
        return look_at(job, [line.removeprefix(SAYS) for line in told(logs) if line.startswith(SAYS)])

    def stop(self, job_id: str, grace_seconds: float) -> None:
        """Ray sends SIGTERM to the driver, which asks the program by SIGINT and waits."""
        self._ask("POST", f"/api/jobs/{job_id}/stop", {})
        until = time.monotonic() + grace_seconds + END_SECONDS
        while self.look(job_id).phase in ("waits", "runs"):
            if time.monotonic() > until:
                raise Unreachable(f"job {job_id} was told to end, and has not")
            time.sleep(0.2)

    def _ask(self, method: str, path: str, content: Any = None) -> Any:
        """The answer; None: Ray says that there is no such job.

        Raises:
            Unreachable, CredentialsRefused: the dashboard does not answer now, or does not know who asks.
            SubmissionRefused: it answers that it will not.
        """
        from ft_platform.process.bounded_http import NoAnswer, ask

        body = b"" if content is None else json.dumps(content).encode()
        headers = {"Content-Type": "application/json", **_token()}
        try:
            answer = ask(method, self._address + path, headers, body, CALL_SECONDS, ANSWER_BYTES)
        except NoAnswer as error:
            raise Unreachable(f"Ray's dashboard: {error}") from None
        text = answer.content.decode(errors="replace")
        if answer.status == 200:
            try:
                return json.loads(text)
            except ValueError:
                raise Unreachable("what answers is not Ray's dashboard") from None
        if answer.status in (401, 403):
            raise CredentialsRefused(f"Ray's dashboard answers {answer.status}")
        if answer.status == 404 and "does not exist" in text:
            return None
        # The head passes requests on to its agent, and answers 500 with what the agent said.
        if answer.status in (400, 422) or (method == "POST" and "status code 400" in text):
            said = (text.strip(" .\n").splitlines() or ["no reason given"])[-1]
            raise SubmissionRefused(
                f"Ray refuses: {said[:300]}", "Compare the `options` of the profile with the cluster"
            )
        raise Unreachable(f"Ray's dashboard answers {answer.status}")


def _token() -> dict[str, str]:
    """Read for each request: it may have been renewed."""
    token, path = os.environ.get("RAY_AUTH_TOKEN", ""), os.environ.get("RAY_AUTH_TOKEN_PATH", "")
    if path and not token:
        try:
            token = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise CredentialsRefused(f"RAY_AUTH_TOKEN_PATH: {error.strerror}") from None
    return {"Authorization": f"Bearer {token}"} if token else {}


def request(job: Job, key: str) -> dict[str, Any]:
    """What Ray gets: names, sizes and limits, and no variable of the program.

    Args:
        key: of the variables.
    """
    launch, options = job.launch, job.launch.profile.options
    limits = launch.resources
    together = launch.works_together
    nodes = int(options.get("nodes", 1)) if together else 1
    known = {**launch.environment.to_variables(), **launch.environment.storage_options()}
    orders = {
        "use_case": launch.use_case.name,
        "job": job.name,
        "key": key,
        "module": launch.module,
        "python": options.get("python", "python"),
        "together": limits.processes // nodes if together else 0,
        "nodes": nodes,
        "each": _each(launch, nodes),
        "placement": options.get("placement", "SPREAD"),
        "seconds": limits.timeout_seconds + END_SECONDS,
        "grace_seconds": limits.grace_seconds,
    }
    variables = {
        **{name: known[name] for name in (*PLACES, *STORES) if name in known},
        ORDERS: json.dumps(orders),
        "RAY_JOB_STOP_WAIT_TIME_S": str(math.ceil(limits.grace_seconds + END_SECONDS / 2)),
    }
    return {
        "submission_id": job.name,
        "entrypoint": f"exec {shlex.quote(str(orders['python']))} -m ft_platform.compute.ray_driver",
        "runtime_env": {"env_vars": variables},
        "metadata": {"ft-platform": launch.program, "use_case": launch.use_case.name},
    }


def _each(launch: Launch, nodes: int) -> dict[str, float]:
    """What the program needs of each node, in Ray's names."""
    limits, options = launch.resources, launch.profile.options
    memory = options.get("memory_gib") or (None if limits.gpus else limits.memory_gib)  # of a GPU it is the GPU's
    named = [one.partition("=") for one in str(options.get("resources", "")).split(",") if one]
    return {
        "CPU": float(options.get("cpus") or max(math.ceil(limits.threads / nodes), 1)),
        **({"GPU": limits.gpus // nodes} if limits.gpus else {}),
        **({"memory": math.ceil(float(memory) * (1 << 30))} if memory else {}),
        **{name: float(amount) for name, _, amount in named},
    }


def told(logs: Any) -> list[str]:
    return str(logs["logs"]).splitlines() if logs else []


def look_at(job: dict[str, Any], said: list[str]) -> Look:
    """What one job of `/api/jobs/` means.

    Args:
        said: by its driver for this back end, line by line.
    """
    since = next((float(line.removeprefix(SINCE)) for line in said if line.startswith(SINCE)), None)
    last = said[-1] if said else ""
    if job["status"] == "RUNNING":
        return Look("waits", reason=last) if since is None else Look("runs")
    seconds = max((job["end_time"] or 0) / 1000 - since, 0.0) if since else 0.0
    code, kind = job["driver_exit_code"], str(job.get("error_type"))
    if job["status"] == "STOPPED":
        return Look("ended", "cancelled", 1, "stopped", seconds)
    if job["status"] == "SUCCEEDED":
        return Look("ended", seconds=seconds)
    if code is None:
        cause: Cause = "refused" if kind in NEVER_STARTED else "machine_lost"
        return Look("ended", cause, 1, f"Ray: {kind}", seconds)
    if code < 0:
        return Look("ended", "machine_lost", 1, f"its driver was ended by signal {-code}", seconds)
    if not said and code not in CAUSES:
        return Look("ended", "refused", 1, "its driver did not start: is this ft-platform on the head node?", seconds)
    reason = last if code in CAUSES and last else f"exit code {code}"
    return Look("ended", CAUSES.get(code, "program"), 128 - code if 128 < code < 193 else code, reason, seconds)
