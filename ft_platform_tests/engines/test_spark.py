"""The engine on a real Spark: sessions of this process, executors that are killed, Spark Connect. What Spark keeps."""

import functools
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ft_platform.errors import ConfigError, MissingExtra, OtherCode, TransientError
from ft_platform.records.engines import BatchFunction, spark
from ft_platform.records.engines.in_process import InProcess
from ft_platform.records.engines.spark import Spark
from ft_platform.records.rows import TableRows
from ft_platform_tests.engines.spark_sessions import ENCRYPTED, REPOSITORY, left_behind, require_spark, variables

PERSON = "Zebulon Quartermain, account 5541 7782 0093"
"""Fictitious."""
TEXT = f"{PERSON}. " + "I wrote to you in May and nobody has answered since. " * 4
SCRIPT = """
import sys
from ft_platform_tests.engines.test_spark import IN_ANOTHER_PROCESS

if __name__ == "__main__":
    IN_ANOTHER_PROCESS[sys.argv[1]](*sys.argv[2:])
"""


def table(rows: int) -> pa.Table:
    """Of types that Spark has not, or has otherwise."""
    numbers = pa.array(range(rows), pa.int64())
    texts = pc.binary_join_element_wise(pc.cast(numbers, pa.string()), TEXT, " ")  # type: ignore[attr-defined]
    schema = pa.schema(
        [
            pa.field("record_id", pa.string(), metadata={"kept": "yes"}),
            pa.field("small", pa.uint8()),
            pa.field("when", pa.timestamp("ns", "Europe/Vienna")),
            pa.field(
                "messages", pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())]))
            ),
        ],
        metadata={"of": "the table"},
    )
    role = pa.array(["user"] * rows)
    messages = pa.ListArray.from_arrays(
        pa.array(range(rows + 1), pa.int32()), pa.StructArray.from_arrays([role, texts], ["role", "content"])
    )
    small = pa.array([number % 250 for number in range(rows)], pa.uint8())
    return pa.table([pc.cast(numbers, pa.string()), small, numbers.cast(schema.field("when").type), messages], schema)


def mark() -> BatchFunction:
    def apply(batch: pa.RecordBatch) -> pa.RecordBatch:
        marked = pc.binary_join_element_wise(batch["record_id"], "marked", "-")  # type: ignore[attr-defined]
        return pa.RecordBatch.from_arrays([marked, *batch.columns[1:]], schema=batch.schema)

    return apply


def quote() -> BatchFunction:
    def apply(batch: pa.RecordBatch) -> pa.RecordBatch:
        raise ValueError(f"cannot read {batch['messages'][0].as_py()}")

    return apply


def impossible() -> BatchFunction:
    raise MissingExtra("a model", "ner")


def die() -> BatchFunction:
    def apply(batch: pa.RecordBatch) -> pa.RecordBatch:
        os.kill(os.getpid(), signal.SIGKILL)
        return batch

    return apply


def slowly(folder: str) -> BatchFunction:
    """Notes the executor that works."""

    def apply(batch: pa.RecordBatch) -> pa.RecordBatch:
        (Path(folder) / str(executor())).touch()
        time.sleep(0.3)
        return mark()(batch)

    return apply


def executor() -> int:
    """The Java process above this worker."""
    pid = os.getppid()
    while "java" not in Path(f"/proc/{pid}/comm").read_text():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    return pid


def expected(rows: int) -> pa.Table:
    return pa.Table.from_batches(InProcess().map(TableRows(table(rows)), mark))


def made(rows: int, batch_rows: int = 8192, make: Any = mark) -> pa.Table:
    return pa.Table.from_batches(Spark().map(TableRows(table(rows), batch_rows), make))


def require_equal(found: pa.Table, rows: int) -> None:
    wanted = expected(rows)
    assert found.schema.equals(wanted.schema, check_metadata=True)
    assert found.combine_chunks().equals(wanted.combine_chunks())


def test_a_job_holds_no_more_rows_and_bytes_than_it_may_and_each_row_once() -> None:
    batches = [*table(100).to_batches(30), *table(20).to_batches(1)]
    jobs = list(spark._jobs(iter(batches), 25))
    assert [sum(batch.num_rows for batch in job) for job in jobs] == [30, 30, 30, 25, 5]
    assert pa.Table.from_batches([b for job in jobs for b in job]).equals(pa.Table.from_batches(batches))
    large = pa.record_batch({"text": ["x" * (spark.JOB_BYTES // 3)] * 10})
    assert [sum(b.num_rows for b in job) for job in spark._jobs(iter([large]), 1000)] == [4, 4, 2]


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(MissingExtra, match=r"ft-platform\[spark\]"):
        next(iter(Spark().map(TableRows(table(1)), mark)))


@pytest.mark.parametrize(
    ("address", "closed"),
    [
        ("", True),
        ("local[2]", True),
        ("sc://localhost:15002", True),
        ("sc://spark.example:15002", False),
        ("sc://spark.example:15002/;user_id=ft", False),
        ("sc://spark.example:443/;use_ssl=false", False),
        ("sc://spark.example:443/;use_ssl=true", True),
        ("sc://spark.example:443/;token=t;x-databricks-cluster-id=1", True),
    ],
)
def test_records_go_to_other_machines_through_tls_only(address: str, closed: bool) -> None:
    if closed:
        spark._require_closed_channel(address)
    else:
        with pytest.raises(ConfigError, match="in the clear") as caught:
            spark._require_closed_channel(address)
        assert "spark.example" not in str(caught.value)


@pytest.mark.components(name="spark")
@pytest.mark.usefixtures("spark_folder")
def test_rows_order_and_schema_are_exactly_those_without_spark() -> None:
    require_equal(made(5000, 300), 5000)
    assert list(Spark().map(TableRows(table(0)), mark)) == []


@pytest.mark.components(name="spark")
def test_neither_errors_nor_files_nor_output_have_text_of_records(
    spark_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError, match=r"^ValueError at .*test_spark.py:\d+ in a batch function$"):
        made(3000, make=quote)
    made(3000)
    output = capfd.readouterr()
    found = left_behind(spark_folder)
    assert b"SparkListenerTaskEnd" in found
    for text in (PERSON.split(",")[0], PERSON.split()[-1]):
        assert text.encode() not in found and text not in output.out + output.err


@pytest.mark.components(name="spark")
@pytest.mark.usefixtures("spark_folder")
def test_an_error_while_the_function_is_built_comes_out_typed() -> None:
    with pytest.raises(MissingExtra, match="a model is not installed"):
        made(10, make=impossible)


@pytest.mark.components(name="spark")
@pytest.mark.usefixtures("spark_folder")
def test_a_worker_with_other_code_is_refused_before_and_while_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    made(1)
    monkeypatch.setattr(spark, "code", lambda: "0.0.1+of-another-day")
    with pytest.raises(OtherCode, match=r"orchestrator 0\.0\.1\+of-another-day"):
        made(1)  # cores were counted before: the job itself refuses
    spark._cores.cache_clear()
    with pytest.raises(OtherCode, match=r"a worker of Spark has ft-platform"):
        made(1)


@pytest.mark.components(name="spark")
@pytest.mark.usefixtures("spark_folder")
def test_a_worker_that_dies_is_a_transient_error_without_text_of_others() -> None:
    with pytest.raises(TransientError, match=r"a job of Spark failed \(\w+\)\. Look at"):
        made(10, make=die)


def in_another_process(name: str, folder: Path, *arguments: str, **more: str) -> "subprocess.Popen[str]":
    (folder / "script.py").write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, str(folder / "script.py"), name, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **more},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: "subprocess.Popen[str]") -> str:
    """What it printed last."""
    output, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors[-3000:]
    assert PERSON.split(",")[0] not in output + errors
    return output.splitlines()[-1]


def refused() -> None:
    """Sessions that somebody else made: in the clear, and with the key where all can see it."""
    from pyspark.sql import SparkSession  # pyright: ignore[reportMissingImports]

    found = []
    for settings in ({}, {**ENCRYPTED, spark.KEY_IN_SETTINGS: "00" * 32}):
        session = SparkSession.builder.config(map=settings).getOrCreate()
        with pytest.raises(ConfigError) as caught:
            made(1)
        found.append(str(caught.value))
        session.stop()
    print(json.dumps(found))


def compare(rows: str) -> None:
    require_equal(made(int(rows)), int(rows))
    print("equal")


def work_slowly(rows: str, folder: str) -> None:
    require_equal(made(int(rows), 8, functools.partial(slowly, folder)), int(rows))
    print("equal")


def fail() -> None:
    try:
        made(3000, make=quote)
    except RuntimeError as error:
        print(error)


def stages(engine: str, folder: str) -> None:
    from ft_platform_tests.engines.test_same_content_hash import made as made_stages

    found = made_stages(engine, Path(folder))
    print(json.dumps({name: written.version.content_hash for name, written in found.items()}))


IN_ANOTHER_PROCESS = {one.__name__: one for one in (refused, compare, work_slowly, fail, stages)}


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    require_spark()
    return tmp_path


@pytest.mark.slow
@pytest.mark.components(name="spark")
def test_sessions_in_the_clear_or_with_a_key_in_their_settings_are_refused(clean: Path) -> None:
    clear, key = json.loads(ended(in_another_process("refused", clean, **variables(clean))))
    assert all(name in clear for name in spark.ENCRYPTED) and "records in the clear" in clear
    assert "shows the pseudonym key" in key and "00" not in key


@pytest.mark.slow
@pytest.mark.components(name="spark")
def test_a_million_rows_are_equal_row_for_row(clean: Path) -> None:
    assert ended(in_another_process("compare", clean, "1000000", **variables(clean))) == "equal"
    assert PERSON.split(",")[0].encode() not in left_behind(clean)


@pytest.mark.slow
@pytest.mark.components(name="spark")
def test_a_killed_executor_costs_no_row(clean: Path) -> None:
    # Where a local cluster has its executors' output.
    logs = Path(str(importlib.import_module("pyspark").__file__)).parent / "work"
    before = set(logs.glob("app-*"))
    cluster = variables(clean, master="local-cluster[2,1,1024]", authenticate__secret="for-tests-only")
    (clean / "executors").mkdir()
    process = in_another_process("work_slowly", clean, "400", str(clean / "executors"), **cluster)
    first = next(found(process, clean / "executors", 2))
    os.kill(first, signal.SIGKILL)
    assert ended(process) == "equal"
    assert b"ExecutorLostFailure" in left_behind(clean / "events")  # it was in the middle of a job
    (application,) = set(logs.glob("app-*")) - before
    left = left_behind(application) + left_behind(clean)
    assert b"Running task" in left and PERSON.split(",")[0].encode() not in left
    shutil.rmtree(application)


@pytest.mark.slow
@pytest.mark.components(name="spark")
def test_a_killed_orchestrator_leaves_no_process(clean: Path) -> None:
    (clean / "executors").mkdir()
    process = in_another_process("work_slowly", clean, "400", str(clean / "executors"), **variables(clean))
    java = next(found(process, clean / "executors", 1))
    process.kill()
    until = time.monotonic() + 120
    while Path(f"/proc/{java}").exists() and time.monotonic() < until:
        time.sleep(0.5)
    process.communicate()
    assert not Path(f"/proc/{java}").exists()


def found(process: "subprocess.Popen[str]", folder: Path, count: int) -> Iterator[int]:
    """Executors, as soon as so many have worked."""
    until = time.monotonic() + 600
    while len(names := sorted(path.name for path in folder.iterdir())) < count:
        assert process.poll() is None and time.monotonic() < until, process.communicate()[1][-3000:]
        time.sleep(0.2)
    yield from map(int, names)


@pytest.fixture
def server(clean: Path) -> Iterator[dict[str, str]]:
    """A server of Spark Connect, and the variables of its clients."""
    import pyspark  # pyright: ignore[reportMissingImports]

    port = free_port()
    own = {name.removeprefix("spark.").replace(".", "__"): value for name, value in ENCRYPTED.items()}
    own |= {"connect__grpc__binding__port": str(port), "eventLog__logBlockUpdates__enabled": "true"}
    settings = variables(clean, **own)
    home = Path(str(pyspark.__file__)).parent
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "SPARK_HOME": str(home), **settings}
    with (clean / "server.log").open("w") as log:
        process = subprocess.Popen(
            [home / "bin" / "spark-submit", "--class", "org.apache.spark.sql.connect.service.SparkConnectServer"],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield {"SPARK_REMOTE": f"sc://127.0.0.1:{port}", "SPARK_CONF_DIR": "/nowhere"}
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.slow
@pytest.mark.components(name="spark")
def test_through_spark_connect_rows_and_versions_are_equal_and_nothing_personal_stays(
    clean: Path, server: dict[str, str]
) -> None:
    assert ended(in_another_process("compare", clean, "100000", **server)) == "equal"
    assert ended(in_another_process("fail", clean, **server)).startswith("ValueError at ")
    here, there = (
        json.loads(ended(in_another_process("stages", clean, engine, str(clean / "lakes" / engine), **server)))
        for engine in ("in_process", "spark")
    )
    assert here == there and len(here) == 3
    left = b"".join(left_behind(clean / name) for name in ("events", "local")) + (clean / "server.log").read_bytes()
    assert b"SparkListenerBlockUpdated" in left and b'"cache_' not in left  # no rows are kept for the session
    assert b"SparkListenerTaskEnd" in left and PERSON.split(",")[0].encode() not in left
