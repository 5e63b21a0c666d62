"""A snapshot answers a question once; the next one sees what has changed since."""

from pathlib import Path

import pyarrow as pa
import pytest

from ft_platform.errors import CorruptVersion, VersionRefused
from ft_platform.lake.snapshot import Snapshot
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion

BATCH = pa.record_batch({"record_id": ["a", "b"]})


@pytest.fixture
def splits(lake: Lake) -> TableVersion:
    return lake.write_table("tests", "splits", [BATCH], BATCH.schema, zone="shared")


@pytest.fixture
def checkpoint(lake: Lake, tmp_path: Path, splits: TableVersion) -> ArtifactVersion:
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "training.json").write_text("{}")
    return lake.publish(
        "tests", "adapter_checkpoint", "ckpt-1", folder, parents=[splits], settings_hash="s", input_hash="i"
    )


def test_what_was_asked_before_is_answered_as_before(
    lake: Lake, splits: TableVersion, checkpoint: ArtifactVersion
) -> None:
    seen = Snapshot(lake)
    assert Snapshot.of(seen) is seen and seen.root == lake.root
    assert (seen.verdicts(splits), seen.latest("tests", "splits"), seen.artifacts("tests", "adapter_checkpoint")) == (
        {},
        splits,
        [checkpoint],
    )
    seen.verify_artifact(checkpoint)
    assert seen.read_file(checkpoint, "training.json") == b"{}"
    lake.add_verdict(splits, "no_leakage", False, "s")
    (Path(checkpoint.uri) / "training.json").write_text("altered")
    assert seen.verdicts(splits) == {}
    seen.verify_artifact(checkpoint)
    with pytest.raises(CorruptVersion, match=r"training\.json .* does not match its manifest"):
        seen.read_file(checkpoint, "training.json")
    later = Snapshot(lake)
    assert not later.verdicts(splits)["no_leakage"].passed
    for _ in range(2):
        with pytest.raises(CorruptVersion, match=r"training\.json"):
            later.verify_artifact(checkpoint)


def test_no_version_answers_for_another(lake: Lake, splits: TableVersion) -> None:
    seen = Snapshot(lake)
    first = seen.manifest(splits)
    lake.add_verdict(splits, "no_leakage", True, "s")
    newer = lake.write_table("tests", "splits", [BATCH, BATCH], BATCH.schema, zone="shared")
    assert seen.manifest(newer).rows == 4 and seen.manifest(splits) == first
    assert seen.verdicts(newer) == {} and set(seen.verdicts(splits)) == {"no_leakage"}
    with pytest.raises(VersionRefused, match="does not match the content"):
        seen.manifest(TableVersion("tests", "splits", "shared", newer.version, splits.content_hash, 4, splits.uri))


def test_a_file_outside_is_read_once(lake: Lake, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.csv"
    ledger.write_text("subject,consent\n")
    seen = Snapshot(lake)
    before = seen.fingerprint(str(ledger), "governance.consent_ledger")
    ledger.write_text("subject,consent\na,withdrawn\n")
    assert (
        seen.fingerprint(str(ledger), "governance.consent_ledger")
        == before
        != Snapshot(lake).fingerprint(str(ledger), "governance.consent_ledger")
    )
