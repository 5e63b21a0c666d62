"""A consent ledger that is a table or view of a database. It is known by the hash of its rows, so that any change
counts."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from ft_platform.errors import SourceError, TransientError
from ft_platform.lake.content_hash import ContentHash
from ft_platform.records.rows import Spool
from ft_platform.sources.databases.adbc import SIGN, AdbcTable
from ft_platform.sources.databases.sql import SqlTable
from ft_platform.sources.file_format import Opened
from ft_platform.use_case.settings.governance import Governance
from ft_platform.use_case.settings.source import Source

KIND = "database"
NAMES = {
    ", or raise source.limits.silent_seconds": "",
    "source.uri": "governance.consent_ledger",
    "source.password_variable": "governance.ledger_password_variable",
    "`record`": "governance.ledger_columns",
}
"""Settings of a source -> those of the ledger, for messages of the readers."""


def database_fingerprint(governance: Governance) -> str:
    """`database:<64 hex digits>` over the rows of the ledger's columns, in whatever order the database gives them.

    Raises:
        MissingExtra: the driver is not installed.
        SourceError: the table cannot be read or lacks a column.
        TransientError: the database does not answer, or refuses the account.
    """
    hasher = ContentHash()
    for batch in _batches(governance):
        hasher.add(batch)
    return f"{KIND}:{hasher.hexdigest()}"


def database_batches(governance: Governance, content: str, folder: Path) -> Iterator[pa.RecordBatch]:
    """The rows in the fields of `governance.ledger_fields()`, as strings.

    Args:
        content: their fingerprint; other rows are not given out.
        folder: private folder in the restricted zone for a copy.

    Raises:
        TransientError: the table was changed since.
    """
    columns = governance.ledger_fields()
    copy = Spool(
        folder / "consent_ledger.arrow",
        pa.schema([(column, pa.string()) for column in dict.fromkeys(columns.values())]),
    )
    hasher = ContentHash()
    for batch in _batches(governance):
        hasher.add(batch)
        copy.write(batch)
    if f"{KIND}:{hasher.hexdigest()}" != content:
        raise TransientError(
            f"governance.consent_ledger {governance.consent_ledger} was changed while it was read", "Run again"
        )
    yield from (_as_fields(batch, columns) for batch in copy.batches())


def _as_fields(batch: pa.RecordBatch, columns: Mapping[str, str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([batch.column(column) for column in columns.values()], names=[*columns])


def _batches(governance: Governance) -> Iterator[pa.RecordBatch]:
    """The ledger's columns as strings, each once."""
    uri = governance.consent_ledger or ""
    source = Source(uri=uri, table=governance.ledger_table, password_variable=governance.ledger_password_variable)
    table = (AdbcTable if SIGN in uri else SqlTable)(source)
    columns = list(dict.fromkeys(governance.ledger_fields().values()))
    with _settings_of_the_ledger():
        for batch in table.batches(Opened(table.uri, columns, settings=source)):
            yield batch.select(columns).cast(pa.schema([(column, pa.string()) for column in columns]))


@contextmanager
def _settings_of_the_ledger() -> Iterator[None]:
    """Errors of the readers, with the names of the settings that the ledger has."""
    try:
        yield
    except (SourceError, TransientError) as error:
        message, next_step = error.message, error.next_step or ""
        for name, here in NAMES.items():
            message, next_step = message.replace(name, here), next_step.replace(name, here)
        raise type(error)(message, next_step) from None
