"""Valid files of every format with a few rows, and ways to damage them that are drawn from a seed."""

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

CANARY = "Zebulon Quartermain"
"""A name in every row: a message that repeats it shows what may be personal data."""
COLUMNS = ("id", "text", "label", "consent", "region")


def rows(count: int = 12) -> list[dict[str, str]]:
    """Rows with different texts."""
    return [
        {
            "id": f"k{i}",
            "text": f"{CANARY} was charged {7 * i + 3} dollars twice, {i}",
            "label": ("card", "loan")[i % 2],
            "consent": "yes",
            "region": "north",
        }
        for i in range(count)
    ]


def csv_bytes(made: list[dict[str, str]], delimiter: str = ",") -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([row[name] for name in COLUMNS] for row in made)
    return text.getvalue().encode()


def jsonl_bytes(made: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in made).encode()


def json_bytes(made: list[dict[str, str]]) -> bytes:
    return json.dumps(made, indent=1).encode()


def parquet_bytes(made: list[dict[str, str]], **options: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(made), out, row_group_size=5, **options)  # type: ignore[arg-type]
    return out.getvalue()


def arrow_bytes(
    made: list[dict[str, str]], *, stream: bool = False, compression: str | None = None, dictionary: bool = False
) -> bytes:
    out = io.BytesIO()
    table = pa.Table.from_pylist(made)
    if dictionary:
        table = table.set_column(2, "label", table["label"].dictionary_encode())
    opened = pa.ipc.new_stream if stream else pa.ipc.new_file
    with opened(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=5)
    return out.getvalue()


def excel_bytes(made: list[dict[str, str]]) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(COLUMNS))
    for row in made:
        sheet.append([row[name] for name in COLUMNS])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def zip_bytes(members: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def zstd_bytes(content: bytes) -> bytes:
    return b"".join(
        pa.Codec("zstd").compress(part, asbytes=True)
        for part in (content[: len(content) // 2], content[len(content) // 2 :])
    )


def eml_bytes(made: list[dict[str, str]]) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["Message-ID"] = (
        "a@example.org",
        "b@example.org",
        CANARY,
        "<1@example.org>",
    )
    mail.set_content("\n".join(row["text"] for row in made))
    mail.add_attachment(b"\0\1\2" * 40, maintype="application", subtype="octet-stream", filename="a.bin")
    return mail.as_bytes()


FORMATS: dict[str, Callable[[], bytes]] = {
    "a.csv": lambda: csv_bytes(rows()),
    "a.tsv": lambda: csv_bytes(rows(), "\t"),
    "a.jsonl": lambda: jsonl_bytes(rows()),
    "a.json": lambda: json_bytes(rows()),
    "plain.parquet": lambda: parquet_bytes(rows(), use_dictionary=False, compression="none", write_page_checksum=True),
    "packed.parquet": lambda: parquet_bytes(rows(), compression="zstd"),
    "pages.parquet": lambda: parquet_bytes(
        rows(), compression="snappy", data_page_version="2.0", data_page_size=64, write_batch_size=2
    ),
    "delta.parquet": lambda: parquet_bytes(
        rows(),
        compression="gzip",
        use_dictionary=False,
        column_encoding={"text": "DELTA_BYTE_ARRAY", "id": "DELTA_LENGTH_BYTE_ARRAY"},
    ),
    "file.arrow": lambda: arrow_bytes(rows()),
    "stream.arrow": lambda: arrow_bytes(rows(), stream=True, dictionary=True),
    "packed.arrow": lambda: arrow_bytes(rows(), compression="lz4", dictionary=True),
    "a.xlsx": lambda: excel_bytes(rows()),
    "a.eml": lambda: eml_bytes(rows()),
    "a.csv.gz": lambda: gzip.compress(csv_bytes(rows()), mtime=0),
    "a.jsonl.zst": lambda: zstd_bytes(jsonl_bytes(rows())),
    "a.zip": lambda: zip_bytes({"one.csv": csv_bytes(rows()[:6]), "in/two.jsonl": jsonl_bytes(rows()[6:])}),
    "stored.zip": lambda: zip_bytes({"one.csv": csv_bytes(rows())}, zipfile.ZIP_STORED),
    "bzip2.zip": lambda: zip_bytes({"one.csv": csv_bytes(rows())}, zipfile.ZIP_BZIP2),
    "lzma.zip": lambda: zip_bytes({"one.csv": csv_bytes(rows())}, zipfile.ZIP_LZMA),
    "a.csv.bz2": lambda: bz2.compress(csv_bytes(rows())),
    "a.csv.xz": lambda: lzma.compress(csv_bytes(rows())),
}
"""File name -> makes a valid file."""


def flipped(draw: Random, data: bytes) -> bytes:
    place = draw.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << draw.randrange(8)]) + data[place + 1 :]


def cut(draw: Random, data: bytes) -> bytes:
    return data[: draw.randrange(1, len(data))]


def without_a_piece(draw: Random, data: bytes) -> bytes:
    start = draw.randrange(len(data))
    return data[:start] + data[start + draw.randint(1, 40) :]


def with_a_piece(draw: Random, data: bytes) -> bytes:
    start = draw.randrange(len(data))
    return data[:start] + draw.randbytes(draw.randint(1, 40)) + data[start:]


def repeated_piece(draw: Random, data: bytes) -> bytes:
    start = draw.randrange(len(data))
    piece = data[start : start + draw.randint(1, 200)]
    return data[:start] + piece * draw.randint(2, 5) + data[start + len(piece) :]


def lying_number(draw: Random, data: bytes) -> bytes:
    place = draw.randrange(len(data))
    number = draw.choice(
        [
            b"\xff" * 4,
            b"\xff" * 8,
            b"\x7f\xff\xff\xff",
            b"\xff\xff\xff\x7f",
            b"\0" * 4,
            b"\x80" * 5,
            b"\0\0\0\x40",
            b"\xff\xff",
        ]
    )
    return data[:place] + number + data[place + len(number) :]


def lying_end(draw: Random, data: bytes) -> bytes:
    """Where Parquet, Arrow and zip have what they say of themselves."""
    place = max(0, len(data) - draw.randint(1, min(len(data), 400)))
    return data[:place] + draw.randbytes(draw.randint(1, 4)) + data[place + 4 :]


def swapped(draw: Random, data: bytes) -> bytes:
    one, other = sorted(draw.randrange(len(data)) for _ in range(2))
    length = max(1, min(draw.randint(1, 200), other - one))
    return (
        data[:one]
        + data[other : other + length]
        + data[one + length : other]
        + data[one : one + length]
        + data[other + length :]
    )


def with_more(draw: Random, data: bytes) -> bytes:
    return data + draw.choice([data, draw.randbytes(30), b"\0" * 64, data[: len(data) // 2], b"\x1a", b"\n\n\n"])


def doubled_bytes(draw: Random, data: bytes) -> bytes:
    return data.decode("latin-1").encode(
        draw.choice(["utf-8", "utf-16", "utf-16-le", "utf-32", "utf-7", "cp037"]), "replace"
    )


DAMAGES: dict[str, Callable[[Random, bytes], bytes]] = {
    one.__name__: one
    for one in (
        flipped,
        cut,
        without_a_piece,
        with_a_piece,
        repeated_piece,
        lying_number,
        lying_end,
        swapped,
        with_more,
        doubled_bytes,
    )
}
