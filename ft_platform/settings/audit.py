"""When the audit of the splits stops a training."""

from pydantic import Field

from ft_platform.settings.section import Section


class Audit(Section):
    """How many records may have a fault before training is refused. Faults without a setting here stop it at the first
    record."""

    min_supervised_share: float = Field(
        default=0.001,
        ge=0.0,
        le=1.0,
        description=(
            "Least share in [0, 1] of tokens that count in the loss. With less, nearly all computation goes into"
            " prompts (one label token in 1,000)."
        ),
    )
    max_left_out_share: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description=(
            "Largest share in [0, 1] of records that are left out because their answer does not fit into"
            " `training.max_length`, is missing, or their calls of tools cannot be written."
        ),
    )
    max_shortened_share: float = Field(
        default=0.5,
        ge=0.0,
        le=1.0,
        description=(
            "Largest share in [0, 1] of records whose user text is shortened to `training.max_length`; fewer are a"
            " warning."
        ),
    )
    max_duplicate_share: float = Field(
        default=0.01,
        ge=0.0,
        le=1.0,
        description=(
            "Largest share in [0, 1] of records that are token for token the same as another one; fewer are a warning."
        ),
    )
    max_changed_share: float = Field(
        default=0.01,
        ge=0.0,
        le=1.0,
        description=(
            "Largest share in [0, 1] of records with a text that the tokenizer does not give back; fewer are a warning."
        ),
    )
