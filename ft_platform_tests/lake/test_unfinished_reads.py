"""A program that stops reading in the middle of a table must still end, and end well."""

import re
import subprocess
import sys

import pyarrow as pa
import pytest

from ft_platform.lake.store import Lake
from ft_platform_tests.conftest import REPOSITORY

PROGRAM = """
import sys
from ft_platform.lake.store import Lake
lake = Lake(sys.argv[1])
batches = lake.read(lake.latest("complaints", "raw_records"), batch_rows=100)
print(next(batches).num_rows)
"""


@pytest.mark.integration
def test_an_unfinished_read_ends_cleanly(tmp_path):
    lake = Lake(tmp_path / "lake of today")
    batch = pa.RecordBatch.from_pydict({"record_id": [str(i) for i in range(20_000)], "text": ["x" * 200] * 20_000})
    for _ in range(12):
        lake.write_table("complaints", "raw_records", [batch], batch.schema, zone="restricted", append=True)
    for _ in range(3):  # with arrow's dataset over deltalake's file system most runs crashed or hung
        done = subprocess.run([sys.executable, "-c", PROGRAM, lake.root], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (0, "100\n"), done.stderr


def test_what_a_killed_run_left_is_swept(tmp_path):
    import os

    from ft_platform.lake.artifacts import SWEEP_AFTER_SECONDS

    lake = Lake(tmp_path)
    scratch = tmp_path / "shared" / "complaints" / ".scratch"
    left = scratch / "adapter_checkpoint-killed"
    (left / "artifact").mkdir(parents=True)
    with lake.scratch("complaints", "adapter_checkpoint") as live:
        long_ago = live.parent.stat().st_mtime - SWEEP_AFTER_SECONDS - 1
        for folder in (left, live.parent):
            os.utime(folder, (long_ago, long_ago))
        with lake.scratch("complaints", "adapter_checkpoint") as other:
            assert not left.exists()
            assert live.parent.exists() and other.parent.exists()
    assert not list(scratch.iterdir())


def test_a_stage_that_has_nothing_to_do_sweeps_too(tmp_path):
    import os

    from ft_platform.cleaning.clean import clean
    from ft_platform.lake.artifacts import SWEEP_AFTER_SECONDS
    from ft_platform.lake.stage_table import write_stage
    from ft_platform.records.schemas import cleaned_schema
    from ft_platform_tests.assets.stop_points_of_later_stages import case, lake_of, permit

    permit(tmp_path, 30)
    lake = lake_of(tmp_path)
    permitted = lake.latest("tests", "permitted_records")
    assert permitted

    def cleaned():
        return write_stage(
            lake,
            case(),
            "cleaned_records",
            [permitted],
            lambda work: clean(case(), lake.rows(permitted), work),
            cleaned_schema(case()),
        )

    assert not cleaned().reused
    left = tmp_path / "lake" / "restricted" / "tests" / ".scratch" / "cleaned_records-killed"
    (left / "artifact").mkdir(parents=True)
    long_ago = left.stat().st_mtime - SWEEP_AFTER_SECONDS - 1
    os.utime(left, (long_ago, long_ago))
    assert cleaned().reused and not left.exists()


def test_arrow_reads_nothing_whose_memory_is_pythons():
    """With a reader over `BytesIO`, programs that ended at once were now and then aborted on a loaded machine: a thread
    of arrow freed Python's memory late."""
    sources = {path.relative_to(REPOSITORY): path.read_text() for path in (REPOSITORY / "ft_platform").rglob("*.py")}
    unsafe = re.compile(r"\b(pq\.\w+|pa\.py_buffer|BufferReader)\((io\.)?BytesIO|\bto_pyarrow_(table|dataset)\(")
    assert len(sources) > 100 and [str(path) for path, text in sources.items() if unsafe.search(text)] == []


def test_a_file_of_an_artifact_is_in_arrows_memory_and_may_be_empty(lake):
    with lake.scratch("legal", "evaluation_report") as folder:
        folder.mkdir(parents=True)
        (folder / "some").write_bytes(b"\0some bytes")
        (folder / "none").write_bytes(b"")
        made = lake.publish(
            "legal", "evaluation_report", "report-1", folder, parents=[], settings_hash="s", input_hash="i"
        )
    assert (lake.open_file(made, "some").read(), lake.open_file(made, "none").read()) == (b"\0some bytes", b"")
    before = pa.total_allocated_bytes()
    kept = lake.open_file(made, "some")
    assert pa.total_allocated_bytes() > before and kept.size() == 11
