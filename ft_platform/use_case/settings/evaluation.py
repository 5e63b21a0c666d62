"""How systems and groups are compared."""

from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from ft_platform.use_case.settings.base_model import BaseModelSettings
from ft_platform.use_case.settings.fixed_draws import FixedDraws
from ft_platform.use_case.settings.golden import GoldenPrompt, GoldenPrompts
from ft_platform.use_case.settings.section import Section

Price = Annotated[float, Field(ge=0.0, le=1_000_000.0)]


class PromptedEndpoint(Section):
    """A model behind an OpenAI-compatible endpoint that is compared as a prompted alternative."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,30}$", description="Name in the report, after `endpoint_`.")
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
    price_per_1000_input_tokens: Price | None = Field(
        default=None, description="Price of 1,000 prompt tokens, in `currency`. Default: unknown."
    )
    price_per_1000_output_tokens: Price | None = Field(
        default=None, description="Price of 1,000 answer tokens, in `currency`. Default: unknown."
    )
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$", description="Currency of the prices: an ISO 4217 code.")

    @property
    def host(self) -> str:
        """Host and port, for reports."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


Named = TypeVar("Named", PromptedEndpoint, GoldenPrompt)


class Evaluation(FixedDraws):
    """How systems are compared on the test split."""

    max_test_rows: int | None = Field(
        default=None,
        ge=10,
        le=10_000_000,
        description="Evaluate on at most this many test records, chosen by a hash of their ids. Empty: all.",
    )
    few_shot_examples: int = Field(
        default=4, ge=1, le=64, description=("Number of training examples in the few-shot prompt.")
    )
    few_shot_selection: Literal["random", "nearest"] = Field(
        default="nearest",
        description=("How to choose them. `nearest`: by TF-IDF similarity to the question; `random`: one set."),
    )
    max_prompt_tokens: int = Field(
        default=512,
        ge=32,
        le=131_072,
        description=(
            "Longest prompt in tokens, without few-shot examples; longer user texts are shortened, the same for every"
            " system."
        ),
    )
    max_new_tokens: int = Field(default=96, ge=1, le=8192, description="Longest generated answer in tokens.")
    label_answers: Literal["scored", "generated"] = Field(
        default="scored",
        description=(
            "`scored`: base model, champion and fine-tuned model score every label, and the likeliest is the answer"
            " (`classification`). `generated`: they write free text, which must contain exactly one label; there is"
            " no confidence then. Not for `training.objective: label_head`, which writes nothing."
        ),
    )
    bootstrap_samples: int = Field(default=1000, ge=100, le=100_000, description="Resamples behind each interval.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0, description="Coverage of the intervals in (0.5, 1).")
    min_slice_rows: int = Field(
        default=20,
        ge=2,
        le=1_000_000,
        description=(
            "Fewest test records for judging a part of the test split (a feature's value, a label, a text length)."
        ),
    )
    groundedness: Literal["none", "prompt"] = Field(
        default="none",
        description=(
            "`prompt`: measure which claims of an answer the question's own text supports, for generation whose"
            " questions contain the facts (documents, tickets, search results). A judge is asked too, if `judge`"
            " names one."
        ),
    )
    groundedness_model: str | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description=(
            "Local folder of a transformers encoder, as for `splits.sentence_model`: a claim that paraphrases a"
            " sentence of the question then counts as supported too. Default: only words decide."
        ),
    )
    groundedness_similarity: float = Field(
        default=0.45,
        ge=0.0,
        le=1.0,
        description=(
            "Cosine in [0, 1] from which `groundedness_model` treats two sentences as saying the same. The default"
            " was measured with all-MiniLM-L6-v2; other models need another value."
        ),
    )
    endpoints: list[PromptedEndpoint] = Field(
        default_factory=list,
        max_length=10,
        description=(
            "Models behind OpenAI-compatible endpoints that answer the anonymized test records too, zero-shot."
            " Budgets do not include them."
        ),
    )

    similarity_model: BaseModelSettings | None = Field(
        default=None,
        description=(
            "Model whose hidden states measure how similar an answer is to its reference (`generation`): a causal"
            " language model with the fields of `base_model`, preferably a different one. Default: not measured."
        ),
    )

    golden: list[GoldenPrompt] = Field(
        default_factory=list,
        max_length=200,
        description=(
            "Golden prompts of experts: every fine-tuned model is asked them, by the evaluation and again where it is"
            " served. Each is a rule of the release."
        ),
    )

    @field_validator("endpoints", "golden")
    @classmethod
    def have_names_of_their_own(cls, named: list[Named], field: ValidationInfo) -> list[Named]:
        names = [one.name for one in named]
        if len(set(names)) < len(names):
            raise ValueError(
                f"`evaluation.{field.field_name}` has duplicate names:"
                f" {sorted(name for name in set(names) if names.count(name) > 1)}"
            )
        return named

    def hashed(self) -> dict[str, Any]:
        """Without golden prompts, which only the evaluation of a fine-tuned model reads, and with what were fields
        before."""
        values = {name: value for name, value in super().hashed().items() if name != "golden"}
        return {**values, "few_shot_note": "", **({"chosen_by": "hash of id"} if self.max_test_rows else {})}

    @property
    def golden_prompts(self) -> GoldenPrompts:
        return GoldenPrompts(prompts=self.golden)
