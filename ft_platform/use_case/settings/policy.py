"""The floor of an installation: what every use case must keep, whatever its YAML says. It stands in
`ft_environment.yaml`."""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator

from ft_platform.use_case.settings.licences import canonical_licence
from ft_platform.use_case.settings.looks import Looks
from ft_platform.use_case.settings.section import Section
from ft_platform.use_case.settings.signatures import Signatures

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,99}$")]
FieldPath = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$", max_length=200)]
"""A field of a use case's file: `attacks.max_membership_auc`."""
Limits = dict[FieldPath, Annotated[float, Field(allow_inf_nan=False)] | None]
DEFAULT = "default"

AT_MOST: Limits = {
    "attacks.max_true_positive_rate": 0.05,
    "attacks.max_membership_auc": 0.65,
    "attacks.max_extraction_gain": 0.1,
    "fairness.max_gap": 0.3,
    "regression.margins": 0.3,
    "source.feedback.fresh_test.max_loss": 0.3,
    "privacy.max_residual_percent": 1.0,
    "privacy.max_not_k_anonymous_percent": 20.0,
    "validation.max_quarantined_percent": 20.0,
    "source.limits.files": 1_000_000.0,
    "source.limits.rows": 1e9,
    "source.limits.field_characters": 1e8,
    "source.limits.unpacked_gib": 1000.0,
    "source.limits.unpacked_ratio": 1000.0,
    "source.limits.nesting_depth": 200.0,
    "source.limits.silent_seconds": 3600.0,
}
AT_LEAST: Limits = {
    "attacks.confidence": 0.9,
    "evaluation.confidence": 0.9,
    "evaluation.bootstrap_samples": 1000.0,
    "evaluation.few_shot_examples": 3.0,
    "regression.confidence": 0.9,
    "fairness.min_group_rows": 10.0,
    "privacy.k": 3.0,
    "privacy.min_recall": 0.8,
    "source.feedback.fresh_test.min_records": 30.0,
}
"""Room around the defaults of the use-case file for data that needs it. What lies beyond says that a limit holds
nothing back: every model and every table would pass. Of a source: five to ten times the default, and no ratio that gzip
cannot reach (1,032), for such a limit stops no bomb."""
BEATS = ["majority", "base_few_shot", "champion"]
METRICS = [
    "macro_f1",
    "accuracy",
    "macro_recall",
    "exact_match",
    "field_f1",
    "rouge_l",
    "chrf",
    "bleu",
    "similarity",
    "preference_rate",
    "tool_calls",
]
METRICS += ["answer_loss", "perplexity"]
"""Those that say whether answers are right. The others (is it valid JSON, how long is it, does it refuse) can be
perfect for answers that are wrong."""
APPROVALS = [
    "gate.without_sensitive_features",
    "gate.may_lose_to",
    "fairness.small_groups",
    "privacy.without_quasi_identifiers",
    "privacy.left_out",
]
"""A sentence in a file stands for evidence there: somebody has to put a name to it."""
ACCEPTED_LICENCES = [
    *("proprietary", "LicenseRef-public-domain"),
    *("CC0-1.0", "CC-PDDC", "CC-PDM-1.0", "PDDL-1.0", "Unlicense", "0BSD"),
    *(
        "CC-BY-2.0",
        "CC-BY-2.5",
        "CC-BY-3.0",
        "CC-BY-4.0",
        "CC-BY-SA-2.0",
        "CC-BY-SA-3.0",
        "CC-BY-SA-4.0",
        "ODC-By-1.0",
        "ODbL-1.0",
    ),
    *("CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "CDLA-Sharing-1.0", "O-UDA-1.0", "C-UDA-1.0"),
    *("OGL-UK-2.0", "OGL-UK-3.0", "OGL-Canada-2.0", "DL-DE-BY-2.0", "DL-DE-ZERO-2.0", "etalab-2.0", "NLOD-2.0"),
    *("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC"),
]
"""Open licences that forbid neither commercial use nor adaptations (none with NC or ND), and records of one's own."""


class Policy(Section):
    """What every use case of an installation must keep. `ft check` names each setting that undercuts it, and the gate
    refuses."""

    name: Name = Field(
        default=DEFAULT, description=("Name of the policy, shown in every decision. Required if anything else is set.")
    )
    version: Name = Field(
        default="1", description=("Version of the policy, shown in every decision beside a hash of the whole policy.")
    )
    beats: list[Name] = Field(
        default=BEATS,
        max_length=20,
        description=(
            "Systems that every model must beat, in addition to `gate.beats` of the use case; `gate.may_lose_to` cannot"
            " name them. Those that are no language model only for classification."
        ),
    )
    metrics: list[Name] = Field(
        default=METRICS, max_length=100, description="Metrics that `gate.metric` of a use case may name."
    )
    suites: list[Name] = Field(
        default=["general_text"], max_length=20, description="Suites that `regression` must have."
    )
    test_records: int = Field(
        default=100,
        ge=1,
        le=10_000_000,
        description=(
            "Fewest test records that a decision rests on. All of the test split are evaluated, up to ten times this"
            " number. Default: 100."
        ),
    )
    at_most: Limits = Field(
        default={},
        max_length=200,
        validate_default=True,
        description=(
            "Use-case field with a number, or with numbers by name -> its largest value; a limit that is turned off"
            " counts as beyond it. Added to the limits of the default policy; null removes one of those."
        ),
    )
    at_least: Limits = Field(
        default={}, max_length=200, validate_default=True, description="The same for the smallest value."
    )
    small_use_cases: Literal["area", "waiver"] = Field(
        default="area",
        description=(
            "What a use case owes that has too few records to prove `attacks.max_true_positive_rate`: `area`, that the"
            " whole interval of the area of every attack is within `attacks.max_membership_auc`; `waiver`, a waiver of"
            " the rule `memorization`."
        ),
    )
    own_recall_from: int = Field(
        default=1000,
        ge=0,
        le=1_000_000_000,
        description=(
            "Persons in the records from which on the recall of the recognizers is measured on records of their own; it"
            " always is where `privacy.special_categories` is true, or the file does not say. Below, generated texts"
            " count, and the decision says so. Default: 1,000; 0 means always."
        ),
    )
    approvals: list[FieldPath] = Field(
        default=APPROVALS,
        max_length=100,
        description=(
            "Use-case fields that need a person's approval, for one checkpoint, if they differ from their default."
        ),
    )
    accepted_licences: list[Annotated[str, StringConstraints(min_length=1, max_length=200)]] = Field(
        default=ACCEPTED_LICENCES,
        max_length=500,
        validate_default=True,
        description=(
            "Licences of records that may be used: SPDX ids, `LicenseRef-<name>` for one that SPDX does not list,"
            " `proprietary` for your own records, which still need consent or a lawful basis."
        ),
    )
    signatures: Signatures = Field(
        default_factory=Signatures, description="Whose signatures and waivers count, and for how long."
    )
    looks: Looks = Field(
        default_factory=Looks, description="For what, how long and how people look at records of persons."
    )

    @field_validator("at_most", "at_least")
    @classmethod
    def are_added_to_the_defaults(cls, value: Limits, info: Any) -> Limits:
        defaults = AT_MOST if info.field_name == "at_most" else AT_LEAST
        return {path: limit for path, limit in sorted({**defaults, **value}.items()) if limit is not None}

    @field_validator("accepted_licences")
    @classmethod
    def are_licences(cls, value: list[str]) -> list[str]:
        named = {text: canonical_licence(text) for text in value}
        if unknown := [text for text, licence in named.items() if licence is None]:
            raise ValueError(
                f"{', '.join(map(repr, unknown))}: neither an SPDX id (https://spdx.org/licenses/) nor"
                " LicenseRef-<name> nor `proprietary`"
            )
        return [licence for licence in named.values() if licence]

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"

    def to_dict(self) -> dict[str, str]:
        """As decisions name it. `hash`: 16 hex digits that change with anything in it but `looks`, which no decision
        rests on. `signatures` is newer than decisions, and changes none where it asks for nothing."""
        newer = {"looks", "signatures"} if self.signatures == Signatures() else {"looks"}
        text = json.dumps(self.model_dump(mode="json", exclude=newer), sort_keys=True, ensure_ascii=False)
        return {"name": self.name, "version": self.version, "hash": hashlib.sha256(text.encode()).hexdigest()[:16]}
