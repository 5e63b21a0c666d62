"""Runs `raw_records` and `permitted_records` once for every point at which they touch the disk, and stops each run at
its point.

A program of its own: it forks a child for every run, before arrow or delta-rs have started a thread. A point is an
opened, renamed or removed file, a made folder, or a batch that is handed to delta-rs. Prints one line of JSON for each
point.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from ft_platform.errors import DiskFull
from ft_platform.governance import second_look, taint  # noqa: F401  # imported here, so that no child does
from ft_platform.governance.taint import tainted_now
from ft_platform.lake import tables
from ft_platform.monitoring.traffic import batches, shipping  # noqa: F401
from ft_platform.records.profiling.languages import languages
from ft_platform.sources import formats, ingest  # noqa: F401
from ft_platform.use_case.environment import create_pseudonym_key
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.governance.house import House, rows

GROWS = ("os.rename", "os.mkdir", "os.truncate")
EVENTS = (*GROWS, "os.remove", "os.rmdir", "shutil.rmtree")
"""Of `sys.addaudithook`; a disk that is full lets files be removed."""
ROWS = 60
STAGES = ("raw_records", "permitted_records")
WRITTEN = (*STAGES, "permitted_records_removed")


def house_in(home: Path) -> House:
    return House(Environment(home=home / "home", defs=home / "defs", tracking_uri="none"), ledger=True)


def before(home: Path) -> None:
    """A first version of everything."""
    house = house_in(home)
    create_pseudonym_key(house.environment)
    house.write(rows(ROWS))
    house.write_ledger(**{f"p{n}": "yes" for n in range(ROWS + 20)})
    house.build()


def change(home: Path) -> None:
    """Rows that are new, changed and withdrawn, and a person who withdrew."""
    house = house_in(home)
    house.write(rows(ROWS + 20, consent={3: "withdrawn"}, text={5: "a complaint that was told anew"}))
    house.write_ledger(**{f"p{n}": "withdrawn" if n == 7 else "yes" for n in range(ROWS + 20)})


def state(home: Path) -> dict[str, Any]:
    """What can be read in the lake now: every version of the tables is compared with its hash."""
    lake = house_in(home).lake
    found: dict[str, Any] = {}
    for name in WRITTEN:
        versions = [lake._handle(manifest, "restricted") for manifest in lake.manifests("tests", name, "restricted")]
        for version in versions:
            lake.verify_table(version)
        found[name] = [versions[0].content_hash, versions[0].rows]
    ids = [
        record_id
        for name in STAGES
        for record_id in lake.read_table(lake.latest("tests", name), ["record_id"])["record_id"].to_pylist()
    ]  # type: ignore[arg-type]
    found["ids"] = len(ids), len(set(ids))
    found["marked"] = sorted(one["version"] for one in tainted_now(lake, "tests"))
    return found


def stop_at(point: int, stop: Callable[[], None]) -> Callable[[], int]:
    """Calls `stop` when this many points are passed, counted from 1. Returns what tells how many there were."""
    passed = 0

    def count() -> None:
        nonlocal passed
        passed += 1
        if passed == point:
            stop()

    events = GROWS if stop is full else EVENTS

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in events or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        ):
            count()

    real = tables.ContentHash.add

    def add(self: Any, batch: Any) -> None:
        count()
        real(self, batch)

    tables.ContentHash.add = add  # type: ignore[method-assign]
    sys.addaudithook(hook)
    return lambda: passed


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def full() -> None:
    raise OSError(28, "No space left on device")


def run_and_stop(home: Path, point: int, stop: Callable[[], None]) -> dict[str, Any]:
    passed = stop_at(point, stop)
    try:
        house_in(home).permit()
    except (DiskFull, dg.Failure) as error:
        return {"error": str(error)}
    return {"completed": passed()}


def in_child(work: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """What `work` returns in a process of its own, or the signal that ended it."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        try:
            told = json.dumps(work(*arguments) or {})
        except BaseException as error:  # told to the test, which fails on it
            told = json.dumps({"raised": f"{type(error).__name__}: {error}"})
        os.write(writing, told.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    return {"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else json.loads(told)


def prepare_imports() -> None:
    """What takes seconds and would be done by every child."""
    with dg.DagsterInstance.ephemeral():
        languages(["a text"])


def stopped(home: Path, point: int, stop: Callable[[], None]) -> dict[str, Any]:
    """One point: the lake after the run that was stopped, and after the next one."""
    told = {"stopped": in_child(run_and_stop, home, point, stop)}

    def recover() -> dict[str, Any]:
        return {"left": state(home), "again": run_and_stop(home, 0, stop), "after": state(home)}

    return {**told, **in_child(recover)}


def main(folder: Path, how: str, step: int) -> None:
    """Every run is in the same folder, because its path is part of the settings."""
    formats.BATCH_ROWS = formats.ROWS_BETWEEN_LOOKS = 16
    stop = {"kill": killed, "full": full}[how]
    home, start = folder / "run", folder / "start"
    (home / "defs").mkdir(parents=True)
    prepare_imports()

    def tell(**what: Any) -> None:
        print(json.dumps(what), flush=True)

    assert [in_child(work, home) for work in (before, change)] == [{}, {}]
    shutil.copytree(home, start)
    last = in_child(run_and_stop, home, 0, stop)["completed"]
    tell(points=last, before=in_child(state, start), after=in_child(state, home))
    for point in range(1, last + 1, step):
        shutil.rmtree(home)
        shutil.copytree(start, home)
        tell(point=point, **stopped(home, point, stop))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
