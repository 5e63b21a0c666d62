"""The shape of a source for a terminal: what is in which column, and of five rows how long each value is. No value."""

import pyarrow as pa
import pyarrow.compute as pc
from rich.table import Table

from ft_platform.proposal.columns import Column

SHOWN_ROWS = 5


def shape_table(columns: list[Column], rows: pa.Table, roles: dict[str, list[str]]) -> Table:
    """A line for each column: what it is proposed as, its figures, and the characters of its values in five rows.

    Args:
        roles: column -> fields of `record`.
    """
    table = Table(title="Columns, and the characters of five rows", title_justify="left", box=None, pad_edge=False)
    for header in ("column", "proposed as", "type", "empty", "different", "characters", "five rows"):
        table.add_column(
            header, justify="right" if header in ("empty", "different", "characters") else "left", overflow="fold"
        )
    for one in columns:
        low, middle, high = one.lengths
        table.add_row(
            one.name,
            ", ".join(roles.get(one.name, [])) or "-",
            one.kind,
            f"{one.empty:.0%}",
            f"{one.different:,}",
            f"{low:,} / {middle:,} / {high:,}" if one.filled else "",
            " ".join(_lengths(rows.column(one.name).slice(0, SHOWN_ROWS))),
        )
    return table


def _lengths(values: pa.ChunkedArray) -> list[str]:
    return [str(found or "-") for found in pc.utf8_length(values).to_pylist()]
