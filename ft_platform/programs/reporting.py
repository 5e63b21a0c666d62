"""What every program does around its work: prepares the process, reads its orders, reports progress, result and
failure.

Started by a compute back end it talks Dagster Pipes; started by hand it reads `--use-case` and writes to the terminal.
Messages: `{"progress": Update}`, `{"artifact": ..., ...}` at the end, or `{"failed": {"type", "message",
"next_step"}}`. No message holds a record's text: of an unexpected exception only type and place are passed on.
"""

import argparse
import ctypes
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ft_platform.errors import ConfigError, FtError, MissingExtra, Superseded, VersionRefused
from ft_platform.lake.opening import open_lake
from ft_platform.lake.versions import TableVersion, from_dict
from ft_platform.process import progress
from ft_platform.process.cores import spin_count, threads
from ft_platform.process.hooks import install_hooks, place_of_error
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.program_variables import TASK
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment

PROGRESS_SECONDS = 1.0
LOG_SECONDS = 10.0
MESSAGES, LAUNCH = "DAGSTER_PIPES_MESSAGES", "launch"
"""Variable that says where messages go; key in it of a program on another machine."""
PR_SET_PDEATHSIG = 1
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1
TRAIN_MODULES = {"torch", "transformers", "peft", "safetensors", "tokenizers", "huggingface_hub", "gguf"}
"""Modules that the extra `train` brings."""


def prepare_process() -> None:
    """Settings that must be made before torch is imported.

    PASSIVE: with another busy process, two spinning OpenMP threads fall to a few tokens per second; how long they spin
    is `spin_count`. mallopt: without it, every large tensor is a fresh mapping whose pages fault in again (10 to
    40 % of a training step). Parent-death signal: a killed run worker must not leave a second trainer behind.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", str(spin_count()))
    os.environ.setdefault("OMP_NUM_THREADS", str(threads()))
    # oneDNN keeps 1024 kernels with their memory, and packed batches ask for new shapes all the time: SmolLM2-135M
    # stood at 1.29, 1.50 and 1.68 GiB after 8, 16 and 24 steps, with 64 at 1.07, 1.09 and 1.09 (batches of 8 rows,
    # resident memory after malloc_trim).
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if sys.platform == "linux":
        if "DAGSTER_PIPES_CONTEXT" in os.environ:  # started by hand, it may outlive the shell
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        libc = ctypes.CDLL(None, use_errno=True)
        if hasattr(libc, "mallopt"):
            libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
            libc.mallopt(M_TRIM_THRESHOLD, 1 << 30)


class Program:
    """One run of a program.

    Attributes:
        use_case: what to work on.
        environment, lake: where.
        extras: orders of the back end, e.g. version handles.
        log: logger whose lines reach the Dagster UI.
    """

    def __init__(self, name: str, use_case: NamedUseCase, extras: Mapping[str, Any], pipes: Any | None) -> None:
        self.name, self.use_case, self.extras, self._pipes = name, use_case, extras, pipes
        self.environment: Environment = load_environment()
        self.lake = open_lake(self.environment)
        self.log: logging.Logger = pipes.log if pipes else logging.getLogger(f"ft_platform.{name}")
        self._progress_at = self._log_at = 0.0
        self._run: Any | None = None

    def table(self, name: str) -> TableVersion | None:
        """The version of a table that the back end handed over; by hand, the newest."""
        if name in self.extras:
            version = from_dict(self.extras[name])
            assert isinstance(version, TableVersion)
            return version
        return self.lake.latest(self.use_case.name, name)

    def usable_splits(self) -> TableVersion:
        """The splits to train on, after the gate. Started by hand it also asks for memory and budget, as a back end has
        done before it started this program.

        Raises:
            VersionRefused: there are none, or they may not be used.
            BudgetExceeded, DoesNotFit: with numbers, setting and next step.
        """
        from ft_platform.lake.gate import require_usable

        splits = self.table("splits")
        if splits is None:
            raise VersionRefused(f"{self.use_case.name} has no splits", f"Run: ft run {self.use_case.name}")
        require_usable(self.lake, self.use_case, splits)
        if self._pipes is None:
            from ft_platform.training.experiments.admission import admit_program

            admit_program(self.lake, self.environment, self.use_case, self.name, splits, self.log)
        return splits

    @contextmanager
    def metered(self) -> Iterator[None]:
        """Started by hand: notes in the ledger of costs what the block took. A back end notes it for the programs that
        it starts."""
        if self._pipes is not None:
            yield
            return
        from ft_platform.costs.metering import metered

        profile = self.environment.profile(self.use_case.settings.compute.profile)
        with metered(self.lake, self.use_case, profile, self.name, own=True) as self._run:
            yield

    def finish(self, **values: Any) -> None:
        """Reports the result, JSON values only."""
        self._send(values)
        if self._run is not None:
            self._run.note(values)
        if self._pipes is None:
            print(json.dumps(values, indent=1, default=str))

    def _send(self, payload: Mapping[str, Any]) -> None:
        if self._pipes is not None:
            self._pipes.report_custom_message(payload)

    def on_progress(self, update: progress.Update) -> None:
        """Passes progress on about once a second, and a line for the log every ten."""
        now, is_last = time.monotonic(), update.total is not None and update.done >= update.total
        if is_last or now - self._progress_at >= PROGRESS_SECONDS:
            self._progress_at = now
            self._send({"progress": update.to_dict()})
        if is_last or now - self._log_at >= LOG_SECONDS:
            self._log_at = now
            figures = " ".join(
                f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
                for name, value in update.fields.items()
            )
            self.log.info(f"{update.stage}: {update.done}/{update.total or '?'} {update.unit} {figures}".rstrip())


def described(error: BaseException) -> dict[str, str]:
    """Type, message and next step of a failure; of an unexpected one only type and place, since its text may quote a
    record."""
    if isinstance(error, ModuleNotFoundError) and (module := (error.name or "").split(".")[0]) in TRAIN_MODULES:
        error = MissingExtra(module, "train")
    if isinstance(error, FtError):
        return {"type": type(error).__name__, "message": error.message, "next_step": error.next_step}
    if isinstance(error, KeyboardInterrupt):
        return {
            "type": "TrainingFailed",
            "message": "the program was interrupted; nothing was published",
            "next_step": "Run the step again",
        }
    return {
        "type": "TrainingFailed",
        "message": f"the program ended with {place_of_error(error)}; nothing was published",
        "next_step": "Run the step again; if it fails again, report this place",
    }


def _report_failure(name: str, error: BaseException, pipes: Any | None, messages: str | None = None) -> None:
    """Tells the back end, whose step then fails with this reason; started by hand, the terminal.

    Args:
        messages: of one of several processes that does not report otherwise, where messages go. What it knows the
            reason of it reports before it takes the
            first along: torchrun ends the others within a moment. The rest is often but a broken connection to one that
                was killed.
    """
    failed = described(error)
    if messages:
        if isinstance(error, FtError):
            _report_beside(messages, {"failed": failed})
    elif pipes is not None:
        pipes.report_custom_message({"failed": failed})
    else:
        print(f"{name} failed: {FtError(failed['message'], failed['next_step'])}", file=sys.stderr)


def _report_beside(messages: str, payload: Mapping[str, Any]) -> None:
    from dagster_pipes import (
        PIPES_PROTOCOL_VERSION,
        PIPES_PROTOCOL_VERSION_FIELD,
        PipesDefaultMessageWriter,
        PipesMessage,
        decode_param,
    )

    message: PipesMessage = {
        PIPES_PROTOCOL_VERSION_FIELD: PIPES_PROTOCOL_VERSION,  # type: ignore[misc]
        "method": "report_custom_message",
        "params": {"payload": payload},
    }
    if launch := _launch_of(messages):
        from ft_platform.programs.lake_messages import report_beside

        report_beside(launch, dict(message))
        return
    with PipesDefaultMessageWriter().open(decode_param(messages)) as channel:
        channel.write_message(message)


@contextmanager
def program(name: str) -> Iterator[Program]:
    """Runs the block as a program; a failure inside is reported and ends the process with exit code 1. No text of an
    exception is printed.

    Args:
        name: of the program, e.g. `train`.
    """
    install_hooks()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("ft_platform").setLevel(logging.INFO)
    from dagster_pipes import PipesEnvVarParamsLoader, encode_param

    messages = None
    # Of several processes, or tasks of an array, the first reports; the others have orders only.
    if {os.environ.get("RANK", "0"), os.environ.get(TASK, "0")} != {"0"}:
        messages = os.environ.get(MESSAGES)
        os.environ[MESSAGES] = encode_param({"path": os.devnull})
        logging.getLogger("ft_platform").setLevel(logging.WARNING)
    try:
        pipes = _open_pipes() if PipesEnvVarParamsLoader().is_dagster_pipes_process() else None
    except Superseded as error:
        _report_failure(name, error, None)
        raise SystemExit(1) from None
    except Exception as error:  # whatever the loader of Dagster raises on orders that are none
        _report_failure(name, _no_orders(), None)
        raise SystemExit(1) from error
    try:
        if launch := _launch_of(messages or os.environ.get(MESSAGES)):
            from ft_platform.programs.lake_messages import require_one_home, require_same_code

            require_same_code(launch)
            if TASK in os.environ:
                require_one_home(launch)
        use_case, extras = _from_pipes(pipes) if pipes else _from_command_line(name)
        running = Program(name, use_case, extras, pipes)
        with progress.listening(running.on_progress), running.metered():
            yield running
    except BaseException as error:  # a panic in Rust is no Exception, and its text would be printed
        if isinstance(error, SystemExit) and not isinstance(error.code, str):
            raise
        _report_failure(name, error, pipes, messages)
        raise SystemExit(1) from None
    finally:
        if pipes is not None:
            pipes.close()


def _open_pipes() -> Any:
    """With messages into a file or the standard output; into the lake, where the orders name a launch."""
    from dagster_pipes import open_dagster_pipes

    if _launch_of(os.environ.get(MESSAGES)) is None:
        return open_dagster_pipes()
    from ft_platform.programs.lake_messages import LakeMessageWriter

    return open_dagster_pipes(message_writer=LakeMessageWriter())


def _launch_of(messages: str | None) -> dict[str, Any] | None:
    """What a program on another machine was told of its launch; None: it is on this one, or started by hand."""
    from dagster_pipes import decode_param

    params: dict[str, Any] = decode_param(messages) if messages else {}
    return params if LAUNCH in params else None


def _from_pipes(pipes: Any) -> tuple[NamedUseCase, Mapping[str, Any]]:
    try:
        extras = pipes.extras
        return NamedUseCase(name=extras["use_case"], settings=UseCase.model_validate(extras["settings"])), extras
    except (KeyError, TypeError, ValueError):
        raise _no_orders() from None


def _no_orders() -> ConfigError:
    return ConfigError(
        ["the variables DAGSTER_PIPES_CONTEXT and DAGSTER_PIPES_MESSAGES hold no orders of a back end"],
        "Start it by `ft run`, or unset them and name --use-case",
    )


def _from_command_line(name: str) -> tuple[NamedUseCase, Mapping[str, Any]]:
    from ft_platform.use_case.file import load_use_case, use_case_folder

    parser = argparse.ArgumentParser(prog=f"python -m ft_platform.programs.{name}")
    parser.add_argument(
        "--use-case", required=True, help="name of the use case; the newest version of its tables is used"
    )
    arguments, _ = parser.parse_known_args()
    return load_use_case(use_case_folder(load_environment().defs, arguments.use_case)), {}
