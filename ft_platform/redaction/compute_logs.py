"""Output of steps: kept in the restricted folder, and named in the UI, not shown there."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

from dagster._core.storage.compute_log_manager import (
    CapturedLogContext,
    CapturedLogMetadata,
    CapturedLogSubscription,
    ComputeIOType,
    ComputeLogManager,
)
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from ft_platform.redaction.output import output_to
from ft_platform.redaction.withheld import Withheld, open_private

FOLDER = "output"
SUFFIX = {ComputeIOType.STDOUT: "out", ComputeIOType.STDERR: "err"}


class RestrictedComputeLogs(ComputeLogManager, ConfigurableClass):
    """Captures what a step and its programs print: into `<DAGSTER_HOME>/restricted/output/`, and not onto the terminal.

    Code that is not ours may print a record. The UI has no way to know, so it gets the place and nothing else.
    """

    def __init__(self, withheld: Withheld, inst_data: ConfigurableClassData | None = None) -> None:
        self._withheld = withheld
        self._inst_data = inst_data

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {"base_dir": str}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "RestrictedComputeLogs":
        return cls(Withheld(config_value["base_dir"]), inst_data)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:  # type: ignore[override]
        with output_to(self._file(log_key, ComputeIOType.STDOUT), self._file(log_key, ComputeIOType.STDERR)):
            yield CapturedLogContext(log_key)

    @contextmanager
    def open_log_stream(self, log_key: Sequence[str], io_type: ComputeIOType) -> Iterator[IO[bytes] | None]:
        """What a sensor or schedule logs."""
        with open_private(self._file(log_key, io_type), "a") as file:
            yield file

    def is_capture_complete(self, log_key: Sequence[str]) -> bool:
        return True

    def get_log_data_for_type(
        self, log_key: Sequence[str], io_type: ComputeIOType, offset: int, max_bytes: int | None
    ) -> tuple[bytes | None, int]:
        """Where the output is, for that of steps; nothing for sensors and schedules, whose lines the UI would read as
        JSON."""
        path = self._withheld.folder.joinpath(FOLDER, *log_key[:-1], f"{log_key[-1]}.{SUFFIX[io_type]}")
        if "compute_logs" not in log_key or not path.exists() or not path.stat().st_size:
            return None, 0
        note = f"Output may hold personal data. It is kept on the machine of the run, in {path}\n".encode()[
            offset or 0 :
        ]
        return note, (offset or 0) + len(note)

    def get_log_metadata(self, log_key: Sequence[str]) -> CapturedLogMetadata:
        return CapturedLogMetadata()

    def delete_logs(self, log_key: Sequence[str] | None = None, prefix: Sequence[str] | None = None) -> None:
        if log_key:
            for io_type in SUFFIX:
                self._file(log_key, io_type).unlink(missing_ok=True)
        elif prefix:
            shutil.rmtree(self._file([*prefix, "any"], ComputeIOType.STDOUT).parent, ignore_errors=True)

    def subscribe(self, log_key: Sequence[str], cursor: str | None = None) -> CapturedLogSubscription:
        return CapturedLogSubscription(self, log_key, cursor)

    def unsubscribe(self, subscription: CapturedLogSubscription) -> None:
        """Nothing is watched."""

    def _file(self, log_key: Sequence[str], io_type: ComputeIOType):
        return self._withheld.file(FOLDER, *log_key[:-1], f"{log_key[-1]}.{SUFFIX[io_type]}")
