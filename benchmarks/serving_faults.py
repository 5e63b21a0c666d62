"""`ft serve` under what goes wrong: hostile requests, ten times too many, releases that change, and kill -9.

    python benchmarks/serving_faults.py --folder F --json        # 20 minutes; goes on where it stopped
    python benchmarks/serving_faults.py --folder F --only swaps  # one of fuzz, overload, swaps, recovery
    python benchmarks/serving_faults.py --folder F --write

A process of `ft serve` over HTTP, with an installation in F: a tiny random model, a label head (`complaints`) and
written answers (`support`), trained and released. What is measured is kept in `F/serving_faults` by the code of the
server, so it is measured again when that changes.

- `fuzz`: requests of the generator of `ft_platform_tests/serving/test_hostile.py`, with schemas and raw bytes, by four
  clients, beside 200 connections that stop in the middle. No answer in 30 seconds is a hang.
- `overload`: capacity is the most answers a second of clients that wait for theirs, and its latency that of the fewest
  clients who get 90 % of it, before and after. Then ten times as many requests as that come in each second, whether or
  not any was answered.
- `swaps`: `complaints` is released with one checkpoint and with another in turn, under four clients. An error is any
  answer but 200, or one of a release that was gone from `/v1/models` when it was asked for.
- `recovery`: kill -9 of the process under load; a shell loop starts it again. Seconds until a question is answered.

Prints `{"fuzzed", "status_500", "hangs", "overload_p95_ratio", "swap_errors", "recovery_s"}` (the slowest recovery) and
`details`."""

import argparse
import asyncio
import json
import os
import random
import shlex
import shutil
import socket
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))
from benchmarks.results import alone, code_hash, kept, key_of  # noqa: E402
from benchmarks.serving_processes import JSON, Server, free_port, get, machine, post, python  # noqa: E402

DOCS = REPOSITORY / "docs" / "benchmarks" / "serving_faults.md"
PAGE = """# The server under faults

`python benchmarks/serving_faults.py --folder F --write`: a process of `ft serve` over HTTP, with a tiny random model
that was trained and released, on {machine} that other programs used too: seconds on the clock are longer than on a
machine of one's own.

| what | measured |
| --- | --- |
{rows}

Hostile requests are JSON of every kind, bytes that are none, control tokens, huge numbers, and schemas that nest, refer
to themselves or contradict themselves. Beside them, 200 connections stopped in the middle of a head or a body.

Overload: capacity is the most answers a second of clients who wait for theirs. Its latency is that of the fewest
clients who get 90 % of it ({clients} of them), before and after.

Swaps: one checkpoint and another were released in turn, under four clients. Recovery: the process was killed with
SIGKILL under load, and a shell loop started it again; it answers when its models are loaded.
"""
PARTS = ("fuzz", "overload", "swaps", "recovery")
HANG_SECONDS = 30
CHAT, CLASSIFY = "/v1/chat/completions", "/v1/classify"
LABEL = {"model": "complaints", "input": "My card was charged twice."}
HALF_OPEN = (
    b"",
    b"POST /v1/cha",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nX: ",
    b"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Type: application/json\r\n"
    b"Content-Length: 900\r\n\r\n{",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)


class Installed:
    """A new installation in a folder, which takes seconds, and its server."""

    def __init__(self, folder: Path) -> None:
        from ft_platform_tests.serving.installations import Installation

        self.home, self.log = folder / "home", folder / "server.log"
        shutil.rmtree(self.home, ignore_errors=True)
        self.complaints = Installation(self.home, "label_head")
        Installation(self.home, "sft", "generation", name="support")
        self.checkpoints = [self.complaints.another(_other_weights), self.complaints.checkpoint]

    def command(self) -> list[str]:
        return python("-m", "ft_platform.cli", "serve", "--port", "{port}")

    def server(self, command: list[str] | None = None, port: int | None = None) -> Server:
        variables = {"FT_HOME": self.home, "FT_DEFS": self.home / "defs", "PYTHONPATH": REPOSITORY}
        named = {name: str(value) for name, value in variables.items()}
        named |= {"OMP_NUM_THREADS": "1", "FT_THREADS": "1", "FT_TRACKERS": "none"}
        return Server(command or self.command(), self.log, named, port)

    @contextmanager
    def serving(self) -> Iterator[Server]:
        server = self.server()
        try:
            server.wait(both_answer, 120)
            yield server
        finally:
            server.stop()


def _other_weights(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "adapter_model.safetensors")
    save_file({name: -value for name, value in weights.items()}, folder / "adapter_model.safetensors")


def both_answer(port: int) -> bool:
    found = {one["id"] for one in get(port, "/v1/models").get("data", ())}
    return {"complaints", "support"} <= found and post(port, CLASSIFY, LABEL, 5)[0] == 200


# Hostile requests


def hostile_requests(draw: random.Random, count: int) -> Iterator[tuple[str, bytes]]:
    """Path and body, endlessly different."""
    from ft_platform_tests.serving.test_hostile import RAW, ROUTES, hostile

    for number in range(count):
        route = ROUTES[number % len(ROUTES)]
        kind = draw.random()
        if kind < 0.02:
            yield route, draw.choice(RAW)
        elif kind < 0.1:
            schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": hostile_schema(draw)}}
            asked = {"model": "support", "messages": [{"role": "user", "content": "x"}], "response_format": schema}
            yield CHAT, json.dumps(asked).encode()
        else:
            yield route, hostile(draw, route)


def hostile_schema(draw: random.Random, depth: int = 0) -> Any:
    """Schemas that nest, refer to themselves, contradict themselves, or are large."""
    numbers = [0, 1, -1, 10**6, 2**63, 1e308]
    text = {"type": "string", draw.choice(["minLength", "maxLength"]): draw.choice(numbers)}
    pattern = {"type": "string", "pattern": draw.choice(["(a+)+$", "a{1,9999}", "((((", "(a|b|ab)*c", "\\d{500}"])}
    amount = {"type": "number", draw.choice(["minimum", "maximum", "multipleOf"]): draw.choice(numbers)}
    plain = [text, pattern, amount, {"const": None}, {"enum": list(range(draw.randrange(500)))}, {"type": "x"}, True]
    plain += [{"$ref": "#"}, {"$ref": "#/nowhere"}, {"$ref": "https://127.0.0.1/x"}, {"not": {}}]
    names = [str(number) for number in range(draw.randrange(5 if depth < 3 else 2))]
    inner = partial(hostile_schema, draw, depth + 1)
    large = draw.choice(numbers)
    nested: list[Callable[[], Any]] = [
        lambda: {"type": "object", "properties": {name: inner() for name in names}, "required": names},
        lambda: {"type": "array", "items": inner(), "minItems": large, "maxItems": large},
        lambda: {draw.choice(["anyOf", "allOf", "oneOf"]): [inner() for _ in names]},
        lambda: {"type": "object", "additionalProperties": inner(), "patternProperties": {"(x+)+": inner()}},
        lambda: {"$defs": {"a": inner()}, "properties": {"a": {"$ref": "#/$defs/a"}, "b": {"$ref": "#"}}},
    ]
    return draw.choice(plain) if depth > 6 or draw.random() < 0.4 else draw.choice(nested)()


class HalfOpen:
    """Connections that say the beginning of something, and are opened again when the server closes them."""

    def __init__(self, port: int, count: int) -> None:
        self._port, self._count, self._stopped = port, count, threading.Event()
        self.opened = 0
        self._thread = threading.Thread(target=self._hold, daemon=True)

    def __enter__(self) -> "HalfOpen":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _hold(self) -> None:
        held: list[socket.socket] = []
        while not self._stopped.wait(0.2):
            held = [one for one in held if self._is_open(one)]
            with suppress(OSError):
                while len(held) < self._count:
                    held.append(socket.create_connection(("127.0.0.1", self._port), timeout=5))
                    held[-1].sendall(HALF_OPEN[self.opened % len(HALF_OPEN)].replace(b"PORT", b"%d" % self._port))
                    held[-1].setblocking(False)
                    self.opened += 1
        for one in held:
            one.close()

    @staticmethod
    def _is_open(one: socket.socket) -> bool:
        try:
            found = one.recv(4096) != b""
        except BlockingIOError:
            return True
        except OSError:
            found = False
        if not found:
            one.close()
        return found


def fuzz(installed: Installed, arguments: argparse.Namespace) -> dict[str, Any]:
    statuses: Counter[str] = Counter()
    slowest, memory, lock, clients = [0.0], [], threading.Lock(), 4
    with installed.serving() as server, HalfOpen(server.port, 200) as half_open:

        def client(number: int) -> None:
            connection = HTTPConnection("127.0.0.1", server.port, timeout=HANG_SECONDS)
            for path, body in hostile_requests(random.Random(arguments.seed + number), arguments.requests // clients):
                started = time.monotonic()
                status = _status(connection, path, body)
                with lock:
                    slowest[0] = max(slowest[0], time.monotonic() - started)
                    statuses[status] += 1
                    if sum(statuses.values()) % 250 == 0:
                        memory.append((sum(statuses.values()), server.megabytes()))

        in_threads(client, clients)
        still = both_answer(server.port)
    late = memory[len(memory) // 2 :]
    slope = statistics.linear_regression([at / 1000 for at, _ in late], [size for _, size in late]).slope
    return {
        "requests": sum(statuses.values()),
        "statuses": dict(sorted(statuses.items())),
        "answers_afterwards": still,
        "half_open": half_open.opened,
        "slowest_seconds": round(slowest[0], 2),
        "megabytes": [round(size) for _, size in (memory[0], memory[len(memory) // 2], memory[-1])],
        "megabytes_per_1000_requests": round(slope, 3),
    }


def _status(connection: HTTPConnection, path: str, body: bytes) -> str:
    """A status, `hang`, or `dropped`. A connection that the server had closed before is opened again."""
    for attempt in (1, 2):
        try:
            connection.request("POST", path, body, JSON)
            answer = connection.getresponse()
            answer.read()
            return str(answer.status)
        except TimeoutError:
            connection.close()
            return "hang"
        except (OSError, HTTPException):
            connection.close()
            if attempt == 2:
                return "dropped"
    raise AssertionError


def in_threads(client: Callable[[int], None], count: int) -> None:
    threads = [threading.Thread(target=client, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# Overload


class Asking:
    """Clients in one event loop.

    Attributes:
        answers: status, seconds, and Retry-After of each answer.
    """

    def __init__(self, port: int, tokens: int) -> None:
        self.port, self.tokens = port, tokens
        self.answers: list[tuple[int, float, str | None]] = []
        self._asked = 0

    async def one(self) -> float:
        """Returns the seconds after which to ask again."""
        self._asked += 1
        text = f"{self._asked}: my card was charged twice and nobody answers."
        body = {"model": "support", "messages": [{"role": "user", "content": text}], "max_tokens": self.tokens}
        sent = json.dumps({**body, "temperature": 1.0, "seed": self._asked}).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nConnection: close\r\n"
        head += "Content-Type: application/json\r\n"
        started = time.monotonic()
        try:
            async with asyncio.timeout(HANG_SECONDS * 4):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(f"{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent)
                found = (await reader.read()).partition(b"\r\n\r\n")[0].decode().split("\r\n")
                writer.close()
        except (OSError, TimeoutError):
            found = ["HTTP/1.1 0 no answer"]
        headers = dict(line.lower().split(": ", 1) for line in found[1:])
        self.answers.append((int(found[0].split()[1]), time.monotonic() - started, headers.get("retry-after")))
        return float(headers.get("retry-after", 0))

    async def closed(self, clients: int, seconds: float) -> tuple[float, list[float]]:
        """Clients who wait for their answers. Returns answers a second, and the latencies, sorted."""
        end, before, started = time.monotonic() + seconds, len(self.answers), time.monotonic()

        async def client() -> None:
            while time.monotonic() < end:
                await asyncio.sleep(await self.one())

        await asyncio.gather(*(client() for _ in range(clients)))
        latencies = sorted(seconds for status, seconds, _ in self.answers[before:] if status == 200)
        return len(latencies) / (time.monotonic() - started), latencies

    async def open(self, rate: float, seconds: float, each: Callable[[], None]) -> None:
        """Requests that come at this rate, whatever becomes of those before."""
        started, tasks = time.monotonic(), set[asyncio.Task[float]]()
        count = int(rate * seconds)
        for number in range(count):
            await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
            task = asyncio.ensure_future(self.one())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            if number % max(1, int(rate * 2)) == 0:
                each()
        await asyncio.gather(*tasks)


def p95(seconds: list[float]) -> float:
    return sorted(seconds)[max(0, int(len(seconds) * 0.95) - 1)]


def overload(installed: Installed, arguments: argparse.Namespace) -> dict[str, Any]:
    with installed.serving() as server:
        return asyncio.run(_overload(server, arguments))


async def _overload(server: Server, arguments: argparse.Namespace) -> dict[str, Any]:
    asking = Asking(server.port, arguments.tokens)
    await asking.closed(4, 5)
    probed = {clients: (await asking.closed(clients, 15))[0] for clients in (1, 2, 4, 8, 16, 32, 64)}
    capacity = max(probed.values())
    fewest = next(clients for clients, rate in probed.items() if rate >= 0.9 * capacity)
    before = (await asking.closed(fewest, 30))[1]
    memory: list[tuple[float, float]] = []
    first, cpu = len(asking.answers), server.cpu_seconds()
    started = time.monotonic()
    await asking.open(
        10 * capacity,
        arguments.seconds,
        lambda: memory.append(((time.monotonic() - started) / 60, server.megabytes())),
    )
    during, cpu = asking.answers[first:], server.cpu_seconds() - cpu
    took = time.monotonic() - started
    after = (await asking.closed(fewest, 30))[1]
    accepted = [seconds for status, seconds, _ in during if status == 200]
    refused = [(seconds, retry) for status, seconds, retry in during if status == 429]
    late = memory[len(memory) // 4 :]
    return {
        "answers_a_second_by_clients": {clients: round(rate, 1) for clients, rate in probed.items()},
        "clients_at_capacity": fewest,
        "p95_at_capacity": [round(p95(before), 3), round(p95(after), 3)],
        "requests_a_second": round(len(during) / took, 1),
        "statuses": dict(Counter(str(status) for status, _, _ in during)),
        "accepted_a_second": round(len(accepted) / took, 1),
        "p95": round(p95(accepted), 3),
        "p95_ratio": round(p95(accepted) / statistics.mean((p95(before), p95(after))), 2),
        "refused_without_retry_after": sum(retry is None for _, retry in refused),
        "p95_of_refusals": round(p95([seconds for seconds, _ in refused]), 3) if refused else None,
        "cpu_seconds_a_second": round(cpu / took, 2),
        "megabytes": [round(memory[0][1]), round(memory[-1][1])],
        "megabytes_per_minute": round(statistics.linear_regression(*zip(*late, strict=True)).slope, 2),
    }


# Swaps of the release


def swaps(installed: Installed, arguments: argparse.Namespace) -> dict[str, Any]:
    errors: Counter[str] = Counter()
    asked, seconds, stale = Counter[str](), [], Counter[str]()
    listed = [0]
    stopped = threading.Event()
    with installed.serving() as server:

        def client(number: int) -> None:
            while not stopped.is_set():
                before = listed[0]
                name = "complaints@previous" if number == 3 else "complaints"
                path = CLASSIFY if number % 2 else CHAT
                text = {"input": "My card."} if number % 2 else {"messages": [{"role": "user", "content": "My card."}]}
                try:
                    status, found = post(server.port, path, {"model": name, **text}, HANG_SECONDS)
                except (OSError, HTTPException) as error:
                    status, found = 0, {"error": {"code": type(error).__name__}}
                asked[name] += 1
                if status != 200:
                    errors[f"{name} {status} {found['error']['code']}"] += 1
                elif number == 1 and number_of(str(found["release"])) < before:
                    stale[name] += 1

        def swap(number: int) -> None:
            at = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(minutes=number)
            made = installed.complaints.releases(installed.checkpoints[number % 2], released_at=at.isoformat())
            started = time.monotonic()
            while released(server.port) != made.id:
                if time.monotonic() - started > 60:
                    errors["not served within 60 seconds"] += 1
                    return
                time.sleep(0.05)
            seconds.append(time.monotonic() - started)
            listed[0] = number_of(made.id)

        threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
        swap(0)  # there is a previous release from here on
        for thread in threads:
            thread.start()
        for number in range(1, arguments.swaps + 1):
            swap(number)
        stopped.set()
        for thread in threads:
            thread.join()
    return {
        "swaps": arguments.swaps,
        "asked": sum(asked.values()),
        "errors": sum(errors.values()) + sum(stale.values()),
        "kinds": dict(errors.most_common()),
        "stale_answers": sum(stale.values()),
        "seconds_until_served": {"median": round(statistics.median(seconds), 2), "most": round(max(seconds), 2)},
    }


def released(port: int) -> str:
    found = get(port, "/v1/models").get("data", ())
    return next((one["release"] for one in found if one["id"] == "complaints"), "")


def number_of(release: str) -> int:
    return int(release.rpartition("-")[2])


# Recovery


def recovery(installed: Installed, arguments: argparse.Namespace) -> dict[str, Any]:
    port, stopped, seconds, cpu = free_port(), threading.Event(), [], []
    loop = f"while :; do {shlex.join(installed.command()).replace('{port}', str(port))}; done"
    supervisor = installed.server(["bash", "-c", loop], port)

    def client(_number: int) -> None:
        while not stopped.is_set():
            with suppress(OSError, HTTPException):
                post(port, CHAT, {"model": "support", "messages": [{"role": "user", "content": "Why?"}]}, 5)
            time.sleep(0.01)

    try:
        supervisor.wait(both_answer, 120)
        threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(arguments.kills):
            time.sleep(3)
            killed = supervisor.family()[-1]
            started = time.monotonic()
            killed.kill()
            while not _answers(port):
                if time.monotonic() - started > 120:
                    raise SystemExit("the server did not come back")
                time.sleep(0.05)
            seconds.append(time.monotonic() - started)
            cpu.append(sum(supervisor.family()[-1].cpu_times()[:2]))
    finally:
        stopped.set()
        supervisor.stop()
    return {
        "kills": arguments.kills,
        "seconds": [round(one, 2) for one in seconds],
        "cpu_seconds_of_a_start": round(statistics.median(cpu), 2),
    }


def _answers(port: int) -> bool:
    try:
        return post(port, CLASSIFY, LABEL, 1)[0] == 200
    except (OSError, HTTPException):
        return False


# Results


USED = {"fuzz": ("requests", "seed"), "overload": ("seconds", "tokens"), "swaps": ("swaps",), "recovery": ("kills",)}
MEASURES: dict[str, Callable[[Installed, argparse.Namespace], dict[str, Any]]] = {
    "fuzz": fuzz,
    "overload": overload,
    "swaps": swaps,
    "recovery": recovery,
}


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """What was measured of it, None where it was not."""
    fuzz, overload, swaps, recovery = (found.get(part) for part in PARTS)
    return {
        "fuzzed": fuzz and fuzz["requests"],
        "status_500": fuzz and fuzz["statuses"].get("500", 0),
        "hangs": fuzz and fuzz["statuses"].get("hang", 0),
        "overload_p95_ratio": overload and overload["p95_ratio"],
        "swap_errors": swaps and swaps["errors"],
        "recovery_s": recovery and max(recovery["seconds"]),
        "details": found,
    }


def page(found: dict[str, Any]) -> str:
    """docs/benchmarks/serving_faults.md."""
    fuzz, overload, swaps, recovery = (found[part] for part in PARTS)
    statuses, megabytes = fuzz["statuses"], fuzz["megabytes"]
    told = ", ".join(f"{count:,} x {status}" for status, count in overload["statuses"].items())
    kinds = "; ".join(f"{count:,} x {kind}" for kind, count in swaps["kinds"].items()) or "none"
    rows = {
        "hostile requests": f"{fuzz['requests']:,}, {fuzz['half_open']:,} half-open connections beside them",
        "their answers": ", ".join(f"{count:,} x {status}" for status, count in statuses.items()),
        "status 500, hangs (30 s)": f"{statuses.get('500', 0)}, {statuses.get('hang', 0)}",
        "slowest of them": f"{fuzz['slowest_seconds']} s",
        "memory at the start, in the middle, at the end": f"{' MB, '.join(map(str, megabytes))} MB",
        "growth in the second half": f"{fuzz['megabytes_per_1000_requests']} MB for 1,000 requests",
        "overload, ten times the capacity": f"{overload['requests_a_second']} requests a second: {told}",
        "answers a second": f"{overload['accepted_a_second']}, by numbers of clients who wait: "
        + ", ".join(f"{rate} ({n})" for n, rate in overload["answers_a_second_by_clients"].items()),
        "p95 of accepted requests": f"{overload['p95']} s, {overload['p95_ratio']} times that at capacity"
        f" ({overload['p95_at_capacity'][0]} s before, {overload['p95_at_capacity'][1]} s after)",
        "p95 of refusals": f"{overload['p95_of_refusals']} s; without `Retry-After`:"
        f" {overload['refused_without_retry_after']}",
        "memory under overload": f"{overload['megabytes'][0]} to {overload['megabytes'][1]} MB",
        "swaps of the release": f"{swaps['swaps']}, under {swaps['asked']:,} requests",
        "errors": f"{swaps['errors']:,} ({kinds}); answers of an earlier release: {swaps['stale_answers']}",
        "until a release is served": f"{swaps['seconds_until_served']['median']} s (median)",
        "kill -9, until it answers": f"{', '.join(map(str, recovery['seconds']))} s;"
        f" {recovery['cpu_seconds_of_a_start']} cpu-seconds each",
    }
    table = "\n".join(f"| {what} | {value} |" for what, value in rows.items())
    return PAGE.format(rows=table, clients=overload["clients_at_capacity"], machine=machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="installation and results")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--requests", type=int, default=20_000, help="hostile ones")
    parser.add_argument("--seed", type=int, default=1, help="of hostile requests")
    parser.add_argument("--seconds", type=float, default=120, help="of overload")
    parser.add_argument("--tokens", type=int, default=300, help="longest answer under overload")
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="also write docs/benchmarks/serving_faults.md")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.write and set(arguments.only) != set(PARTS):
        parser.error("--write needs every part")
    with alone(arguments.folder):
        found = measured(arguments)
    if arguments.write:
        DOCS.write_text(page(found), encoding="utf-8")
    print(json.dumps(summary(found), indent=None if arguments.json else 1))


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    os.environ |= {"OMP_NUM_THREADS": "1", "FT_THREADS": "1"}
    code = code_hash(REPOSITORY / "ft_platform" / "serving")
    made = cache(lambda: Installed(arguments.folder.resolve()))
    found = {}
    for part in arguments.only:
        named = {name: getattr(arguments, name) for name in USED[part]}
        file = arguments.folder / "serving_faults" / f"{part}-{key_of([named, code])}.json"
        found[part] = kept(file, lambda part=part: MEASURES[part](made(), arguments))
        print(part, json.dumps(found[part]), file=sys.stderr)
    return found


if __name__ == "__main__":
    main()
