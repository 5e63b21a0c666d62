"""Damaged and hostile files, folders, archives, workbooks and tables as sources: the right rows, or one clear error,
within the limits."""

import gzip
import io
import json
import os
import re
import signal
import sqlite3
import struct
import sys
import unittest.mock
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from ft_platform.errors import FtError
from ft_platform.sources import discovery, local_files, source_file, unpacking
from ft_platform.sources.budget import Budget
from ft_platform.sources.formats import arrow, excel
from ft_platform.sources.ingest import Ingest, read_new_records
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.attacks.area import Area, Attack
from ft_platform_tests.attacks.damaged_files import (
    CANARY,
    COLUMNS,
    DAMAGES,
    FORMATS,
    arrow_bytes,
    csv_bytes,
    excel_bytes,
    jsonl_bytes,
    rows,
    zip_bytes,
)
from ft_platform_tests.tables import use_case

NOW = datetime(2026, 1, 15, tzinfo=UTC)
MIB = 1 << 20
MOST_SECONDS = 60
MOST_ARROW_BYTES = 900 * MIB
CLASS_NAME = re.compile(r"\b[A-Z]\w*(?:Error|Exception|Invalid|BadZipFile|BadGzipFile|NotImplemented)\b")
WITHOUT_CHECKSUM = re.compile(r"csv$|tsv$|jsonl?$|eml$|zst$|^packed.parquet|^pages.parquet|arrow$")
"""Formats in which a changed letter shows in nothing."""
BY_ROW = re.compile(r"(csv|tsv|jsonl|zst|gz|eml)$")
"""Formats in which a file may be cut or put together at the end of a row."""
EML = {"id": None, "text": "text", "label": "subject", "consent": "from", "features": {"region": "to"}}


class TookTooLong(Exception):
    """An input was read for more than `MOST_SECONDS`."""


@dataclass(frozen=True)
class Case:
    """A hostile source.

    Attributes:
        uri: of it.
        rows: texts that may be read, in any order. None: it has to be refused; `...`: any texts, as many as were read.
        source, record: settings.
        may_be_refused: although there are `rows`.
        during: what happens to the source after the first look at it.
    """

    uri: str
    rows: Any = None
    source: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    may_be_refused: bool = False
    during: Callable[[], None] | None = None


def outcome(home: Path, case: Case) -> str | None:
    """None if the source was read rightly, or refused with a message that a person can act on; else what went wrong."""
    try:
        with at_most(MOST_SECONDS):
            found = _read(home, case)
            texts = [row["messages"][0]["content"] for row in found.records.select(["messages"]).to_pylist()]
    except FtError as error:
        return (
            "refused what can be read"
            if isinstance(case.rows, list) and case.rows and not case.may_be_refused
            else _wrong_message(error)
        )
    except ValidationError as error:  # of the settings; `ft check` shows file and line with it
        return (
            None
            if case.rows is None and all({"uri", "encoding", "delimiter"} & set(one["loc"]) for one in error.errors())
            else "refused good settings"
        )
    except TookTooLong:
        return f"took more than {MOST_SECONDS} s"
    if case.rows is None:
        return f"read {len(texts)} rows of what has to be refused"
    counts = found.counts
    if not counts["rows_read"] == counts["rows_new"] + counts["rows_known"] == counts["rows_known"] + len(texts):
        return "rows in are not rows kept and known"
    if isinstance(case.rows, list) and sorted(texts) != sorted(case.rows):
        return f"read {len(texts)} rows in place of {len(case.rows)}, or other texts"
    return None


def _read(home: Path, case: Case) -> Ingest:
    sections = {"source": {"uri": case.uri, **case.source}, **({"record": case.record} if case.record else {})}
    settings = use_case("classification", **sections)
    found = read_new_records(settings, Environment(home=home, tracking_uri="none"), {}, None, NOW)
    if case.during:
        case.during()
    before, batches = pa.total_allocated_bytes(), []
    for batch in found.batches:
        batches.append(batch)
        if pa.total_allocated_bytes() - before > MOST_ARROW_BYTES:
            raise AssertionError
    found.batches = iter(batches)
    return found


def _wrong_message(error: FtError) -> str | None:
    message = str(error)
    problems = {
        "the message repeats a value": CANARY in message,
        "the message names a class": CLASS_NAME.search(message),
        "the message has more than five lines": message.count("\n") > 4,
        "the message cannot be shown": any(not (one.isprintable() or one == "\n") for one in message),
        "the message is too long": len(message) > 1500,
        "the message does not say what to do": not error.next_step and not re.search(r"\. [A-Z]", message),
    }
    return next((problem for problem, there in problems.items() if there), None)


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Ends what takes longer, as far as Python runs.

    Raises:
        TookTooLong: it did.
    """

    def stop(*_: Any) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def cases(draw: Random, folder: Path, size: int) -> Iterable[tuple[str, Attack]]:
    home = folder / "home"
    home.mkdir()
    for name, make in FORMATS.items():
        good = make()
        for number in range(size):
            damage = draw.choice(list(DAMAGES))
            data = DAMAGES[damage](draw, good)
            yield (
                f"damaged {name} {number} ({damage})",
                lambda name=name, data=data, good=good: damaged(home, folder, name, data, good),
            )
    for kind, make_case in KINDS.items():
        for number in range(size if kind in DRAWN else 1):
            seed = draw.getrandbits(32)
            yield (
                f"{kind} {number}",
                lambda make_case=make_case, seed=seed, kind=kind, number=number: _made(
                    home, folder / f"{kind} {number}", make_case, seed
                ),
            )


def damaged(home: Path, folder: Path, name: str, data: bytes, good: bytes) -> str | None:
    path = folder / name
    path.write_bytes(data)
    texts = [row["text"] for row in rows()]
    expected: Any = ... if WITHOUT_CHECKSUM.search(name) or data == good else ("same", texts)
    case = Case(str(path), ... if isinstance(expected, tuple) else expected, record=EML if name.endswith("eml") else {})
    broke = outcome(home, case)
    if broke:
        return broke
    try:
        found = [row["messages"][0]["content"] for row in _read(home, case).records.to_pylist()]
    except FtError:
        return None
    if isinstance(expected, tuple) and sorted(found) != sorted(texts) and not BY_ROW.search(name):
        return "read other texts than the file was made of, in spite of its checksums"
    if not BY_ROW.search(name) and not name.endswith(("eml", "json")) and len(found) != len(texts):
        return f"read {len(found)} of {len(texts)} rows without a word"
    return None


def _made(home: Path, folder: Path, make_case: Callable[[Random, Path], Case], seed: int) -> str | None:
    folder.mkdir()
    case = make_case(Random(seed), folder)
    try:
        return outcome(home, case)
    finally:
        for one in folder.rglob("*"):
            if one.is_dir() and not one.is_symlink():
                one.chmod(0o700)


def _file(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


# CSV and JSON


def hostile_csv(draw: Random, folder: Path) -> Case:
    header, good = ",".join(COLUMNS).encode(), csv_bytes(rows())
    line = f"1,{CANARY},card,yes,north\n".encode()
    made: list[tuple[bytes, Any]] = [
        (header + b'\n1,"' + b"x" * draw.randint(1, 200), None),  # a quote that never closes
        (header + b'\n1,"a"b,card,yes,north\n', None),
        (header + b"\n1,a\0b,card,yes,north\n", None),
        (b"\xef\xbb\xbf" + good, [row["text"] for row in rows()]),
        (b"\xef\xbb\xbf" * 2 + good, None),  # the second mark would be part of the first name
        (good.replace(b"\n", b"\r\n"), [row["text"] for row in rows()]),
        (good.replace(b"\n", b"\r"), [row["text"] for row in rows()]),
        (header + b"\n" + b"," * draw.randint(5, 100_000), None),
        (header + b"," + b",".join(b"c%d" % i for i in range(draw.choice([100, 100_000]))) + b"\n" + line, None),
        (header + b",text\n" + line, None),  # a column twice
        (header + b"\n1," + b"y" * 3 * MIB + b",card,yes,north\n", None),  # beyond field_characters below
        (b"", None),
        (b"\n\n\n", None),
        (header, None),
        (header + b"\n" + line * 2, None),  # an id twice
        (header + b'\n1,"=cmd|calc",card,yes,north\n', ["=cmd|calc"]),
        (header + b"\n1," + bytes(draw.randrange(128, 256) for _ in range(9)) + b",card,yes,north\n", None),
        (good[:-1] + b"\x1a", ...),
    ]
    data, expected = draw.choice(made)
    return Case(_file(folder, "a.csv", data), expected, {"limits": {"field_characters": 2 * MIB}})


def hostile_json(draw: Random, folder: Path) -> Case:
    row = {"id": "1", "text": "a text", "label": "card", "consent": "yes", "region": "north"}
    depth = draw.choice([65, 5_000, 300_000])
    written = json.dumps(row)
    made: list[tuple[str, Any]] = [
        (written.replace('"a text"', "[" * depth + "]" * depth), None),
        (written.replace('"a text"', '{"a":' * depth + "1" + "}" * depth), None),
        (written.replace('"a text"', "9" * draw.choice([10, 5_000, 100_000])), ...),
        (written.replace('"a text"', "1e999"), ["1e999"]),
        (written.replace('"a text"', draw.choice(["NaN", "-Infinity", "Infinity"])), None),
        (written.replace('"a text"', f'"a text", "text": "{CANARY}"'), None),
        (written.replace("a text", "half \\\\ud800 pair".replace("\\\\", "\\")), None),
        (written.replace("a text", "a \\u0000 b"), None),
        (written[: draw.randrange(1, len(written))], None),
        (f"[{written}]", None),
        (written + written, None),
        ("null", None),
        ('"' + "x" * 100, None),
        (written.replace("a text", "tab\there"), None),
        (f"\ufeff{written}", ["a text"]),
        (written.replace(": ", " "), None),
    ]
    text, expected = draw.choice(made)
    if draw.random() < 0.5 and text != f"[{written}]":
        return Case(_file(folder, "a.jsonl", text.encode("utf-8", "surrogatepass")), expected)
    body = text if text.startswith("\ufeff") else f"[{text}]"
    return Case(
        _file(folder, "a.json", body.encode("utf-8", "surrogatepass")),
        ... if body.startswith(("\ufeff", "[[")) else expected,
    )


# Archives


def hostile_zip(draw: Random, folder: Path) -> Case:
    one, two = csv_bytes(rows()[:6]), jsonl_bytes(rows()[6:])
    texts = [row["text"] for row in rows()]
    unreadable = [
        "/a.csv",
        "../a.csv",
        "in/../../a.csv",
        "C:/a.csv",
        "..\\a.csv",
        "a\x1b.csv",
        "a\n.csv",
        "turned\u202evsc.csv",
    ]
    members: list[tuple[dict[str, bytes], Any]] = [
        ({"./a.csv": one, "b.jsonl": two}, texts),
        ({"in/./a.csv": one, "././b.jsonl": two}, texts),
        ({"a.csv": one, "./a.csv": one}, None),
        ({"a.csv": one, draw.choice(unreadable): two}, None),
        ({"a.csv": one, "b.zip": zip_bytes({"b.csv": one})}, None),
        ({"a.csv": one, "in/": two}, None),
        ({"a.csv": one, "b.jsonl.gz": gzip.compress(two)}, texts),
        ({"README.txt": one}, None),
        ({}, None),
    ]
    chosen, expected = draw.choice(members)
    return Case(_file(folder, "a.zip", zip_bytes(chosen)), expected)


def lying_zip(draw: Random, folder: Path) -> Case:
    data = bytearray(zip_bytes({"a.csv": csv_bytes(rows())}))
    central = data.index(b"PK\1\2")
    lie = draw.randrange(7)
    if lie == 0:
        struct.pack_into("<H", data, central + 8, 1)  # encrypted
    elif lie == 1:
        struct.pack_into("<L", data, central + 24, draw.choice([1, 10, 1 << 31, 0xFFFFFFFF]))  # unpacked size
    elif lie == 2:
        struct.pack_into("<L", data, central + 42, draw.choice([1, 1 << 30, 0xFFFFFFFF]))  # where it begins
    elif lie == 3:
        struct.pack_into("<L", data, central + 38, 0o120777 << 16)  # a symbolic link
    elif lie == 4:
        struct.pack_into("<H", data, central + 10, draw.choice([1, 9, 97, 99]))  # how it is packed
    elif lie == 5:
        data = bytearray(zip_bytes({"b.csv": csv_bytes(rows()[:2])})) + data  # one archive before the other
    else:
        struct.pack_into(
            "<L", data, len(data) - 6, draw.choice([0, 1, 1 << 31, 0xFFFFFFFF])
        )  # where the directory begins
    return Case(
        _file(folder, "a.zip", bytes(data)),
        None if lie in (0, 3, 5) else [row["text"] for row in rows()],
        may_be_refused=True,
    )


def bomb(draw: Random, folder: Path) -> Case:
    line = (",".join(COLUMNS) + "\n1,").encode() + b"a" * (draw.randint(20, 40) * MIB) + b",card,yes,north\n"
    packing = draw.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, "gz", "zst"])
    limits = {"field_characters": 90 * MIB}
    if packing == "gz":
        return Case(_file(folder, "a.csv.gz", gzip.compress(line)), None, {"limits": limits})
    if packing == "zst":
        return Case(_file(folder, "a.csv.zst", pa.Codec("zstd").compress(line, asbytes=True)), None, {"limits": limits})
    return Case(_file(folder, "a.zip", zip_bytes({"a.csv": line}, packing)), None, {"limits": limits})  # type: ignore[arg-type]


def repeated_texts(draw: Random, folder: Path) -> Case:
    """A file that has a long text once, and repeats it in every row."""
    count = draw.randint(300, 1_500)
    text = draw.randbytes(100_000).hex()
    shared = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), [text])
    table = pa.table({**{name: [str(i) for i in range(count)] for name in COLUMNS}, "text": shared})
    out = io.BytesIO()
    if draw.random() < 0.5:
        pq.write_table(table, out, compression=draw.choice(["zstd", "snappy", "none"]))
        return Case(_file(folder, "a.parquet", out.getvalue()))
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    return Case(_file(folder, "a.arrow", out.getvalue()))


def cut_between_messages(draw: Random, folder: Path) -> Case:
    """An Arrow stream or file without its last batch and its end."""
    data = arrow_bytes(rows(), stream=draw.random() < 0.5)
    last = data.rindex(b"\xff\xff\xff\xff", 0, data.rindex(b"\xff\xff\xff\xff\0\0\0\0"))
    return Case(_file(folder, "a.arrow", data[:last]))


def wrong_rows_in_parquet(draw: Random, folder: Path) -> Case:
    """A footer that names another number of rows than the pages have."""
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows(50)), out)
    data = out.getvalue()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    lie = bytes([0x16, draw.choice([0, 20, 98, 102, 126])])  # half of it, as Thrift writes numbers
    return Case(_file(folder, "a.parquet", data[:footer] + data[footer:].replace(b"\x16\x64", lie)))


# Excel


def hostile_excel(draw: Random, folder: Path) -> Case:
    data = excel_bytes(rows())
    parts = {
        info.filename: zipfile.ZipFile(io.BytesIO(data)).read(info)
        for info in zipfile.ZipFile(io.BytesIO(data)).infolist()
    }
    sheet = parts["xl/worksheets/sheet1.xml"]
    other = str(draw.randint(2, 9)).encode()
    lies: list[tuple[bytes, Any]] = [
        (
            sheet.replace(b'<row r="5"', b'<row r="' + other + b'"'),
            [row["text"] for row in rows()] if other == b"5" else None,
        ),
        (sheet.replace(b'<row r="13"', b'<row r="2000000"'), None),
        (sheet.replace(b'r="B4"', b'r="A4"'), None),
        (sheet.replace(b'r="B4"', b'r="XFD4"'), None),
        (sheet.replace(b't="s"><v>6<', b't="s"><v>-1<'), None),
        (sheet.replace(b't="s"><v>6<', b't="s"><v>99999<'), None),
        (re.sub(rb'<c r="B4"[^>]*>.*?</c>', b'<c r="B4"><f>A1</f></c>', sheet), None),
        (sheet.replace(b"<worksheet", b'<!DOCTYPE x [<!ENTITY e "' + b"z" * 99 + b'">]><worksheet', 1), None),
        (sheet.replace(b"</sheetData>", b""), None),
        (sheet[: draw.randrange(200, len(sheet) - 20)], None),
    ]
    chosen, expected = draw.choice(lies)
    packed = zip_bytes({**parts, "xl/worksheets/sheet1.xml": chosen})
    return Case(_file(folder, "a.xlsx", packed), expected if chosen != sheet else [row["text"] for row in rows()])


def excel_with_a_repeated_row(draw: Random, folder: Path) -> Case:
    data = excel_bytes(rows())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"].replace(b'<row r="6"', b'<row r="5"')
    sheet = re.sub(rb'r="([A-E])6"', rb'r="\g<1>5"', sheet)
    return Case(_file(folder, "a.xlsx", zip_bytes({**parts, "xl/worksheets/sheet1.xml": sheet})))


# Folders, names and settings


def hostile_folder(draw: Random, folder: Path) -> Case:
    good = csv_bytes(rows())
    texts = [row["text"] for row in rows()]
    _file(folder, "a.csv", good)
    what = draw.randrange(9)
    if what == 0:
        os.mkfifo(folder / "b.csv")
        return Case(str(folder))
    if what == 1:
        (folder / "in").mkdir()
        for name in ("one", "two"):
            (folder / "in" / name).symlink_to(folder)  # circles: 2 to the power of 40 ways
        return Case(str(folder / "**" / "*.csv"), texts)
    if what == 2:
        (folder / "b.csv").symlink_to(folder / "b.csv")
        return Case(str(folder))
    if what == 3:
        (folder / "b.csv").symlink_to("/etc/hostname")
        return Case(str(folder))
    if what == 4:
        return Case(
            draw.choice(["/dev/zero", "/dev/stdin", "/proc/kmsg", "/proc/self/mem", "/proc/cpuinfo", "/dev/null"]),
            None,
            {"format": "csv"},
        )
    if what == 5:
        return Case(draw.choice(["/**", "/*", "/**/*.csv", "//**"]))
    if what == 6:
        for number in range(45):
            (folder / f"d{number}").mkdir()
        return Case(str(folder / "**" / "*.csv"), None, {"limits": {"files": 4}})
    if what == 7:
        return Case(str(folder) + "/" + "x" * 300 + ".csv")
    return Case(str(folder / "a.csv" / "b.csv"))


def names_that_cannot_be_shown(draw: Random, folder: Path) -> Case:
    name = draw.choice([b"caf\xe9.csv", b"\xff\xfe.csv", b"a\x1b[2Jb.csv", b"a\nb.csv", "turned\u202evsc.csv".encode()])
    with open(os.fsencode(str(folder)) + b"/" + name, "wb") as file:
        file.write(csv_bytes(rows()))
    return Case(draw.choice([str(folder), str(folder / "*")]))


def vanishing_file(draw: Random, folder: Path) -> Case:
    path = Path(
        _file(
            folder,
            *draw.choice(
                [
                    (name, make())
                    for name, make in FORMATS.items()
                    if name.endswith(("csv", "parquet", "arrow", "zip", "xlsx"))
                ]
            ),
        )
    )
    others = [
        path.unlink,
        lambda: path.write_bytes(b""),
        lambda: path.write_bytes(path.read_bytes()[:-200]),
        lambda: _as_folder(path),
    ]
    return Case(str(draw.choice([path, folder])), None, during=draw.choice(others))


def _as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def odd_settings(draw: Random, folder: Path) -> Case:
    path = _file(folder, "a.csv", csv_bytes(rows()))
    settings: list[tuple[str, dict[str, Any]]] = [
        (path, {"delimiter": draw.choice(["ab", ";;", '"', "\n", ""])}),
        (
            path,
            {
                "encoding": draw.choice(
                    ["rot13", "base64", "zlib", "punycode", "nonsense", "undefined", "utf\0", "unicode_escape"]
                )
            },
        ),
        (path + draw.choice(["\0", "\0.csv", "\x1b[2J", "\ud800"]), {}),
        (path, {"sheet": "x", "format": draw.choice(["excel", "parquet", "arrow", "json", "jsonl"])}),
        (
            draw.choice(
                [
                    "",
                    "http://example.org/a.csv",
                    "data:text/csv,a",
                    "zip://a.csv::" + path,
                    "nosuch://x",
                    "s3://",
                    "file://",
                ]
            ),
            {},
        ),
    ]
    uri, source = draw.choice(settings)
    return Case(uri, None, source)


# Databases


def odd_database(draw: Random, folder: Path) -> Case:
    path = folder / "a.db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE t ({', '.join(COLUMNS)})")
        values: list[Any] = [
            "a text",
            7,
            1.5,
            None,
            b"\xff\xfe",
            b"text",
            float("inf"),
            "nul \0 in it",
            "x" * 3 * MIB,
            2**62,
        ]
        for number in range(6):
            connection.execute(
                "INSERT INTO t VALUES (?, ?, 'card', 'yes', 'north')",
                (draw.choice([number, f"k{number}"]), draw.choice(values)),
            )
    connection.close()
    queries = [
        {"table": "t"},
        {"table": "nosuch"},
        {"query": "SELECT * FROM t"},
        {"query": "SELECT * FROM t; DROP TABLE t"},
        {
            "query": (
                "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id, id text, 'a' label, 'y'"
                " consent, 'n' region FROM n"
            )
        },
        {"query": "DELETE FROM t"},
        {"query": "SELECT id, text, text, label, consent, region FROM t"},
        {"table": "t", "high_water_column": "text"},
        {"query": "SELECT nosuch FROM t"},
    ]
    chosen = draw.choice(queries)
    if draw.random() < 0.2:
        path.write_bytes(path.read_bytes()[: draw.choice([10, 600, 4096])] + draw.randbytes(500))
    return Case(f"sqlite:///{path}", ..., {**chosen, "limits": {"field_characters": 2 * MIB, "rows": 2_000}})


KINDS: dict[str, Callable[[Random, Path], Case]] = {
    "csv": hostile_csv,
    "json": hostile_json,
    "zip members": hostile_zip,
    "lying zip": lying_zip,
    "bomb": bomb,
    "repeated texts": repeated_texts,
    "cut between messages": cut_between_messages,
    "wrong rows in parquet": wrong_rows_in_parquet,
    "excel": hostile_excel,
    "excel with a repeated row": excel_with_a_repeated_row,
    "folder": hostile_folder,
    "names that cannot be shown": names_that_cannot_be_shown,
    "vanishing file": vanishing_file,
    "settings": odd_settings,
    "database": odd_database,
    "member with a dot": lambda draw, folder: Case(
        _file(folder, "a.zip", zip_bytes({"a.csv": csv_bytes(rows()[:6]), "./b.csv": csv_bytes(rows()[6:])})),
        [row["text"] for row in rows()],
    ),
    "many entries": lambda draw, folder: Case(_many_entries(folder), None, {"limits": {"files": 2}}),
}
DRAWN = frozenset(KINDS) - {"member with a dot", "excel with a repeated row", "many entries"}


def _many_entries(folder: Path) -> str:
    _file(folder, "a.csv", csv_bytes(rows()))
    for number in range(30):
        (folder / f"in{number}").mkdir()
    return str(folder / "**")


def _patched(target: Any, name: str, value: Any) -> Callable[[], Any]:
    return lambda: unittest.mock.patch.object(target, name, value)


@contextmanager
def _names_that_cannot_be_shown_pass() -> Iterator[None]:
    with (
        unittest.mock.patch.object(local_files, "require_plain"),
        unittest.mock.patch.object(discovery, "require_plain"),
    ):
        yield


def _rows_as_openpyxl_gives_them(sheet: Any) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    last = 0
    for number, cells in NUMBERED_ROWS(sheet):
        if number > last:
            last = number
            yield number, cells


NUMBERED_ROWS = excel._numbered_rows

AREA = Area(
    name="sources",
    cases=cases,
    defences={
        "plain_failures": _patched(source_file, "plain_failures", lambda *_, **__: nullcontext()),
        "names_that_can_be_shown": _names_that_cannot_be_shown_pass,
        "entries_looked_at": _patched(local_files, "ENTRIES_PER_FILE", sys.maxsize),
        "unpacked_ratio": _patched(Budget, "add_unpacked", lambda *_: None),
        "text_ratio": _patched(Budget, "check_texts", lambda *_: None),
        "member_names": _patched(unpacking, "_inner_path", lambda member, *_: member.filename),
        "row_numbers": _patched(excel, "_numbered_rows", _rows_as_openpyxl_gives_them),
        "end_of_arrow": _patched(arrow, "_count_unpacked", lambda _: None),
    },
)
