"""Answers in JSON: where a label goes in the schema that a client sends, and which keys an object may have.

Covered: a property that is a text, an enum or a constant, through local references and `anyOf`. Any other keyword that
could refuse a label (`pattern`, `maxLength`) is not judged: such a schema has no room for one."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

LABEL = "label"
NOTES = {"title", "description", "default", "examples", "$comment", "$schema", "$id", "$defs", "definitions"}
"""Keywords that refuse nothing."""
OF_OBJECTS = NOTES | {"type", "properties", "required", "additionalProperties"}
OF_TEXTS = NOTES | {"type", "enum", "const", "anyOf", "$ref"}
DEEPEST = 10
"""References and choices that are followed, one inside the other."""
SAYS_MORE = ("additionalProperties", "unevaluatedProperties", "patternProperties", "allOf", "$ref")


def label_form(schema: Mapping[str, Any], labels: Iterable[str]) -> Callable[[str], str] | None:
    """What writes a label as JSON of a schema; None: the schema has no room for all of the labels."""
    labels, root = list(labels), schema
    if all(_takes(schema, label, root) for label in labels) and schema.get("type") != "object":
        return json.dumps
    name = _property(schema, labels)
    return None if name is None else lambda label: json.dumps({name: label})


def _property(schema: Mapping[str, Any], labels: list[str]) -> str | None:
    """The property of an object that is the label; None: none is, or several could be."""
    properties, required = schema.get("properties", {}), schema.get("required", [])
    known = set(schema) <= OF_OBJECTS and isinstance(properties, dict) and isinstance(required, list)
    if not known or schema.get("type", "object") != "object" or not (properties or "type" in schema):
        return None
    if not properties:
        others = schema.get("additionalProperties", True)
        fits = all(one == LABEL for one in required) and all(_takes(others, label, schema) for label in labels)
        return LABEL if fits else None
    fitting = [
        name
        for name, wanted in properties.items()
        if all(one == name for one in required) and all(_takes(wanted, label, schema) for label in labels)
    ]
    if LABEL in fitting:
        return LABEL
    return fitting[0] if len(fitting) == 1 else None


def _takes(schema: Any, label: str, root: Mapping[str, Any], depth: int = 0) -> bool:
    """Whether a text is surely valid."""
    if schema is True:
        return True
    if not isinstance(schema, dict) or not set(schema) <= OF_TEXTS or depth > DEEPEST:
        return False
    kinds = schema.get("type", "string")
    if "string" not in (kinds if isinstance(kinds, list) else [kinds]):
        return False
    values = schema.get("enum", [label])
    if not isinstance(values, list) or label not in values or schema.get("const", label) != label:
        return False
    if "$ref" in schema and not _takes(_referred(schema["$ref"], root), label, root, depth + 1):
        return False
    options = schema.get("anyOf", [True])
    return isinstance(options, list) and any(_takes(one, label, root, depth + 1) for one in options)


def _referred(reference: Any, root: Mapping[str, Any]) -> Any:
    """What a local reference names; False, which takes nothing, where there is no such thing."""
    start, _, name = str(reference).rpartition("/")
    found = root.get(start.removeprefix("#/"), {}) if start in ("#/$defs", "#/definitions") else {}
    return found.get(name, False) if isinstance(found, dict) else False


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema whose objects take no key that it does not name, unless it says so: a small model goes on inventing keys
    until its answer is cut. xgrammar does the same (`strict_mode`)."""
    made = dict(schema)
    for name in ("properties", "$defs", "definitions"):
        if isinstance(found := schema.get(name), dict):
            made[name] = {key: closed(one) if isinstance(one, dict) else one for key, one in found.items()}
    for name in ("anyOf", "oneOf", "prefixItems"):
        if isinstance(found := schema.get(name), list):
            made[name] = [closed(one) if isinstance(one, dict) else one for one in found]
    for name in ("items", "additionalProperties"):
        if isinstance(found := schema.get(name), dict):
            made[name] = closed(found)
    if schema.get("properties") and not any(name in schema for name in SAYS_MORE):
        made["additionalProperties"] = False
    return made
