"""Tracing a record forwards and a checkpoint back, over a small lake whose history is known."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ft_platform.cleaning.validation.quarantine import QUARANTINED
from ft_platform.errors import DataError
from ft_platform.lake.opening import open_lake
from ft_platform.lake.provenance import trace_checkpoint, trace_record
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.records.columns import COUNTS, MESSAGES, REMOVED
from ft_platform.use_case.settings.environment import Environment

SECRET_TEXT = "my name is Ada Lovelace"
RAW = pa.schema(
    [
        ("record_id", pa.string()),
        ("source_key", pa.string()),
        ("source_uri", pa.string()),
        ("source_position", pa.int64()),
        ("source_hash", pa.string()),
        ("ingested_at", pa.timestamp("us", tz="UTC")),
        ("messages", MESSAGES),
    ]
)
CLEANED = pa.schema(
    [
        ("record_id", pa.string()),
        ("messages", MESSAGES),
        ("changes", pa.list_(pa.string())),
        ("sha256_before", pa.string()),
        ("sha256_after", pa.string()),
    ]
)
SPLITS = pa.schema([("record_id", pa.string()), ("messages", MESSAGES), ("entities", COUNTS), ("split", pa.string())])
TEXT = [{"role": "user", "content": SECRET_TEXT}]


def write(
    lake: Lake,
    name: str,
    zone: str,
    rows: list[dict],
    schema: pa.Schema,
    parents=(),
    removed: dict[str, str] | None = None,
    **options,
) -> TableVersion:
    info = dict(options.pop("info", {}))
    if removed is not None:
        table = pa.table(
            {"record_id": list(removed), "reason": list(removed.values()), "duplicate_of": [None] * len(removed)},
            schema=REMOVED,
        )
        info["removed_version"] = lake.write_table(
            "claims", f"{name}_removed", table.to_batches(), REMOVED, zone=zone
        ).version
    batches = pa.Table.from_pylist(rows, schema=schema).to_batches()
    return lake.write_table("claims", name, batches, schema, zone=zone, parents=parents, info=info, **options)


def raw_row(record_id: str, file: str, position: int) -> dict:
    return {
        "record_id": record_id,
        "source_key": f"key-{record_id}",
        "source_uri": file,
        "source_position": position,
        "source_hash": f"hash-{record_id}",
        "ingested_at": datetime(2026, 1, 2, tzinfo=UTC),
        "messages": TEXT,
    }


def publish_checkpoint(lake: Lake, splits: TableVersion, record_ids: list[str], name: str) -> ArtifactVersion:
    with lake.scratch("claims", "adapter_checkpoint") as folder:
        folder.mkdir()
        (folder / "adapter.safetensors").write_text(name)
        pq.write_table(pa.table({"record_id": record_ids}), folder / "training_records.parquet")
        return lake.publish(
            "claims",
            "adapter_checkpoint",
            name,
            folder,
            parents=[splits],
            settings_hash="s",
            input_hash="i",
            info={"base_model": {"uri": "org/m", "sha256": "0" * 64}},
        )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """r1 reaches a checkpoint, r2 is in the test split, r3 is removed in cleaning, r4 arrives with a second file."""
    lake = open_lake(Environment(home=tmp_path))
    raw = write(
        lake,
        "raw_records",
        "restricted",
        [raw_row("r1", "a.csv", 0), raw_row("r2", "a.csv", 1), raw_row("r3", "a.csv", 2)],
        RAW,
        info={"files": {"a.csv": "ha"}},
    )
    permitted = write(
        lake,
        "permitted_records",
        "restricted",
        [raw_row("r1", "a.csv", 0), raw_row("r2", "a.csv", 1), raw_row("r3", "a.csv", 2)],
        RAW,
        [raw],
        {},
    )
    cleaned_rows = [
        {"record_id": r, "messages": TEXT, "changes": ["html"], "sha256_before": f"b-{r}", "sha256_after": f"a-{r}"}
        for r in ("r1", "r2")
    ]
    cleaned = write(lake, "cleaned_records", "restricted", cleaned_rows, CLEANED, [permitted], {"r3": "too_short"})
    split_rows = [
        {"record_id": r, "messages": TEXT, "entities": [("PERSON", 1)], "split": s}
        for r, s in (("r1", "train"), ("r2", "test"))
    ]
    anonymized = write(lake, "anonymized_records", "shared", split_rows, SPLITS, [cleaned], {})
    splits = write(lake, "splits", "shared", split_rows, SPLITS, [anonymized], {})
    publish_checkpoint(lake, splits, ["r1"], "checkpoint-one")
    rows = [raw_row("r4", "b.csv", 0)]
    write(lake, "raw_records", "restricted", rows, RAW, info={"files": {"a.csv": "ha", "b.csv": "hb"}}, append=True)
    return lake


def test_a_record_is_followed_from_its_file_to_the_checkpoint_that_saw_it(lake):
    found = trace_record(lake, "claims", "r1")
    assert found["source"] == {
        "uri": "a.csv",
        "position": 0,
        "hash": "hash-r1",
        "ingested_at": "2026-01-02T00:00:00+00:00",
    }
    assert [(s["stage"], s["outcome"]) for s in found["stages"]] == [
        ("raw_records", "kept"),
        ("permitted_records", "kept"),
        ("cleaned_records", "kept"),
        ("anonymized_records", "kept"),
        ("splits", "kept"),
    ]
    cleaned = found["stages"][2]
    assert (cleaned["changes"], cleaned["sha256_before"], cleaned["sha256_after"]) == (["html"], "b-r1", "a-r1")
    assert found["stages"][3]["entities"] == {"PERSON": 1}
    assert found["split"] == "train"
    assert [(c["checkpoint"], c["splits"]) for c in found["checkpoints"]] == [("checkpoint-one", ["splits@0"])]


def test_a_record_that_was_put_aside_names_the_expectations_it_does_not_meet(lake):
    unmet = [("r3", "expect_a"), ("r3", "expect_b"), ("r2", "expect_a")]
    rows = [{"record_id": record_id, "expectation": name, "columns": "label"} for record_id, name in unmet]
    beside = write(lake, "quarantined_records", "restricted", rows, QUARANTINED)
    removed, info = {"r3": "quarantined", "r2": "too_short"}, {"quarantined_records_version": beside.version}
    write(
        lake,
        "cleaned_records",
        "restricted",
        [],
        CLEANED,
        [lake.latest("claims", "permitted_records")],
        removed,
        info=info,
    )
    stages = trace_record(lake, "claims", "r3")["stages"]
    assert [
        (s["outcome"], s.get("reason"), s.get("expectations")) for s in stages if s["stage"] == "cleaned_records"
    ] == [("removed", "quarantined", ["expect_a(label)", "expect_b(label)"])]


def test_a_record_in_the_test_split_has_no_checkpoint(lake):
    found = trace_record(lake, "claims", "r2")
    assert (found["split"], found["checkpoints"]) == ("test", [])


def test_a_removed_record_ends_with_the_reason(lake):
    found = trace_record(lake, "claims", "r3")
    assert [(s["stage"], s["outcome"], s.get("reason")) for s in found["stages"]][-1] == (
        "cleaned_records",
        "removed",
        "too_short",
    )
    assert (found["split"], found["checkpoints"]) == (None, [])


def test_every_version_that_holds_a_record_is_named(lake):
    assert trace_record(lake, "claims", "r1")["stages"][0]["in_versions"] == ["raw_records@1", "raw_records@0"]
    assert trace_record(lake, "claims", "r4")["stages"][0]["in_versions"] == ["raw_records@1"]


def test_the_sources_own_id_finds_a_record_too_but_is_not_printed(lake):
    found = trace_record(lake, "claims", "key-r2")
    assert found["record_id"] == "r2"
    assert "key-r2" not in json.dumps(found)


def test_no_text_of_a_record_is_in_a_trace(lake):
    shown = json.dumps([trace_record(lake, "claims", "r1"), trace_checkpoint(lake, "claims", "checkpoint-one")])
    assert SECRET_TEXT not in shown


def test_a_checkpoint_is_followed_back_to_its_source_files(lake):
    found = trace_checkpoint(lake, "claims", "checkpoint-one")
    assert [v["version"] for v in found["versions"]] == [
        "splits@0",
        "anonymized_records@0",
        "cleaned_records@0",
        "permitted_records@0",
        "raw_records@0",
    ]
    assert [v["rows"] for v in found["versions"]] == [2, 2, 2, 3, 3]
    assert found["training_records"] == 1
    assert found["source_files"] == [{"uri": "a.csv", "hash": "ha", "records": 1}]
    assert found["base_model"] == {"uri": "org/m", "sha256": "0" * 64}


def test_the_first_characters_of_a_checkpoint_id_are_enough_if_they_are_unique(lake):
    splits = lake.latest("claims", "splits")
    assert splits
    assert trace_checkpoint(lake, "claims", "checkpoint-o")["checkpoint"] == "checkpoint-one"
    publish_checkpoint(lake, splits, ["r1"], "checkpoint-other")
    with pytest.raises(DataError, match="2 checkpoints of claims begin with 'checkpoint-o'"):
        trace_checkpoint(lake, "claims", "checkpoint-o")
    assert len(trace_record(lake, "claims", "r1")["checkpoints"]) == 2


def test_unknown_ids_are_errors_that_help(lake):
    with pytest.raises(DataError, match="contains this record"):
        trace_record(lake, "claims", "nobody")
    with pytest.raises(DataError, match="Did you mean checkpoint-one"):
        trace_checkpoint(lake, "claims", "chekpoint-one")


def test_an_id_that_two_records_have_in_their_source_is_not_guessed(lake):
    row = raw_row("r5", "c.csv", 0)
    row["source_key"] = "key-r1"
    write(lake, "raw_records", "restricted", [row], RAW, append=True)
    with pytest.raises(DataError, match="Trace one of r1, r5"):
        trace_record(lake, "claims", "key-r1")
