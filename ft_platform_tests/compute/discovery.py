"""Requests and answers of Google's APIs compared with their discovery documents, which google-api-python-client
brings."""

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "array": list,
    "object": dict,
    "integer": int,
    "number": (int, float),
    "any": object,
}


@cache
def schemas(api: str) -> dict[str, Any]:
    """
    Args:
        api: name and version, such as `aiplatform.v1`.
    """
    found = find_spec("googleapiclient")
    assert found and found.origin
    file = Path(found.origin).parent / "discovery_cache" / "documents" / f"{api}.json"
    return json.loads(file.read_text(encoding="utf-8"))["schemas"]


def faults(api: str, name: str, value: Any, where: str = "") -> list[str]:
    """What of a value is not as the schema of that name says; nothing: it fits."""
    return _faults(schemas(api), {"$ref": name}, value, where or name)


def _faults(known: dict[str, Any], schema: dict[str, Any], value: Any, where: str) -> list[str]:
    schema = known[schema["$ref"]] if "$ref" in schema else schema
    kind = schema.get("type", "any")
    if not isinstance(value, TYPES[kind]) or (kind == "integer" and isinstance(value, bool)):
        return [f"{where} is no {kind}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where} is none of {', '.join(schema['enum'])}"]
    if schema.get("format") == "int64" and not str(value).lstrip("-").isdigit():
        return [f"{where} is no int64"]
    if kind == "array":
        return [fault for one in value for fault in _faults(known, schema["items"], one, f"{where}[]")]
    found: list[str] = []
    if kind == "object":
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, one in value.items():
            inner = properties.get(name, others)
            found += _faults(known, inner, one, f"{where}.{name}") if inner else [f"{where} has no {name}"]
    return found
