"""Arrow, Excel, mail, Delta and saved datasets: each reads what it should, and damage is an error."""

import itertools
import json
import zipfile
from datetime import UTC, date, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from ft_platform.assets.raw_records import ingest_source
from ft_platform.errors import SourceError
from ft_platform.lake.store import Lake
from ft_platform.sources.ingest import Ingest, read_new_records
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.tables import use_case

NOW = datetime(2026, 1, 15, tzinfo=UTC)
CANARY = "Zebulon Quartermain"
ROWS = [
    {"id": str(i), "text": f"complaint number {i}", "label": "card", "consent": "yes", "region": "north"}
    for i in range(1, 6)
]
MIB = 1 << 20


def case_of(uri: Path | str, **source: Any) -> NamedUseCase:
    return use_case(source={"uri": str(uri), **source})


def read(case: NamedUseCase, environment: Environment) -> Ingest:
    found = read_new_records(case, environment, {}, None, NOW)
    assert found.records.num_rows == found.counts["rows_new"]
    return found


def ids_of(case: NamedUseCase, environment: Environment) -> list[str]:
    return sorted(read(case, environment).records["record_id"].to_pylist())


def error_of(case: NamedUseCase, environment: Environment) -> str:
    with pytest.raises(SourceError) as caught:
        read(case, environment)
    assert CANARY not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def expected_ids(environment: Environment, tmp_path: Path) -> list[str]:
    """Record ids of `ROWS`: they do not depend on the format."""
    path = tmp_path / "expected.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    return ids_of(case_of(path), environment)


# Arrow


def write_arrow(path: Path, table: pa.Table, kind: str) -> Path:
    if kind == "feather":
        pyarrow.feather.write_feather(table, path.with_suffix(".feather"), compression="lz4")
        return path.with_suffix(".feather")
    opened = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
    options = pa.ipc.IpcWriteOptions(compression="zstd" if kind == "zstd" else None)
    with opened(path.with_suffix(".arrow"), table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=2)
    return path.with_suffix(".arrow")


@pytest.mark.parametrize("kind", ["file", "stream", "zstd", "feather"])
def test_arrow_in_every_form_gives_the_same_records(
    environment: Environment, tmp_path: Path, expected_ids: list[str], kind: str
) -> None:
    table = pa.Table.from_pylist(ROWS)
    table = table.set_column(0, "id", pa.array([1, 2, 3, 4, 5])).set_column(
        2, "label", table["label"].dictionary_encode()
    )
    table = table.set_column(4, "region", table["region"].cast(pa.string_view()))
    assert ids_of(case_of(write_arrow(tmp_path / "a", table, kind)), environment) == expected_ids


@pytest.mark.parametrize("kind", ["file", "stream", "zstd", "feather"])
def test_a_cut_or_damaged_arrow_file_is_an_error_or_the_same(
    environment: Environment, tmp_path: Path, kind: str
) -> None:
    """Never another number of rows, and never a crash. Arrow has no checksums: a changed letter shows in the file's
    hash only."""
    path = write_arrow(tmp_path / "a", pa.Table.from_pylist(ROWS), kind)
    good = path.read_bytes()
    for cut in range(8, len(good) // 2, 97):
        path.write_bytes(good[:cut])
        with pytest.raises(SourceError):
            read(case_of(path), environment)
    rows = set()
    for place in range(8, len(good), 31):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x41]) + good[place + 1 :])
        try:
            rows.add(read(case_of(path), environment).counts["rows_read"])
        except SourceError:
            rows.add(0)
    assert 0 in rows and max(rows) <= 5


def test_numbers_that_lead_outside_of_a_dictionary_or_text_are_an_error(
    environment: Environment, tmp_path: Path
) -> None:
    """pyarrow follows them without a look unless it is asked to validate."""
    wrong_index = pa.DictionaryArray.from_arrays(pa.array([0, 90_000_000], pa.int32()), ["a"], safe=False)
    offsets = np.array([0, 1, 2], np.int32)
    text = pa.StringArray.from_buffers(2, pa.py_buffer(offsets), pa.py_buffer(b"ab"))
    texts = pa.Array.from_buffers(
        pa.list_(pa.string()), 2, [None, pa.py_buffer(offsets)], children=[pa.array(["a", "b"])]
    )
    for column in (wrong_index, text, texts):
        offsets[2] = 2
        table = pa.table({**{name: ["1", "2"] for name in ROWS[0]}, "text": column})
        offsets[2] = 90_000_000  # behind the back of pyarrow, which would not make such a table
        assert "cannot be read as Arrow" in error_of(case_of(write_arrow(tmp_path / "a", table, "stream")), environment)


def test_an_arrow_bomb_ends_before_it_is_unpacked(environment: Environment, tmp_path: Path) -> None:
    table = pa.table({**{name: ["1", "2"] for name in ROWS[0]}, "text": ["x" * (40 * MIB)] * 2})
    assert "unpacks to more than 200 times" in error_of(
        case_of(write_arrow(tmp_path / "a", table, "zstd")), environment
    )


@pytest.mark.integration
def test_texts_that_rows_share_are_counted_for_each_row(environment: Environment, tmp_path: Path) -> None:
    shared = pa.array(["y" * (2 * MIB)]).dictionary_encode().take(pa.array([0] * 400))
    table = pa.table({**{name: pa.array([str(i) for i in range(400)]) for name in ROWS[0]}, "text": shared})
    path = write_arrow(tmp_path / "a", table, "stream")
    assert "its texts are more than 200 times its" in error_of(case_of(path), environment)
    case = case_of(path, limits={"unpacked_ratio": 1_000})
    before, peak, rows = pa.total_allocated_bytes(), 0, 0
    for batch in read_new_records(case, environment, {}, None, NOW).batches:
        rows += batch.num_rows
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert rows == 400 and peak < 700 * MIB


@pytest.mark.parametrize("kind", [pa.list_view(pa.string()), pa.run_end_encoded(pa.int32(), pa.string())])
def test_columns_whose_values_may_repeat_each_other_are_refused(
    environment: Environment, tmp_path: Path, kind: pa.DataType
) -> None:
    values = (
        pa.array([["a"], ["b"]], kind) if pa.types.is_list_view(kind) else pa.RunEndEncodedArray.from_arrays([2], ["a"])
    )
    table = pa.table({**{name: ["1", "2"] for name in ROWS[0]}, "text": values})
    assert "column 'text' is of type" in error_of(case_of(write_arrow(tmp_path / "a", table, "file")), environment)


# Packed


@pytest.mark.parametrize("packing", ["gz", "zst", "zip"])
def test_packed_files_give_the_records_of_what_is_packed(
    environment: Environment, tmp_path: Path, expected_ids: list[str], packing: str
) -> None:
    import gzip

    folder = tmp_path / "packed"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(ROWS[:2]), tmp_path / "one.parquet")
    first, second = (tmp_path / "one.parquet").read_bytes(), "\n".join(map(json.dumps, ROWS[2:])).encode()
    if packing == "zip":
        with zipfile.ZipFile(folder / "all.zip", "w") as archive:
            archive.writestr("in/one.parquet", first)
            archive.writestr("two.jsonl", second)
            archive.writestr("README.txt", "no data")
            archive.writestr("__MACOSX/._two.jsonl", "no data")
    else:
        for name, data in (("one.parquet", first), ("two.jsonl", second)):
            if packing == "gz":
                (folder / f"{name}.gz").write_bytes(gzip.compress(data))
            else:
                with (
                    pa.OSFile(str(folder / f"{name}.zst"), "wb") as raw,
                    pa.CompressedOutputStream(raw, "zstd") as file,
                ):
                    file.write(data)
    assert ids_of(case_of(folder), environment) == expected_ids
    uris = set(read(case_of(folder), environment).records["source_uri"].to_pylist())
    assert uris == (
        {f"{folder}/all.zip!/in/one.parquet", f"{folder}/all.zip!/two.jsonl"}
        if packing == "zip"
        else {str(p) for p in folder.iterdir()}
    )
    assert not list(Path(environment.home).rglob("unpacked"))


def test_what_an_archive_holds_beside_data_is_counted_or_an_error(
    environment: Environment, tmp_path: Path, expected_ids: list[str]
) -> None:
    import gzip

    lines = ["\n".join(map(json.dumps, some)).encode() for some in (ROWS[:2], ROWS[2:])]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("one.jsonl.gz", gzip.compress(lines[0]))
        archive.writestr("two.jsonl", lines[1])
        archive.writestr("README.txt", "no data")
        archive.writestr("__MACOSX/._two.zip", "no data")
    assert ids_of(case_of(tmp_path / "all.zip"), environment) == expected_ids
    found = read(case_of(tmp_path / "all.zip"), environment)
    assert found.records.num_rows == len(ROWS) and found.counts["files_ignored"] == 1
    with zipfile.ZipFile(tmp_path / "all.zip", "a") as archive:
        archive.writestr("in/more.zip", (tmp_path / "all.zip").read_bytes())
    assert "archives inside archives are not read" in error_of(case_of(tmp_path / "all.zip"), environment)


# Excel


def workbook(path: Path, rows: list[list[Any]], name: str = "Sheet") -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = name
    for row in rows:
        sheet.append(row)
    book.create_sheet("other").append(["nothing"])
    book.save(path)
    return path


def test_a_sheet_reads_as_the_same_records(environment: Environment, tmp_path: Path, expected_ids: list[str]) -> None:
    rows = [[], list(ROWS[0]), *[[int(row["id"]), *list(row.values())[1:]] for row in ROWS], []]
    path = workbook(tmp_path / "a.xlsx", rows, "data")
    assert ids_of(case_of(path), environment) == expected_ids
    assert ids_of(case_of(path, sheet="data"), environment) == expected_ids
    assert "has no sheet 'none', it has 'data', 'other'" in error_of(case_of(path, sheet="none"), environment)
    assert "column 'id' is missing" in error_of(case_of(path, sheet="other"), environment)


def test_values_of_cells_become_text(environment: Environment, tmp_path: Path) -> None:
    record = {"id": None, "features": {"a": "a", "b": "b", "c": "c", "d": "d"}, "label": "label"}
    rows = [
        ["text", "label", "consent", "a", "b", "c", "d"],
        ["t", "x", True, 1.5, date(2026, 1, 2), datetime(2026, 1, 2, 3, 4), None],
    ]
    case = use_case(
        source={"uri": str(workbook(tmp_path / "a.xlsx", rows))}, record=record, fairness={"sensitive_features": ["a"]}
    )
    (row,) = read(case, environment).records.to_pylist()
    assert [row[f"feature_{name}"] for name in "abcd"] == ["1.5", "2026-01-02", "2026-01-02T03:04:00", None] and row[
        "consent"
    ] == "true"


def test_a_cell_with_an_error_and_a_file_that_is_none_are_errors(environment: Environment, tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "a.xlsx", [list(ROWS[0]), list(ROWS[0].values()), ["2", "#REF!", "card", "yes", "north"]]
    )
    assert "row 3 of the sheet has a cell with an error" in error_of(case_of(path), environment)
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    assert "cannot be read as an Excel workbook" in error_of(case_of(path), environment)
    path.write_bytes(CANARY.encode())
    assert "cannot be read as an Excel workbook" in error_of(case_of(path), environment)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", b" " * (64 * MIB))
    assert "unpacks to more than 200 times" in error_of(case_of(path), environment)


@pytest.mark.parametrize(
    "entities",
    [
        '<!ENTITY x SYSTEM "file:///etc/hostname">',
        '<!ENTITY a "lol lol lol lol lol">'
        + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in itertools.pairwise("abcdefghx")),
    ],
    ids=["of another file", "that grow a billion times"],
)
def test_entities_in_a_workbook_are_an_error(environment: Environment, tmp_path: Path, entities: str) -> None:
    good = workbook(tmp_path / "good.xlsx", [list(ROWS[0]), ["1", "ENTITY", "card", "yes", "north"]])
    with zipfile.ZipFile(good) as archive, zipfile.ZipFile(tmp_path / "a.xlsx", "w") as made:
        for name in archive.namelist():
            data = archive.read(name).decode()
            planted = f"<!DOCTYPE x [{entities}]>{data.split('?>', 1)[-1].replace('ENTITY', '&x;')}"
            made.writestr(name, planted if "ENTITY" in data else data)
    assert "cannot be read as an Excel workbook" in error_of(case_of(tmp_path / "a.xlsx"), environment)


# Mail


def mail(text: str, **headers: str) -> EmailMessage:
    made = EmailMessage()
    for name, value in {
        "From": "Ada Example <ada@example.org>",
        "To": "desk@example.org",
        "Subject": "Fée",
        "Message-ID": "<1@example.org>",
        **headers,
    }.items():
        made[name] = value
    made["Date"] = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    made.set_content(text)
    return made


MAIL = {
    "id": "message_id",
    "text": ["subject", "text"],
    "label": "to",
    "subject": "from",
    "date": "date",
    "consent": "cc",
    "features": {"region": "thread"},
}


def test_a_folder_of_messages_is_a_row_each(environment: Environment, tmp_path: Path) -> None:
    first = mail("Why was I charged twice?\n")
    second = mail(
        "Still no answer.", **{"Message-ID": "<2@example.org>", "References": "<1@example.org> <x@example.org>"}
    )
    second.add_alternative("<p>Still no answer.</p>", subtype="html")
    second.add_attachment(b"\0" * 100, maintype="application", subtype="octet-stream", filename="a.bin")
    for number, one in enumerate((first, second)):
        (tmp_path / f"{number}.eml").write_bytes(one.as_bytes())
    rows = read(use_case(source={"uri": f"{tmp_path}/*.eml"}, record=MAIL), environment).records.to_pylist()
    found = [row["messages"][0]["content"].strip() for row in rows]
    assert found == ["Fée\n\nWhy was I charged twice?", "Fée\n\nStill no answer."]
    assert [row["feature_region"] for row in rows] == ["<1@example.org>", "<1@example.org>"]
    assert (
        rows[0]["subject_id"] == "Ada Example <ada@example.org>"
        and rows[0]["record_date"] == "2026-01-02T03:04:00+00:00"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            f"Subject: x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{CANARY} caf\xe9".encode(  # noqa: E501
                "latin-1"
            ),
            "not in the encoding",
        ),
        (f"Subject: x\nContent-Type: text/plain; charset=no-such\n\n{CANARY}".encode(), "not in the encoding"),
        (
            b"Subject: x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nQUJD*RE",
            "is damaged (base64)",
        ),
        (b"Subject: x\nContent-Type: application/pdf\n\nx", "has no text"),
        (f"{CANARY} wrote a note without headers".encode(), "has no header"),
        (b"Subject: x\nContent-Type: text/plain; charset=utf-8\n\nbefore\0after", "have a NUL character"),
        (
            b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (i, i) for i in range(90)) + b"\nx",
            "nested",
        ),
    ],
)
def test_a_message_that_cannot_be_read_as_it_should_is_an_error(
    environment: Environment, tmp_path: Path, content: bytes, expected: str
) -> None:
    (tmp_path / "a.eml").write_bytes(content)
    record = {"id": None, "text": "text", "label": "subject", "consent": "cc", "features": {"region": "thread"}}
    assert expected in error_of(use_case(source={"uri": f"{tmp_path}/a.eml"}, record=record), environment)


# Delta


def test_a_delta_table_is_read_at_its_version_and_again_after_a_commit(
    environment: Environment, lake: Lake, tmp_path: Path, expected_ids: list[str]
) -> None:
    uri = str(tmp_path / "delta")
    write_deltalake(uri, pa.Table.from_pylist(ROWS), partition_by=["region"])
    case = case_of(uri, vanished_rows="remove")
    assert ids_of(case, environment) == expected_ids
    first, _ = ingest_source(lake, environment, case)
    assert ingest_source(lake, environment, case) == (first, True)
    DeltaTable(uri).delete("id = '2'")
    write_deltalake(uri, pa.Table.from_pylist([{**ROWS[0], "id": "9"}]), mode="append")
    second, _ = ingest_source(lake, environment, case)
    assert sorted(lake.read_table(second, ["source_key"])["source_key"].to_pylist()) == list("13459")
    DeltaTable(uri).optimize.compact()
    third, reused = ingest_source(lake, environment, case)
    assert not reused and third.content_hash == second.content_hash, "a commit that changes no row adds none"


def test_what_is_no_delta_table_is_an_error(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "is not a Delta table" in error_of(case_of(tmp_path / "empty", format="delta"), environment)
    write_deltalake(str(tmp_path / "delta"), pa.Table.from_pylist(ROWS))
    assert "Set source.format: delta" in error_of(case_of(tmp_path / "delta", format="parquet"), environment)
    assert "column 'id' is missing (did you mean 'Id'?)" in error_of(
        case_of(
            _renamed(
                tmp_path / "other",
                pa.Table.from_pylist(ROWS).rename_columns(["Id", "text", "label", "consent", "region"]),
            )
        ),
        environment,
    )


def _renamed(path: Path, table: pa.Table) -> Path:
    write_deltalake(str(path), table)
    return path


# Datasets of Hugging Face, as `save_to_disk` writes them


def saved(folder: Path, table: pa.Table, **state: Any) -> Path:
    folder.mkdir(parents=True)
    features = {name: {"dtype": "string", "_type": "Value"} for name in table.schema.names} | {
        "label": {"names": ["card", "loan"], "_type": "ClassLabel"}
    }
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    with pa.ipc.new_stream(folder / "data-00000-of-00001.arrow", table.schema) as writer:
        writer.write_table(table)
    (folder / "state.json").write_text(
        json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}], **state})
    )
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    (folder / "cache-1234.arrow").write_bytes(b"an index of a filter, no data")
    return folder


def test_a_saved_dataset_is_read_with_the_names_of_its_labels(
    environment: Environment, tmp_path: Path, expected_ids: list[str]
) -> None:
    table = pa.Table.from_pylist(ROWS).set_column(2, "label", pa.array([0] * 5))
    assert ids_of(case_of(saved(tmp_path / "one", table)), environment) == expected_ids
    for name, rows in (("train", table.slice(0, 3)), ("test", table.slice(3))):
        saved(tmp_path / "several" / name, rows)
    (tmp_path / "several" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert ids_of(case_of(tmp_path / "several"), environment) == expected_ids
    assert len(ids_of(case_of(tmp_path / "several" / "test"), environment)) == 2
    pq.write_table(pq.ParquetFile(_as_parquet(tmp_path, tmp_path / "one")).read(), tmp_path / "hub.parquet")
    assert ids_of(case_of(tmp_path / "hub.parquet"), environment) == expected_ids


def _as_parquet(folder: Path, dataset: Path) -> Path:
    with pa.ipc.open_stream(dataset / "data-00000-of-00001.arrow") as reader:
        pq.write_table(reader.read_all(), folder / "first.parquet")
    return folder / "first.parquet"


def test_a_class_without_a_label_or_a_name_is_no_other_class(environment: Environment, tmp_path: Path) -> None:
    table = pa.Table.from_pylist(ROWS).set_column(2, "label", pa.array([0, 1, -1, 7, None]))
    labels = read(case_of(saved(tmp_path / "one", table)), environment).records["label"].to_pylist()
    assert labels == ["card", "loan", None, "7", None]


def test_a_saved_selection_or_a_path_that_leads_elsewhere_is_refused(environment: Environment, tmp_path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    indices = saved(tmp_path / "indices", table, _indices_files=[{"filename": "indices.arrow"}])
    assert "flatten_indices" in error_of(case_of(indices), environment)
    outside = saved(tmp_path / "outside", table, _data_files=[{"filename": "../one/data-00000-of-00001.arrow"}])
    assert "names no data files of its folder" in error_of(case_of(outside), environment)
