"""What is asked of a database, whatever reads it: the statement, the password, how long to wait, where to go on."""

import json
import os
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ft_platform.errors import SourceError, TransientError
from ft_platform.sources.budget import over
from ft_platform.sources.digests import digest
from ft_platform.sources.local_files import require_regular
from ft_platform.use_case.settings.source import Source

CONNECT_SECONDS = 15
QUERY = re.compile(r"\s*(select|with)\b", re.IGNORECASE)
DAYS = {"datetime": datetime.fromisoformat, "date": date.fromisoformat}
MARKS: dict[str, Any] = {"int": int, "str": str, **DAYS, "Decimal": Decimal}
"""Types that a high-water column may have, and how each is read from text."""


def sqlite_file(source: Source, name: str) -> str:
    """The whole path of a file.

    Raises:
        SourceError: there is no such file, or it is not a regular one.
    """
    path = os.path.abspath(os.path.expanduser(name))
    if not os.path.exists(path):
        raise SourceError(
            f"source.uri {source.uri}: there is no file {path}", "Correct source.uri, or put the file there"
        )
    require_regular(path)
    return path


def libpq_options(source: Source) -> dict[str, int]:
    """Seconds and counts after which libpq gives up: a connection that is not made, and a server that is gone."""
    return {
        "connect_timeout": min(CONNECT_SECONDS, source.limits.silent_seconds),
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }


def require_rows(uri: str, source: Source, rows: int) -> None:
    """Returns while a table is within `source.limits.rows`: a query may have no end.

    Raises:
        SourceError: it is beyond.
    """
    if rows > source.limits.rows:
        raise over(uri, f"has more than {source.limits.rows:,} rows", "rows")


def statement(
    source: Source, query: str, quote: Callable[[str], str], columns: list[str], *, what: str, since: str, none: bool
) -> str:
    """The statement that reads a table or query.

    Args:
        quote: writes a name as the database has it.
        columns: `*` or names.
        what: other expressions in their place, with `{mark}` for the high-water column.
        since: only rows from this value on; empty for all.
        none: no row, for the names only.
    """
    mark = quote(source.high_water_column or "")
    chosen = what.format(mark=mark) or ", ".join("*" if c == "*" else quote(c) for c in columns) or "1"
    rows = (
        ".".join(quote(part) for part in (source.table or "").split(".")) if source.table else f"({query}) AS ft_source"
    )
    where = " WHERE 1 = 0" if none else f" WHERE {mark} >= {since}" if since else ""
    return f"SELECT {chosen} FROM {rows}{where}"


def table_uri(source: Source) -> str:
    what = source.table or f"query-{digest((source.query or '').encode()).hex()[:12]}"
    return f"{source.uri}#{what}"


def select_query(source: Source) -> str:
    """Raises:
    SourceError: the query does more than select.
    """
    query = (source.query or "").strip().rstrip(";")
    if source.query and not QUERY.match(query):
        raise SourceError(
            "source.query is not a SELECT", "A source only reads: write a query that begins with SELECT or WITH"
        )
    return query


def password_of(source: Source) -> str | None:
    """Raises:
    SourceError: the variable that `source.password_variable` names is not set.
    """
    variable = source.password_variable
    if variable and variable not in os.environ:
        raise SourceError(
            f"source.password_variable names {variable}, which is not set", "Set it where the platform runs"
        )
    return os.environ[variable] if variable else None


def written_mark(uri: str, value: Any) -> str | None:
    """A value of the high-water column as text that says its type."""
    if value is None:
        return None
    types = {"int": int, "str": str, "datetime": datetime, "date": date, "Decimal": Decimal}
    kind = next((name for name, of in types.items() if isinstance(value, of)), None)
    if kind is None or isinstance(value, bool):
        raise SourceError(
            f"{uri}: the high-water column is of type {type(value).__name__}",
            "Name a column with times, dates or numbers that only grow",
        )
    return json.dumps({kind: value.isoformat() if isinstance(value, date) else str(value)})


def mark_value(mark: str | None) -> Any:
    return next(MARKS[kind](text) for kind, text in json.loads(mark).items()) if mark else None


def unreachable(uri: str) -> TransientError:
    return TransientError(
        f"{uri}: the database cannot be reached, or refuses the account",
        "Check host, account and source.password_variable, then run again",
    )


def unreadable(uri: str) -> SourceError:
    """Without the database's own words: they may hold values."""
    return SourceError(
        f"{uri} cannot be read", "Check that the table and its columns, or the query, work for this account"
    )
