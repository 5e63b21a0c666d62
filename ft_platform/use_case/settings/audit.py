"""When the audit of the splits stops a training."""

from pydantic import Field

from ft_platform.use_case.settings.section import Section


class Audit(Section):
    """How many records may have a fault before training is refused. Faults without a setting here stop it at the first
    record."""

    min_supervised_share: float = Field(
        default=0.001,
        ge=0.0,
        le=1.0,
        description=(
            "Smallest share in [0, 1] of tokens that count in the loss. Below it, nearly all computation goes into"
            " prompts (one label token in 1,000)."
        ),
    )
    max_left_out_share: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description=(
            "Largest share in [0, 1] of records left out because the answer is missing or longer than"
            " `training.max_length`, or because tool calls cannot be written."
        ),
    )
    max_shortened_share: float = Field(
        default=0.5,
        ge=0.0,
        le=1.0,
        description=(
            "Largest share in [0, 1] of records whose user text is shortened to `training.max_length`; fewer only warn."
        ),
    )
    max_duplicate_share: float = Field(
        default=0.01,
        ge=0.0,
        le=1.0,
        description=(
            "Largest share in [0, 1] of records whose tokens are identical to another record's; fewer only warn."
        ),
    )
    max_changed_share: float = Field(
        default=0.01,
        ge=0.0,
        le=1.0,
        description=(
            "Largest share in [0, 1] of records with a text that does not survive encoding and decoding; fewer only"
            " warn."
        ),
    )
