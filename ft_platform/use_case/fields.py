"""The fields of a use-case file in words, from the pydantic schema: for error messages, the scaffolded YAML and the
reference page."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml

from ft_platform.use_case.schema import UseCase

COMPONENT_TYPE = "ft_platform.components.FineTuningUseCase"
"""Value of `type:` in a use-case file. `.component.<Class>` names a subclass in the file's own folder instead."""

FIELDS = ("type", "attributes")
"""Of a use-case file."""

PATTERNS = {
    r"^ckpt-[0-9a-f]{12}$": "the id of a checkpoint",
    r"^(team:[A-Za-z0-9_\-]+|[^@\s]+@[^@\s]+\.[^@\s]+)$": "an e-mail address or `team:<name>`",
    r"^[^@\s]+@[^@\s]+\.[^@\s]+$": "an e-mail address",
    r"^[A-Za-z0-9_\-]+$": "a name in letters, digits, `_` and `-`",
    r"^[a-z][a-z0-9_]{0,40}$": "a name in lower case letters, digits and `_` (at most 41 characters)",
    r"^[a-z][a-z0-9_]*$": "a name in lower case letters, digits and `_`",
    r"^[0-9a-f]{64}$": "64 hex digits",
    r"\w": "text with a letter or digit",
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$": "a day, YYYY-MM-DD",
    r"^expect_[a-z_]+$": "a name that starts with `expect_`",
    r"^[A-Z_][A-Z0-9_]*$": "a name in capital letters, digits and `_`",
    r"^https?://[^\s?#]+$": "an address that starts with `http://` or `https://`, without `?` and `#`",
    r"^[a-z0-9]([a-z0-9\-]{0,61}[a-z0-9])?$": "a name of Kubernetes",
    r"^[a-z0-9]([a-z0-9.\-]{0,251}[a-z0-9])?$": "a name of Kubernetes",
    r"^s3://[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9](/[^\s]*)?$": "an address `s3://<bucket>/<prefix>`",
    r"^[A-Z]{3}$": "three capital letters",
    r"^[^\s]+[:@][^\s]+$": "an image with its tag or digest",
    r"^/": "a path that starts with `/`",
    r"^[a-z]{2,3}$": "a code of two or three lower case letters",
    r"^\d+(Mi|Gi)$": "a number with `Mi` or `Gi`",
    r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$": "two times of day, `HH:MM-HH:MM`",
    r"^\d+m?$": "a whole number, or thousandths with `m`",
}
"""What the regular expressions of the schema mean. One that is not here is shown as it is."""

NAMES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true` or `false`",
    "array": "a list",
    "object": "a mapping",
}
BOUND_KEYS = {
    "exclusiveMinimum",
    "minimum",
    "exclusiveMaximum",
    "maximum",
    "minLength",
    "maxLength",
    "maxItems",
    "maxProperties",
}


@dataclass(frozen=True)
class UseCaseField:
    """One field of the YAML.

    Attributes:
        path: e.g. `training.learning_rate`; `[]` stands for the elements of a list.
        description: with the unit, as in the schema.
        kind: what it holds, e.g. `a number`, `one of csv, json`.
        bounds: e.g. `1 to 512`, `greater than 0, at most 0.1`; empty without bounds.
        required: it has no default.
        default: value it has when it is not named.
        is_section: it holds fields instead of a value.
        kinds: of a mapping whose entries say in `kind` which fields they have: kind -> its fields, by name.
    """

    path: str
    description: str
    kind: str
    bounds: str
    required: bool
    default: Any
    is_section: bool
    kinds: dict[str, dict[str, "UseCaseField"]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.path.rsplit(".", 1)[-1]

    def facts(self) -> list[str]:
        """What may stand here and what stands here by default, e.g. `["1 to 512", "default 16"]`."""
        kind = [] if self.bounds and self.kind in ("text", "a number", "a whole number") else [self.kind]
        default = (
            "required"
            if self.required
            else "default empty"
            if self.default in (None, "", [], {})
            else f"default {self.default_yaml}"
        )
        return [*kind, *([self.bounds] if self.bounds else []), default]

    @property
    def default_yaml(self) -> str:
        return inline_yaml(self.default)


@cache
def fields() -> dict[str, UseCaseField]:
    """Every field and section by path, in the order of the schema."""
    schema = UseCase.model_json_schema()
    return {f.path: f for f in _walk(schema, schema["$defs"], "")}


def file_schema() -> dict[str, Any]:
    """JSON Schema of a use-case file: `type` and `attributes`.

    Dagster's own component files may also hold `requirements`, `post_processing` and `template_vars_module`. Nothing
    here reads them (a use case is loaded without Dagster's file loader), so they are errors rather than ignored.
    """
    attributes = UseCase.model_json_schema()
    definitions = attributes.pop("$defs")
    for section in (attributes, *definitions.values()):
        _add_empty_defaults(section)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Fine-tuning use case",
        "type": "object",
        "required": list(FIELDS),
        "additionalProperties": False,
        "properties": {
            "type": {
                "description": (
                    "Component that builds the graph: the shipped one, or a subclass in the file's own folder."
                ),
                "anyOf": [{"const": COMPONENT_TYPE}, {"type": "string", "pattern": r"^\.[a-z_]\w*\.[A-Za-z_]\w*$"}],
            },
            "attributes": attributes,
        },
        "$defs": definitions,
    }


def _add_empty_defaults(section: dict[str, Any]) -> None:
    """Pydantic leaves out the default of a list, a mapping or a section that a factory makes: it is empty."""
    for name, told in section["properties"].items():
        if name not in section.get("required", []):
            told.setdefault("default", [] if told.get("type") == "array" else {})


def _walk(schema: dict[str, Any], definitions: dict[str, Any], prefix: str) -> Iterator[UseCaseField]:
    for name, told in schema["properties"].items():
        path = f"{prefix}{name}"
        nested = _section(told, definitions)
        elements = _section(told.get("items", {}), definitions)
        yield UseCaseField(
            path=path,
            description=told.get("description") or (nested or {}).get("description", ""),
            kind="section" if nested else kind_of(told),
            bounds=bounds_of(told),
            required=name in schema.get("required", []),
            default=told.get(
                "default", {} if told.get("type") == "object" else [] if told.get("type") == "array" else None
            ),
            is_section=nested is not None,
            kinds={
                kind: {
                    one.name: one for one in _walk(_section({"$ref": reference}, definitions) or {}, definitions, "")
                }
                for kind, reference in _references(told).items()
            },
        )
        if nested:
            yield from _walk(nested, definitions, f"{path}.")
        if elements:
            yield from _walk(elements, definitions, f"{path}[].")


def inline_yaml(value: Any) -> str:
    """A value as YAML on one line."""
    return (
        yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10**6)
        .removesuffix("\n")
        .removesuffix("\n...")
    )


def _section(field: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any] | None:
    reference = field.get("$ref")
    return definitions[reference.rsplit("/", 1)[-1]] if reference else None


def _values(field: dict[str, Any]) -> Any:
    """What the names of a mapping stand for."""
    return field.get("additionalProperties") or next(iter(field.get("patternProperties", {}).values()), None)


def _references(field: dict[str, Any]) -> dict[str, str]:
    """Kind -> section, of a mapping whose entries have kinds."""
    values = _values(field)
    if not isinstance(values, dict) or "discriminator" not in values:
        return {}
    order = [option["$ref"] for option in values["oneOf"]]
    return dict(sorted(values["discriminator"]["mapping"].items(), key=lambda one: order.index(one[1])))


def kind_of(field: dict[str, Any]) -> str:
    """What a field holds, in words."""
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(kind_of(option) for option in field["anyOf"] if option.get("type") != "null"))
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return "one of " + ", ".join(f"`{v}`" for v in field["enum"])
    if "$ref" in field:
        return "a mapping"
    if "pattern" in field:
        return PATTERNS.get(field["pattern"], f"text that matches `{field['pattern']}`")
    if field.get("type") == "array" and "$ref" in field.get("items", {}):
        return "a list of mappings"
    if field.get("type") == "array" and "items" in field:
        return f"a list of {kind_of(field['items'])}"
    if field.get("type") == "object":
        values = _values(field)
        return f"a mapping of names to {kind_of(values)}" if isinstance(values, dict) else "a mapping"
    if "discriminator" in field:
        return "mappings that say their `kind`"
    return NAMES.get(field.get("type", ""), "any value")


def bounds_of(field: dict[str, Any]) -> str:
    """The bounds of a field, in words; of its first option where there are several."""
    bounds = next((o for o in [field, *field.get("anyOf", [])] if BOUND_KEYS & o.keys()), {})
    low, high = bounds.get("minimum"), bounds.get("maximum")
    if low is not None and high is not None:
        return f"{_number(low)} to {_number(high)}"
    words = [
        ("exclusiveMinimum", "greater than"),
        ("minimum", "at least"),
        ("exclusiveMaximum", "less than"),
        ("maximum", "at most"),
    ]
    found = [f"{word} {_number(bounds[key])}" for key, word in words if key in bounds]
    shortest, longest = bounds.get("minLength", 0), bounds.get("maxLength")
    if longest:
        found.append(
            f"{_number(shortest)} to {_number(longest)} characters"
            if shortest > 1
            else f"at most {_number(longest)} characters"
        )
    if most := bounds.get("maxItems", bounds.get("maxProperties")):
        found.append(f"at most {_number(most)} entries")
    return ", ".join(found)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
