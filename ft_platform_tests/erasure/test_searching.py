"""The proof looks into files of every kind that the installation writes. Persons are fictitious."""

import bz2
import gzip
import io
import lzma
import sqlite3
import tarfile
import zipfile
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ft_platform.erasure import unpacking
from ft_platform.erasure.needles import Needles
from ft_platform.erasure.searching import search
from ft_platform.erasure.unpacking import bytes_in
from ft_platform.lake.opening import open_lake
from ft_platform.use_case.settings.environment import Environment

PERSON = "Zebulon Quartermain"
PLAIN = f"padding {'x' * 200} {PERSON} {'y' * 200}".encode()
ROWS = pa.table({"n": [1, 2], "nested": [[{"role": "user", "content": PERSON}], None], "kind": ["a", "b"]})


def parquet(compression: str, dictionary: bool = True) -> bytes:
    sink = io.BytesIO()
    pq.write_table(ROWS, sink, compression=compression, use_dictionary=dictionary)
    return sink.getvalue()


def arrow(new: object) -> bytes:
    sink = io.BytesIO()
    with new(sink, ROWS.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:  # type: ignore[operator]
        writer.write_table(ROWS)
    return sink.getvalue()


def zipped() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.json.gz", gzip.compress(PLAIN))
    return sink.getvalue()


def tarred() -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        entry = tarfile.TarInfo("inside.txt")
        entry.size = len(PLAIN)
        archive.addfile(entry, io.BytesIO(PLAIN))
    return sink.getvalue()


def database(tmp_path: Path, cell: object) -> bytes:
    path = tmp_path / "made.sqlite"
    with sqlite3.connect(path) as made:
        made.execute('CREATE TABLE "a b" (n INTEGER, cell)')
        made.execute('INSERT INTO "a b" VALUES (1, ?)', (cell,))
    made.close()
    return path.read_bytes()


KINDS = {
    "plain": lambda _: PLAIN,
    "gzip": lambda _: gzip.compress(PLAIN),
    "bzip2": lambda _: bz2.compress(PLAIN),
    "xz": lambda _: lzma.compress(PLAIN),
    "zstd": lambda _: pa.Codec("zstd").compress(PLAIN, asbytes=True),
    "zip of gzip": lambda _: zipped(),
    "tar": lambda _: tarred(),
    "parquet, snappy": lambda _: parquet("snappy"),
    "parquet, zstd": lambda _: parquet("zstd", dictionary=False),
    "arrow file": lambda _: arrow(pa.ipc.new_file),
    "arrow stream": lambda _: arrow(pa.ipc.new_stream),
    "sqlite": lambda folder: database(folder, PERSON),
    "sqlite, packed cell": lambda folder: database(folder, zlib.compress(PLAIN)),
    "sqlite, over pages": lambda folder: database(folder, "x" * 4050 + " " + PERSON + " " + "y" * 9000),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_person_is_found_in(kind, tmp_path):
    content = KINDS[kind](tmp_path)
    assert bytes_in(content, Needles([PERSON]))[0] > 0
    assert bytes_in(content, Needles(["Somebody Else"])) == (0, True)


def test_what_only_begins_like_a_packed_file_is_told_as_not_opened():
    assert bytes_in(b"\x1f\x8b" + PLAIN, Needles([PERSON])) == (len(PERSON), False)
    assert bytes_in(b"PAR1" + b"\0" * 400, Needles([PERSON])) == (0, False)


@pytest.mark.parametrize("before", range(90, 130, 3))
def test_a_person_between_two_parts_of_a_large_file_is_found_once(before, monkeypatch):
    monkeypatch.setattr(unpacking, "PART_BYTES", 64)
    content = b"x" * before + b" " + PERSON.encode() + b" " + b"y" * 300
    assert bytes_in(content, Needles([PERSON]))[0] == len(PERSON)
    assert bytes_in(content.replace(b" Zeb", b"xZeb"), Needles([PERSON]))[0] == 0


def test_every_file_is_looked_at_once_and_links_lead_nowhere(tmp_path):
    lake = open_lake(Environment(home=tmp_path))
    Path(lake.root).mkdir()
    for name in ("a.txt", "b.txt", "lake/c.txt"):
        (tmp_path / name).write_bytes(PLAIN)
    (tmp_path / "link").symlink_to(tmp_path / "a.txt")
    found = search([tmp_path, tmp_path], lake, Needles([PERSON]), [str(tmp_path / "b.txt")])
    assert found.found == {str(tmp_path / name): len(PERSON) for name in ("a.txt", "lake/c.txt")}
    assert found.bytes >= 2 * len(PLAIN)
