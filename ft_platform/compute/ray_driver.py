"""The driver of one program on a Ray cluster: reserves nodes, starts the program on them, and ends as it ends. Started
by back end `ray` as a job, on the head node: `python -m ft_platform.compute.ray_driver`.

A node that is lost or drained ends the whole program; the orchestrator submits it again, and a training goes on from
its last saved state. With placement `SPREAD` or `PACK` the same number of processes runs on fewer nodes then, if these
have room, so the weights stay equal.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ft_platform.compute.backends.ray import LOST, ORDERS, REFUSED, SAYS, SINCE, TOO_LARGE, TOO_LONG
from ft_platform.compute.running import OnThisMachine
from ft_platform.lake.file_systems import out_of_reach
from ft_platform.process.family import descendants, kill_all
from ft_platform.process.hooks import install_hooks

POLL_SECONDS, SAY_SECONDS = 0.3, 5.0
OTHERS_SECONDS = 45.0
"""How long the other nodes are asked whether they live, after the program failed on one. Ray says that a node is dead
after about 30 seconds without an answer; processes of the others fail at once then."""

NO_MEMORY = "Ray ended it, because a node had no memory left"


class Ended(Exception):
    """The driver ends with this exit code.

    Args:
        words: the reason, for the orchestrator.
    """

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class OneNode:
    """What runs on one of the nodes: an actor, which lives in a process there. The program ends with this process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None

    def place(self) -> tuple[str, str, int]:
        """Ray's id of this node, its address, and a port that is free there now."""
        import ray

        with socket.socket() as one:
            one.bind(("", 0))
            return ray.get_runtime_context().get_node_id(), ray.util.get_node_ip_address(), one.getsockname()[1]

    def start(self, command: list[str], variables: dict[str, str]) -> bool:
        """Whether there is such an interpreter. The program has the variables of the node, less those of Ray."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", ORDERS))}
        own.pop("OMP_NUM_THREADS", None)  # Ray's guess; the use case says it
        try:
            with _signals_allowed():
                self._process = subprocess.Popen(command, env={**own, **variables})
        except (FileNotFoundError, PermissionError):
            return False
        return True

    def exit_code(self) -> int | None:
        """None: it runs."""
        assert self._process
        return self._process.poll()

    def ask_to_save(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self, grace_seconds: float) -> None:
        if self._process:
            OnThisMachine(self._process).stop(grace_seconds)

    def kill(self) -> None:
        """Without a word: asked to end, the program would report that, and not why it ended on another node."""
        if self._process and self._process.poll() is None:
            family = descendants(self._process.pid)
            self._process.kill()
            kill_all(family)


@contextmanager
def _signals_allowed() -> Iterator[None]:
    """What is started meanwhile gets SIGINT and SIGTERM, which Ray's processes block or ignore."""
    both = (signal.SIGINT, signal.SIGTERM)
    mask = signal.pthread_sigmask(signal.SIG_SETMASK, [])
    handlers = {one: signal.signal(one, signal.SIG_DFL) for one in both}
    try:
        yield
    finally:
        for one, handler in handlers.items():
            signal.signal(one, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def main() -> int:
    """The exit code: of the program, 128 and the number of a signal, or one of `backends.ray.CAUSES`."""
    install_hooks()
    say("begins")
    orders = json.loads(os.environ[ORDERS])
    try:
        variables = _taken(orders)
        import ray

        ray.init(log_to_driver=False, configure_logging=False)
        signal.signal(signal.SIGTERM, _told_to_end)
        signal.signal(signal.SIGINT, _told_to_end)
        nodes = _placed(orders)
        try:
            return _run(orders, variables, nodes)
        finally:
            _stop(nodes, orders["grace_seconds"])
    except Ended as ended:
        say(ended.words)
        return ended.code
    except KeyboardInterrupt:
        return 1


def say(words: str) -> None:
    print(f"{SAYS}{words}", flush=True)


def _told_to_end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _taken(orders: dict[str, Any]) -> dict[str, str]:
    from cryptography.exceptions import InvalidTag

    from ft_platform.compute.handed_over import take
    from ft_platform.errors import FtError
    from ft_platform.lake.opening import open_lake
    from ft_platform.use_case.environment import load_environment

    environment = load_environment()
    try:
        return take(open_lake(environment), orders["use_case"], orders["job"], orders["key"])
    except FileNotFoundError:
        raise Ended(REFUSED, f"the head node finds another lake, or none, at {environment.lake_uri}") from None
    except InvalidTag:
        raise Ended(LOST, "its variables were handed over again") from None
    except (FtError, OSError) as error:
        code = LOST if out_of_reach(error) else REFUSED
        raise Ended(code, f"the head node cannot read the lake ({type(error).__name__})") from None


def _placed(orders: dict[str, Any]) -> list[Any]:
    """An actor on each of the nodes, in one placement group: all of them or none."""
    import ray
    from ray.util.placement_group import placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    each, count = dict(orders["each"]), orders["nodes"]
    try:
        group = placement_group([each] * count, strategy=orders["placement"])
    except ValueError as error:
        raise Ended(REFUSED, f"Ray refuses the resources: {error}") from None
    said = ""
    while not group.wait(1 if not said else SAY_SECONDS):
        if (words := _waits(ray.nodes(), each, count)) != said:
            say(words)
            said = words
    others = {name: amount for name, amount in each.items() if name not in ("CPU", "GPU", "memory")}
    options = {
        "num_cpus": each["CPU"],
        "num_gpus": each.get("GPU", 0),
        "memory": each.get("memory"),
        "resources": others,
        "max_restarts": 0,
    }
    places = [PlacementGroupSchedulingStrategy(group, number) for number in range(count)]
    return [ray.remote(OneNode).options(scheduling_strategy=place, **options).remote() for place in places]


def _waits(nodes: list[dict[str, Any]], each: dict[str, float], count: int) -> str:
    needs = f"{count} x {', '.join(f'{name} {amount:g}' for name, amount in each.items())}"
    have = [one["Resources"] for one in nodes if one["Alive"]]
    fits = any(all(one.get(name, 0) >= amount for name, amount in each.items()) for one in have)
    return needs if fits else f"{needs}, which no node of the cluster has now"


def _run(orders: dict[str, Any], variables: dict[str, str], nodes: list[Any]) -> int:
    """The program from its start to its end on all nodes."""
    places = _everywhere(nodes, "place")
    commands = [_command(orders, number, places[0]) for number in range(len(nodes))]
    began, until = time.time(), time.monotonic() + orders["seconds"]
    started = _answers([one.start.remote(command, variables) for one, command in zip(nodes, commands, strict=True)])
    if not all(started):
        raise Ended(REFUSED, f"a node has no interpreter {orders['python']}")
    say(f"{SINCE}{began}")
    while True:
        codes = _everywhere(nodes, "exit_code")
        if any(codes):
            return _failed(nodes)
        if None not in codes:
            return 0
        if {place[0] for place in places} & set(_draining()):
            _leave(nodes, orders["grace_seconds"])
        if time.monotonic() > until:
            raise Ended(TOO_LONG, "it ran longer than it may")
        time.sleep(POLL_SECONDS)


def _command(orders: dict[str, Any], number: int, first: tuple[str, str, int]) -> list[str]:
    begin = [orders["python"], "-m"]
    if not orders["together"]:
        return [*begin, orders["module"]]
    where = ["--standalone"]
    if orders["nodes"] > 1:
        where = [f"--nnodes={orders['nodes']}", f"--node-rank={number}"]
        where += [f"--master-addr={first[1]}", f"--master-port={first[2]}"]
    group = [f"--nproc-per-node={orders['together']}", "--module", orders["module"]]
    return [*begin, "ft_platform.programs.together", *where, *group]


def _failed(nodes: list[Any]) -> int:
    """The code of the process that failed first, as far as can be told: the others lose their connection to it. Where a
    whole node is gone, that is the reason."""
    time.sleep(POLL_SECONDS)
    codes = [code for code in _everywhere(nodes, "exit_code", seconds=OTHERS_SECONDS) if code]
    _everywhere(nodes, "kill")
    signals = [-code for code in codes if code < 0]
    return 128 + signals[0] if signals else codes[0]


def _leave(nodes: list[Any], grace_seconds: float) -> None:
    """Nodes that are drained, for a preemption or to be taken away: a training saves its state."""
    _everywhere(nodes, "ask_to_save")
    until = time.monotonic() + grace_seconds
    while None in _everywhere(nodes, "exit_code") and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    raise Ended(LOST, "one of its nodes is drained")


def _draining() -> dict[str, int]:
    """Ids of nodes that are to go. Ray 2.60 has no public name for it; its own Ray Train asks the same."""
    from ray._private.state import state

    return dict(state.get_draining_nodes())


def _stop(nodes: list[Any], grace_seconds: float) -> None:
    """On all nodes that are there."""
    for call in [one.stop.remote(grace_seconds) for one in nodes]:
        with suppress(Ended):
            _answers([call])


def _everywhere(nodes: list[Any], method: str, *given: Any, seconds: float | None = None) -> list[Any]:
    return _answers([getattr(one, method).remote(*given) for one in nodes], seconds)


def _answers(calls: list[Any], seconds: float | None = None) -> list[Any]:
    """Of all nodes.

    Raises:
        Ended: one of them is gone, or its memory was too small.
    """
    import ray
    from ray import exceptions

    try:
        return ray.get(calls, timeout=seconds)
    except exceptions.OutOfMemoryError:
        raise Ended(TOO_LARGE, NO_MEMORY) from None
    except exceptions.RayActorError as error:
        if "low on memory" in str(error):
            raise Ended(TOO_LARGE, NO_MEMORY) from None
        raise Ended(LOST, "one of its nodes does not answer any more") from None
    except exceptions.GetTimeoutError:
        raise Ended(LOST, "one of its nodes does not answer any more") from None


if __name__ == "__main__":
    # Under its own name: Ray finds `OneNode` on the nodes by it.
    from ft_platform.compute import ray_driver

    sys.exit(ray_driver.main())
