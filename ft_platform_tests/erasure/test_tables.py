"""Rows of a person leave every version of every table, and what is left verifies. Persons are fictitious."""

import pytest
from deltalake import DeltaTable

from ft_platform.erasure.case_file import CaseFile, remove
from ft_platform.erasure.tables import Identified, erase_from_table, identify, tables_of
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.privacy.pseudonyms import subject_pseudonyms
from ft_platform_tests.erasure.conftest import PERSON, bytes_below, person_rows
from ft_platform_tests.governance.house import House


def erase(house: House, request: str = "erasure_request-1", person: str = PERSON, texts: tuple[str, ...] = ()) -> None:
    pseudonyms = set(subject_pseudonyms(house.environment, house.name, person).values())
    found = Identified({person}, pseudonyms)
    identify(house.lake, house.name, found)
    case = CaseFile(house.name, request, [person])
    for table in tables_of(house.lake, house.name):
        erase_from_table(house.lake, table, found.selection(table.zone, texts), case)
    remove(house.lake, house.name, request)


def test_rows_leave_every_version_and_the_rest_verifies_under_the_hash_it_had(house: House) -> None:
    before = {m.id: m.content_hash for name in ("raw_records", "splits") for m in house.lake.manifests("tests", name)}
    erase(house)
    lake = open_lake(house.environment)
    assert inspect(lake, "tests").problems == []
    after = {m.id: m.content_hash for name in ("raw_records", "splits") for m in lake.manifests("tests", name)}
    assert after == before
    assert person_rows(house) == 0
    raw = lake.latest("tests", "raw_records")
    assert raw is not None and (raw.rows, lake.rows(raw).num_rows, lake.read_table(raw).num_rows) == (5, 5, 5)
    pseudonym = subject_pseudonyms(house.environment, "tests", PERSON)[1]
    assert bytes_below(house.lake.root, PERSON) == bytes_below(house.lake.root, pseudonym) == 0


def test_an_erasure_that_goes_on_after_another_one_leaves_what_that_one_noted(house: House) -> None:
    first = CaseFile(house.name, "erasure_request-1", [PERSON])
    pseudonyms = set(subject_pseudonyms(house.environment, house.name, PERSON).values())

    def go_on(texts: tuple[str, ...]) -> None:
        found = Identified({PERSON}, pseudonyms)
        identify(house.lake, house.name, found)
        for table in tables_of(house.lake, house.name):
            erase_from_table(house.lake, table, found.selection(table.zone, texts), first)

    go_on(())
    erase(house, "erasure_request-2", "nobody", ("number 2",))
    go_on(("number 3",))
    lake = open_lake(house.environment)
    assert inspect(lake, "tests").problems == []
    raw = lake.latest("tests", "raw_records")
    assert raw is not None
    known = [one.request for one in lake.erased_rows(raw).erasures]
    assert known == ["erasure_request-1", "erasure_request-2", "erasure_request-1"]


@pytest.mark.parametrize("what", ["put in", "taken out", "changed"])
def test_what_is_done_to_the_rest_afterwards_is_found(house: House, what: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    erase(house)
    splits = house.lake.latest("tests", "splits")
    assert splits is not None
    path = house.lake.file_paths(splits)[0]
    table = pq.read_table(path)
    ids = [*table["record_id"].to_pylist()]
    new = {"put in": table.slice(0, 1), "taken out": table.slice(0, 0), "changed": table.slice(0, 1)}[what]
    rest = {"put in": table, "taken out": table.slice(1), "changed": table.slice(1)}[what]
    if what == "changed":
        new = new.set_column(0, table.schema.field(0), pa.array([f"x{ids[0]}"]))
    pq.write_table(pa.concat_tables([rest, new]), path)
    assert "does not match its manifest" in " ".join(inspect(open_lake(house.environment), "tests").problems)


def test_rows_that_are_appended_later_verify_and_older_versions_as_well(house: House) -> None:
    from ft_platform_tests.governance.house import rows

    erase(house)
    house.write(rows(9, person={5: "somebody new"}))
    house.build(checkpoint="ckpt-later")
    assert inspect(open_lake(house.environment), "tests").problems == []
    erase(house, "erasure_request-2", "somebody new")
    assert inspect(open_lake(house.environment), "tests").problems == []
    assert bytes_below(house.lake.root, "somebody new") == 0


def test_a_delta_reader_sees_each_version_without_the_rows(house: House) -> None:
    erase(house)
    for name in ("raw_records", "permitted_records"):
        for manifest in house.lake.manifests("tests", name):
            table = DeltaTable(house.lake.uri("restricted", "tests", "tables", name), version=manifest.version)
            persons = table.to_pyarrow_table(columns=["subject_id"])["subject_id"].to_pylist()
            assert PERSON not in persons and len(persons) == manifest.rows - 1


def test_a_log_with_checkpoints_is_mended_too(house: House) -> None:
    place = house.lake.uri("restricted", "tests", "tables", "raw_records")
    DeltaTable(place).create_checkpoint()
    erase(house)
    for log in DeltaTable(place).to_pyarrow_table().to_pylist():
        assert log["subject_id"] != PERSON
    assert bytes_below(place, PERSON) == 0


def test_a_name_in_records_of_others_is_replaced_and_they_verify(house: House) -> None:
    erase(house, texts=("complaint  NUMBER 3",))
    raw = house.lake.latest("tests", "raw_records")
    assert raw is not None
    texts = [row["messages"][0]["content"] for row in house.lake.read_table(raw).to_pylist()]
    assert "fictitious <ERASED>" in texts and not any("number 3" in text for text in texts)
    assert inspect(open_lake(house.environment), "tests").problems == []
