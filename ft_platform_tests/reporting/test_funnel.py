import pyarrow as pa

from ft_platform.lake.store import Lake
from ft_platform.reporting.funnel import funnel, funnel_of
from ft_platform.reporting.lineage import lineage_rows, manifests_behind

SCHEMA = pa.schema([pa.field("record_id", pa.string())])


def write(lake: Lake, name: str, rows: int, parents=(), counts=None, zone="restricted"):
    table = pa.table({"record_id": [f"r{n}" for n in range(rows)]}, schema=SCHEMA)
    return lake.write_table("complaints", name, table.to_batches(), SCHEMA, zone=zone, parents=parents, counts=counts)


def step(stage: str, kept: int, **removed: int) -> dict:
    return {"stage": stage, "rows_in": kept + sum(removed.values()), "kept": kept, "removed": removed}


def test_the_funnel_follows_the_stages_and_leaves_out_those_that_did_not_run(tmp_path) -> None:
    lake = Lake(tmp_path)
    assert funnel(lake, "complaints") == []
    raw = write(lake, "raw_records", 10)
    write(lake, "permitted_records", 8, [raw], {"funnel": step("permitted_records", 8, consent_missing=2)})
    assert funnel(lake, "complaints") == [step("raw_records", 10), step("permitted_records", 8, consent_missing=2)]


def test_a_report_shows_the_versions_it_was_made_from_and_not_newer_ones(tmp_path) -> None:
    lake = Lake(tmp_path)
    raw = write(lake, "raw_records", 10)
    permitted = write(lake, "permitted_records", 8, [raw], {"funnel": step("permitted_records", 8, consent_missing=2)})
    newer = write(lake, "raw_records", 20)
    write(lake, "permitted_records", 20, [newer], {"funnel": step("permitted_records", 20)})
    behind = manifests_behind(lake, [permitted])
    assert [row["kept"] for row in funnel_of(behind)] == [10, 8]
    assert [row["kept"] for row in funnel(lake, "complaints")] == [20, 20]
    expected = [("raw_records", "raw_records@0"), ("permitted_records", "permitted_records@0")]
    assert [(row["stage"], row["id"]) for row in lineage_rows(behind)] == expected
