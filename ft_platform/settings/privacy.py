"""How personal data is found and replaced."""

from typing import Literal

from pydantic import Field

from ft_platform.settings.section import Section


class Privacy(Section):
    """How personal data is found and replaced."""

    entities: list[str] = Field(default_factory=list, description="Entities to look for. Empty: all that have a recognizer (`ft schema entities` lists them).")
    ner: Literal["spacy", "none"] = Field(
        default="spacy", description="Named-entity recognition for persons and places in free text. `none`: patterns and context only."
    )
    min_score: float = Field(default=0.5, ge=0.0, le=1.0, description="Confidence in [0, 1] from which a finding counts.")
    operators: dict[str, Literal["pseudonym", "redact", "keep"]] = Field(
        default_factory=dict, description="Entity -> what replaces it. `pseudonym`: `<PERSON_k3f9>`, equal for equal originals; `redact`: `<PERSON>`."
    )
    default_operator: Literal["pseudonym", "redact"] = Field(default="pseudonym", description="What replaces entities that `operators` does not name.")
    max_residual_percent: float = Field(
        default=0.0,
        ge=0.0,
        le=100.0,
        description="Percent of anonymized records in which a second scan may still find a direct identifier; above it the version is refused.",
    )
