"""Values of records along every way out of code that is not ours: events, runs, ticks, output, values. Every byte
outside `restricted/` is searched."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.scheduler.instigation import TickData, TickStatus
from dagster._core.storage.compute_log_manager import ComputeIOType
from dagster._core.utils import make_new_run_id
from dagster._utils.error import serializable_error_info_from_exc_info

from ft_platform.assets.stage import with_typed_failures
from ft_platform.errors import FtError, SourceError
from ft_platform.process import hooks
from ft_platform.process.hidden_names import hide
from ft_platform.redaction.instance import guard
from ft_platform.redaction.output import output_to
from ft_platform_tests.attacks.area import Area, Attack
from ft_platform_tests.planted import places_of, readable

Body = Callable[[Any, str], Any]
FIRST, LAST = ("Zebulon", "Marta", "Quirin", "Ottilie"), ("Quillfeather", "Drosselmeyer", "Brisbois", "Ostrander")


class Panic(BaseException):
    """What a panic in Rust becomes."""


def secret(random: Random) -> str:
    """A name, e-mail address, id, key, card, account or telephone number of nobody."""
    first, last = random.choice(FIRST), random.choice(LAST)
    digits = "".join(random.choices("0123456789", k=16))
    return random.choice(
        [
            f"{first} {last} {digits[:3]}",
            f"{first}.{last}{digits[:4]}@mail.example".lower(),
            f"subject-{digits[:9]}",
            f"sk-{random.randbytes(12).hex()}",
            " ".join(digits[n : n + 4] for n in range(0, 16, 4)),
            f"DE{digits[:2]} 3704 0044 {digits[4:8]} {digits[8:12]}",
            f"+1 212 555 {digits[:4]}",
            f"{digits[:4]} {last} Hill Road, Zürich",
        ]
    )


def raises(kind: type[BaseException]) -> Body:
    def body(_context: Any, value: str) -> None:
        raise kind(f"cannot handle {value}")

    return body


def chained(_context: Any, value: str) -> None:
    try:
        raise KeyError(value)
    except KeyError as inner:
        raise RuntimeError("wrong") from inner


def noted(_context: Any, value: str) -> None:
    error = FtError("a clear error of ours")
    error.add_note(f"seen: {value}")
    raise error


def native(_context: Any, value: str) -> None:
    os.write(2, f"thread panicked at {value}\n".encode())


def threaded(_context: Any, value: str) -> None:
    """A thread that outlives its step."""
    thread = threading.Thread(target=raises(ValueError), args=(None, value))
    thread.start()
    thread.join()


def started(_context: Any, value: str) -> None:
    subprocess.run(["/bin/echo", value], check=True)


def metadata(build: Callable[[str], dict[str, Any]]) -> Body:
    return lambda _context, value: dg.MaterializeResult(metadata=build(value))


def number_of(value: str) -> int:
    """A number of nine digits in place of a text."""
    return 900_000_000 + int("".join(filter(str.isdigit, value))[:8] or "1")


def file_name(_context: Any, value: str) -> None:
    hide(f"/data/letters/{value}.csv")

    @with_typed_failures
    def stage() -> None:
        raise SourceError(f"/data/letters/{value}.csv is empty (0 bytes)", "Export it again")

    stage()


STEPS: dict[str, Body] = {
    "an exception": raises(ValueError),
    "a failure": raises(dg.Failure),
    "a panic": raises(Panic),
    "a panic in a stage of ours": lambda context, value: with_typed_failures(raises(Panic))(context, value),
    "an exit": raises(SystemExit),
    "a cause": chained,
    "a note on an error of ours": noted,
    "metadata of a failure": (
        lambda _context, value: (_ for _ in ()).throw(dg.Failure("failed", metadata={"who": value}))
    ),
    "a log line": lambda context, value: context.log.info(value),
    "a critical log line": lambda context, value: context.log.critical(value),
    "metadata": metadata(lambda value: {"who": value}),
    "a list in metadata": metadata(lambda value: {"who": dg.MetadataValue.json([value])}),
    "a key in metadata": metadata(lambda value: {"who": dg.MetadataValue.json({value: 1})}),
    "a table in metadata": metadata(lambda value: {"who": dg.MetadataValue.table([dg.TableRecord({"text": value})])}),
    "a path in metadata": metadata(lambda value: {"who": dg.MetadataValue.path(f"/data/{value}.csv")}),
    "a label of metadata": metadata(lambda value: {value: 1}),
    "a number in metadata": metadata(lambda value: {"who": number_of(value)}),
    "a data version": lambda _context, value: dg.MaterializeResult(data_version=dg.DataVersion(value)),
    "a tag": lambda _context, value: dg.MaterializeResult(
        tags={"who": value.replace(" ", ".").replace("+", "").replace("@", ".").replace(",", "")[:60]}
    ),
    "output of Python": lambda _context, value: print(value),
    "errors of Python": lambda _context, value: print(value, file=sys.stderr),
    "output past Python": native,
    "output of another process": started,
    "a returned value": lambda _context, value: value,
    "a value of the wrong type": lambda _context, value: dg.Output(value, metadata={"who": value}),
    "an exception of a thread": threaded,
    "the name of a file": file_name,
    "an event of the engine": lambda context, value: context.instance.report_engine_event(value, context.run),
}
"""Way out -> what a step does with the value."""


ALONE = ("a panic", "an exit")
"""Steps that may end a whole run: each has one of its own."""


class Installation:
    """A guarded instance in a folder, and a stand-in for its terminal. All values are planted first and looked for
    once: runs and searches cost the most."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.planted: dict[str, str] = {}
        self._readable: dict[str, bytes] | None = None

    def broke(self, way: str) -> str | None:
        """Where the value of one way out stands."""
        if self._readable is None:
            self._plant()
            self._readable = readable(self.folder)
        value = self.planted[way]
        values = [value, str(number_of(value))] if way.startswith("a number") else [value]
        return ", ".join(sorted({place for one in values for place in places_of(one, self._readable)})) or None

    def _plant(self) -> None:
        home = self.folder / "dagster"
        home.mkdir(parents=True)
        self.instance = guard(dg.DagsterInstance.local_temp(str(home)))
        others = {"a check": self.check, "the log of a sensor": self.sensor_log} | {
            way: getattr(self, name) for way, name in RECORDS.items()
        }
        steps = {way: value for way, value in self.planted.items() if _kind(way) in STEPS}
        alone = [way for way in steps if _kind(way).startswith(ALONE)]
        before = sys.excepthook, threading.excepthook, sys.unraisablehook
        with output_to(self.folder / "terminal.out", self.folder / "terminal.err"):
            hooks.install_hooks()
            try:
                for group in ([way for way in steps if way not in alone], *([way] for way in alone)):
                    self._run(
                        [_asset(f"letters_{number}", STEPS[_kind(way)], steps[way]) for number, way in enumerate(group)]
                    )
                for way, value in self.planted.items():
                    if way not in steps:
                        others[_kind(way)](value)
            finally:
                sys.excepthook, threading.excepthook, sys.unraisablehook = before

    def _run(self, assets: list[Any], checks: list[Any] | None = None) -> None:
        definitions = dg.Definitions(
            assets=assets, asset_checks=checks or [], jobs=[dg.define_asset_job("job", assets)]
        )
        definitions.resolve_job_def("job").execute_in_process(instance=self.instance, raise_on_error=False)

    def check(self, value: str) -> None:
        asset = _asset("checked", lambda *_: None, value)

        @dg.asset_check(asset=asset)
        def fits() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=False, description=value, metadata={"who": value})

        self._run([asset], [fits])

    def thread(self, value: str) -> None:
        threaded(None, value)

    def sensor_log(self, value: str) -> None:
        with self.instance.compute_log_manager.open_log_stream(["sensor", "1"], ComputeIOType.STDERR) as file:
            file.write(value)  # type: ignore[union-attr]

    def tags(self, value: str) -> None:
        run = dg.DagsterRun("job", tags={"who": value})
        self.instance.add_run(run)
        self.instance.add_run_tags(run.run_id, {"again": value})

    def config(self, value: str) -> None:
        """Refused, or else it would lie in the database."""
        with suppress(FtError):
            self.instance.add_run(dg.DagsterRun("job", run_config={"ops": {"nothing": {"config": {"who": value}}}}))

    def tick(self, value: str) -> None:
        try:
            raise ValueError(value)
        except ValueError:
            error = serializable_error_info_from_exc_info(sys.exc_info())
        self._tick(TickStatus.FAILURE, error=error)

    def reason(self, value: str) -> None:
        self._tick(TickStatus.SKIPPED, skip_reason=f"{value} is missing")

    def _tick(self, status: TickStatus, **fields: Any) -> None:
        self.instance.create_tick(
            TickData("origin", "sensor", InstigatorType.SENSOR, status, timestamp=0.0, selector_id="selector", **fields)
        )

    def backfill(self, value: str) -> None:
        self.instance.add_backfill(
            PartitionBackfill(
                make_new_run_id(),
                BulkActionStatus.REQUESTED,
                from_failure=False,
                tags={"who": value},
                backfill_timestamp=0.0,
                title=value,
            )
        )


RECORDS = {
    "a thread of a command": "thread",
    "tags of a run": "tags",
    "configuration of a run": "config",
    "an error of a sensor": "tick",
    "why a sensor skips": "reason",
    "a backfill": "backfill",
}
"""Way out beside steps -> method of `Installation`."""


def _kind(way: str) -> str:
    """A way out without its number."""
    return way.rsplit(" ", 1)[0]


def _asset(name: str, body: Body, value: str) -> Any:
    def compute(context: dg.AssetExecutionContext) -> Any:
        return body(context, value)

    if body is STEPS.get("a value of the wrong type"):
        compute.__annotations__["return"] = int
    return dg.asset(name=name)(compute)


def cases(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    """Each way out with values of its own."""
    installation = Installation(folder)
    ways = [
        f"{kind} {number + 1}"
        for kind in (*STEPS, "a check", "the log of a sensor", *RECORDS)
        for number in range(max(size // 3, 1))
    ]
    installation.planted = {way: secret(random) for way in ways}
    for way in ways:
        yield way, lambda way=way: installation.broke(way)


@contextmanager
def open_compute_logs() -> Iterator[None]:
    """Output of steps goes where it went before: beside the database, and onto the terminal."""
    from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

    with patch(
        "ft_platform.redaction.instance.RestrictedComputeLogs",
        lambda withheld: LocalComputeLogManager(str(withheld.folder.parent / "storage")),
    ):
        yield


@contextmanager
def python_own_hooks() -> Iterator[None]:
    """Python's own hooks, also where a command of this process has put ours in their place before."""
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    sys.excepthook, threading.excepthook, sys.unraisablehook = (
        sys.__excepthook__,
        threading.__excepthook__,
        sys.__unraisablehook__,
    )
    try:
        with patch("ft_platform.process.hooks.install_hooks", lambda: None):
            yield
    finally:
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


DEFENCES: dict[str, Callable[[], Any]] = {
    "edge_of_events": lambda: patch("ft_platform.redaction.edge.Edge.passed", lambda _edge, thing, _name, **_: thing),
    "edge_of_sentences": lambda: patch("ft_platform.redaction.edge.Edge.sentence", lambda _edge, text, _name: text),
    "edge_of_tags": lambda: patch("ft_platform.redaction.edge.Edge.tags", lambda _edge, tags: dict(tags)),
    "no_text_in_run_config": lambda: patch("ft_platform.redaction.instance._texts", lambda *_: ()),
    "restricted_compute_logs": open_compute_logs,
    "restricted_values": lambda: patch(
        "ft_platform.redaction.instance._values", lambda withheld: str(withheld.folder.parent / "values")
    ),
    "excepthooks": python_own_hooks,
    "short_numbers": lambda: patch("ft_platform.redaction.edge.few_digits", lambda _value: True),
    "hidden_file_names": lambda: patch("ft_platform.redaction.edge.without_names", lambda text: text),
    "console": lambda: patch("ft_platform.redaction.console.Passed.filter", lambda _filter, _record: True),
    "foreign_texts": lambda: patch("ft_platform.redaction.edge.is_vouched", lambda _text: True),
}
AREA = Area(name="secrets", cases=cases, defences=DEFENCES)
