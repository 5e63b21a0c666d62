"""Damaged and hostile files end with an error that names the limit or the damage, and never with a full machine or a
changed text."""

import gzip
import json
import os
import random
import struct
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ft_platform.errors import SourceError
from ft_platform.sources.ingest import read_new_records
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.tables import use_case

NOW = datetime(2026, 1, 15, tzinfo=UTC)
CANARY = "Zebulon Quartermain"
HEADER = "id,text,label,consent,region\n"
MIB = 1 << 20


def case_of(uri: Path | str, limits: dict[str, Any] | None = None, **source: Any) -> NamedUseCase:
    return use_case(source={"uri": str(uri), "limits": limits or {}, **source})


def rows_of(case: NamedUseCase, environment: Environment) -> list[dict]:
    return read_new_records(case, environment, {}, None, NOW).records.to_pylist()


def error_of(case: NamedUseCase, environment: Environment) -> str:
    with pytest.raises(SourceError) as caught:
        rows_of(case, environment)
    assert CANARY not in str(caught.value)
    return str(caught.value)


def row(key: object, text: str) -> dict[str, str]:
    return {"id": str(key), "text": text, "label": "card", "consent": "yes", "region": "north"}


def csv_of(texts: list[str]) -> str:
    return HEADER + "".join(f"{i},{text},card,yes,north\n" for i, text in enumerate(texts))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


# Sizes


@pytest.mark.integration
def test_a_bomb_of_any_packing_ends_at_the_ratio_before_it_fills_the_disk(
    environment: Environment, folder: Path
) -> None:
    content = (HEADER + "1,").encode() + b"a" * (64 * MIB) + b",card,yes,north\n"
    with gzip.open(folder / "a.csv.gz", "wb") as file:
        file.write(content)
    with pa.OSFile(str(folder / "b.csv.zst"), "wb") as raw, pa.CompressedOutputStream(raw, "zstd") as file:
        file.write(content)
    with zipfile.ZipFile(folder / "c.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("c.csv", content)
    for name in ("a.csv.gz", "b.csv.zst", "c.zip"):
        assert "unpacks to more than 200 times its" in (message := error_of(case_of(folder / name), environment)), name
        assert "source.limits.unpacked_ratio" in message


def test_bytes_unpacked_are_counted_over_all_files(environment: Environment, folder: Path) -> None:
    for name in "ab":
        with gzip.open(folder / f"{name}.csv.gz", "wb") as file:
            file.write(
                csv_of([f"{name} {i} some text that is not the same" for i in range(30_000)])
                .replace("\n", f"{name}\n")
                .encode()
            )
    assert "source unpacks to more than" in (
        message := error_of(case_of(folder, {"unpacked_gib": 0.003}, format="csv"), environment)
    )
    assert "b.csv.gz" in message and "source.limits.unpacked_gib" in message


@pytest.mark.integration
def test_a_parquet_file_ends_at_the_ratio_before_it_is_unpacked(environment: Environment, folder: Path) -> None:
    texts = ["x" * (8 * MIB)] * 8
    table = pa.table({**{name: [str(i) for i in range(8)] for name in row(1, "")}, "text": texts})
    pq.write_table(
        table, folder / "a.parquet", compression="zstd", use_dictionary=False, data_page_size=1, write_batch_size=1
    )
    assert (folder / "a.parquet").stat().st_size < 50_000
    assert "a.parquet: unpacks to more than 200 times its" in error_of(case_of(folder / "a.parquet"), environment)
    pq.write_table(table, folder / "a.parquet", compression="zstd", use_dictionary=False, data_page_size=1 << 30)
    assert "has a page that unpacks to 67,1" in error_of(
        case_of(folder / "a.parquet", {"field_characters": 9_000_000}), environment
    )


@pytest.mark.integration
def test_a_dictionary_that_repeats_a_long_text_is_read_in_small_batches_or_refused(
    environment: Environment, folder: Path
) -> None:
    texts = pa.array([random.Random(1).randbytes(MIB).hex()]).dictionary_encode().take(pa.array([0] * 400))
    table = pa.table({**{name: pa.array([str(i) for i in range(400)]) for name in row(1, "")}, "text": texts})
    pq.write_table(table, folder / "a.parquet", compression="zstd")
    before = pa.total_allocated_bytes()
    peak = rows = 0
    for batch in read_new_records(
        case_of(folder / "a.parquet", {"unpacked_ratio": 1_000}), environment, {}, None, NOW
    ).batches:
        rows += batch.num_rows
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert rows == 400 and peak < 700 * MIB, "800 MiB of text in pieces of 128 MiB"
    message = error_of(case_of(folder / "a.parquet"), environment)
    assert "its texts are more than 200 times its" in message and "source.limits.unpacked_ratio" in message
    assert "source.limits.field_characters" in error_of(
        case_of(folder / "a.parquet", {"field_characters": 1_000_000}), environment
    )


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl", "a.parquet"])
def test_a_field_that_is_too_long_is_an_error_with_its_place(environment: Environment, folder: Path, name: str) -> None:
    rows = [row(1, "fine"), row(2, "x" * 1_500)]
    if name == "a.csv":
        (folder / name).write_text(csv_of([r["text"] for r in rows]))
    elif name == "a.parquet":
        pq.write_table(pa.Table.from_pylist(rows), folder / name)
    else:
        (folder / name).write_text(json.dumps(rows) if name == "a.json" else "\n".join(map(json.dumps, rows)))
    message = error_of(case_of(folder / name, {"field_characters": 1_000}), environment)
    assert (
        "data row 2" in message
        and "more than 1,000 characters" in message
        and "source.limits.field_characters" in message
    )
    assert len(rows_of(case_of(folder / name, {"field_characters": 1_500}), environment)) == 2


@pytest.mark.integration
@pytest.mark.parametrize(
    ("name", "start"), [("a.jsonl", '{"text": "'), ("a.json", '[{"text": "'), ("a.csv", HEADER + '1,"')]
)
def test_a_line_without_end_is_not_read_whole(environment: Environment, folder: Path, name: str, start: str) -> None:
    (folder / name).write_text(start + "x" * (32 * MIB))
    assert "source.limits.field_characters" in error_of(
        case_of(folder / name, {"field_characters": 10_000}), environment
    )


def test_too_many_rows_over_all_files_are_an_error(environment: Environment, folder: Path) -> None:
    (folder / "a.csv").write_text(csv_of(["one", "two", "three"]))
    (folder / "b.jsonl").write_text(json.dumps(row("x", "four")))
    assert len(rows_of(case_of(folder, {"rows": 4}), environment)) == 4
    assert "b.jsonl: with it the source has more than 3 rows. If that is right, raise source.limits.rows" in error_of(
        case_of(folder, {"rows": 3}), environment
    )


def test_too_many_files_and_members_are_an_error(environment: Environment, folder: Path) -> None:
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for i in range(3):
            archive.writestr(f"{i}.jsonl", json.dumps(row(i, "text")))
    assert "contains more than 2 files" in error_of(case_of(folder / "a.zip", {"files": 2}), environment)
    for i in range(3):
        (folder / f"{i}.jsonl").write_text(json.dumps(row(f"f{i}", "text")))
    assert "matches more than 3 files. If that is right, raise source.limits.files" in error_of(
        case_of(folder, {"files": 3}), environment
    )


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.parquet"])
def test_what_is_nested_too_deeply_is_an_error(environment: Environment, folder: Path, name: str) -> None:
    value: Any = "x"
    for _ in range(12):
        value = [value]
    if name == "a.parquet":
        pq.write_table(pa.table({k: [value] if k == "text" else [v] for k, v in row(1, "").items()}), folder / name)
    else:
        (folder / name).write_text(
            json.dumps([{**row(1, ""), "text": value}] if name == "a.json" else {**row(1, ""), "text": value})
        )
    assert (
        "nested" in (message := error_of(case_of(folder / name, {"nesting_depth": 10}), environment))
        and "source.limits.nesting_depth" in message
    )
    assert len(rows_of(case_of(folder / name, {"nesting_depth": 20}), environment)) == 1
    if name != "a.parquet":
        (folder / name).write_text("[" * 500_000)
        assert "nested too deeply" in error_of(case_of(folder / name), environment)


# Files that are none


def test_pipes_and_devices_are_not_opened(environment: Environment, folder: Path) -> None:
    os.mkfifo(folder / "pipe.csv")
    assert "pipe.csv is not a regular file" in error_of(case_of(folder), environment)
    assert "pipe.csv is not a regular file" in error_of(case_of(folder / "pipe.csv"), environment)
    assert "/dev/zero is not a regular file" in error_of(case_of("/dev/zero", format="csv"), environment)


def test_links_that_leave_the_folder_are_errors_and_links_inside_are_read(
    environment: Environment, folder: Path
) -> None:
    secret = folder.parent / "secret.csv"
    secret.write_text(csv_of([CANARY]))
    (folder / "real.csv").write_text(csv_of(["a text"]))
    (folder / "link.csv").symlink_to(secret)
    for uri in (folder, folder / "*.csv"):
        assert f"{folder}/link.csv is a symbolic link that leaves {folder}" in error_of(case_of(uri), environment)
    (folder / "link.csv").unlink()
    (folder / "inner").symlink_to(folder.parent)
    assert "inner is a symbolic link that leaves" in error_of(case_of(folder), environment)
    (folder / "inner").unlink()
    (folder / "nowhere.csv").symlink_to(folder / "gone.csv")
    assert "nowhere.csv is a symbolic link that leads nowhere" in error_of(case_of(folder), environment)
    (folder / "nowhere.csv").unlink()
    (folder / "same").symlink_to(folder)
    assert len(rows_of(case_of(folder), environment)) == 1


def test_members_of_an_archive_that_are_no_files_or_have_passwords_are_errors(
    environment: Environment, folder: Path
) -> None:
    with zipfile.ZipFile(folder / "link.zip", "w") as archive:
        link = zipfile.ZipInfo("a.csv")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert "file 1 of the archive is not a regular file" in error_of(case_of(folder / "link.zip"), environment)
    with zipfile.ZipFile(folder / "secret.zip", "w") as archive:
        archive.writestr("a.csv", csv_of(["text"]))
    data = bytearray((folder / "secret.zip").read_bytes())
    central = data.index(b"PK\1\2")
    struct.pack_into("<H", data, central + 8, 1)
    (folder / "secret.zip").write_bytes(data)
    assert "file 1 of the archive is encrypted" in error_of(case_of(folder / "secret.zip"), environment)


def test_members_never_land_outside_the_private_folder(environment: Environment, folder: Path) -> None:
    outside = folder.parent / "escaped.csv"
    for name in (
        str(outside),
        "../../escaped.csv",
        "in/../../escaped.csv",
        "C:/escaped.csv",
        "..\\escaped.csv",
        "a\x1b[2J.csv",
        "turned\u202evsc.csv",
    ):
        with zipfile.ZipFile(folder / "a.zip", "w") as archive:
            archive.writestr("b.csv", csv_of(["a text"]))
            archive.writestr(name, csv_of(["another text"]))
        assert "the name of member 2 is absolute, leads out of the archive or cannot be shown" in error_of(
            case_of(folder / "a.zip"), environment
        )
    assert not outside.exists() and not list(folder.parent.parent.rglob("escaped.csv"))


# Texts


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            '{"id": "1", "text": "harmless", "text": "Zebulon Quartermain", "label": "card"}',
            "'text' twice in one object",
        ),
        ('{"id": "1", "text": "t", "label": "card", "more": {"x": 1, "x": 2}}', "a key twice in one object"),
        ('{"id": "1", "text": NaN, "label": "card"}', "NaN or Infinity, which is not JSON"),
        ('{"id": "1", "text": "t", "label": -Infinity}', "NaN or Infinity, which is not JSON"),
        (
            '{"id": "1", "text": "half \\udc00 pair", "label": "card", "consent": "yes", "region": "x"}',
            "half of a surrogate pair",
        ),
        (
            '{"id": "1", "text": "Zebulon\\u0000 Quartermain", "label": "card", "consent": "yes", "region": "x"}',
            "NUL character in column 'text'",
        ),
    ],
)
def test_json_that_readers_understand_differently_is_an_error(
    environment: Environment, folder: Path, name: str, content: str, expected: str
) -> None:
    (folder / name).write_text(f"[{content}]" if name == "a.json" else content)
    assert expected in error_of(case_of(folder / name), environment)


def test_a_nul_character_is_found_in_every_binary_format_too(environment: Environment, folder: Path) -> None:
    pq.write_table(pa.Table.from_pylist([row(1, "fine"), row(2, f"before\0{CANARY}")]), folder / "a.parquet")
    assert "data row 2 have a NUL character in column 'text'" in error_of(case_of(folder / "a.parquet"), environment)
    kept = rows_of(case_of(folder / "a.parquet", nul_characters="keep"), environment)
    assert kept[1]["messages"][0]["content"] == f"before\0{CANARY}"


def test_numbers_that_are_none_in_parquet_are_refused_or_missing(environment: Environment, folder: Path) -> None:
    table = pa.Table.from_pylist([row(1, "a"), row(2, "b")]).set_column(4, "region", pa.array([1.5, float("nan")]))
    pq.write_table(table, folder / "a.parquet")
    assert "data row 2 have NaN or Infinity in column 'region'" in error_of(case_of(folder / "a.parquet"), environment)
    assert [
        r["feature_region"] for r in rows_of(case_of(folder / "a.parquet", not_a_number="missing"), environment)
    ] == ["1.5", None]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_bytes_that_are_not_the_declared_encoding_are_an_error_with_their_offset(
    environment: Environment, folder: Path, name: str
) -> None:
    text = (
        csv_of([f"caf\xe9 {CANARY}"])
        if name == "a.csv"
        else json.dumps(row(1, f"caf\xe9 {CANARY}"), ensure_ascii=False)
    )
    (folder / name).write_bytes(text.encode("latin-1"))
    offset = text.index("\xe9")
    assert f"the byte at offset {offset} cannot be decoded as utf-8" in error_of(
        case_of(folder / name, encoding="utf-8"), environment
    )


def test_bytes_in_a_string_column_that_are_no_text_are_an_error(environment: Environment, folder: Path) -> None:
    """pyarrow reads such a column without a word."""
    bad = pa.StringArray.from_buffers(2, pa.py_buffer(struct.pack("<3i", 0, 2, 4)), pa.py_buffer(b"ok\xff\xfe"))
    pq.write_table(
        pa.table({"id": ["1", "2"], "text": bad, "label": ["a", "b"], "consent": ["y", "y"], "region": ["n", "n"]}),
        folder / "a.parquet",
    )
    assert pq.read_table(folder / "a.parquet")["text"].type == pa.string()
    assert "column 'text' contains bytes that are not UTF-8 in data rows 1 to 2" in error_of(
        case_of(folder / "a.parquet"), environment
    )


# Bit rot


def parquet_with_checksums(path: Path) -> bytes:
    rows = [row(i, f"complaint {i} about a fee of {i * 7} dollars") for i in range(300)]
    pq.write_table(pa.Table.from_pylist(rows), path, write_page_checksum=True, use_dictionary=False, compression="none")
    return path.read_bytes()


@pytest.mark.integration
def test_no_flipped_bit_in_a_page_with_a_checksum_is_read_as_a_text(environment: Environment, folder: Path) -> None:
    path = folder / "a.parquet"
    good = parquet_with_checksums(path)
    expected = [r["messages"] for r in rows_of(case_of(path), environment)]
    draw = random.Random(7)
    silent = errors = 0
    for _ in range(150):
        damaged = bytearray(good)
        damaged[draw.randrange(4, len(good) - 8)] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            silent += [r["messages"] for r in rows_of(case_of(path), environment)] != expected
        except SourceError:
            errors += 1
    assert silent == 0 and errors > 100


def test_files_whose_pages_have_no_checksum_are_counted(environment: Environment, folder: Path) -> None:
    pq.write_table(pa.Table.from_pylist([row(1, "a text")]), folder / "a.parquet")
    parquet_with_checksums(folder / "b.parquet")
    case = use_case(source={"uri": str(folder)}, record={"id": None})
    found = read_new_records(case, environment, {}, None, NOW)
    assert found.records.num_rows == 301 and found.counts["files_without_checksum"] == 1


@pytest.mark.parametrize("kind", ["setting", "beside", "list"])
def test_a_file_that_has_not_its_known_hash_is_refused(environment: Environment, folder: Path, kind: str) -> None:
    import hashlib

    path = folder / "a.csv"
    path.write_text(csv_of(["a text"]))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if kind == "beside":
        (folder / "a.csv.sha256").write_text(f"{digest}  a.csv\n")
    elif kind == "list":
        (folder / "SHA256SUMS").write_text(f"{digest} *./a.csv\n")
    source: dict[str, Any] = {"sha256": digest} if kind == "setting" else {}
    for uri in [path] if kind == "setting" else [path, folder]:
        assert len(rows_of(case_of(uri, **source), environment)) == 1
    path.write_text(csv_of([CANARY]))
    for uri in [path] if kind == "setting" else [path, folder]:
        assert "damaged or exchanged" in error_of(case_of(uri, **source), environment)


def test_a_checksum_file_in_another_format_is_an_error(environment: Environment, folder: Path) -> None:
    (folder / "a.csv").write_text(csv_of(["a text"]))
    (folder / "SHA256SUMS").write_text("MD5 of something\n")
    assert "SHA256SUMS is not in the format of sha256sum" in error_of(case_of(folder), environment)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zst", "a.zip"])
def test_a_cut_or_damaged_packed_file_is_an_error(environment: Environment, folder: Path, name: str) -> None:
    draw = random.Random(3)
    content = csv_of(["".join(draw.choices("abcdefghij ", k=60)) for _ in range(3_000)]).encode()
    path = folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(content))
    elif name.endswith(".zst"):
        with pa.OSFile(str(path), "wb") as raw, pa.CompressedOutputStream(raw, "zstd") as file:
            file.write(content)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", content)
    good = path.read_bytes()
    assert len(rows_of(case_of(path), environment)) == 3_000
    path.write_bytes(good[: len(good) * 2 // 3])
    error_of(case_of(path), environment)
    damaged = bytearray(good)
    damaged[len(good) // 2] ^= 255
    path.write_bytes(damaged)
    if name != "a.csv.zst":  # gzip and zip have checksums; of Zstandard they are optional
        assert "cannot be unpacked" in error_of(case_of(path), environment)


# Memory


@pytest.mark.integration
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.parquet", "a.csv.gz"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    """Peak memory (RSS) of a fresh process that reads 160 MB, less that of one that reads a twentieth of it."""
    program = """
import sys, resource, json, gzip, pyarrow as pa, pyarrow.parquet as pq
from datetime import UTC, datetime
from pathlib import Path
from ft_platform.use_case.settings.environment import Environment
from ft_platform.sources.ingest import read_new_records
from ft_platform_tests.tables import use_case
path, rows = Path(sys.argv[1]), int(sys.argv[2])
made = ({"id": str(i), "text": f"{i} " + "some words of a complaint " * 60, "label": "card", "consent": "yes", "region": "n"} for i in range(rows))
if path.suffix == ".parquet":
    with pq.ParquetWriter(path, pa.schema([(n, pa.string()) for n in ("id", "text", "label", "consent", "region")]), compression="none") as writer:
        while part := [row for _, row in zip(range(5000), made)]:
            writer.write_table(pa.Table.from_pylist(part, writer.schema))
else:
    with (gzip.open(path, "wt", compresslevel=1) if path.suffix == ".gz" else open(path, "w")) as file:
        file.write("[" if path.suffix == ".json" else "" if path.suffix == ".jsonl" else "id,text,label,consent,region\\n")
        for row in made:
            json_row = json.dumps(row)
            first = row["id"] == "0"
            lines = {".json": ("" if first else ",") + json_row, ".jsonl": json_row + "\\n"}
            file.write(lines.get(path.suffix, ",".join(row.values()) + "\\n"))
        file.write("]" if path.suffix == ".json" else "")
seen = sum(b.num_rows for b in read_new_records(
    use_case(source={"uri": str(path)}), Environment(home=path.parent, tracking_uri="none"), {}, None, datetime.now(UTC)).batches)
assert seen == rows, seen
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""  # noqa: E501
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", program, str(tmp_path / name), str(rows)],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for rows in (5_000, 100_000)
    ]
    assert peaks[1] - peaks[0] < 80, peaks
