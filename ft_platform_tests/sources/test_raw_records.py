"""raw_records in the lake: appended to batch by batch, written only if there is something new."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ft_platform.assets.raw_records import ingest_source
from ft_platform.errors import SourceError, TransientError
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.tables import use_case

HEADER = "id,text,label,consent,region\n"
ROWS = [f"{i},complaint number {i} about a fee,card,yes,north\n" for i in range(1, 6)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "records.csv"
    path.parent.mkdir()
    path.write_text(HEADER + "".join(ROWS))
    return path


def case_of(uri: Path | str, **sections: dict[str, Any]) -> NamedUseCase:
    return use_case(**{"source": {"uri": str(uri)}, **sections})


def keys(lake: Lake, version: TableVersion) -> list[str]:
    return lake.read_table(version, ["source_key"])["source_key"].to_pylist()


def test_what_is_new_is_appended_and_nothing_new_writes_nothing(
    environment: Environment, lake: Lake, file: Path
) -> None:
    case = case_of(file)
    first, reused = ingest_source(lake, environment, case)
    assert not reused and keys(lake, first) == list("12345")
    assert ingest_source(lake, environment, case) == (first, True)
    file.write_text(HEADER + ROWS[0].replace("yes", "withdrawn") + "".join(ROWS[1:]) + "6,another one,card,yes,south\n")
    second, reused = ingest_source(lake, environment, case)
    assert not reused and sorted(keys(lake, second)) == sorted("1234516")
    assert keys(lake, first) == list("12345"), "the old version stays readable"
    manifest = lake.manifest(second)
    assert (
        manifest.counts["rows_new"] == 2
        and manifest.counts["rows_known"] == 4
        and manifest.counts["funnel"]["kept"] == 7
    )
    lake.verify_table(second)


def test_the_same_rows_in_other_bytes_are_remembered_and_not_read_again(
    environment: Environment, lake: Lake, file: Path
) -> None:
    case = case_of(file)
    first, _ = ingest_source(lake, environment, case)
    file.write_text(HEADER + "".join(reversed(ROWS)))
    second, reused = ingest_source(lake, environment, case)
    assert not reused and second.content_hash == first.content_hash and second.rows == 5
    assert ingest_source(lake, environment, case) == (second, True)


def test_a_broken_second_file_writes_nothing(environment: Environment, lake: Lake, file: Path) -> None:
    case = case_of(file.parent)
    first, _ = ingest_source(lake, environment, case)
    (file.parent / "a_new.csv").write_text(HEADER + "7,a new one,card,yes,north\n")
    (file.parent / "z_broken.csv").write_text(HEADER + "8,cut")
    with pytest.raises(SourceError, match="z_broken"):
        ingest_source(lake, environment, case)
    assert lake.latest(case.name, "raw_records") == first
    lake.verify_table(first)
    (file.parent / "z_broken.csv").unlink()
    second, _ = ingest_source(lake, environment, case)
    assert sorted(keys(lake, second)) == list("123457")
    assert not list(Path(lake.root).rglob("raw_records-*")), "no private folder is left"


def test_another_source_starts_a_version_without_the_rows_of_the_old_one(
    environment: Environment, lake: Lake, file: Path
) -> None:
    first, _ = ingest_source(lake, environment, case_of(file))
    other = file.with_name("other.csv")
    other.write_text(HEADER + "9,quite another complaint,card,yes,north\n")
    second, _ = ingest_source(lake, environment, case_of(other))
    assert keys(lake, second) == ["9"] and keys(lake, first) == list("12345")


def test_rows_that_vanished_stay_or_go_as_set(environment: Environment, lake: Lake, file: Path) -> None:
    second_file = file.with_name("second.csv")
    second_file.write_text(HEADER + "7,a complaint of another file,card,yes,north\n" + ROWS[2].replace("3,", "8,"))
    shorter = HEADER + ROWS[0].replace("yes", "no") + "".join(ROWS[2:])
    for setting, expected in (("keep", "11234578"), ("remove", "134578")):
        case = use_case(source={"uri": str(file.parent), "vanished_rows": setting})
        file.write_text(HEADER + "".join(ROWS))
        first, _ = ingest_source(lake, environment, case)
        assert sorted(keys(lake, first)) == list("1234578")
        file.write_text(shorter)
        second, reused = ingest_source(lake, environment, case)
        assert not reused and sorted(keys(lake, second)) == list(expected), setting
        assert sorted(keys(lake, first)) == list("1234578"), "the old version stays readable"
        lake.verify_table(second)
        assert lake.manifest(second).counts["rows_vanished"] == (2 if setting == "remove" else 0), (
            "row 2, and row 1 as it was"
        )
        assert ingest_source(lake, environment, case) == (second, True)


def test_rows_of_a_file_that_vanished_go_and_come_back_as_the_same_records(
    environment: Environment, lake: Lake, file: Path
) -> None:
    case = use_case(source={"uri": str(file.parent), "vanished_rows": "remove"}, record={"id": None})
    second_file = file.with_name("second.csv")
    second_file.write_text(HEADER + ROWS[0] + "7,a complaint of another file,card,yes,north\n")
    first, _ = ingest_source(lake, environment, case)
    assert first.rows == 6
    text = second_file.read_text()
    second_file.unlink()
    second, _ = ingest_source(lake, environment, case)
    assert second.rows == 5 and list(lake.manifest(second).info["files"]) == [str(file)]
    second_file.write_text(text)
    third, _ = ingest_source(lake, environment, case)
    assert third.content_hash == first.content_hash


def test_added_files_alone_do_not_make_known_ones_be_read_again(
    environment: Environment, lake: Lake, file: Path
) -> None:
    case = use_case(source={"uri": str(file.parent), "vanished_rows": "remove"})
    ingest_source(lake, environment, case)
    file.with_name("second.csv").write_text(HEADER + "7,a complaint of another file,card,yes,north\n")
    second, _ = ingest_source(lake, environment, case)
    assert lake.manifest(second).counts["rows_read"] == 1 and second.rows == 6


class Meanwhile:
    """Another run of the same stage that begins and ends while the first one is about to write."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, work: Callable[[], Any]) -> None:
        original, waiting = Lake.write_table, [work]

        def write_table(lake: Lake, *arguments: Any, **options: Any) -> TableVersion:
            if waiting:
                waiting.pop()()
            return original(lake, *arguments, **options)

        monkeypatch.setattr(Lake, "write_table", write_table)


@pytest.mark.parametrize("setting", ["keep", "remove"])
def test_two_runs_that_see_the_same_new_rows_add_them_once(
    environment: Environment, lake: Lake, file: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    """The lock alone does not help: the second writer had worked out its rows before it waited for the first."""
    case = use_case(source={"uri": str(file), "vanished_rows": setting})
    ingest_source(lake, environment, case)
    file.write_text(HEADER + "".join(ROWS[1:]) + "6,another one,card,yes,south\n")
    Meanwhile(monkeypatch, lambda: ingest_source(open_lake(environment), environment, case))
    with pytest.raises(TransientError, match="was written by another run in the meantime"):
        ingest_source(lake, environment, case)
    version, reused = ingest_source(lake, environment, case)
    assert reused and sorted(keys(lake, version)) == list("123456" if setting == "keep" else "23456")
    lake.verify_table(version)


@pytest.mark.integration
def test_two_processes_at_once_add_each_row_once(environment: Environment, lake: Lake, file: Path) -> None:
    case = case_of(file)
    ingest_source(lake, environment, case)
    with open(file, "a") as growing:
        growing.writelines(f"{i},complaint number {i} about a fee,card,yes,north\n" for i in range(6, 3_000))
    program = f"""
import sys
from pathlib import Path
from ft_platform.assets.raw_records import ingest_source
from ft_platform.use_case.settings.environment import Environment
from ft_platform.errors import TransientError
from ft_platform.lake.opening import open_lake
from ft_platform_tests.tables import use_case
environment = Environment.model_validate_json({environment.model_dump_json()!r})
print("ready", flush=True)
sys.stdin.readline()
try:
    ingest_source(open_lake(environment), environment, use_case(source={{"uri": {str(file)!r}}}))
except TransientError as error:
    print(error.message)
"""
    writers = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout and writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    told = [writer.communicate(timeout=120)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert all(not text or "in the meantime" in text for text in told), told
    version, _ = ingest_source(lake, environment, case)
    assert version.rows == 2_999 and len(set(keys(lake, version))) == 2_999
    lake.verify_table(version)
