"""The Croissant file: valid for the format's own library, which also reads the records through it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ft_platform.lake.files import sha256_file
from ft_platform.reporting.documents import croissant
from ft_platform_tests.evidence.case import small_case
from ft_platform_tests.reporting.documents.made import facts


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return json.loads(croissant.make(facts()))


def test_its_parts_fit_together(made: dict[str, Any]) -> None:
    """What the specification asks of a dataset, its distribution and its record sets."""
    assert (made["@type"], made["conformsTo"]) == ("sc:Dataset", "http://mlcommons.org/croissant/1.0")
    assert {"name", "description", "license", "version", "datePublished", "distribution", "recordSet"} <= set(made)
    ids = {one["@id"] for one in made["distribution"]}
    (records,) = made["recordSet"]
    for field in records["field"]:
        assert field["@id"] == f"records/{field['name']}" and field["source"]["fileSet"]["@id"] in ids
        assert field["source"]["extract"]["column"] == field["name"] and field["description"]
    assert records["key"]["@id"] in {field["@id"] for field in records["field"]}
    files = [one for one in made["distribution"] if one["@type"] == "cr:FileObject"]
    (every,) = (one for one in made["distribution"] if one["@type"] == "cr:FileSet")
    assert every["includes"] == [one["contentUrl"] for one in files]


def test_the_files_are_those_of_the_version_with_their_own_sha256(made: dict[str, Any]) -> None:
    case = small_case()
    folder = Path(case.lake.path_of("shared", "complaints", "tables", "splits"))
    files = [one for one in made["distribution"] if one["@type"] == "cr:FileObject"]
    assert files and {one["name"]: one["sha256"] for one in files} == {
        path.name: sha256_file(path) for path in folder.glob("*.parquet")
    }


def test_the_formats_own_library_finds_it_valid_and_reads_the_records(tmp_path: Path) -> None:
    mlc = pytest.importorskip("mlcroissant", reason="the library of the Croissant format is not installed (extra dev)")
    case = small_case()
    (tmp_path / "croissant.json").write_text(croissant.make(facts()))
    for path in case.lake.file_paths(case.splits):
        shutil.copy(path, tmp_path)
    dataset = mlc.Dataset(jsonld=str(tmp_path / "croissant.json"))
    assert dataset.metadata.ctx.issues.errors == set()
    read = {row["records/record_id"].decode() for row in dataset.records("records")}
    assert read == set(case.lake.read_table(case.splits)["record_id"].to_pylist())
