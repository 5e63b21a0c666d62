"""Nobody else reads the private zones of a local lake, whatever the umask."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from ft_platform.lake import modes
from ft_platform.lake.store import Lake
from ft_platform.records.rows import Spool

SCHEMA = pa.schema([pa.field("record_id", pa.string())])
BATCH = pa.RecordBatch.from_pydict({"record_id": ["a", "b"]}, schema=SCHEMA)
UMASKS = [0o000, 0o002, 0o022, 0o027, 0o077]


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture(autouse=True)
def own_umask() -> Iterator[None]:
    """A file system without ACLs tightens the umask of the process, which is that of the tests."""
    with umask(0o022):
        yield


@pytest.fixture(params=["with ACLs", "without ACLs"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "without ACLs":
        monkeypatch.setattr(modes, "_inherit", lambda folder, access: False)
    return request.param


def fill(lake: Lake) -> Path:
    """Writes to the restricted zone what stages write. Returns its top folder."""
    with lake.scratch("claims", "raw_records", zone="restricted") as folder:
        folder.mkdir(mode=0o700)
        Spool(folder / "removed.arrow", SCHEMA).write(BATCH)
        (folder / "unpacked").mkdir()
        (folder / "unpacked" / "a.csv").write_text("x")
        for _ in range(2):  # the second is an append in the same table
            version = lake.write_table("claims", "raw_records", [BATCH], SCHEMA, zone="restricted", append=True)
        lake.add_verdict(version, "looked", True, "")
        seen = {path: stat.S_IMODE(path.lstat().st_mode) for path in Path(lake.root, "restricted").rglob("*")}
    assert any(path.suffix == ".arrow" for path in seen) and any(path.name == "a.csv" for path in seen)
    assert {path.name: oct(mode) for path, mode in seen.items() if mode & 0o077} == {}
    return Path(lake.root, "restricted")


def wide(top: Path) -> dict[str, str]:
    return {
        str(p): oct(p.lstat().st_mode)
        for p in (top, *top.rglob("*"))
        if stat.S_IMODE(p.lstat().st_mode) not in (0o700, 0o600)
    }


@pytest.mark.parametrize("mask", UMASKS, ids=oct)
def test_what_stages_write_is_for_the_owner_alone_whatever_the_umask(
    tmp_path: Path, mask: int, file_system: str
) -> None:
    with umask(mask):
        assert wide(fill(Lake(tmp_path / "lake"))) == {}


def test_the_shared_zone_keeps_the_modes_that_the_umask_gives(tmp_path: Path) -> None:
    (tmp_path / "asked").mkdir()
    if not modes._inherit(tmp_path / "asked", modes.Access()):
        pytest.skip("this file system has no ACLs")
    fill(lake := Lake(tmp_path / "lake"))
    version = lake.write_table("claims", "splits", [BATCH], SCHEMA, zone="shared")
    files = [Path(path) for path in lake.file_paths(version)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o644}


def test_the_zone_is_closed_before_anything_is_written_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, seen = Lake(tmp_path / "lake"), []
    monkeypatch.setattr(
        "ft_platform.lake.tables.write_deltalake",
        lambda *_, **__: seen.append((tmp_path / "lake" / "restricted").stat().st_mode),
    )
    with umask(0), pytest.raises(Exception):  # noqa: B017, PT011
        lake.write_table("claims", "raw_records", [BATCH], SCHEMA, zone="restricted")
    assert [stat.S_IMODE(mode) for mode in seen] == [0o700]


def test_an_empty_folder_that_was_there_is_closed_and_a_full_one_is_left_to_the_command(tmp_path: Path) -> None:
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
        os.chmod(tmp_path / name, 0o755)
    (tmp_path / "full" / "x").touch()
    for name in ("empty", "full"):
        modes.close_zone(tmp_path / name)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("empty", "full")] == [0o700, 0o755]


def old_lake(root: Path) -> Path:
    """A restricted zone as versions before made it with umask 022."""
    top = root / "restricted"
    for folder in (top, top / "claims", top / "claims" / "tables"):
        folder.mkdir(parents=True, exist_ok=True)
        os.chmod(folder, 0o755)
    for name in ("part-0.parquet", "part-1.parquet"):
        (top / "claims" / "tables" / name).touch()
        os.chmod(top / "claims" / "tables" / name, 0o644)
    (top / "claims" / "link").symlink_to(root / "outside")
    (root / "outside").touch()
    os.chmod(root / "outside", 0o644)
    return top


def test_an_old_lake_is_found_open_and_closed_once(tmp_path: Path) -> None:
    top = old_lake(tmp_path)
    assert modes.survey(top, modes.Access()) == modes.Survey(5, 5, is_open=True)
    assert modes.harden(top, modes.Access()) == modes.Hardened(5, 5, 0)
    assert modes.harden(top, modes.Access()) == modes.Hardened(5, 0, 0)
    assert modes.survey(top, modes.Access()) == modes.Survey(5, 0, is_open=False)
    assert stat.S_IMODE((tmp_path / "outside").stat().st_mode) == 0o644, "a link was followed"


def test_what_is_written_after_closing_an_old_lake_is_closed_too(tmp_path: Path, file_system: str) -> None:
    modes.harden(old_lake(tmp_path), modes.Access())
    (tmp_path / "restricted" / "claims" / "link").unlink()
    with umask(0):
        assert wide(fill(Lake(tmp_path))) == {}


def test_a_group_may_read_and_write_and_others_never(tmp_path: Path, file_system: str) -> None:
    lake, group = Lake(tmp_path / "lake"), modes.Access(os.getgid())
    lake.close_zone("restricted")
    top = tmp_path / "lake" / "restricted"
    modes.harden(top, group)
    with umask(0):
        lake.write_table("claims", "raw_records", [BATCH], SCHEMA, zone="restricted")
    found = {stat.S_IMODE(p.lstat().st_mode) for p in (top, *top.rglob("*"))}
    assert found == {0o2770, 0o660}
    assert modes.survey(top, group).wide == 0
    assert modes.survey(top, modes.Access()).is_open, "a group that nobody named is somebody else"
    modes.harden(top, modes.Access())
    assert wide(top) == {}


def test_a_file_system_without_modes_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert modes.modes_hold(tmp_path) is True
    monkeypatch.setattr(modes.os, "chmod", lambda *_: None)
    assert modes.modes_hold(tmp_path) is False
    assert modes.modes_hold(tmp_path / "absent") is None
