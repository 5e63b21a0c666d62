"""A real Ray cluster on this machine: a head without processors, as KubeRay recommends, and two nodes of one processor,
each started by `ray start` in a folder of its own. Who asks must show a token."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ft_platform.process.bounded_http import NoAnswer, ask
from ft_platform.process.family import descendants, kill_all
from ft_platform_tests.conftest import REPOSITORY

NEEDS = ("ray", "aiohttp_cors", "colorful", "opencensus", "opentelemetry.exporter.prometheus")
DRAIN = """
import sys
from ray._raylet import GcsClient
client = GcsClient(address=sys.argv[1])
print("ready", flush=True)
for node_id in sys.stdin:
    print(client.drain_node(node_id.strip(), 2, "taken away", 2**62), flush=True)
"""
"""Says to Ray that a node is about to be preempted (2), as its autoscaler does."""
SETTINGS = {"enable_worker_prestart": 0, "raylet_start_wait_time_s": 120}
"""Of Ray: nothing starts before it is needed, and a busy machine has time."""


def missing() -> str:
    """What a cluster needs and this interpreter has not."""
    try:
        return ", ".join(name for name in NEEDS if not find_spec(name))
    except ModuleNotFoundError:
        return "Ray's dashboard"


class Cluster:
    """A cluster that runs.

    Attributes:
        token_file: holds what this process shows to the dashboard.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.token = folder, secrets.token_hex(32)
        folder.mkdir(parents=True, exist_ok=True)
        self.token_file = folder / "token"
        self.token_file.write_text(self.token)
        self.port, dashboard = free_port(), free_port()
        self.address = f"http://127.0.0.1:{dashboard}"
        self.started = [
            self._start("--head", f"--port={self.port}", f"--dashboard-port={dashboard}", "--num-cpus=0"),
        ]
        self.nodes: dict[str, subprocess.Popen] = {}
        try:
            self.until(self._answers, 180)
            self.mend()
            words = [sys.executable, "-c", DRAIN, f"127.0.0.1:{self.port}"]
            pipe = subprocess.PIPE
            self.drainer = subprocess.Popen(words, env=self.variables(), stdin=pipe, stdout=pipe, text=True)
            self.started.append(self.drainer)
            assert self.drainer.stdout and self.drainer.stdout.readline() == "ready\n"
        except BaseException:
            self.stop()
            raise

    def variables(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "AWS_"))}
        return {
            **inherited,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            **{f"RAY_{name}": str(value) for name, value in SETTINGS.items()},
        }

    @contextmanager
    def node_without_memory(self) -> Iterator[None]:
        """A node with the resource `tight`, for which Ray's monitor finds that 1 % of the memory is all there is."""
        words = [f"--address=127.0.0.1:{self.port}", "--num-cpus=1", "--node-name=tight", '--resources={"tight": 1}']
        self.nodes["tight"] = self._start(*words, memory_usage_threshold="0.01")
        try:
            self.until(lambda: "tight" in self.alive().values(), 180)
            yield
        finally:
            self.kill("tight")
            del self.nodes["tight"]

    def _start(self, *words: str, **settings: str) -> subprocess.Popen:
        if "--head" in words:
            words = (*words, "--dashboard-host=127.0.0.1", f"--temp-dir={self.folder}/ray", "--include-dashboard=true")
        ports = [f"--{name}={free_port()}" for name in ("dashboard-agent-listen-port", "metrics-export-port")]
        sizes = ["--object-store-memory=80000000", "--disable-usage-stats", "--block"]
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *words, *ports, *sizes]
        variables = {**self.variables(), **{f"RAY_{name}": value for name, value in settings.items()}}
        with open(self.folder / "ray.log", "ab") as log:
            return subprocess.Popen(command, env=variables, stdout=log, stderr=log, start_new_session=True)

    def ask(self, method: str, path: str, content: Any = None) -> Any:
        """What the dashboard answers to somebody with the token."""
        body = b"" if content is None else json.dumps(content).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        answer = ask(method, self.address + path, headers, body, 30, 1 << 24)
        assert answer.status == 200, answer.content.decode()[-500:]
        return json.loads(answer.content)

    def _answers(self) -> bool:
        try:
            return bool(self.ask("GET", "/api/version"))
        except (NoAnswer, AssertionError):
            return False

    def alive(self) -> dict[str, str]:
        """Id -> name of each node, the head too."""
        found = [one["raylet"] for one in self.ask("GET", "/nodes?view=summary")["data"]["summary"]]
        return {one["nodeId"]: one["nodeName"] for one in found if one["state"] == "ALIVE"}

    def working(self) -> list[str]:
        """Names of the nodes on which a program runs."""
        actors, alive = self.ask("GET", "/api/v0/actors?detail=1")["data"]["result"]["result"], self.alive()
        found = [one["node_id"] for one in actors if one["class_name"] == "OneNode" and one["state"] == "ALIVE"]
        return [alive[node_id] for node_id in found if node_id in alive]

    def busy(self) -> str:
        """Name of the one node on which a program runs. The dashboard tells it a moment later."""
        self.until(lambda: len(self.working()) == 1)
        return self.working()[0]

    def drain(self, name: str) -> None:
        [node_id] = [node_id for node_id, known in self.alive().items() if known == name]
        assert self.drainer.stdin and self.drainer.stdout
        self.drainer.stdin.write(f"{node_id}\n")
        self.drainer.stdin.flush()
        assert self.drainer.stdout.readline().startswith("(True")

    def unfinished(self) -> list[dict[str, Any]]:
        """Jobs that wait or run."""
        jobs = [one for one in self.ask("GET", "/api/jobs/") if one["submission_id"]]
        return [one for one in jobs if one["status"] in ("PENDING", "RUNNING")]

    def kill(self, name: str) -> None:
        """Its raylet, by force: what runs on the node goes with it."""
        os.kill(raylet(self.nodes[name]), signal.SIGKILL)
        self.nodes[name].wait(60)

    def mend(self) -> None:
        """Starts the nodes that are not there, one after the other."""
        for name in ("one", "two"):
            if name not in self.nodes or self.nodes[name].poll() is not None:
                address = f"--address=127.0.0.1:{self.port}"
                self.nodes[name] = self._start(address, "--num-cpus=1", f"--node-name={name}")
                self.until(lambda name=name: name in self.alive().values(), 180)

    def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (self.folder / "ray.log").read_text()[-2000:]
            time.sleep(0.2)

    def stop(self) -> None:
        for one in [*self.nodes.values(), *self.started]:
            family = descendants(one.pid)
            one.terminate()
            try:
                one.wait(20)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
            kill_all(family)


def raylet(node: subprocess.Popen) -> int:
    names = {pid: Path(f"/proc/{pid}/comm").read_text().strip() for pid, _ in descendants(node.pid)}
    return next(pid for pid, name in names.items() if name == "raylet")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
