"""A lake that may not be written, and sidecars that are no JSON, are named with their place and what to do."""

import errno

import pyarrow as pa
import pytest
from deltalake.exceptions import DeltaError

from ft_platform.errors import CorruptVersion, NotWritable
from ft_platform.lake.places import Places

BATCH = pa.RecordBatch.from_pydict({"record_id": ["a"], "split": ["train"]})

REFUSALS = [
    OSError(errno.EROFS, "Read-only file system"),
    PermissionError(errno.EACCES, "Permission denied"),
    DeltaError("Generic LocalFileSystem error: Unable to create dir: Read-only file system (os error 30)"),
    DeltaError("Generic S3 error: Client error with status 403 Forbidden: <Code>AccessDenied</Code>"),
]


@pytest.mark.parametrize("error", REFUSALS, ids=[str(error)[:40] for error in REFUSALS])
def test_a_lake_that_may_not_be_written_is_named_with_the_remedy(tmp_path, error):
    with (
        pytest.raises(
            NotWritable, match=r"splits cannot be written: the lake .* is read-only for this user; .*set FT_LAKE_ROOT"
        ),
        Places(tmp_path).room_for("splits"),
    ):
        raise error


def test_other_errors_of_the_lake_stay_what_they_are(tmp_path):
    with pytest.raises(DeltaError, match="schema"), Places(tmp_path).room_for("splits"):
        raise DeltaError("schema mismatch")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"check": 7}', b"null"])
def test_a_verdict_that_is_none_is_named_with_its_path(lake, content):
    version = lake.write_table("tests", "splits", [BATCH], BATCH.schema, zone="shared")
    lake.add_verdict(version, "no_leakage", True, "s")
    (path,) = [path for path in lake.fs.find(lake.root) if path.endswith("no_leakage.json")]
    lake.fs.pipe_file(path, content)
    with pytest.raises(CorruptVersion, match=r"no_leakage\.json was altered since it was signed at .* make it again"):
        lake.verdicts(version)
