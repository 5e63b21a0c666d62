"""How the base model is fine-tuned."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer, model_validator

from ft_platform.use_case.settings.section import Section

ModuleName = Annotated[str, StringConstraints(min_length=1, max_length=300)]
CheckpointId = Annotated[str, StringConstraints(pattern=r"^ckpt-[0-9a-f]{12}$")]
NEWEST, CHAMPION = "newest", "champion"


REGRESSIONS = ("linear_probe", "tfidf_logreg")
"""Values of `training.method` that are solved at once, without steps."""

PREFERENCE_LEARNING_RATE = 5e-5
"""Default where answers are compared: a tenth of that of learning answers, as higher ones drive both answers down (TRL:
1e-6 for all weights)."""


RECIPE = 5
"""Version of what `recipe: auto` chooses and how that is trained: raised when either gives other weights."""
NEWER = {
    "recipe": "manual",
    "label_head_start": "random",
    "label_head_scale": 1.0,
    "label_descriptions": {},
    "label_smoothing": 0.0,
    "keep": "lowest_loss",
    "window_days": None,
    "replay_share": 0.0,
}
"""Fields that earlier versions did not have, with the value that stands for what they did."""


class DifferentialPrivacy(Section):
    """Noise in every optimizer step, so that the weights hardly depend on a single record (DP-SGD,
    arXiv:1607.00133)."""

    target_epsilon: float | None = Field(
        default=None,
        ge=0.05,
        le=50.0,
        description=(
            "Epsilon that all steps together may spend; the noise follows from it. Smaller is more private: 1 is"
            " strict, 10 is usual for fine-tuning. This or `noise_multiplier` turns differential privacy on."
        ),
    )
    noise_multiplier: float | None = Field(
        default=None,
        ge=0.1,
        le=1000.0,
        description=(
            "Standard deviation of the noise, in units of `training.max_grad_norm`; epsilon follows from it. Instead of"
            " `target_epsilon`."
        ),
    )
    target_delta: float | None = Field(
        default=None,
        gt=0.0,
        lt=0.1,
        description=(
            "Probability that epsilon does not hold; must be below 1 / n for n training records (or persons)."
            " Default: 1 / n^1.1."
        ),
    )
    accountant: Literal["rdp", "prv"] = Field(
        default="rdp",
        description=(
            "How Opacus adds up what the steps spend. `rdp` (arXiv:1908.10530) takes no time; `prv` (arXiv:2106.02848)"
            " needs 5 % to 25 % less noise for the same epsilon, and minutes for very long trainings."
        ),
    )

    @property
    def on(self) -> bool:
        """Whether training is differentially private."""
        return self.target_epsilon is not None or self.noise_multiplier is not None

    @model_validator(mode="after")
    def one_of_epsilon_and_noise(self) -> "DifferentialPrivacy":
        if self.target_epsilon is not None and self.noise_multiplier is not None:
            raise ValueError(
                "set `training.differential_privacy.target_epsilon` or `noise_multiplier`, not both: each follows from"
                " the other"
            )
        if not self.on and self != DifferentialPrivacy.model_construct():
            raise ValueError(
                "`training.differential_privacy` needs `target_epsilon` or `noise_multiplier`; without either it is off"
            )
        return self


class Training(Section):
    """What is learned, by which weights, and how."""

    recipe: Literal["auto", "manual"] = Field(
        default="auto",
        description=(
            "`auto`: what is not set here is chosen from task, records and base model; `ft explain` and the training"
            " report say what was chosen, and why. `manual`: it has the default."
        ),
    )
    objective: Literal["sft", "dpo", "orpo", "label_head"] = Field(
        default="sft",
        description=(
            "`sft`: learn the answers. `dpo` (arXiv:2305.18290) and `orpo` (arXiv:2403.07691): prefer an answer to"
            " `record.rejected`. `label_head`: score the labels with a linear layer on the last token of the prompt"
            " instead of writing them (classification)."
        ),
    )
    label_head_start: Literal["random", "label_tokens", "typical_tokens"] = Field(
        default="random",
        description=(
            "Weights that a label head starts with. `label_tokens`: what the base model's output layer has for the"
            " words of each label, so that learning starts at its zero-shot answers and not at chance."
            " `typical_tokens`: for these and for the words that are typical of the label's texts."
        ),
    )
    label_head_scale: float = Field(
        default=1.0,
        ge=0.0,
        le=1.0,
        description=(
            "What the weights that a label head starts with are multiplied by. A small start can be unlearned by many"
            " records, and labels among them that are wrong are learned by heart less; few records need all of it."
        ),
    )
    label_descriptions: dict[
        Annotated[str, Field(min_length=1, max_length=1000)], Annotated[str, Field(min_length=3, max_length=1000)]
    ] = Field(
        default_factory=dict,
        max_length=1000,
        description=(
            "Label -> a sentence that says what belongs to it. A label head starts at its words in place of the label's"
            " own. Prompts do not have it."
        ),
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0.0,
        le=0.9,
        description=(
            "Share of the target of a label head that is spread over all labels (arXiv:1512.00567): wrong labels in the"
            " records do less harm, and probabilities stay honest."
        ),
    )
    beta: float = Field(
        default=0.1,
        gt=0.0,
        le=10.0,
        description=(
            "dpo: how close to the base model the preference keeps it; orpo: weight of the preference beside the"
            " answers. 0.1 as in TRL."
        ),
    )
    method: Literal["lora", "full", "linear_probe", "tfidf_logreg"] = Field(
        default="lora",
        description=(
            "`lora`: small matrices beside frozen weights (arXiv:2106.09685). `full`: all weights, in float32 during"
            " training. `linear_probe`: nothing of the base model, only a logistic regression on what it makes of a"
            " text (classification): simpler, for where that is not worse, and judged and released like the others."
            " `tfidf_logreg`: a logistic regression on which words a text has (classification): no base model at all,"
            " so it is served from a few megabytes; judged and released like the others."
        ),
    )
    rank: int = Field(
        default=16,
        ge=1,
        le=512,
        description="Rank r of the adapters (LoRA, arXiv:2106.09685); 16 as in TRL's `ModelConfig`.",
    )
    alpha: int = Field(
        default=32,
        ge=1,
        le=2048,
        description=(
            "LoRA scaling numerator: the update is scaled by alpha / rank. Twice the rank, 32, as in TRL's"
            " `ModelConfig`."
        ),
    )
    rslora: bool = Field(
        default=False,
        description=(
            "Scale the update by alpha / sqrt(rank), which keeps high ranks from learning too slowly"
            " (arXiv:2312.03732)."
        ),
    )
    dora: bool = Field(
        default=False,
        description=("Learn size and direction of the update separately (DoRA, arXiv:2402.09353); slower."),
    )
    dropout: float = Field(
        default=0.0,
        ge=0.0,
        le=0.9,
        description=(
            "Dropout in [0, 0.9] on the adapter input. 0 as in peft; it also turns off the fast path of LoRA layers."
        ),
    )
    target_modules: ModuleName | Annotated[list[ModuleName], Field(max_length=1000)] = Field(
        default="all-linear",
        description="Module names that get an adapter, or `all-linear` (QLoRA, arXiv:2305.14314, found all to matter).",
    )
    learning_rate: float = Field(
        default=5e-4,
        gt=0.0,
        le=0.1,
        description=(
            "Peak learning rate. 5e-4 as the authors of LoRA take for the 125 million weights of RoBERTa base"
            " (microsoft/LoRA, roberta_base_mnli.sh); larger models take less, in QLoRA (arXiv:2305.14314) 2e-4 for 7"
            " billion and 1e-4 for 33 billion. For dpo and orpo the default is 5e-5."
        ),
    )
    schedule: Literal["linear", "cosine", "constant"] = Field(
        default="linear", description="Learning rate schedule after warm-up; `linear` as in transformers."
    )
    warmup_fraction: float = Field(
        default=0.05,
        ge=0.0,
        le=0.5,
        description=(
            "Share of the optimizer steps in [0, 0.5] with a rising learning rate; between the 0.06 of LoRA"
            " (roberta_base_mnli.sh) and 0.03 of QLoRA."
        ),
    )
    weight_decay: float = Field(default=0.0, ge=0.0, le=1.0, description="AdamW weight decay; 0 as in transformers.")
    max_grad_norm: float = Field(
        default=1.0,
        gt=0.0,
        le=100.0,
        description=(
            "Gradients are clipped to this norm; 1 as in transformers. With `differential_privacy`, each record's (or"
            " person's) gradient is clipped before the sum."
        ),
    )
    epochs: float = Field(
        default=2.0,
        gt=0.0,
        le=100.0,
        description=(
            "Passes over the training split. 2 as in the recipe measured on real complaints (docs/benchmarks.md), which"
            " was not compared with more; transformers has 3."
        ),
    )
    max_steps: int | None = Field(
        default=None, ge=1, le=10_000_000, description="Most optimizer steps, whatever `epochs` says."
    )
    batch_rows: int = Field(
        default=16,
        ge=1,
        le=4096,
        description=(
            "Records per optimizer step. 16 as in QLoRA for 7 billion weights; with few records, use fewer, for more"
            " steps."
        ),
    )
    micro_batch_tokens: int = Field(
        default=2048,
        ge=64,
        le=1_000_000,
        description=(
            "Most tokens in memory at once; larger batches are accumulated, with the same result up to rounding."
            " Chosen as four rows of the default `max_length`; docs/benchmarks.md has the memory of other values."
        ),
    )
    gradient_checkpointing: Literal["auto", "always", "never"] = Field(
        default="auto",
        description=(
            "Keep only the inputs of layers and recompute the rest in the backward pass (arXiv:1604.06174): a"
            " fraction of the memory, a third more time, the same weights. `auto`: only if training would not fit"
            " into memory otherwise."
        ),
    )
    max_length: int = Field(
        default=512,
        ge=32,
        le=131_072,
        description=(
            "Longest rendered record in tokens; the user's text is shortened, the answer never. 512 as in LoRA"
            " (roberta_base_mnli.sh)."
        ),
    )
    train_on: Literal["all_turns", "last_turn"] = Field(
        default="all_turns",
        description=(
            "Which answers of a conversation to learn: all of the model's, or only the last. Evaluation asks for the"
            " last."
        ),
    )
    validations_per_epoch: int = Field(
        default=2,
        ge=1,
        le=1000,
        description=(
            "How often validation is measured in an epoch. 2 as in the recipe measured on real complaints"
            " (docs/benchmarks.md)."
        ),
    )
    keep: Literal["lowest_loss", "best_metric"] = Field(
        default="lowest_loss",
        description=(
            "Which weights of those measured on validation records to keep, and what `patience` counts. `best_metric`:"
            " macro-F1 of a label head, pairs in the right order of dpo and orpo, chrF or field F1 of written answers;"
            " of weights that so many records cannot tell apart, the earliest, which give least away about single"
            " records (of fewer than 40 records, the latest)."
        ),
    )
    patience: int = Field(
        default=3,
        ge=1,
        le=1000,
        description=(
            "Validations without improvement after which training stops. 3 is a choice, not measured: more than the 1"
            " of transformers, because validation runs twice an epoch. With `differential_privacy`, all steps run and"
            " the last weights are kept."
        ),
    )
    seed: int = Field(
        default=17,
        ge=0,
        le=2**31 - 1,
        description="Seed of weights, order and dropout; never of the noise of `differential_privacy`.",
    )
    differential_privacy: DifferentialPrivacy = Field(
        default_factory=DifferentialPrivacy,
        description=(
            "Noise in every step, so that the weights hardly depend on a single record, or on a single person if"
            " `record.subject` is set (extra `dp`). Off unless `target_epsilon` or `noise_multiplier` is set."
        ),
    )

    window_days: int | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description=(
            "Learn only from training records whose `record.date` lies at most so many days before the newest one's."
            " Validation and test stay whole. Empty: from all."
        ),
    )
    replay_share: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description=(
            "Share of the training records older than `window_days` that are learned from as well, so that less is"
            " forgotten: drawn by a hash of the record's id, so a record that was drawn stays drawn."
        ),
    )
    continue_from: Literal["newest", "champion"] | CheckpointId | None = Field(
        default=None,
        description=(
            "Train further from the weights of a checkpoint of this use case instead of from the base model's:"
            " `newest`, that of the `champion` (the newest release that stands), or its id. `ft run --continue` sets"
            " `newest` for one run."
        ),
    )

    @model_serializer(mode="wrap")
    def as_set(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """With `recipe: auto` only what is set, so that what a file leaves open stays open."""
        values = handler(self)
        if self.recipe == "manual":
            return values
        return {name: value for name, value in values.items() if name in self.model_fields_set | {"recipe"}}

    def hashed(self) -> dict[str, Any]:
        """Newer fields count only once they differ from what was done before there were any. What training continues
        from is in the lineage. `recipe: auto` counts with its version."""
        values = self.model_dump(mode="json", exclude={"continue_from"})
        values = {name: value for name, value in values.items() if name not in NEWER or value != NEWER[name]}
        return values | ({"recipe": f"auto {RECIPE}"} if self.recipe == "auto" else {})

    @classmethod
    def of_checkpoint(cls, told: Mapping[str, Any]) -> "Training":
        """The settings in a checkpoint's `training.json`; before there were recipes, nothing was chosen."""
        return cls.model_validate({"recipe": "manual", **told["training"]})

    def leaves_open(self, names: Iterable[str]) -> bool:
        """Whether the recipe may choose one of these fields."""
        return self.recipe == "auto" and not set(names) <= self.model_fields_set

    @property
    def makes_steps(self) -> bool:
        """Whether weights are learned step by step; else a regression is solved before the first one."""
        return self.method not in REGRESSIONS

    @property
    def compares_answers(self) -> bool:
        """Whether it learns from pairs of answers, one of them liked more."""
        return self.objective in ("dpo", "orpo")

    @model_validator(mode="before")
    @classmethod
    def learning_rate_of_the_objective(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("objective") in ("dpo", "orpo") and "learning_rate" not in values:
            return {**values, "learning_rate": PREFERENCE_LEARNING_RATE}
        return values

    @model_validator(mode="before")
    @classmethod
    def objective_of_a_regression(cls, values: Any) -> Any:
        """A regression scores labels and nothing else, so a file need not say so; `recipe: auto` chooses it anyway."""
        manual = isinstance(values, dict) and values.get("recipe") == "manual"
        if manual and values.get("method") in REGRESSIONS and "objective" not in values:
            return {**values, "objective": "label_head"}
        return values

    @model_validator(mode="after")
    def fields_of_the_method(self) -> "Training":
        if self.method == "full" and self.objective == "label_head":
            raise ValueError("`training.objective: label_head` needs `training.method: lora`")
        named = [name for name in ("rslora", "dora") if getattr(self, name)] if self.method != "lora" else []
        if named:
            raise ValueError(f"`training.{named[0]}` needs `training.method: lora`")
        of_a_head = {
            "label_smoothing": self.label_smoothing > 0,
            "label_head_start": self.label_head_start != "random",
            "label_descriptions": bool(self.label_descriptions),
            "label_head_scale": self.label_head_scale < 1,
        }
        if not self.makes_steps:
            unread = {**of_a_head, "continue_from": bool(self.continue_from)}
            if name := next((name for name, set_ in unread.items() if set_), None):
                raise ValueError(f"`training.{name}` does not work with `training.method: {self.method}`")
            if self.recipe == "manual" and self.objective != "label_head":
                raise ValueError(f"`training.method: {self.method}` needs `training.objective: label_head`")
        if self.recipe == "manual" and self.objective != "label_head" and any(of_a_head.values()):
            name = next(name for name, set_ in of_a_head.items() if set_)
            raise ValueError(f"`training.{name}` needs `training.objective: label_head`, got {self.objective}")
        if self.recipe == "manual" and self.label_descriptions and self.label_head_start == "random":
            raise ValueError("`training.label_descriptions` needs `training.label_head_start` other than `random`")
        if self.differential_privacy.on and (self.method != "lora" or self.compares_answers):
            raise ValueError(
                "`training.differential_privacy` needs `training.method: lora` and `training.objective: sft` or"
                f" `label_head`, got {self.method} and {self.objective}"
            )
        if self.differential_privacy.on and self.label_head_start == "typical_tokens":
            raise ValueError(
                "`training.label_head_start: typical_tokens` does not work with `training.differential_privacy`: it"
                " looks at records without noise. Set `label_tokens`"
            )
        if self.replay_share and self.window_days is None:
            raise ValueError("`training.replay_share` is of records older than `training.window_days`: set both")
        if self.differential_privacy.on and self.continue_from:
            raise ValueError(
                "`training.continue_from` does not work with `training.differential_privacy`: the epsilons of both"
                " trainings would add up. Train from the start: remove `continue_from`, or run without `--continue`"
            )
        return self
