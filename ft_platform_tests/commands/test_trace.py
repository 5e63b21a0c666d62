"""`ft trace` finds a record or a checkpoint by its id alone, in whichever use case it is."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ft_platform import cli
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import SAW_NO_ERASED
from ft_platform.use_case.scaffold import scaffold_yaml
from ft_platform.use_case.settings.environment import Environment

RAW = pa.schema(
    [
        ("record_id", pa.string()),
        ("source_key", pa.string()),
        ("source_uri", pa.string()),
        ("source_position", pa.int64()),
        ("source_hash", pa.string()),
        ("ingested_at", pa.timestamp("us", tz="UTC")),
    ]
)


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`letters` and `claims` each have one record and one checkpoint; `letters` has an id in its source that `claims`
    has too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FT_DEFS", str(tmp_path / "defs"))
    for name in ("FT_LAKE_ROOT", "FT_KEY_FILE", "FT_ENVIRONMENT", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("letters", "claims", "untouched"):
        (tmp_path / "defs" / name).mkdir(parents=True)
        (tmp_path / "defs" / name / "defs.yaml").write_text(scaffold_yaml(name, "classification"), encoding="utf-8")
    for name in ("letters", "claims"):
        fill(open_lake(Environment(home=tmp_path / "home")), name)
    return tmp_path


def fill(lake: Lake, name: str) -> None:
    rows = [
        {
            "record_id": f"record-{name}",
            "source_key": "17",
            "source_uri": f"{name}.csv",
            "source_position": 0,
            "source_hash": "h",
            "ingested_at": None,
        }
    ]
    batches = pa.Table.from_pylist(rows, RAW).to_batches()
    info = {"files": {f"{name}.csv": "hash"}}
    raw = lake.write_table(name, "raw_records", batches, RAW, zone="restricted", info=info)
    with lake.scratch(name, "adapter_checkpoint") as folder:
        folder.mkdir()
        pq.write_table(pa.table({"record_id": [f"record-{name}"]}), folder / "training_records.parquet")
        lake.publish(
            name, "adapter_checkpoint", f"ckpt-{name}", folder, parents=[raw], settings_hash="s", input_hash="i"
        )


def traced(capsys: pytest.CaptureFixture, *words: str) -> dict:
    assert cli.main(["trace", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def failed(capsys: pytest.CaptureFixture, *words: str) -> str:
    assert cli.main(["trace", *words]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    return error


def test_the_id_of_a_record_is_enough(capsys):
    found = traced(capsys, "record", "record-claims")
    assert (found["use_case"], found["record_id"]) == ("claims", "record-claims")
    assert [c["checkpoint"] for c in found["checkpoints"]] == ["ckpt-claims"]


def test_the_id_of_a_checkpoint_is_enough(capsys):
    assert traced(capsys, "checkpoint", "ckpt-letters")["use_case"] == "letters"
    assert traced(capsys, "checkpoint", "ckpt-le")["checkpoint"] == "ckpt-letters", "the first characters are enough"


def test_a_quarantined_checkpoint_says_so(capsys, installation):
    lake = open_lake(Environment(home=installation / "home"))
    (checkpoint,) = lake.artifacts("letters", "adapter_checkpoint")
    assert cli.main(["trace", "checkpoint", checkpoint.artifact_id]) == 0
    assert "QUARANTINED" not in capsys.readouterr().out
    lake.add_verdict(checkpoint, SAW_NO_ERASED, False, "", {"rows": 47, "reasons": {"erased": 47}})
    assert cli.main(["trace", "checkpoint", checkpoint.artifact_id]) == 0
    said = capsys.readouterr().out
    assert "QUARANTINED" in said and "47 of its rows may no longer be used" in said
    assert cli.main(["trace", "checkpoint", checkpoint.artifact_id, "--json"]) == 0
    assert "47 of its rows" in json.loads(capsys.readouterr().out)["quarantined"]


def test_the_use_case_may_be_named(capsys):
    assert traced(capsys, "record", "letters", "17")["record_id"] == "record-letters"
    assert "no version of raw_records of letters contains this record" in failed(
        capsys, "record", "letters", "record-claims"
    )


def test_an_id_that_two_use_cases_have_is_not_guessed(capsys):
    assert "ft trace record claims" in (error := failed(capsys, "record", "17"))
    assert "ft trace record letters" in error
    assert "claims, letters" in failed(capsys, "checkpoint", "ckpt-")


def test_an_id_that_none_has_names_the_use_cases_that_were_searched(capsys):
    assert "claims, letters, untouched" in failed(capsys, "record", "nobody")
    error = failed(capsys, "checkpoint", "ckpt-lettres")
    assert "no use case has a checkpoint 'ckpt-lettres'" in error
    assert "did you mean ckpt-letters" in error


def test_an_id_that_is_ambiguous_inside_one_use_case_says_so(capsys, installation):
    rows = [
        {
            "record_id": f"other-{n}",
            "source_key": "twice",
            "source_uri": "b.csv",
            "source_position": n,
            "source_hash": "h",
            "ingested_at": None,
        }
        for n in (0, 1)
    ]
    lake = open_lake(Environment(home=installation / "home"))
    lake.write_table(
        "claims", "raw_records", pa.Table.from_pylist(rows, RAW).to_batches(), RAW, zone="restricted", append=True
    )
    assert "Trace one of other-0, other-1" in failed(capsys, "record", "twice")


def test_a_use_case_that_was_taken_out_of_the_folder_is_still_traced(capsys, installation):
    (installation / "defs" / "claims" / "defs.yaml").unlink()
    assert traced(capsys, "record", "record-claims")["use_case"] == "claims"
    assert traced(capsys, "checkpoint", "claims", "ckpt-claims")["use_case"] == "claims"


def test_a_use_case_that_does_not_exist_and_too_many_words_are_errors(capsys):
    assert "did you mean letters?" in failed(capsys, "record", "leters", "17")
    assert "one id, or a use case and an id" in failed(capsys, "record", "letters", "17", "18")
