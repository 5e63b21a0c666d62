"""The stages of every graph in the order the data flows: what each reads, which zone it writes, which checks it must
pass, what starts it.

All that is known about a stage stands in its line. A new stage is a line here and a file
`ft_platform/assets/<stage>.py`, whose function `build` makes its assets and checks. Bump `version` when the code of a
stage changes what it produces.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Literal, Protocol

from ft_platform.use_case.settings.hash import settings_hash

Zone = Literal["restricted", "shared"]


class UseCase(Protocol):
    """What the table needs of a use case (`use_case.NamedUseCase`)."""

    @property
    def name(self) -> str: ...

    def section(self, name: str) -> Any: ...


@dataclass(frozen=True)
class Stage:
    """One asset of the graph.

    Attributes:
        name: asset name.
        reads: sections of the YAML that change its result; with a dot a part of one, so that the rest of the section
            does not.
        parents: stages it is built from.
        zone: `restricted` holds personal data, `shared` does not.
        checks: verdicts that must be there and passed before anything is trained on it.
        role: of its owner (`use_case.settings.roles`).
        version: code version of the stage.
        program: what runs the model for it on a compute back end (`ft_platform/programs/<program>.py`); None: the stage
            runs where Dagster does.
        trains: its program trains; an experiment publishes a report about its trainings, and nothing else.
        starts: `on_change`: new content or settings start it. `as_retraining`: `retraining.mode` of the use case says
            whether they do, or a person
            does. `by_person`: only a person starts it, by itself: it is no part of `ft run`, of a group's button or of
                automation.
        after: stages that come before it in the graph although it reads nothing of theirs.
        follows: parents whose change starts it; default all. New splits reach an evaluation through a new checkpoint
            only.
    """

    name: str
    reads: tuple[str, ...]
    parents: tuple[str, ...]
    zone: Zone
    checks: tuple[str, ...] = ()
    role: str = "data_engineering"
    version: int = 1
    kind: Literal["table", "quarantine", "checkpoint", "report"] = "table"
    program: str | None = None
    trains: bool = False
    starts: Literal["on_change", "as_retraining", "by_person"] = "on_change"
    follows: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def on_demand(self) -> bool:
        """Only a person starts it."""
        return self.starts == "by_person"

    @property
    def build(self) -> Callable[[Any], list[Any]]:
        """The function that makes its assets and checks for one use case."""
        return _module(self.name).build

    @property
    def existing(self) -> Callable[..., Any] | None:
        """The function that finds what the stage would use again, from its parents by name: its asset asks it, and so
        does the plan of a run. None: the stage looks at everything again each time."""
        return getattr(_module(self.name), "existing", None)

    def settings_hash(self, use_case: UseCase) -> str:
        """Changes when a section this stage reads, or its code version, changes."""
        sections = {name: use_case.section(name) for name in self.reads}
        return settings_hash({**sections, "use_case": use_case.name, "stage": self.name, "version": self.version})


@cache
def _module(stage: str) -> Any:
    return import_module(f"ft_platform.assets.{stage}")


TRAINING_AUDIT = "passes_training_audit"
"""The check that renders every record of `splits` as the model will see it."""

STAGES: dict[str, Stage] = {
    s.name: s
    for s in [
        Stage("raw_records", ("source", "record"), (), "restricted", ("rows_are_accounted_for",)),
        Stage(
            "permitted_records",
            ("governance",),
            ("raw_records",),
            "restricted",
            ("only_permitted_records",),
            role="compliance",
        ),
        Stage(
            "cleaned_records", ("cleaning",), ("permitted_records",), "restricted", ("meets_expectations",), version=3
        ),
        Stage("quarantined_records", ("validation",), ("cleaned_records",), "restricted", kind="quarantine"),
        Stage(
            "anonymized_records",
            ("privacy.in_anonymization",),
            ("cleaned_records",),
            "shared",
            ("no_residual_pii", "is_k_anonymous", "recall_above_floor"),
            role="compliance",
            version=6,
        ),
        Stage(
            "splits",
            ("splits", "task", "source.feedback"),
            ("anonymized_records",),
            "shared",
            ("no_leakage", "label_shares_hold", "meets_expectations", TRAINING_AUDIT),
        ),
        Stage(
            "data_report",
            ("source", "governance", "owners.roles"),
            ("splits",),
            "shared",
            role="compliance",
            kind="report",
        ),
        Stage(
            "base_evaluation",
            ("base_model", "task", "task.style", "evaluation"),
            ("splits",),
            "shared",
            role="data_science",
            kind="report",
            version=5,
            program="evaluate",
            starts="as_retraining",
        ),
        Stage(
            "adapter_checkpoint",
            ("base_model", "task", "training", "fairness.in_training"),
            ("splits",),
            "shared",
            role="data_science",
            kind="checkpoint",
            program="train",
            trains=True,
            starts="as_retraining",
        ),
        Stage(
            "evaluation_report",
            (
                "evaluation",
                "evaluation.golden_prompts",
                "task",
                "task.style",
                "fairness.in_evaluation",
                "source.feedback.fresh_test",
            ),
            ("splits", "base_evaluation", "adapter_checkpoint"),
            "shared",
            role="data_science",
            kind="report",
            version=3,
            program="evaluate",
            follows=("adapter_checkpoint", "base_evaluation"),
        ),
        Stage(
            "regression_report",
            ("regression",),
            ("adapter_checkpoint",),
            "shared",
            role="data_science",
            kind="report",
            program="regression",
        ),
        Stage(
            "fairness_report",
            ("fairness", "gate.without_sensitive_features"),
            ("evaluation_report",),
            "shared",
            role="compliance",
            kind="report",
            version=6,
        ),
        Stage(
            "roi_report",
            ("business", "gate.beats", "gate.may_lose_to"),
            ("evaluation_report",),
            "shared",
            role="domain_expert",
            kind="report",
            version=4,
        ),
        Stage(
            "hyperparameter_search",
            ("base_model", "task", "training", "fairness.in_training", "search"),
            ("splits",),
            "shared",
            role="data_science",
            kind="report",
            program="search",
            trains=True,
            starts="by_person",
        ),
        Stage(
            "learning_curve",
            ("base_model", "task", "training", "fairness.in_training", "learning_curve"),
            ("splits",),
            "shared",
            role="data_science",
            kind="report",
            program="learning_curve",
            trains=True,
            starts="by_person",
        ),
        Stage(
            "privacy_report",
            ("attacks", "privacy.in_anonymization", "task", "fairness.sensitive_features", "fairness.pooled_groups"),
            ("splits", "adapter_checkpoint"),
            "shared",
            role="compliance",
            kind="report",
            version=4,
            program="attack",
            follows=("adapter_checkpoint",),
        ),
        Stage(
            "canary_audit",
            ("base_model", "task", "training", "attacks"),
            ("splits",),
            "shared",
            role="compliance",
            kind="report",
            program="canaries",
            trains=True,
            starts="by_person",
        ),
        Stage(
            "human_review",
            ("evaluation",),
            ("evaluation_report",),
            "shared",
            role="domain_expert",
            kind="report",
            starts="by_person",
        ),
        Stage(
            "judge_report",
            ("judge", "task", "task.style", "evaluation"),
            ("evaluation_report",),
            "shared",
            role="data_science",
            kind="report",
            program="judge",
            starts="by_person",
        ),
        Stage(
            "seed_variation",
            ("base_model", "task", "task.style", "training", "fairness.in_training", "evaluation", "seed_variation"),
            ("splits", "evaluation_report"),
            "shared",
            role="data_science",
            kind="report",
            program="seeds",
            trains=True,
            starts="by_person",
        ),
        Stage(
            "model_card",
            ("release.in_card", "owners.roles"),
            ("adapter_checkpoint", "evaluation_report", "fairness_report"),
            "shared",
            role="compliance",
            kind="report",
            version=4,
        ),
        Stage(
            "release_decision",
            ("gate", "fairness", "seed_variation", "source.feedback.fresh_test"),
            (
                "adapter_checkpoint",
                "evaluation_report",
                "fairness_report",
                "privacy_report",
                "regression_report",
                "roi_report",
                "data_report",
                "model_card",
            ),
            "shared",
            role="accountable",
            kind="report",
            version=6,
        ),
        Stage(
            "sign_off",
            ("release.approvals",),
            ("adapter_checkpoint", "release_decision"),
            "shared",
            ("signed",),
            role="accountable",
            kind="report",
            follows=("release_decision",),
        ),
        Stage(
            "release",
            (),
            ("adapter_checkpoint", "release_decision"),
            "shared",
            role="accountable",
            kind="report",
            starts="by_person",
            follows=("release_decision",),
            after=("sign_off",),
        ),
        Stage(
            "deployment",
            ("serving",),
            ("release",),
            "shared",
            role="ml_engineering",
            kind="report",
            starts="by_person",
        ),
    ]
}
"""All stages by name."""

DEPLOYMENT = "deployment"
"""The stage with an asset for each target of `serving.targets`, called `deployment/<target>`."""
SERVED_CHECK = "serves_what_was_evaluated"
"""Its check, which asks what has the traffic anew each time."""

ON_DEMAND = "_on_demand"
"""Ending of the group and of the job of a use case's on-demand stages."""


def way_back(use_case: str) -> str:
    """The job that goes back to the release before; whoever starts it needs the right to (`web.roles.concerned`)."""
    return f"{use_case}_rollback"


def stage_named(asset: str) -> str:
    """The stage of an asset without its use case: `deployment/local` -> `deployment`."""
    return asset.partition("/")[0]


DEFAULT_STAGES = tuple(name for name, stage in STAGES.items() if not stage.on_demand)
"""What `ft run` makes without `--select`."""

DATA_DOCS = "data_docs"
AUDIT_PAGE = "training_audit"
PICTURES = "pictures"
MONITORING, LOOP = "monitoring_report", "loop"
PAGES = (DATA_DOCS, "profile", AUDIT_PAGE, PICTURES, MONITORING, LOOP)
"""Reports about one version of a table, one day of requests, or days of them (`ft loop`), written beside the stages:
counts and names of settings only, so they lie in the shared zone."""

RENDERING = (
    "base_model.uri",
    "base_model.revision",
    "base_model.sha256",
    "training.max_length",
    "training.train_on",
    "training.objective",
)
CHECK_READS: dict[str, tuple[str, ...]] = {
    "within_max_gap": ("fairness", "gate.without_sensitive_features"),
    "keeps_training_records_private": ("attacks", "training.objective"),
    "meets_expectations": ("validation",),
    "is_k_anonymous": ("privacy.without_quasi_identifiers", "record.features", "record.date"),
    "recall_above_floor": ("privacy.gold", "privacy.min_recall", "privacy.left_out"),
    TRAINING_AUDIT: (
        "audit",
        "task",
        "evaluation.max_prompt_tokens",
        "evaluation.max_new_tokens",
        "evaluation.label_answers",
        *RENDERING,
    ),
}
"""Sections and fields that a check reads beyond those of its stage: changing them makes its verdict stale, not the
table. A learning rate changes no token: trying another one needs no new audit."""


def check_settings_hash(use_case: UseCase, stage: str, check: str) -> str:
    """Changes when a setting that the verdict of this check rests on changes."""
    sections = {name: _setting(use_case, name) for name in CHECK_READS.get(check, ())}
    return settings_hash({**sections, "stage": stage, "check": check, "version": STAGES[stage].version})


def _setting(use_case: UseCase, path: str) -> Any:
    """A section, or a field of one (`training.max_length`); of `base_model` a field says whose tokens a record has."""
    section, _, name = path.partition(".")
    if name and section == "base_model":
        return getattr(use_case.section("trained_base"), name)
    return getattr(use_case.section(section), name) if name else use_case.section(section)
