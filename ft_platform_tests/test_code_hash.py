"""A manifest names the code that wrote it by what the code is, not only by its version number."""

import re
from pathlib import Path

import pyarrow as pa
import pytest

from ft_platform import __version__
from ft_platform.lake.store import Lake
from ft_platform.process.code_hash import PACKAGE, code, files_hash

SCHEMA = pa.schema([("record_id", pa.string())])


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name in (
        "stage.py",
        "names.txt",
        "templates/page.html",
        "defs/letters/defs.yaml",
        "__pycache__/stage.cpython-311.pyc",
        ".hidden/x",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text of " + name)
    return tmp_path


def test_the_manifests_of_tables_and_artifacts_name_version_and_files(lake: Lake):
    table = lake.write_table(
        "letters", "raw_records", pa.table({"record_id": ["a"]}, SCHEMA).to_batches(), SCHEMA, zone="restricted"
    )
    with lake.scratch("letters", "model_card") as folder:
        folder.mkdir()
        (folder / "a.txt").write_text("a")
        artifact = lake.publish(
            "letters", "model_card", "card-1", folder, parents=[table], settings_hash="s", input_hash="i"
        )
    assert lake.manifest(table).code == lake.manifest(artifact).code == f"{__version__}+{files_hash(PACKAGE)}"
    assert re.fullmatch(r"\d+\.\d+\.\d+\+[0-9a-f]{12}", code())


@pytest.mark.parametrize("name", ["stage.py", "names.txt", "templates/page.html"])
def test_a_changed_file_changes_the_hash(package, name):
    before = files_hash(package)
    (package / name).write_text("other text")
    assert files_hash(package) != before


def test_a_renamed_or_new_file_changes_the_hash(package):
    before = files_hash(package)
    (package / "stage.py").rename(package / "steps.py")
    renamed = files_hash(package)
    (package / "more.py").touch()
    assert len({before, renamed, files_hash(package)}) == 3


@pytest.mark.parametrize("name", ["defs/letters/defs.yaml", "__pycache__/stage.cpython-311.pyc", ".hidden/x"])
def test_use_cases_and_compiled_files_are_not_code(package, name):
    before = files_hash(package)
    (package / name).write_text("other text")
    assert files_hash(package) == before


def test_what_moves_from_the_end_of_one_file_to_the_next_is_a_change(package):
    (package / "a.py").write_text("xy")
    (package / "b.py").write_text("z")
    before = files_hash(package)
    (package / "a.py").write_text("x")
    (package / "b.py").write_text("yz")
    assert files_hash(package) != before
