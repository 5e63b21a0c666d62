"""The shape of a source in words: what is in which column, and of five rows how long each value is. No value."""

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.onboarding.proposal.columns import Column

SHOWN_ROWS = 5
HEADERS = ("column", "proposed as", "type", "empty", "different", "characters", "five rows")


def shape_of(columns: list[Column], rows: pa.Table, roles: dict[str, list[str]]) -> list[tuple[str, ...]]:
    """A line for each column, as `HEADERS`: what it is proposed as, its figures (characters at the 5th, 50th and 95th
    percentile), and the characters of its values in five rows.

    Args:
        roles: column -> fields of `record`.
    """
    return [
        (
            one.name,
            ", ".join(roles.get(one.name, [])) or "-",
            one.kind,
            f"{one.empty:.0%}",
            f"{one.different:,}",
            " / ".join(f"{length:,}" for length in one.lengths) if one.filled else "",
            " ".join(str(length or "-") for length in _lengths(rows.column(one.name).slice(0, SHOWN_ROWS))),
        )
        for one in columns
    ]


def _lengths(values: pa.ChunkedArray) -> list[int | None]:
    return pc.utf8_length(values).to_pylist()
