"""What noting requests costs, and whether any is lost or doubled when processes are killed.

    python benchmarks/capture.py --folder F --json   # goes on where it stopped
    python benchmarks/capture.py --folder F --write

`kills`: a server is asked by eight clients and killed (SIGKILL) again and again, and so is the program that ships its
records to the lake, each at random moments. A request counts as acknowledged once its client has the whole answer.
`overhead`: the server of `benchmarks/serving.py`, with the spool and without, in turn in the same minutes: 16 chats at
once, and 16 clients that have texts labelled.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from http.client import HTTPException
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from benchmarks.results import alone, code_hash, kept, key_of  # noqa: E402
from benchmarks.serving_processes import Server, free_port, machine, post, python  # noqa: E402

DOCS = REPOSITORY / "docs" / "benchmarks" / "capture.md"
CLIENTS = 8
USE_CASE = "complaints"
SHIP = """
import sys
from pathlib import Path
from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic.shipping import ship
lake = Lake(sys.argv[1])
print("ready", flush=True)
while True:
    ship(lake, Path(sys.argv[2]))
"""
PAGE = """# Noting requests

Printed by `python benchmarks/capture.py --folder F --write` on {machine}.

| what | result |
| --- | --- |
| kills (of the server, of the shipping) | {server_kills} and {shipper_kills} |
| acknowledged requests | {acknowledged:,} |
| of them not in the lake | {lost} |
| records that are there twice | {doubled} |
| chats, 16 at once: time with the spool by time without | {chats} (rounds {chat_rounds}) |
| labels, 16 clients: time with the spool by time without | {labels} (rounds {label_rounds}) |
| cpu-seconds, chats and labels | {cpu_chats} and {cpu_labels} |

A request counts as acknowledged once its client has the whole answer: the last byte is sent when the record is on the
disk. Requests that were under way when their server was killed may be in the lake or not. Servers are killed 0 to
0.3 seconds after they answer again, the shipping 0 to 1.5 seconds after it was started: before, in and after commits.
"""


class Clients:
    """Ask all the time, and note which answers they have."""

    def __init__(self, port: int) -> None:
        self.acknowledged: list[str] = []
        self._port, self._ends = port, threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(CLIENTS)]
        for one in self._threads:
            one.start()

    def _ask(self) -> None:
        body = {"model": USE_CASE, "input": ["My card is blocked", "I want a loan"]}
        while not self._ends.is_set():
            try:
                status, found = post(self._port, "/v1/classify", body, 5)
                if status == 200:
                    self.acknowledged.append(found["id"])
            except (OSError, HTTPException, ValueError):
                time.sleep(0.01)

    def stop(self) -> None:
        self._ends.set()
        for one in self._threads:
            one.join()


def kills(folder: Path, number: int, seed: int) -> dict[str, Any]:
    """Kills servers and shippers, `number` in all, and counts what is in the lake."""
    import tempfile

    from ft_platform.lake.store import Lake
    from ft_platform.monitoring.traffic.shipping import ship
    from ft_platform.monitoring.traffic.tables import TrafficTables

    with tempfile.TemporaryDirectory(prefix="ft-capture-", dir=folder) as place:
        spool, port, lake = Path(place) / "spool.sqlite", free_port(), Lake(f"{place}/lake")
        clients, servers = Clients(port), Servers(spool, port, random.Random(seed))
        shippers = Shippers([*python("-c", SHIP), lake.root, str(spool)], number // 2, random.Random(seed + 1))
        try:
            for _ in range(number - number // 2):
                servers.kill(clients)
            shippers.wait()  # the last server answers until then
        finally:
            shippers.stop()
            clients.stop()
            servers.stop()
        ship(lake, spool)
        table = TrafficTables(lake, USE_CASE).read("requests", columns=["request_id"])
        there = Counter(table["request_id"].to_pylist())
    return {
        "server_kills": servers.kills,
        "shipper_kills": shippers.kills,
        "acknowledged": len(clients.acknowledged),
        "records": sum(there.values()),
        "lost": sum(one not in there for one in clients.acknowledged),
        "doubled": sum(count - 1 for count in there.values()),
    }


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}


class Servers:
    """One server at a time, which starts again whenever it was killed.

    Attributes:
        kills: so far.
    """

    def __init__(self, spool: Path, port: int, chance: random.Random) -> None:
        self.kills, self._chance = 0, chance
        program = [*python(str(REPOSITORY / "benchmarks" / "capture_program.py")), str(spool), str(port)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._parent = subprocess.Popen(program, env=environment(), text=True, start_new_session=True, **pipes)

    def kill(self, clients: Clients) -> None:
        """Kills it shortly after it answers."""
        assert self._parent.stdout
        child = int(self._parent.stdout.readline())
        before, end = len(clients.acknowledged), time.monotonic() + 60
        while len(clients.acknowledged) == before:
            if time.monotonic() > end:
                raise SystemExit("the server does not answer")
            time.sleep(0.005)
        time.sleep(self._chance.uniform(0, 0.3))
        os.kill(child, signal.SIGKILL)
        self.kills += 1

    def stop(self) -> None:
        os.killpg(self._parent.pid, signal.SIGKILL)
        self._parent.wait()


class Shippers:
    """Are started and killed, one after the other, in a thread.

    Attributes:
        kills: so far.
    """

    def __init__(self, command: list[str], number: int, chance: random.Random) -> None:
        self.kills = 0
        self._command, self._number, self._chance = command, number, chance
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while self.kills < self._number and not self._ends.is_set():
            shipper = subprocess.Popen(self._command, env=environment(), stdout=subprocess.PIPE, text=True)
            assert shipper.stdout
            shipper.stdout.readline()
            time.sleep(self._chance.uniform(0, 1.5))
            shipper.kill()
            shipper.wait()
            self.kills += 1

    def wait(self) -> None:
        self._thread.join()

    def stop(self) -> None:
        self._ends.set()
        self._thread.join()


def overhead(folder: Path, rounds: int, tokens: int) -> dict[str, Any]:
    """Time and cpu-seconds with the spool by those without, round by round."""
    from benchmarks.serving import CLASSIFY, Round, complaint, prepare

    prepare(folder)
    variables = dict.fromkeys(("OMP_NUM_THREADS", "FT_THREADS", "MKL_NUM_THREADS", "HF_HUB_OFFLINE"), "1")
    variables |= {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(REPOSITORY)}
    program = python(str(REPOSITORY / "benchmarks" / "serving_program.py"), str(folder), "{port}")
    spool = folder / "overhead.sqlite"
    spool.unlink(missing_ok=True)
    servers = {
        "without": Server(program, folder / "without.log", variables),
        "with": Server([*program, str(spool)], folder / "with.log", variables),
    }
    found: dict[str, dict[str, list[dict[str, float]]]] = {name: {"chats": [], "labels": []} for name in servers}
    try:
        body = {"model": "head", "input": "Hello"}
        for server in servers.values():
            server.wait(lambda port: post(port, CLASSIFY, body)[0] == 200, 600)
        for number in range(rounds + 1):
            for name in sorted(servers, reverse=bool(number % 2)):
                own = Round(servers[name], lambda chat: f"a{chat % 16}", 10_000 * (number + 1), tokens)
                chats = own.chats([f"a{chat}" for chat in range(16)])
                labels = _labelled(own, [complaint(10_000 * number + one) for one in range(64)])
                if number:  # the first one warms both up
                    found[name]["chats"].append(chats)
                    found[name]["labels"].append(labels)
    finally:
        for server in servers.values():
            server.stop()
    return {
        kind: {
            what: [
                round(noted[what] / plain[what], 4)
                for noted, plain in zip(found["with"][kind], found["without"][kind], strict=True)
            ]
            for what in ("seconds", "cpu_seconds")
        }
        for kind in ("chats", "labels")
    }


def _labelled(own: Any, texts: list[str]) -> dict[str, float]:
    """One text in each request, 16 clients."""
    from concurrent.futures import ThreadPoolExecutor

    from benchmarks.serving import CLASSIFY

    started, before = time.monotonic(), own.server.cpu_seconds()
    with ThreadPoolExecutor(16) as threads:
        asked = threads.map(lambda text: post(own.server.port, CLASSIFY, {"model": "head", "input": text}, 300), texts)
        assert all(status == 200 for status, _ in asked)
    return {"seconds": time.monotonic() - started, "cpu_seconds": own.server.cpu_seconds() - before}


def summary(found: dict[str, Any]) -> dict[str, Any]:
    killed, cost = found["kills"], found["overhead"]
    return {
        "kills": killed["server_kills"] + killed["shipper_kills"],
        "lost": killed["lost"],
        "doubled": killed["doubled"],
        "overhead_ratio": statistics.median(cost["chats"]["seconds"]),
        "details": found,
    }


def page(found: dict[str, Any]) -> str:
    cost = found["overhead"]
    median = {kind: {what: f"{statistics.median(cost[kind][what]):.3f}" for what in cost[kind]} for kind in cost}
    return PAGE.format(
        machine=machine(),
        **found["kills"],
        chats=median["chats"]["seconds"],
        labels=median["labels"]["seconds"],
        chat_rounds=", ".join(f"{one:.3f}" for one in cost["chats"]["seconds"]),
        label_rounds=", ".join(f"{one:.3f}" for one in cost["labels"]["seconds"]),
        cpu_chats=median["chats"]["cpu_seconds"],
        cpu_labels=median["labels"]["cpu_seconds"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="model, adapters, results; kept from start to start")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--tokens", type=int, default=48, help="longest answer")
    parser.add_argument("--write", action="store_true", help="also write docs/benchmarks/capture.md")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    code = code_hash(*(REPOSITORY / "ft_platform" / room for room in ("serving", "monitoring")))
    with alone(folder):
        results = folder / "capture"
        about = key_of([arguments.kills, arguments.seed, code])
        costs = key_of([arguments.rounds, arguments.tokens, code])
        found = {
            "kills": kept(results / f"kills-{about}.json", lambda: kills(folder, arguments.kills, arguments.seed)),
            "overhead": kept(
                results / f"overhead-{costs}.json", lambda: overhead(folder, arguments.rounds, arguments.tokens)
            ),
        }
    if arguments.write:
        DOCS.write_text(page(found), encoding="utf-8")
    print(json.dumps(summary(found), indent=None if arguments.json else 1))


if __name__ == "__main__":
    main()
