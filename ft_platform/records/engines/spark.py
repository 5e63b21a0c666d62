"""Batch functions on Spark: in the session of this process, or of the server that `SPARK_REMOTE` names."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pyarrow as pa

from ft_platform.errors import ConfigError, MissingExtra, OtherCode, TransientError
from ft_platform.process.code_hash import code
from ft_platform.records.engines.engine import BatchFunction
from ft_platform.records.engines.failures import error_of, failure_of
from ft_platform.records.engines.processes import packed
from ft_platform.records.rows import Rows

ENCRYPTED = ("spark.authenticate", "spark.io.encryption.enabled", "spark.network.crypto.enabled")
"""Keep rows unreadable on networks and on the disks of executors."""
QUIET = {"spark.log.level": "ERROR", "spark.ui.showConsoleProgress": "false"}
LOOPBACK = ("localhost", "127.0.0.1", "::1")
KEY_IN_SETTINGS = "spark.executorEnv.FT_PSEUDONYM_KEY"
JOB_ROWS, JOB_BYTES = 8192, 4 * 2**20
"""What is enough for a job: 8 seconds of work at 1,000 rows a second; a task that fits into a message (128 MiB)."""
SENT_WITH_THE_JOB = ("spark.sql.session.localRelationCacheThreshold", str(64 * 2**20))
"""Bytes up to which rows go with their job. What is larger a server of Spark Connect keeps until the session ends, and
with `spark.io.encryption.enabled` it cannot (4.3: EOFException in its block manager)."""
MOST_CORES = 4096

_built: tuple[str, BatchFunction] | None = None
"""The batch function of a worker process, and the `map` that it was built for."""


class Spark:
    """Jobs of a few thousand rows, at most two under way for each core, so memory stays bounded here and there. Results
    come in the order of the rows.

    Rows travel as arrow streams in a binary column: no type of Spark's stands between them and the function.

    Args:
        workers: jobs that run at once; 0: as many as the session has cores, or may get by dynamic allocation.
    """

    def __init__(self, workers: int = 0) -> None:
        self.workers = workers

    def map(
        self, rows: Rows, make: Callable[[], BatchFunction], columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        spark = _session()
        cores = _cores(spark)
        most = 2 * (self.workers or cores)
        worker, under_way = _Worker(make), deque[Future[list[pa.RecordBatch]]]()
        pool = ThreadPoolExecutor(self.workers or most, thread_name_prefix="spark")
        try:
            for job in _jobs(rows.batches(columns), max(1, min(JOB_ROWS, rows.num_rows // most))):
                if len(under_way) >= most:
                    yield from under_way.popleft().result()
                under_way.append(pool.submit(_result, spark, worker, packed(*job)))
            while under_way:
                yield from under_way.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Worker:
    """The batch function on an executor, built once in each of its processes. Errors travel as data."""

    def __init__(self, make: Callable[[], BatchFunction]) -> None:
        self._make, self._name, self._code = make, uuid4().hex, code()

    def __call__(self, cells: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for cell in cells:
            for data in cell.column(0):
                made, failure = self._made(data.as_py())
                columns = [pa.array([made], pa.binary()), pa.array([failure], pa.string())]
                yield pa.RecordBatch.from_arrays(columns, ["batches", "failure"])

    def _made(self, data: bytes) -> tuple[bytes | None, str | None]:
        try:
            _require_same_code(code(), self._code)
            function = self._function()
            return packed(*(function(batch) for batch in pa.ipc.open_stream(data))), None
        except Exception as error:
            return None, failure_of(error)

    def _function(self) -> BatchFunction:
        global _built
        if _built is None or _built[0] != self._name:
            pa.set_cpu_count(1)
            os.environ["OMP_NUM_THREADS"] = "1"  # of torch, where the function loads it
            _built = (self._name, self._make())
        return _built[1]


def _jobs(batches: Iterator[pa.RecordBatch], size: int) -> Iterator[list[pa.RecordBatch]]:
    """Batches for one job each: until `size` rows or `JOB_BYTES` are reached, by less than as much again."""
    job: list[pa.RecordBatch] = []
    for batch in batches:
        step = max(1, batch.num_rows * JOB_BYTES // max(batch.nbytes, 1))
        for start in range(0, batch.num_rows, step):
            job.append(batch.slice(start, step))
            if sum(b.num_rows for b in job) >= size or sum(b.nbytes for b in job) >= JOB_BYTES:
                yield job
                job = []
    if job:
        yield job


def _result(spark: Any, worker: _Worker, data: bytes) -> list[pa.RecordBatch]:
    def frame() -> Any:
        sent = spark.createDataFrame([(data,)], "batches binary").coalesce(1)
        return sent.mapInArrow(worker, "batches binary, failure string")

    made, failure = _collected(frame)[0]
    if failure is not None:
        raise error_of(failure)
    return list(pa.ipc.open_stream(made))


def _collected(frame: Callable[[], Any]) -> list[Any]:
    try:
        return frame().collect()
    except Exception as error:  # Java's, Spark's and gRPC's have no base in common, and their texts are of any kind
        raise TransientError(
            f"a job of Spark failed ({type(error).__name__})",
            "Look at Spark's page and at the output of its executors, then run the step again",
        ) from None


def _session() -> Any:
    """The session that there is, or a new one with encryption.

    Raises:
        ConfigError: Spark does not start, or would keep or send rows in the clear.
        MissingExtra: pyspark is not installed.
    """
    try:
        from pyspark.sql import SparkSession  # pyright: ignore[reportMissingImports]
        from pyspark.sql.utils import is_remote  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise MissingExtra("engine: spark", "spark") from None
    address = os.environ.get("SPARK_REMOTE", "")
    remote = bool(address) or is_remote()
    _require_closed_channel(address)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder: Any = SparkSession.builder
    if not remote:
        builder = builder.appName("ft").config(map={**QUIET, **dict.fromkeys(ENCRYPTED, "true")})
    try:
        spark = builder.getOrCreate()
        # A session repeats what its builder was told; what holds is what its context was started with.
        settings = spark.conf if remote else spark.sparkContext.getConf()
        found = {name: settings.get(name, "") for name in (*ENCRYPTED, KEY_IN_SETTINGS)}
        if remote:
            spark.conf.set(*SENT_WITH_THE_JOB)
    except Exception as error:  # its text may quote the address, and so a token
        problem = f"Spark cannot be started, reached or asked for its settings ({type(error).__name__})"
        raise ConfigError([problem], "Look at Java, SPARK_REMOTE and spark-defaults.conf") from None
    _require_closed(found)
    return spark


def _require_closed(settings: dict[str, str]) -> None:
    if clear := [name for name in ENCRYPTED if settings[name] != "true"]:
        raise ConfigError(
            [f"Spark would keep or send records in the clear: {', '.join(clear)} must be true"],
            "Set it where the session is started: spark-defaults.conf, --conf, or the settings of the cluster",
        )
    if settings[KEY_IN_SETTINGS]:
        raise ConfigError(
            [f"{KEY_IN_SETTINGS} shows the pseudonym key to everybody who may see Spark's pages"],
            "Give executors the key as a file, or by FT_KEY_PROVIDER and a role",
        )


def _require_closed_channel(address: str) -> None:
    """To another machine, records go through TLS: by `use_ssl`, or by a token, which turns it on."""
    parts = urlsplit(address)
    given = {name: value for name, _, value in (part.partition("=") for part in parts.path.strip("/").split(";"))}
    closed = given.get("use_ssl", "").lower() == "true" or given.get("token")
    if parts.scheme == "sc" and parts.hostname not in LOOPBACK and not closed:
        raise ConfigError(
            ["SPARK_REMOTE sends records in the clear"], "Add ;use_ssl=true to it, and a token where the server has one"
        )


@lru_cache(maxsize=1)
def _cores(spark: Any) -> int:
    """How many tasks may run at once, once that all of them have this code.

    Raises:
        OtherCode: workers have no ft-platform, or another one.
    """

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # Spark sends the code of a function in a function: this one runs without ft-platform.
        import pyarrow

        try:
            from ft_platform.process.code_hash import code as code_there
        except ImportError:
            found = "none"
        else:
            found = code_there()
        for _ in batches:
            pass
        yield pyarrow.RecordBatch.from_arrays([pyarrow.array([found])], ["code"])

    parts = [row[0] for row in _collected(lambda: spark.range(1).mapInArrow(look, "code string"))]
    for found in parts:
        _require_same_code(found, code())
    if spark.conf.get("spark.dynamicAllocation.enabled", "false") == "true":
        executors = int(spark.conf.get("spark.dynamicAllocation.maxExecutors", "0"))
        return min(max(len(parts), executors * int(spark.conf.get("spark.executor.cores", "1"))), MOST_CORES)
    return len(parts)


def _require_same_code(there: str, here: str) -> None:
    if there != here:
        raise OtherCode(
            f"a worker of Spark has ft-platform {there}, the orchestrator {here}; nothing was run",
            "Install the same version on both, or build the archive or image of the executors anew",
        )
