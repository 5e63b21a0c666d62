"""Answers a second of `ft serve` at its capacity and beyond it, with clients that ask again at once when refused.

    FT_HOME=... python benchmarks/serving_overload.py customer_feedback --json

Clients on this machine each keep one connection and send the next request when the last is answered or refused, as
`hey` does, which does not obey `Retry-After`. Phases take turns (capacity, overload, capacity, ...), so that whatever
else the machine does is in both. Prints, for each number of clients: answers and refusals a second, CPU seconds of the
server for 1,000 answers, p95 of the answers; and `goodput_ratio`, answers a second beyond capacity by those at it."""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.serving_processes import Server, get, python

TEXT = "The parcel came two weeks late and the lid was broken."


class Client(asyncio.Protocol):
    """A connection that sends the next request as soon as the last one is answered or refused."""

    def __init__(self, request: bytes, found: list[tuple[int, float]], closed: asyncio.Event) -> None:
        self._request, self._found, self._closed = request, found, closed
        self._read, self._began = b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._send()

    def _send(self) -> None:
        self._read, self._began = b"", time.monotonic()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, ended, body = self._read.partition(b"\r\n\r\n")
        head = head.lower()
        if not ended or len(body) < int(head.split(b"content-length:")[1].split(b"\r\n")[0]):
            return
        self._found.append((int(head[9:12]), time.monotonic() - self._began))
        if b"connection: close" not in head:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()


async def asking(port: int, request: bytes, found: list[tuple[int, float]]) -> None:
    """One connection after the other, until it is cancelled."""
    while True:
        closed = asyncio.Event()
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda closed=closed: Client(request, found, closed), "127.0.0.1", port
        )
        try:
            await closed.wait()
        finally:
            transport.close()


async def phase(server: Server, model: str, clients: int, seconds: float) -> dict[str, Any]:
    body = json.dumps({"model": model, "input": TEXT}).encode()
    head = f"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    found: list[tuple[int, float]] = []
    cpu, began = server.cpu_seconds(), time.monotonic()
    running = [asyncio.create_task(asking(server.port, request, found)) for _ in range(clients)]
    await asyncio.sleep(seconds)
    for one in running:
        one.cancel()
    passed, used = time.monotonic() - began, server.cpu_seconds() - cpu
    times = sorted(one for status, one in found if status == 200)
    return {
        "clients": clients,
        "answers_per_second": len(times) / passed,
        "refusals_per_second": sum(status == 429 for status, _ in found) / passed,
        "others": sum(status not in (200, 429) for status, _ in found),
        "server_cpu_seconds_per_1000_answers": 1000 * used / max(1, len(times)),
        "p95_seconds": times[int(0.95 * (len(times) - 1))] if times else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--clients", type=int, default=64, help="at capacity")
    parser.add_argument("--times", type=int, default=3, help="as many more clients beyond it")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    command = python("-m", "ft_platform.cli", "serve", given.model, "--port", "{port}")
    server = Server(command, Path("/tmp") / f"overload-{os.getpid()}.log", dict(os.environ))
    try:
        server.wait(lambda port: get(port, "/ready").get("status") == "ready", 180)
        phases = []
        for _ in range(given.rounds):
            for clients in (given.clients, given.clients * given.times):
                phases.append(asyncio.run(phase(server, given.model, clients, given.seconds)))
                print(json.dumps(phases[-1]), file=sys.stderr, flush=True)
    finally:
        server.stop()
    rates = [
        statistics.median(one["answers_per_second"] for one in phases if one["clients"] == clients)
        for clients in (given.clients, given.clients * given.times)
    ]
    print(json.dumps({"goodput_ratio": rates[1] / rates[0], "phases": phases}, indent=1))


if __name__ == "__main__":
    main()
