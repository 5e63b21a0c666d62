"""What a server keeps of the lake, and when it reads again."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

from ft_platform.errors import CorruptVersion
from ft_platform.lake import recent
from ft_platform.lake.opening import open_lake
from ft_platform.lake.recent import RecentLake
from ft_platform.lake.snapshot import Snapshot
from ft_platform.lake.store import Lake
from ft_platform.lake.verified import state_of
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.reporting.test_home import publish

STAGE = "fairness_report"
BATCH = pa.record_batch({"record_id": ["a", "b"]})


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the control files that were read."""
    found: list[str] = []
    read = Lake._read_signed

    def counted(lake: Lake, use_case: str, path: str) -> bytes:
        found.append(path)
        return read(lake, use_case, path)

    monkeypatch.setattr(Lake, "_read_signed", counted)
    return found


def write(lake: Lake, use_case: str) -> TableVersion:
    return lake.write_table(use_case, "splits", [BATCH], BATCH.schema, zone="shared")


def newest(lake: Lake) -> list[str]:
    return [one.artifact_id for one in lake.artifacts("letters", STAGE)]


def told(lake: Lake) -> dict[str, bool]:
    return {check: one.passed for check, one in lake.verdicts(only(lake)).items()}


def only(lake: Lake) -> ArtifactVersion:
    return lake.artifacts("letters", STAGE)[0]


def test_nothing_is_read_again_before_something_is_signed(
    lake: Lake, environment: Environment, reads: list[str]
) -> None:
    publish(lake, STAGE, "fair-1")
    kept = RecentLake(lake)
    kept.refresh("letters")
    assert newest(kept) == ["fair-1"] and told(kept) == {} and reads
    reads.clear()
    kept.refresh("letters")
    assert newest(kept) == ["fair-1"] and told(kept) == {} and kept.manifest(only(kept)) and not reads
    elsewhere = open_lake(environment)  # as another process would
    elsewhere.add_verdict(only(elsewhere), "is_fair", False, "s")
    kept.refresh("letters")
    assert told(kept) == {"is_fair": False}
    publish(elsewhere, STAGE, "fair-2")
    kept.refresh("letters")
    assert newest(kept) == ["fair-2", "fair-1"]


def test_a_new_version_of_a_table_is_seen(lake: Lake) -> None:
    kept = RecentLake(lake)
    kept.refresh("letters")
    assert kept.latest("letters", "splits") is None
    written = write(lake, "letters")
    kept.refresh("letters")
    assert kept.latest("letters", "splits") == written


def test_what_is_signed_in_one_use_case_forgets_nothing_of_another(lake: Lake, reads: list[str]) -> None:
    publish(lake, STAGE, "fair-1")
    kept = RecentLake(lake)
    kept.refresh("letters")
    newest(kept)
    write(lake, "complaints")
    reads.clear()
    kept.refresh("letters")
    kept.refresh("complaints")
    assert newest(kept) == ["fair-1"] and not reads


def test_what_was_altered_by_hand_is_noticed_after_a_while(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(lake, STAGE, "fair-1")
    now = 0.0
    monkeypatch.setattr(recent.time, "monotonic", lambda: now)
    kept = RecentLake(lake)
    kept.refresh("letters")
    version = only(kept)
    kept.verify_artifact(version)
    with open(f"{version.uri}/report.html", "a") as file:
        file.write("altered")
    now = recent.SECONDS
    kept.refresh("letters")
    kept.verify_artifact(version)
    now += 1
    kept.refresh("letters")
    with pytest.raises(CorruptVersion):
        kept.verify_artifact(version)


def altered_unseen(version: ArtifactVersion) -> str:
    """Path of a file with other bytes, of the same length and with the same time of modification."""
    path = Path(version.uri) / "report.html"
    before, content = path.stat(), path.read_bytes()
    path.write_bytes(content.swapcase())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return str(path)


def test_a_file_that_somebody_wrote_is_compared_again_whatever_time_it_is_given(
    lake: Lake, environment: Environment
) -> None:
    publish(lake, STAGE, "fair-1")
    RecentLake(lake).verify_artifact(only(lake))
    altered_unseen(only(lake))
    with pytest.raises(CorruptVersion):
        RecentLake(open_lake(environment)).verify_artifact(only(lake))


def test_only_pages_rely_on_what_was_compared_before(lake: Lake, environment: Environment) -> None:
    """A disk that gives back other bytes although nothing was written, as the list of what was compared sees it."""
    publish(lake, STAGE, "fair-1")
    version = only(lake)
    RecentLake(lake).verify_artifact(version)
    path = altered_unseen(version)
    others = [one for one in lake.file_hashes(version) if not path.endswith(f"/{one}")]
    state = state_of(lake.fs, [path, *(f"{version.uri}/{one}" for one in others)], version.content_hash)
    lake.verified("letters").add(f"shared/{STAGE}/fair-1", state)
    RecentLake(open_lake(environment)).verify_artifact(version)
    for reader in (open_lake(environment), Snapshot(open_lake(environment))):
        with pytest.raises(CorruptVersion):
            reader.verify_artifact(version)


def test_without_keys_nothing_is_kept(tmp_path: Path) -> None:
    plain = Lake(tmp_path / "plain")
    publish(plain, STAGE, "fair-1")
    kept = RecentLake(plain)
    kept.refresh("letters")
    assert newest(kept) == ["fair-1"]
    publish(plain, STAGE, "fair-2")
    kept.refresh("letters")
    assert newest(kept) == ["fair-2", "fair-1"]
