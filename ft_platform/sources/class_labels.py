"""Names of the classes in columns of Hugging Face datasets, which hold numbers.

Source: `datasets/features/features.py`, `ClassLabel`: the schema's metadata has the features under the key
`huggingface`."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

NO_LABEL = -1
"""How `datasets` writes that a row has no label."""


def label_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Column -> name of class 0, 1, ...; empty where the schema says nothing of it."""
    try:
        features: Any = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        named = {
            column: feature["names"] for column, feature in features.items() if feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {
        column: names
        for column, names in named.items()
        if isinstance(names, list) and all(isinstance(name, str) for name in names)
    }


def with_names(column: pa.Array, names: list[str] | None) -> pa.Array:
    """The column with names in place of numbers; -1 is no label, and a number without a name stays."""
    if not names or not pa.types.is_integer(column.type):
        return column
    numbers = pc.cast(column, pa.int64())
    places = pc.if_else(
        pc.and_(pc.greater_equal(numbers, 0), pc.less(numbers, len(names))), numbers, pa.scalar(None, pa.int64())
    )
    rest = pc.if_else(pc.equal(numbers, NO_LABEL), pa.scalar(None, pa.string()), pc.cast(numbers, pa.string()))
    return pc.coalesce(pa.array(names, pa.string()).take(places), rest)
