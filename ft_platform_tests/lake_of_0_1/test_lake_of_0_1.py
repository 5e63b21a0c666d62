"""An installation of version 0.1 (`make.py`: 30 records of fictitious persons, a checkpoint of a tiny model) opens with
today's code: what it holds is read, what must be done once is named, and a new run goes on from it."""

import json
import tarfile
from pathlib import Path

import pytest

from ft_platform import cli
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.stages import STAGES
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.settings.environment import STORAGE_VARIABLES

TABLES = [name for name, stage in STAGES.items() if stage.kind == "table" and name != "quarantined_records"]
CHECKPOINT = "ckpt-061db91601df"


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The unpacked folder, which is also the working directory."""
    for name in ("FT_HOME", "FT_ENVIRONMENT", "FT_DEFS", "FT_LAKE_ROOT", *STORAGE_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    # Set first, so that it is put back as it was: commands set it.
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
    with tarfile.open(Path(__file__).with_name("lake.tar.xz")) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def lake(installation: Path, capsys: pytest.CaptureFixture[str]) -> Lake:
    """Its lake, after what the sections `Moving from ...` of the changelog ask for."""
    move(installation, capsys)
    return open_lake(load_environment())


def move(installation: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The steps of `Moving from 0.1` and `Moving from 0.2` that this installation needs."""
    file = installation / "defs" / "complaints" / "defs.yaml"
    reason = "without_quasi_identifiers: These persons are fictitious."
    changed = file.read_text().replace("    ner: none\n", f"    ner: none\n    {reason}\n")
    file.write_text(changed.replace("  training:\n", "  training:\n    recipe: manual\n"))
    ft(capsys, "init")
    ft(capsys, "lake", "harden")
    assert "10 tables and 9 folders were compared with their hashes" in ft(capsys, "seals", "adopt", "complaints")


def ft(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert cli.main(words) == code
    found = capsys.readouterr()
    return found.out + found.err


@pytest.mark.parametrize("name", TABLES)
def test_manifests_and_rows_of_each_table_are_read(lake: Lake, name: str) -> None:
    version = lake.latest("complaints", name)
    assert isinstance(version, TableVersion) and version.id == f"{name}@0"
    manifest = lake.manifest(version)
    assert manifest.code.startswith("0.1.0+")
    assert sum(batch.num_rows for batch in lake.rows(version).batches()) == version.rows == 30


def test_a_checkpoint_names_what_it_learned_from(capsys: pytest.CaptureFixture[str], lake: Lake) -> None:
    [checkpoint] = lake.artifacts("complaints", "adapter_checkpoint")
    assert checkpoint.id == CHECKPOINT and lake.manifest(checkpoint).code.startswith("0.1.0+")
    found = ft(capsys, "trace", "checkpoint", CHECKPOINT)
    assert "splits@0" in found and "trained on 18 records" in found


def test_commands_answer_or_say_what_to_run_once(installation: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [row] = json.loads(ft(capsys, "list", "--json"))
    assert (row["use_case"], row["ended"]) == ("complaints", "succeeded")
    before = ft(capsys, "check", code=1)
    assert "privacy names neither `quasi_identifiers` nor" in before
    assert "Add the line `instance_class: {module: ft_platform.redaction.instance, class: RedactingInstance}`" in before
    assert "Close it with: ft lake harden" in before
    assert "written before its versions were signed" in ft(capsys, "seals", "verify", code=1)
    assert "Sign it once: ft seals adopt complaints" in ft(capsys, "results", "complaints", code=1)

    assert "written before its versions were signed" in ft(capsys, "lake", "check", code=1)

    move(installation, capsys)
    assert ft(capsys, "check").endswith("1 use case in defs: all load\n")
    assert "the lake is intact" in ft(capsys, "lake", "check")
    assert "complaints: intact" in ft(capsys, "seals", "verify")
    found = json.loads(ft(capsys, "results", "complaints", "--json"))
    assert [(row["stage"], row["kept"]) for row in found["funnel"]] == [(name, 30) for name in TABLES]


@pytest.mark.integration
def test_a_new_run_goes_on_from_it_and_trains_nothing(
    capsys: pytest.CaptureFixture[str], lake: Lake, quick_stages: None
) -> None:
    assert "reused: splits, adapter_checkpoint" in ft(
        capsys, "run", "complaints", "--select", *TABLES, "adapter_checkpoint"
    )
    assert [one.id for one in lake.artifacts("complaints", "adapter_checkpoint")] == [CHECKPOINT]
    [first, second] = (lake.latest("complaints", name) for name in ("splits", "anonymized_records"))
    assert (first and first.id, second and second.id) == ("splits@0", "anonymized_records@1")
    assert "complaints: intact" in ft(capsys, "seals", "verify")
