"""Zones: personal data in every mapped column, names as labels, odd dates, and who may open what is written.

Secrets are drawn from the seed; persons are fictitious. A case holds where the stage stops without quoting the secret,
or what leaves the restricted zone does not have it.
"""

import csv
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import pyarrow as pa

from ft_platform.errors import DataError, SourceError
from ft_platform.lake import modes
from ft_platform.lake.stage_table import Work
from ft_platform.lake.store import Lake
from ft_platform.privacy import closed_columns
from ft_platform.records.engines.in_process import InProcess
from ft_platform.records.rows import Spool, TableRows
from ft_platform.records.schemas import cleaned_schema, splits_schema
from ft_platform.sources.ingest import read_new_records
from ft_platform.splitting.split import split
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.attacks.area import Area, Attack
from ft_platform_tests.privacy.anonymizing import anonymized
from ft_platform_tests.tables import use_case

ROWS = 24
WORDS = (
    "card",
    "loan",
    "fee",
    "branch",
    "transfer",
    "statement",
    "balance",
    "letter",
    "account",
    "interest",
    "payment",
    "refund",
    "deposit",
    "mortgage",
)
GIVEN = (
    "Wilhelmina",
    "Mirela",
    "Priya",
    "Siobhan",
    "Tatiana",
    "Faustino",
    "Henrietta",
    "Leopold",
    "Annelise",
    "Rashid",
)
FAMILY = ("Drosselmeyer", "Okonjo", "Natarajan", "Kuznetsova", "Quillfeather", "Yefremova", "Habsburger", "Abernathy")
PERMISSION = {
    "consent": "consent",
    "purpose": "purpose",
    "expires": "expires",
    "licence": "licence",
    "jurisdiction": "jurisdiction",
    "withdrawn": "withdrawn",
}
GOVERNANCE = {"jurisdictions": ["yes"], "accepted_licences": ["yes"]}
FEATURES = ("region", "age", "income", "zip", "joined", "account", "listed")
COLUMNS = ("id", "text", "label", "subject", "date", *PERMISSION, *FEATURES)
KINDS = {"age": "age", "income": "number", "zip": "postal_code", "joined": "date"}
LABELS = ("credit card", "mortgage", "student loan")
UMASKS = (0o000, 0o002, 0o007, 0o022, 0o027, 0o077)


def email(random: Random) -> str:
    return f"{random.choice(GIVEN).lower()}.{random.randrange(1000, 9999)}@mail.example.com"


def iban(random: Random) -> str:
    account = f"{random.randrange(10**17, 10**18):018d}"
    return f"DE{98 - int(account + '131400') % 97:02d}{account}"


def ssn(random: Random) -> str:
    return f"{random.randrange(100, 665)}-{random.randrange(10, 99)}-{random.randrange(1000, 9999)}"


def person(random: Random) -> str:
    given, family = random.choice(GIVEN), random.choice(FAMILY)
    return random.choice(
        (f"{given} {family}", f"{family}, {given}", f"{given} {family}".upper(), f"{given}_{family}".lower())
    )


def case_of(uri: str = "records.csv") -> NamedUseCase:
    settings = {
        "ner": "none",
        "quasi_identifiers": KINDS,
        "k": 2,
        "max_not_k_anonymous_percent": 100.0,
        "columns": {"account": "pseudonym"},
        "allowed_values": {"listed": ["a", "b"]},
    }
    record = {"subject": "subject", "date": "date", **PERMISSION, "features": {name: name for name in FEATURES}}
    return use_case(
        source={"uri": uri}, record=record, privacy=settings, splits={"min_rows_per_label": 3}, governance=GOVERNANCE
    )


def rows_of(random: Random) -> list[dict[str, str]]:
    """Harmless rows."""
    return [
        {
            "id": f"k{n}",
            "text": f"Complaint {n * 37}: " + " ".join(random.choices(WORDS, k=9)),
            "label": LABELS[n % 3],
            "subject": f"c{n}",
            "date": f"2024-0{n % 9 + 1}-1{n % 9}",
            **dict.fromkeys(PERMISSION, "yes"),
            "region": ("north", "south")[n % 2],
            "age": "30-39",
            "income": "52000",
            "zip": "62704",
            "joined": "2020",
            "account": f"a{n}",
            "listed": "ab"[n % 2],
        }
        for n in range(ROWS)
    ]


def leaves(rows: list[dict[str, str]], folder: Path, name: str = "records.csv") -> list[Any]:
    """What the shared zone gets of a file: rows and counts."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        file = Path(place, name)
        with open(file, "w", newline="", encoding="utf-8") as opened:
            writer = csv.DictWriter(opened, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        case = case_of(str(file))
        raw = read_new_records(case, Environment(home=Path(place)), {}, None, datetime.now(UTC), Path(place)).records
        cleaned = pa.table(
            {
                n: raw[n] if n in raw.column_names else pa.nulls(len(raw), cleaned_schema(case).field(n).type)
                for n in cleaned_schema(case).names
            }
        )
        made = anonymized(case, cleaned.cast(cleaned_schema(case)))
        (Path(place) / "work").mkdir()
        divided = split(case, TableRows(made.kept), Work(Path(place) / "work", InProcess())).collect(
            splits_schema(case)
        )
        for batch in divided.kept.to_batches():
            closed_columns.require_closed(case, batch)
    return [
        *made.kept.to_pylist(),
        *divided.kept.to_pylist(),
        made.removed.to_pylist(),
        divided.removed.to_pylist(),
        made.counts,
        divided.counts,
    ]


def plant(
    secret: str, value: str, column: str, rows: list[dict[str, str]], many: int, folder: Path, name: str = "records.csv"
) -> str | None:
    """Puts a value with a secret into a column of some rows. Broken where the secret comes out."""
    for row in rows[:many]:
        row[column] = f"{row[column]} {value}" if column == "text" else value
    try:
        found = repr(leaves(rows, folder, name))
    except (DataError, SourceError) as error:
        found = str(error)
    return f"a secret of column {column or 'source_uri'} came out" if secret.lower() in found.lower() else None


def columns(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    """A direct identifier in each column, alone or inside a text of its kind."""
    for column in COLUMNS:
        for n in range(size):
            secret = random.choice((email, iban, ssn))(random)
            value = random.choice((secret, f"2024-03-05 {secret}", f"born {secret}", f"34 {secret}"))
            value = (
                f"Write to me: {secret} please." if column == "text" else f"{value} {n}" if column == "id" else value
            )
            attack = partial(
                plant, secret, value, column, rows_of(random), 1 if column == "id" else random.randrange(1, 4), folder
            )
            yield f"column {column} {n}", attack


def names(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    """Names of persons as labels and features, and as dates, ids and subjects, where no recognizer of identifiers sees
    them."""
    for column in ("label", "region", "listed", "date", "age", "zip", "joined", "income", "subject", "account"):
        for n in range(size):
            secret = person(random)
            yield (
                f"name in {column} {n}",
                partial(plant, secret, secret, column, rows_of(random), random.choice((1, 6)), folder),
            )


def provenance(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    for n in range(size):
        secret = email(random)
        yield f"file name {n}", partial(plant, secret, "", "expires", rows_of(random), 1, folder, f"{secret}.csv")


def own_component(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    """A stage of one's own that writes the source's id, or a free text, into a column that we make."""

    def attack(secret: str, column: str) -> str | None:
        case = case_of()
        given = {
            "record_id": [f"r{n}" for n in range(ROWS)],
            "messages": [[{"role": "user", "content": "A fee."}]] * ROWS,
            column: [secret] * ROWS,
        }
        spoiled = pa.table(
            {name: given.get(name, [None] * ROWS) for name in cleaned_schema(case).names}, schema=cleaned_schema(case)
        )
        try:
            return "it came out" if secret in repr(anonymized(case, spoiled).kept.to_pylist()) else None
        except DataError as error:
            return "it is quoted" if secret in str(error) else None

    for n in range(size):
        yield f"own component {n}", partial(attack, email(random), "record_id")


def written(lake: Lake) -> None:
    """What stages write to the restricted zone, by every way: deltalake, arrow, plain files, small JSON."""
    schema = pa.schema([pa.field("record_id", pa.string())])
    batch = pa.RecordBatch.from_pydict({"record_id": ["a"]}, schema=schema)
    with lake.scratch("claims", "raw_records", zone="restricted") as scratch:
        scratch.mkdir()
        (scratch / "member.csv").write_text("x")
        Spool(scratch / "spool.arrow", schema).write(batch)
        version = lake.write_table("claims", "raw_records", [batch], schema, zone="restricted")
        lake.add_verdict(version, "looked", True, "")
        assert not [p for p in Path(lake.root, "restricted").rglob("*") if p.lstat().st_mode & 0o077], (
            "open while it is written"
        )


def wide(top: Path) -> int:
    return sum(stat.S_IMODE(p.lstat().st_mode) not in (0o700, 0o600) for p in (top, *top.rglob("*")))


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def writes(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    def attack(mask: int, place: Path) -> str | None:
        with umask(mask):
            written(Lake(place))
        return "others may open something" if wide(place / "restricted") else None

    for n in range(size):
        mask = random.choice(UMASKS[:-1])
        yield f"umask {mask:03o} {n}", partial(attack, mask, folder / f"lake-{n}")


def old_lakes(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    """A restricted zone with modes drawn at random, closed by the command."""

    def attack(place: Path, drawn: list[tuple[int, int]]) -> str | None:
        top = place / "restricted"
        for n, (folder_mode, file_mode) in enumerate(drawn):
            (top / ("a" * (n % 3 + 1)) / str(n)).mkdir(parents=True)
            (top / ("a" * (n % 3 + 1)) / str(n) / "part.parquet").touch()
            os.chmod(top / ("a" * (n % 3 + 1)) / str(n) / "part.parquet", file_mode)
            os.chmod(top / ("a" * (n % 3 + 1)) / str(n), folder_mode | 0o700)
        os.chmod(top, drawn[0][0] | 0o700)
        modes.harden(top, modes.Access())
        return "it is open after it was closed" if wide(top) or modes.harden(top, modes.Access()).changed else None

    for n in range(size):
        yield (
            f"old lake {n}",
            partial(
                attack, folder / f"old-{n}", [(random.randrange(0o7777), random.randrange(0o777)) for _ in range(6)]
            ),
        )


def harmless(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    """Rows without a secret go through: a zone that refuses everything would hold, too."""

    def attack(rows: list[dict[str, str]]) -> str | None:
        *_, made, divided = leaves(rows, folder)
        return (
            None
            if sum(divided["rows_per_split"].values()) == ROWS and not made["emptied"]
            else "harmless values were emptied or removed"
        )

    for n in range(size):
        yield f"harmless {n}", partial(attack, rows_of(random))


def cases(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    for kind in (harmless, columns, names, provenance, own_component, writes, old_lakes):
        yield from kind(random, folder, size)


def off(*patches: tuple[Any, str, Callable[..., Any]]) -> Callable[[], Any]:
    """A context manager in which functions are replaced."""

    @contextmanager
    def switched_off() -> Iterator[None]:
        with ExitStack() as stack:
            for owner, name, instead in patches:
                stack.enter_context(
                    patch.object(owner, name, instead)
                    if not isinstance(owner, str)
                    else patch(f"{owner}.{name}", instead)
                )
            yield

    return switched_off


IDENTIFIERS = "ft_platform.privacy.column_identifiers"
AREA = Area(
    name="zones",
    cases=cases,
    defences={
        "dates_are_parsed": off((closed_columns, "is_date", lambda value: True)),
        "values_are_parsed": off(
            (closed_columns, "_can_be_read", lambda *_: True), (closed_columns, "_may_leave", lambda *_: True)
        ),
        "values_are_scanned": off((IDENTIFIERS, "recognizers_of_values", lambda privacy: [])),
        "persons_are_seen": off(
            (IDENTIFIERS, "persons_among", lambda values: set()), (IDENTIFIERS, "single_names", lambda *_: [])
        ),
        "last_look_at_what_leaves": off(("ft_platform.privacy.anonymize", "require_closed", lambda *_: None)),
        "zone_is_closed": off((modes, "close_zone", lambda top: None)),
        "files_are_private": off(
            (modes, "_inherit", lambda *_: False),
            (modes, "keep_private", lambda folder, access=None: folder),
            (modes, "settle", lambda *_: None),
            (modes, "settle_tree", lambda *_: None),
        ),
        "old_lakes_are_closed": off((modes, "_narrow", lambda *_: False)),
    },
)
