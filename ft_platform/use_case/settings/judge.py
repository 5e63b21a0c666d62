"""A language model that compares answers. A person starts it; no other stage reads this section."""

from pydantic import Field, model_validator

from ft_platform.use_case.settings.base_model import BaseModelSettings
from ft_platform.use_case.settings.section import Section

DEFAULT_RUBRIC = (
    "The better answer is the one that is correct, does what was asked, and leaves out nothing that matters. Length,"
    " tone and layout do not count. An answer that states something wrong is worse than one that says less."
)


class EndpointSettings(Section):
    """A model behind an OpenAI-compatible endpoint."""

    url: str = Field(
        pattern=r"^https?://[^\s?#]+$",
        max_length=1000,
        description=(
            "Base URL, to which `/chat/completions` is added, e.g. `https://models.example.org/v1`. Its host must be"
            " allowed by the installation."
        ),
    )
    model: str = Field(min_length=1, max_length=200, description="Name of the model at the endpoint.")
    api_key_env: str | None = Field(
        default=None,
        pattern=r"^[A-Z_][A-Z0-9_]*$",
        max_length=100,
        description="Environment variable with the key. Default: no key is sent.",
    )
    timeout_seconds: float = Field(
        default=60.0, gt=0.0, le=3600.0, description="Seconds to wait for one answer before asking again."
    )


class Judge(Section):
    """How `judge_report` compares the fine-tuned model's answers with an alternative's by a language model."""

    endpoint: EndpointSettings | None = Field(
        default=None,
        description=(
            "Judge behind an OpenAI-compatible endpoint: `url` (base URL ending before `/chat/completions`; its host"
            " must be in FT_ENDPOINTS_ALLOWED), `model` (its name there), `api_key_env` (environment variable with the"
            " key), `timeout_seconds` (60). Anonymized texts are sent there."
        ),
    )
    model: BaseModelSettings | None = Field(
        default=None,
        description=(
            "Judge on the worker instead of `endpoint`: a model with the fields of `base_model` (`uri`, `revision`,"
            " `sha256`, ...)."
        ),
    )
    alternative: str = Field(
        default="base_few_shot",
        pattern=r"^[a-z][a-z0-9_]*$",
        max_length=60,
        description="System in the evaluation to compare the fine-tuned model with.",
    )
    rubric: str = Field(
        default=DEFAULT_RUBRIC,
        min_length=10,
        max_length=8000,
        description="What makes an answer better, described for the judge.",
    )
    rows: int = Field(
        default=50,
        ge=1,
        le=100_000,
        description="Most test records to judge, chosen at random from those with different answers.",
    )
    gold: str | None = Field(
        default=None,
        min_length=1,
        max_length=2000,
        description=(
            "JSON lines of `{question, answer_1, answer_2, better}` (`1`, `2` or `tie`), judged by people, to compare"
            " the judge with. Default: the newest human review of the evaluation. Without either, the verdict cannot"
            " be used in a gate."
        ),
    )
    min_kappa: float = Field(
        default=0.4,
        ge=0.0,
        le=1.0,
        description=(
            "Agreement with people beyond chance (Cohen's kappa) that a verdict needs to be used in a gate. `fair`"
            " ends at 0.4 (Landis and Koch, 1977)."
        ),
    )

    @model_validator(mode="after")
    def is_one_judge(self) -> "Judge":
        if self.endpoint and self.model:
            raise ValueError("name either `judge.endpoint` or `judge.model`")
        return self
