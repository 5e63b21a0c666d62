"""The fields of answers that are JSON: what a model is to extract."""

import json
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ft_platform.use_case.settings.section import Section

FieldKey = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_\-]{0,60}$")]
Choice = Annotated[str, Field(min_length=1, max_length=200)]


class AnswerField(Section):
    """One field of an answer in JSON."""

    type: Literal["string", "number", "integer", "boolean", "list"] = Field(
        default="string", description="Type of the value; `list` is a list of texts."
    )
    required: bool = Field(
        default=True, description=("Whether every answer must have the field; otherwise it may be `null` or missing.")
    )
    choices: list[Choice] = Field(
        default_factory=list,
        max_length=200,
        description="Allowed values of a text, or of each entry in a list. Empty: any.",
    )
    description: str = Field(
        default="", max_length=500, description=("What the field contains, described for the model.")
    )

    @model_validator(mode="after")
    def choices_are_texts(self) -> "AnswerField":
        if self.choices and self.type not in ("string", "list"):
            raise ValueError("`choices` needs `type: string` or `type: list`")
        return self

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of its value."""
        text: dict[str, Any] = {"type": "string", **({"enum": list(self.choices)} if self.choices else {})}
        found = (
            {"type": "array", "items": text}
            if self.type == "list"
            else text
            if self.type == "string"
            else {"type": self.type}
        )
        return found if self.required else {"anyOf": [found, {"type": "null"}]}


def answer_schema(fields: dict[str, AnswerField]) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of an answer: an object with these fields and no others."""
    return {
        "type": "object",
        "properties": {name: field.json_schema() for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.required],
        "additionalProperties": False,
    }


def in_words(fields: dict[str, AnswerField]) -> str:
    """The fields as an instruction lists them, one a line."""
    lines = []
    for name, field in fields.items():
        kind = "list of texts" if field.type == "list" else "text" if field.type == "string" else field.type
        parts = [
            kind,
            *([f"one of {json.dumps(field.choices, ensure_ascii=False)}"] if field.choices else []),
            *([] if field.required else ["or null"]),
        ]
        lines.append(
            f'- "{name}": {", ".join(parts)}{f". {field.description.strip()}" if field.description.strip() else ""}'
        )
    return "\n".join(lines)
