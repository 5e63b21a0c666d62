"""How a table of the lake is described to a Unity Catalog, and whether an entry there says the same."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from ft_platform.lake.tables import Tables
from ft_platform.lake.versions import TableVersion
from ft_platform.use_case.settings.unity_catalog import SharedTable

USE_CASE, STAGE = "ft_use_case", "ft_stage"
TYPES = {
    "long": ("LONG", "bigint"),
    "integer": ("INT", "int"),
    "short": ("SHORT", "smallint"),
    "byte": ("BYTE", "tinyint"),
}
"""Type of Delta -> name and text, where they are not the same word."""


def entry(
    lake: Tables,
    name: str,
    version: TableVersion,
    facts: Mapping[str, str],
    comments: Mapping[str, str],
    has_tags: bool,
) -> dict[str, Any]:
    """What the catalogue is asked to register.

    Args:
        name: catalog.schema.table.
        facts: what changes with each version; properties where the server has no tags.
        comments: column -> what it holds.
    """
    catalog_name, schema, table = name.split(".")
    comment = f"{version.name} of {version.use_case}, {version.zone} zone, written by ft_platform"
    properties = {USE_CASE: version.use_case, STAGE: version.name, "ft_zone": version.zone, "comment": comment}
    return {
        "name": table,
        "catalog_name": catalog_name,
        "schema_name": schema,
        "table_type": "EXTERNAL",
        "data_source_format": "DELTA",
        "storage_location": _located(lake, version.zone, version.use_case, version.name),
        "columns": [_column(at, field, comments) for at, field in enumerate(lake.delta_fields(version))],
        "properties": properties if has_tags else {**properties, **facts},
        **({} if has_tags else {"comment": comment}),
    }


def is_ours(lake: Tables, one: Mapping[str, Any]) -> bool:
    """Whether an entry was made for a table of this lake by `entry`."""
    properties = one.get("properties") or {}
    use_case, stage = properties.get(USE_CASE, ""), properties.get(STAGE, "")
    zone = "shared" if stage in get_args(SharedTable) else "restricted"
    return bool(use_case and stage) and _place(one) == _located(lake, zone, use_case, stage)


def _located(lake: Tables, zone: str, use_case: str, stage: str) -> str:
    uri = lake.uri(zone, use_case, "tables", stage)
    return f"file://{uri}" if lake.is_local else uri


def _place(one: Mapping[str, Any]) -> str:
    """Where an entry says that its table is. The open-source server writes `file:/` and `file:///`."""
    return re.sub(r"^file:/+", "file:///", str(one.get("storage_location", ""))).rstrip("/")


def is_same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether an entry says what it should; it may say more."""
    properties = found.get("properties") or {}
    return (
        _place(found) == wanted["storage_location"]
        and all(properties.get(key) == value for key, value in wanted["properties"].items())
        and _columns(found.get("columns") or ()) == _columns(wanted["columns"])
    )


def _columns(columns: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    return [
        (one["name"], str(one.get("type_text")).lower(), one.get("comment") or "")
        for one in sorted(columns, key=lambda one: one.get("position") or 0)
    ]


def _column(position: int, field: Mapping[str, Any], comments: Mapping[str, str]) -> dict[str, Any]:
    """A column as Spark describes it, of a field of Delta's schema."""
    kind = field["type"]
    name = kind["type"] if isinstance(kind, dict) else kind.partition("(")[0]
    comment = comments.get(field["name"])
    return {
        "name": field["name"],
        "type_text": _text(kind),
        "type_name": TYPES.get(name, (name.upper(),))[0],
        "type_json": json.dumps(field),
        "position": position,
        "nullable": field["nullable"],
        **({"comment": comment} if comment else {}),
    }


def _text(kind: str | Mapping[str, Any]) -> str:
    """A type of Delta in the words of SQL."""
    if isinstance(kind, str):
        return TYPES.get(kind, ("", kind))[1]
    if kind["type"] == "array":
        return f"array<{_text(kind['elementType'])}>"
    if kind["type"] == "map":
        return f"map<{_text(kind['keyType'])},{_text(kind['valueType'])}>"
    fields = ",".join(f"{one['name']}:{_text(one['type'])}" for one in kind["fields"])
    return f"struct<{fields}>"
