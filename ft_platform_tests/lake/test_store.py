"""The lake: versions, manifests, atomic writes, an object store."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ft_platform.errors import CorruptVersion, DiskFull, VersionRefused
from ft_platform.lake.content_hash import ContentHash
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.aws_server import aws_server

SCHEMA = pa.schema([("record_id", pa.string()), ("text", pa.string()), ("source_uri", pa.string())])


def rows(*ids: str, uri: str = "a.csv") -> list[pa.RecordBatch]:
    return pa.table(
        {"record_id": list(ids), "text": [f"text of {i}" for i in ids], "source_uri": [uri] * len(ids)}, schema=SCHEMA
    ).to_batches()


def write(lake: Lake, batches: list[pa.RecordBatch], **more):
    return lake.write_table("legal", "raw_records", batches, SCHEMA, zone="restricted", **more)


def test_every_version_stays_readable(lake):
    first = write(lake, rows("a", "b"))
    second = write(lake, rows("c"))
    assert lake.read_table(first)["record_id"].to_pylist() == ["a", "b"]
    assert lake.read_table(second)["record_id"].to_pylist() == ["c"]
    assert lake.latest("legal", "raw_records") == second


def test_append_keeps_the_rows_and_hashes_all_of_them(lake):
    first = write(lake, rows("a"))
    both = write(lake, rows("b"), append=True)
    assert both.rows == 2
    assert both.content_hash != first.content_hash
    assert write(lake, rows("b", "a")).content_hash == both.content_hash
    lake.verify_table(both)


def test_content_hash_ignores_order_batches_and_where_rows_came_from():
    def digest(batches: list[pa.RecordBatch]) -> str:
        hasher = ContentHash(leave_out=["source_uri"])
        for batch in batches:
            hasher.add(batch)
        return hasher.hexdigest()

    reference = digest(rows("a", "b", "c"))
    assert digest([*rows("c", uri="z.csv"), *rows("b", "a", uri="y.csv")]) == reference
    assert digest(rows("a", "b")) != reference
    assert digest(rows("a", "b", "c", "c")) != reference


def test_the_same_row_twice_is_other_content_than_once():
    once, twice = ContentHash(), ContentHash()
    once.add(rows("a")[0])
    twice.add(rows("a")[0])
    twice.add(rows("a")[0])
    assert once.hexdigest() != twice.hexdigest()


def test_delta_log_holds_no_text_statistics(lake):
    version = write(lake, rows("a"))
    log = (Path(version.uri) / "_delta_log" / f"{0:020d}.json").read_text()
    assert "text of a" not in log


def test_a_table_whose_rows_were_changed_behind_the_manifest_is_corrupt(lake):
    version = write(lake, rows("a"))
    [path] = lake.file_paths(version)
    pq.write_table(pa.Table.from_batches(rows("x")), path)
    for changed_only in (False, True):
        with pytest.raises(CorruptVersion, match="does not match its manifest"):
            lake.verify_table(version, changed_only=changed_only)


def test_a_manifest_that_was_written_by_hand_does_not_count(lake):
    from deltalake import write_deltalake

    version = write(lake, rows("a"))
    manifest = lake._manifest_path(version)
    write_deltalake(version.uri, pa.Table.from_batches(rows("x")), mode="overwrite")
    Path(manifest).with_name("00000001.json").write_text(
        Path(manifest).read_text().replace('"version": 0', '"version": 1')
    )
    assert lake.latest("legal", "raw_records") == version
    lake.verify_table(version)


def test_a_table_is_read_again_only_where_it_was_written_since(lake, monkeypatch):
    version = write(lake, rows("a"))
    read: list[str] = []
    compared = lake._file_hashes
    monkeypatch.setattr(lake, "_file_hashes", lambda paths, known: read.extend(paths) or compared(paths, known))
    lake.verify_table(version, changed_only=True)
    assert read == []
    [path] = lake.file_paths(version)
    os.utime(path, ns=(0, 0))
    lake.verify_table(version, changed_only=True)
    lake.verify_table(version, changed_only=True)
    assert read == [path]
    lake.verify_table(version)
    assert read == [path, path]


def test_a_version_without_manifest_does_not_count(lake):
    first = write(lake, rows("a"))
    second = write(lake, rows("b"))
    os.unlink(lake._manifest_path(second))
    assert lake.latest("legal", "raw_records") == first
    with pytest.raises(VersionRefused, match="no manifest"):
        lake.manifest(second)


def test_append_after_a_killed_writer_goes_back_to_the_last_version_with_a_manifest(lake):
    write(lake, rows("a"))
    os.unlink(lake._manifest_path(write(lake, rows("half"), append=True)))
    after = write(lake, rows("b"), append=True)
    assert sorted(lake.read_table(after)["record_id"].to_pylist()) == ["a", "b"]
    lake.verify_table(after)


def _write_slowly(root: str, started) -> None:
    def batches():
        for number in range(10_000):
            yield rows(f"n{number}")[0]
            if number == 200:
                started.set()
            time.sleep(0.001)

    Lake(root).write_table("legal", "raw_records", batches(), SCHEMA, zone="restricted", append=True)


@pytest.mark.integration
def test_kill_in_the_middle_of_a_table_write_leaves_the_old_version(lake):
    version = write(lake, rows("a"))
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    process = context.Process(target=_write_slowly, args=(lake.root, started))
    process.start()
    assert started.wait(60)
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert lake.latest("legal", "raw_records") == version
    lake.verify_table(version)
    assert write(lake, rows("b"), append=True).rows == 2


def _append_one(root: str, number: int) -> None:
    open_lake(Environment(home=Path(root).parent)).write_table(
        "legal", "raw_records", rows(f"w{number}"), SCHEMA, zone="restricted", append=True
    )


@pytest.mark.integration
def test_two_writers_lose_nothing(lake):
    write(lake, rows("a"))
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_one, args=(lake.root, n)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    version = lake.latest("legal", "raw_records")
    written = sum(w.exitcode == 0 for w in writers)
    assert version.rows == 1 + written
    assert written >= 1
    lake.verify_table(version)


def artifact(lake: Lake, content: str = "weights", artifact_id: str = "ckpt-1"):
    with lake.scratch("legal", "adapter_checkpoint") as folder:
        folder.mkdir(parents=True)
        (folder / "adapter.safetensors").write_text(content)
        return lake.publish(
            "legal", "adapter_checkpoint", artifact_id, folder, parents=[], settings_hash="s", input_hash="i"
        )


def test_a_published_folder_reads_back_with_its_hash(lake):
    published = artifact(lake)
    assert lake.artifact("legal", "adapter_checkpoint", "ckpt-1") == published
    assert lake.read_file(published, "adapter.safetensors") == b"weights"
    assert lake.artifacts("legal", "adapter_checkpoint") == [published]


def test_publishing_equal_inputs_twice_keeps_the_first(lake):
    first = artifact(lake, "weights")
    assert artifact(lake, "other bits") == first


@pytest.mark.parametrize("damage", ["changed", "missing", "manifest"])
def test_a_damaged_checkpoint_is_refused_and_replaced(lake, damage):
    published = artifact(lake)
    file = Path(published.uri) / ("manifest.json" if damage == "manifest" else "adapter.safetensors")
    file.unlink() if damage == "missing" else file.write_text("{")
    with pytest.raises(CorruptVersion):
        lake.artifact("legal", "adapter_checkpoint", "ckpt-1")
    assert lake.intact_artifact("legal", "adapter_checkpoint", "ckpt-1") is None
    again = artifact(lake)
    assert again.content_hash == published.content_hash
    assert lake.artifacts("legal", "adapter_checkpoint") == [again]


def test_an_interrupted_build_leaves_nothing_readable(lake):
    with pytest.raises(RuntimeError), lake.scratch("legal", "adapter_checkpoint") as folder:  # noqa: PT012
        folder.mkdir(parents=True)
        (folder / "adapter.safetensors").write_text("half")
        raise RuntimeError
    assert lake.artifacts("legal", "adapter_checkpoint") == []


def test_a_full_disk_leaves_the_old_version(lake, monkeypatch):
    version = write(lake, rows("a"))

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ft_platform.lake.files.os.fsync", full)
    with pytest.raises(DiskFull, match="Free some space"):
        write(lake, rows("b"))
    monkeypatch.undo()
    assert lake.latest("legal", "raw_records") == version
    lake.verify_table(version)


@pytest.fixture
def s3_lake(monkeypatch):
    with aws_server(monkeypatch) as options:
        boto3.client("s3").create_bucket(Bucket="lake")
        yield Lake("s3://lake/prefix", options)


@pytest.mark.components(name="aws")
def test_the_same_lake_works_on_an_object_store(s3_lake, lake):
    version = write(s3_lake, rows("a", "b"))
    assert version.content_hash == write(lake, rows("a", "b")).content_hash
    appended = write(s3_lake, rows("c"), append=True)
    assert sorted(s3_lake.read_table(appended)["record_id"].to_pylist()) == ["a", "b", "c"]
    assert s3_lake.read_table(version).num_rows == 2
    s3_lake.add_verdict(appended, "rows_are_accounted_for", True, "s")
    assert s3_lake.verdicts(appended)["rows_are_accounted_for"].passed
    published = artifact(s3_lake)
    with s3_lake.local_copy(published) as folder:
        assert (folder / "adapter.safetensors").read_text() == "weights"


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system of its own needs root")
def test_a_really_full_disk_leaves_the_old_version(tmp_path):
    import subprocess

    disk = tmp_path / "small"
    disk.mkdir()
    if (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], capture_output=True, check=False
        ).returncode
        != 0
    ):
        pytest.skip("mounting a tmpfs is not permitted here")
    try:
        lake = Lake(disk / "lake")
        version = write(lake, rows("a"))
        noise = [
            pa.table(
                {"record_id": [f"n{i}"], "text": [os.urandom(50_000).hex()], "source_uri": ["a.csv"]}, schema=SCHEMA
            ).to_batches()[0]
            for i in range(20)
        ]
        with pytest.raises(DiskFull):
            write(lake, noise)
        assert lake.latest("legal", "raw_records") == version
        lake.verify_table(version)
        with pytest.raises(DiskFull):
            artifact(lake, os.urandom(600_000).hex())
        assert lake.artifacts("legal", "adapter_checkpoint") == []
    finally:
        subprocess.run(["umount", str(disk)], check=False)
