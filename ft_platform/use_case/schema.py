"""The schema of one use case: what a department writes into `defs/<use_case>/defs.yaml`.

Every field has a description, a unit where there is one, a bound and a default, and is read by a stage (`stages.py`
says which). The JSON Schema of this model is what `ft schema` prints and what editors complete from.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ft_platform.use_case.settings.answer_fields import AnswerField, FieldKey, answer_schema, in_words
from ft_platform.use_case.settings.answer_style import Style
from ft_platform.use_case.settings.attacks import Attacks
from ft_platform.use_case.settings.audit import Audit
from ft_platform.use_case.settings.base_model import WORDS_ONLY, BaseModelSettings
from ft_platform.use_case.settings.business import Business
from ft_platform.use_case.settings.cleaning import Cleaning
from ft_platform.use_case.settings.evaluation import Evaluation
from ft_platform.use_case.settings.experiments import LearningCurve, Search, SeedVariation
from ft_platform.use_case.settings.fairness import IN_TRAINING, Fairness
from ft_platform.use_case.settings.gate import SUGGESTS, Gate
from ft_platform.use_case.settings.governance import Governance
from ft_platform.use_case.settings.judge import Judge
from ft_platform.use_case.settings.monitoring import Monitoring
from ft_platform.use_case.settings.privacy import Privacy
from ft_platform.use_case.settings.quotas import Priority
from ft_platform.use_case.settings.regression import Regression
from ft_platform.use_case.settings.retention import Retention
from ft_platform.use_case.settings.retraining import Retraining
from ft_platform.use_case.settings.roles import OWNER_ROLES, OwnerRole
from ft_platform.use_case.settings.section import Owner, Person, Section, TeamName
from ft_platform.use_case.settings.serving import Serving
from ft_platform.use_case.settings.source import RecordMapping, Source
from ft_platform.use_case.settings.splits import Splits
from ft_platform.use_case.settings.training import Training
from ft_platform.use_case.settings.validation import Validation


class Owners(Section):
    """Who answers for what. Each is an e-mail address or `team:<name>`; `teams` says who the persons of a team are."""

    accountable: Owner = Field(description="Person or team that is responsible for the whole use case.")
    data_engineering: Owner | None = Field(
        default=None, description="Owns source, cleaning and splits. Default: accountable."
    )
    data_science: Owner | None = Field(default=None, description="Owns training and evaluation. Default: accountable.")
    ml_engineering: Owner | None = Field(
        default=None, description="Owns releases in production: targets, traffic, monitoring. Default: accountable."
    )
    domain_expert: Owner | None = Field(default=None, description="Judges answers and labels. Default: accountable.")
    compliance: Owner | None = Field(
        default=None, description="Owns consent, privacy and fairness. Default: accountable."
    )
    teams: dict[TeamName, Annotated[list[Person], Field(max_length=200)]] = Field(
        default_factory=dict,
        max_length=20,
        description=("Name of an owning team -> e-mail addresses of its members, who may grant waivers in its role."),
    )

    @model_validator(mode="after")
    def teams_are_owners(self) -> "Owners":
        named = {owner.removeprefix("team:") for role in OWNER_ROLES if (owner := self.of(role)).startswith("team:")}
        if unknown := sorted(set(self.teams) - named):
            raise ValueError(
                f"`teams` names {', '.join(unknown)}, which owns nothing here; teams that do:"
                f" {', '.join(sorted(named)) or 'none'}"
            )
        return self

    def hashed(self) -> dict[str, Any]:
        """Without a role that is newer than checkpoints, where nobody has it."""
        values = self.model_dump(mode="json")
        return {name: value for name, value in values.items() if name != "ml_engineering" or value is not None}

    def of(self, role: str) -> str:
        return getattr(self, role, None) or self.accountable

    def persons(self, role: str) -> list[str]:
        """E-mail addresses of those who have a role: the owner, or the persons of the owning team."""
        owner = self.of(role)
        return list(self.teams.get(owner.removeprefix("team:"), [])) if owner.startswith("team:") else [owner]

    @property
    def roles(self) -> "Owners":
        """The owners without the persons of their teams: a report names the former, and is not stale when somebody
        joins or leaves."""
        return self.model_copy(update={"teams": {}})


class Task(Section):
    """What the model is asked to do."""

    kind: Literal["classification", "generation"] = Field(
        description="`classification`: the answer is one label. `generation`: the answer is free text."
    )
    instruction: str = Field(
        default="",
        max_length=4000,
        description=(
            "System message of every prompt, the same in training, evaluation and serving. `{labels}` is replaced by"
            " the list of labels, `{fields}` and `{style}` by `fields` and `style` in words."
        ),
    )
    answer_format: Literal["text", "json"] = Field(
        default="text",
        description=(
            "`json`: every answer is one JSON object with `fields` (extraction), measured field by field"
            " (`generation`)."
        ),
    )
    fields: dict[FieldKey, AnswerField] = Field(
        default_factory=dict, max_length=100, description="Field of the answer -> what it contains, for `json`."
    )

    style: Style = Field(
        default_factory=Style, description="How answers in text should sound (`generation`), measured as `style`."
    )

    @model_validator(mode="after")
    def style_goes_with_text(self) -> "Task":
        if self.style.on and (self.kind != "generation" or self.answer_format != "text"):
            raise ValueError("`task.style` needs `task.kind: generation` and `task.answer_format: text`")
        if "{style}" in self.instruction and not self.style.on:
            raise ValueError("`{style}` in `task.instruction` needs `task.style`")
        return self

    @model_validator(mode="after")
    def fields_go_with_json(self) -> "Task":
        if self.answer_format == "json" and (self.kind != "generation" or not self.fields):
            raise ValueError("`task.answer_format: json` needs `task.kind: generation` and `task.fields`")
        if self.fields and self.answer_format != "json":
            raise ValueError("`task.fields` needs `task.answer_format: json`")
        return self

    def system_message(self, labels: Iterable[str] = ()) -> str:
        """The instruction with labels, fields and style in it."""
        words = {"fields": in_words(self.fields), "labels": ", ".join(labels)}
        words["style"] = self.style.in_words()
        return re.sub(r"\{(fields|labels|style)\}", lambda found: words[found[1]], self.instruction).strip()

    def hashed(self) -> dict[str, Any]:
        """What prompts and answers depend on: style only where the instruction says it. Who changes it otherwise
        measures again and trains nothing."""
        return self.model_dump(mode="json", exclude=None if "{style}" in self.instruction else {"style"})

    @property
    def schema_of_answers(self) -> dict[str, Any] | None:
        """JSON Schema of an answer; None where answers are texts."""
        return answer_schema(self.fields) if self.answer_format == "json" else None


class Release(Section):
    """What the model card says about use, and what a release needs."""

    intended_use: str = Field(min_length=10, max_length=4000, description="What the model is for.")
    not_intended_for: str = Field(default="", max_length=4000, description="What it may not be used for.")
    licence: str = Field(default="proprietary", max_length=200, description="Licence of the fine-tuned adapter.")
    mode: Literal["on_demand", "when_accepted"] = Field(
        default="on_demand",
        description=(
            "`on_demand`: a person releases (`ft release`). `when_accepted`: every accepted decision is released, once"
            " everybody has signed who is asked."
        ),
    )
    risk_class: Literal["minimal", "limited", "high"] | None = Field(
        default=None,
        description=(
            "Risk of the use under the EU AI Act, as a person has judged it: `high` (Article 6), `limited` (Article 50:"
            " people must know that they deal with an AI system) or `minimal`. Default: not judged yet, a gap in the"
            " register."
        ),
    )
    approvals: list[OwnerRole] = Field(
        default_factory=list,
        max_length=6,
        description="Roles whose owners must sign a decision before it is released (`ft sign`).",
    )

    @property
    def in_card(self) -> "Release":
        """What the model card says: who must sign, and the class of risk, change no card."""
        return self.model_copy(update={"mode": "on_demand", "approvals": [], "risk_class": None})

    def hashed(self) -> dict[str, Any]:
        """Without a field that is newer than cards, where it is not set."""
        values = self.model_dump(mode="json")
        return {name: value for name, value in values.items() if name != "risk_class" or value is not None}


class Compute(Section):
    """Where data stages and programs run."""

    profile: str = Field(
        default="local",
        pattern=r"^[a-z][a-z0-9_]*$",
        max_length=60,
        description="Name of a compute profile in the environment.",
    )
    engine: Literal["in_process", "processes", "ray", "spark"] = Field(
        default="in_process",
        description=(
            "Where data stages run, batch by batch: in the step's process, on a pool of local processes, on Ray Data"
            " (extra `ray`) or on Spark (extra `spark`). The results are the same."
        ),
    )
    workers: int = Field(
        default=0,
        ge=0,
        le=4096,
        description="Workers of `engine`: processes, actors on Ray, or jobs on Spark at once; 0: one per core.",
    )
    threads: int = Field(
        default=0,
        ge=0,
        le=1024,
        description="CPU threads of a program; 0: all cores. Pinned, because it changes results in the last bits.",
    )
    attention: Literal["auto", "packed", "flash", "padded"] = Field(
        default="auto",
        description=(
            "Attention in training. `auto`: flash attention on a GPU that supports it, else packed rows, or padded"
            " ones if the model cannot take packed rows."
        ),
    )
    liger: bool = Field(
        default=False,
        description=(
            "Liger kernels for norms, activations and rotary embeddings; needs a GPU and the package liger-kernel."
        ),
    )
    compile: bool = Field(
        default=False,
        description=(
            "Use `torch.compile` on every layer: starts a minute later, then runs faster; on a CPU it needs a C++"
            " compiler."
        ),
    )
    timeout_minutes: int = Field(
        default=24 * 60,
        ge=1,
        le=60 * 24 * 30,
        description="Minutes after which a program is stopped; training saves its state first.",
    )
    grace_seconds: int = Field(
        default=60,
        ge=1,
        le=86_400,
        description=(
            "Seconds that a program gets to end after a request to stop; training needs one optimizer step to save"
            " its state."
        ),
    )
    save_minutes: float = Field(
        default=5.0,
        ge=0.0,
        le=1440.0,
        description=(
            "Minutes between saved states of a training, from which a killed one continues; 0: after every step."
        ),
    )
    states_kept: int = Field(
        default=2,
        ge=2,
        le=1000,
        description=(
            "How many of the newest saved states to keep while training runs, so that a damaged one has a predecessor."
        ),
    )
    on_out_of_memory: Literal["stop", "halve"] = Field(
        default="stop",
        description=(
            "`stop`: training fails and names the setting to lower. `halve`: it continues with half of"
            " `training.micro_batch_tokens`, at the same records per optimizer step."
        ),
    )
    priority: Priority = Field(
        default="normal",
        description=(
            "How urgent programs are while others wait for the same machines, at most what the installation grants the"
            " team of `owners.accountable`. Searches and other experiments count one class lower, retrainings that"
            " `retraining.when` starts one higher."
        ),
    )
    budget_per_month: float | None = Field(
        default=None,
        ge=0.0,
        le=1_000_000_000.0,
        description=(
            "Most that the programs of this use case may cost in a calendar month (UTC), in the currency of the"
            " environment, whose own limit also applies. Default: the environment's limit."
        ),
    )


def chosen_from_the_file(use_case: "UseCase") -> dict[str, tuple[Any, str]]:
    """Fields of `training` that are not set and that `recipe: auto` chooses before a record is read: name -> (value,
    why)."""
    training, evaluation = use_case.training, use_case.evaluation
    chosen: dict[str, tuple[Any, str]] = {}
    if use_case.task.kind == "classification" and training.method != "full" and evaluation.label_answers == "scored":
        chosen["objective"] = ("label_head", "labels are scored, which needs fewer records than learning to write them")
    elif use_case.task.kind == "generation" and use_case.record.rejected:
        chosen["objective"] = ("dpo", "every record has an answer that is liked less")
    else:
        chosen["objective"] = ("sft", "the answers are learned as they are")
    objective = training.objective if "objective" in training.model_fields_set else chosen["objective"][0]
    asked = evaluation.max_prompt_tokens
    if objective == "label_head":
        chosen["max_length"] = (asked, "as evaluation.max_prompt_tokens: it learns from what it will be asked")
    else:
        longest = max(asked + evaluation.max_new_tokens, training.micro_batch_tokens)
        chosen["max_length"] = (longest, "what is computed at once holds it, so that no answer is cut")
    return {name: one for name, one in chosen.items() if name not in training.model_fields_set}


class UseCase(Section):
    """One fine-tuning use case of a department."""

    description: str = Field(
        min_length=10, max_length=2000, description="What the model does, and for whom, in one or two sentences."
    )
    owners: Owners = Field(description="Who is responsible for what.")
    task: Task = Field(description="What the model is asked to do.")
    source: Source = Field(description="Where the raw records come from.")
    record: RecordMapping = Field(description="Which source column becomes which field of a record.")
    governance: Governance = Field(description="Which records may be used.")
    cleaning: Cleaning = Field(default_factory=Cleaning, description=("How texts are cleaned, and which are removed."))
    privacy: Privacy = Field(default_factory=Privacy, description="How personal data is found and replaced.")
    validation: Validation = Field(default_factory=Validation, description="Great Expectations suites.")
    splits: Splits = Field(default_factory=Splits, description="How records are divided.")
    base_model: BaseModelSettings = Field(description="The model that is fine-tuned.")
    training: Training = Field(default_factory=Training, description="How it is fine-tuned.")
    audit: Audit = Field(default_factory=Audit, description="How many faulty records training accepts.")
    evaluation: Evaluation = Field(default_factory=Evaluation, description="How systems are compared.")
    attacks: Attacks = Field(
        default_factory=Attacks, description="How a checkpoint is attacked, and how much it may give away."
    )
    regression: Regression = Field(default_factory=Regression, description="What the fine-tuned model must not forget.")
    fairness: Fairness = Field(default_factory=Fairness, description="Group comparison of data and outputs.")
    business: Business = Field(
        default_factory=Business, description="What the work costs with and without the model, for `roi_report`."
    )
    search: Search = Field(
        default_factory=Search, description="How `hyperparameter_search` looks for training settings."
    )
    learning_curve: LearningCurve = Field(
        default_factory=LearningCurve, description="How `learning_curve` measures what more data would bring."
    )
    seed_variation: SeedVariation = Field(
        default_factory=SeedVariation,
        description="How `seed_variation` measures how much of the evaluation is luck of the seed.",
    )
    judge: Judge = Field(
        default_factory=Judge, description=("How a language model compares answers in `judge_report`.")
    )
    gate: Gate = Field(default_factory=Gate, description="What a checkpoint must show before it may be released.")
    release: Release = Field(description="What the model card says about use.")
    serving: Serving = Field(default_factory=Serving, description="Where a release is deployed, and what guards it.")
    monitoring: Monitoring = Field(
        default_factory=Monitoring, description="What is noted of requests to the served model."
    )
    retraining: Retraining = Field(default_factory=Retraining, description="When GPU work runs.")
    retention: Retention = Field(
        default_factory=Retention, description="When rows and old versions are deleted for good."
    )
    compute: Compute = Field(default_factory=Compute, description="Where programs run.")

    @property
    def trained_base(self) -> BaseModelSettings:
        """The base model that a checkpoint of this training needs; `base_model` itself is asked in any case, to compare
        with it."""
        return WORDS_ONLY if self.training.method == "tfidf_logreg" else self.base_model

    @model_validator(mode="after")
    def training_follows_the_task(self) -> "UseCase":
        """What `training.recipe: auto` chooses from the file alone; the rest needs the records (`training.recipe`)."""
        if self.training.recipe == "auto":
            training = self.training.model_copy()
            vars(training).update({name: value for name, (value, _) in chosen_from_the_file(self).items()})
            vars(self)["training"] = training  # frozen for everybody else
        return self

    @model_validator(mode="after")
    def sections_fit_together(self) -> "UseCase":
        if self.task.kind == "classification" and not self.record.label:
            raise ValueError("`record.label` is needed for `task.kind: classification`")
        if self.task.kind == "generation" and not (self.record.answer or self.record.messages):
            raise ValueError("`record.answer` or `record.messages` is needed for `task.kind: generation`")
        if problem := self._problem_with_retention():
            raise ValueError(problem)
        if self.source.feedback.join and self.splits.strategy == "temporal":
            raise ValueError("`source.feedback.join` is newer than what `splits.strategy: temporal` tests on")
        if self.evaluation.groundedness != "none" and self.task.kind != "generation":
            raise ValueError(f"`evaluation.groundedness: {self.evaluation.groundedness}` needs `task.kind: generation`")
        if self.evaluation.groundedness_model and self.evaluation.groundedness == "none":
            raise ValueError("`evaluation.groundedness_model` needs `evaluation.groundedness: prompt`")
        if not self.task.style.checkable and "style" in (self.gate.metric, *self.gate.floors):
            raise ValueError("`style` in `gate.metric` or `gate.floors` needs a rule in `task.style`")
        if self.training.objective == "label_head" and self.task.kind != "classification":
            raise ValueError("`training.objective: label_head` needs `task.kind: classification`")
        if self.evaluation.label_answers == "generated" and (problems := self._problems_with_generated_labels()):
            raise ValueError("; ".join(problems))
        if self.training.compares_answers and (self.task.kind != "generation" or not self.record.rejected):
            raise ValueError(
                f"`training.objective: {self.training.objective}` needs `task.kind: generation` and `record.rejected`"
            )
        if problems := self.serving.guardrails.problems_with(self.task.kind, self.evaluation.label_answers):
            raise ValueError("; ".join(problems))
        if self.base_model.uri == WORDS_ONLY.uri:
            raise ValueError(f"`base_model.uri: {WORDS_ONLY.uri}` is no model; set `training.method: tfidf_logreg`")
        if not self.training.makes_steps and (problems := self._problems_without_steps()):
            raise ValueError(f"`training.method: {self.training.method}` {'; '.join(problems)}")
        if self.training.method == "full" and self.base_model.quantization != "none":
            raise ValueError(
                "`training.method: full` cannot train `base_model.quantization: nf4`; use `training.method: lora`"
            )
        if self.training.gradient_checkpointing == "always" and self.compute.compile:
            raise ValueError("`training.gradient_checkpointing: always` does not work with `compute.compile: true`")
        if self.training.window_days and not self.record.date:
            raise ValueError(
                "`training.window_days` needs `record.date`: name the column with the date, or remove `window_days`"
            )
        if self.retraining.start == "champion" and self.training.differential_privacy.on:
            raise ValueError(
                "`retraining.start: champion` does not work with `training.differential_privacy`: the epsilons of both"
                " trainings would add up. Set `retraining.start: base_model`"
            )
        if self.governance.without_consent_column == "refuse" and not self.record.consent:
            raise ValueError("`record.consent` is needed, or set `governance.without_consent_column: licence`")
        if problems := self.governance.problems_with(self.record):
            raise ValueError("; ".join(problems))
        if problems := self.fairness.problems_with(self.record, self.task.kind):
            raise ValueError("; ".join(problems))
        if problems := self.gate.problems_with(self.fairness, self.task.kind, self.training.method):
            raise ValueError("; ".join(problems))
        others = [name for name, target in self.serving.targets.items() if target.kind != "local"]
        if self.gate.claim == SUGGESTS and others:
            raise ValueError(
                f"`gate.claim: suggests` needs targets of kind `local` only, not {', '.join(others)}: others do not say"
                " that a person decides"
            )
        if self.training.differential_privacy.on and self.fairness.mitigation in IN_TRAINING:
            raise ValueError(
                "`training.differential_privacy` does not work with `fairness.mitigation:"
                f" {self.fairness.mitigation}`, which lets records decide how much others count; use a mitigation of"
                " outputs"
            )
        if problems := self.privacy.problems_with(self.record):
            raise ValueError("; ".join(problems))
        if unknown := {one.target for one in self.monitoring.logs} - set(self.serving.targets):
            raise ValueError(f"`monitoring.logs` names {', '.join(sorted(unknown))}, which `serving.targets` lacks")
        if problems := self.splits.problems_with(self.record, self.privacy):
            raise ValueError("; ".join(problems))
        if self.training.objective == "label_head" and (targets := self.serving.without_label_heads):
            raise ValueError(
                f"`serving.targets` has {', '.join(targets)}, which cannot serve the label head that is trained; set"
                " `training.objective: sft`, or use a target of kind `local`"
            )
        return self

    def _problem_with_retention(self) -> str:
        """A period that could never end. Empty: all can."""
        ledger = self.governance.ledger_fields() if self.governance.consent_ledger else {}
        if self.retention.expired_days is not None and not self.record.expires and "valid_until" not in ledger:
            return "`retention.expired_days` needs `record.expires`, or `valid_until` in `governance.ledger_columns`"
        if self.retention.withdrawn and not (self.record.withdrawn or self.record.consent or ledger):
            return "`retention.withdrawn` needs `record.withdrawn`, `record.consent` or `governance.consent_ledger`"
        return ""

    def _problems_without_steps(self) -> list[str]:
        """What a linear probe and a classifier of words do not do, in sentences."""
        needed = {
            "needs `task.kind: classification`": self.task.kind != "classification",
            "needs `evaluation.label_answers: scored`": self.evaluation.label_answers != "scored",
            "does not work with a `fairness.mitigation` in training": self.fairness.mitigation in IN_TRAINING,
            "does not work with `seed_variation.seeds` above 1: nothing is drawn": self.seed_variation.seeds > 1,
            "does not work with `gate.max_exposure_bits`: a `canary_audit` needs steps": (
                self.gate.max_exposure_bits is not None
            ),
        }
        return [problem for problem, is_so in needed.items() if is_so]

    def _problems_with_generated_labels(self) -> list[str]:
        """What needs labels to be scored, in sentences."""
        needed = {
            "needs `task.kind: classification`": self.task.kind != "classification",
            "does not work with `training.objective: label_head`: a label head scores labels and writes nothing": (
                self.training.objective == "label_head"
            ),
            "does not work with `fairness.mitigation: threshold_optimizer`, which needs the probability of a label": (
                self.fairness.mitigation == "threshold_optimizer"
            ),
            "does not work with `gate.max_calibration_error`: written answers have no confidence": (
                self.gate.max_calibration_error is not None
            ),
        }
        return [f"`evaluation.label_answers: generated` {why}" for why, so in needed.items() if so]
