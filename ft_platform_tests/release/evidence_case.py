"""A lake with complete evidence that a release is accepted on. The figures are made up: what is tested is the gate, not
a model."""

import copy
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ft_platform.evaluation.metric import metric_versions
from ft_platform.lake.input_hash import input_hash
from ft_platform.lake.manifest import Verdict
from ft_platform.lake.opening import open_lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.people.person import KnownBy, Person
from ft_platform.people.started import signed_tags, tags_of
from ft_platform.release.decide import Decision, decide, newest_evidence, publish_decision
from ft_platform.release.evidence import FILES, OPTIONAL, REQUIRED, Evidence, Item, NotProven, typed
from ft_platform.release.rule import apply, rules_of
from ft_platform.release.schema import Shown
from ft_platform.release.separation import note_start, note_trainers
from ft_platform.reporting.decision_brief import write_decision
from ft_platform.stages import STAGES
from ft_platform.training.privacy_attacks.extraction import Copied, extraction
from ft_platform.training.privacy_attacks.membership import ATTACKS
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.gate import CLASSIFIERS
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.policy import Policy
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.tiny_models import RECALL, usable_splits

RENDERER = "r" * 16
MEASURED = {"ner": "none", "quasi_identifiers": {"region": "category"}}
"""Settings that need no reason and so no approval."""
OWNERS = {
    "accountable": "team:complaints",
    "domain_expert": "tom.okafor@example.org",
    "compliance": "ana.ruiz@example.org",
    "teams": {"complaints": ["maria.lind@example.org"]},
}
"""Fictitious persons."""


def figure(value: float, half: float = 0.02) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def difference(value: float, half: float = 0.02) -> dict[str, float]:
    return {**figure(value, half), "p": 0.001, "detectable": 0.05}


def gap(value: float) -> dict[str, Any]:
    return {**figure(value), "best": "north", "worst": "south"}


def seeds_evidence(gain: tuple[float, float, float] = (0.19, 0.2, 0.21)) -> dict[str, Any]:
    """What `seeds.json` holds: seeds 17, 18 and 19, and the gain of each over every other system."""
    mean = sum(gain) / 3
    others = [*CLASSIFIERS, "base_few_shot"]
    over_seeds = {**figure(mean, 0.05), "sd": 0.01, "values": list(gain)}
    return {
        "seeds": [{"seed": seed, "adapter_sha256": str(seed), "validation_loss": 1.0} for seed in (17, 18, 19)],
        "metrics": {"macro_f1": {**figure(0.9), "sd": 0.01, "values": [0.89, 0.9, 0.91]}},
        "systems": {system: {"macro_f1": 0.7} for system in others},
        "differences": {system: {"macro_f1": dict(over_seeds)} for system in others},
        "conclusion": [{"good": True, "text": "Better than Base model, few-shot for all 3 seeds."}],
        "test_rows": 400,
        "main_metric": "macro_f1",
        "renderer_hash": RENDERER,
        "metric_versions": metric_versions(),
    }


def rate_gap(value: float, rate: str = "selection rate") -> dict[str, Any]:
    return {**figure(value), "label": "mortgage", "rate": rate, "highest": "north", "lowest": "south"}


TEST_ROWS = 40_000
"""Test records of the fairness report: so many that the score interval of accuracy is narrower than the intervals that
tests give."""


def grouped(**sizes: int) -> dict[str, dict[str, Any]]:
    """Groups of the fairness report: name -> test records. Those that are large enough have an accuracy of 0.9."""
    return {
        name: {"rows": rows, "enough_evidence": rows >= 20, **({"accuracy": figure(0.9)} if rows >= 20 else {})}
        for name, rows in sizes.items()
    }


def _compared() -> dict[str, Any]:
    return {
        "status": "within_max_gap",
        "groups": grouped(north=TEST_ROWS // 2, south=TEST_ROWS // 2),
        "differences": {"accuracy": gap(0.03)},
        "amplification": figure(0.01),
        "demographic_parity": rate_gap(0.04),
        "equalized_odds": rate_gap(0.06, "true positive rate"),
    }


def _suite() -> dict[str, Any]:
    return {
        "higher_is_better": False,
        "difference": figure(0.01, 0.005),
        "difference_to_champion": figure(0.02, 0.005),
        "margin": 0.05,
    }


def good_figures() -> dict[str, dict[str, Any]]:
    """File contents of every piece of evidence; all rules hold."""
    gains = {
        "majority": 0.6,
        "nearest_neighbour": 0.4,
        "tfidf_logreg": 0.3,
        "linear_probe": 0.25,
        "base_few_shot": 0.2,
        "champion": 0.1,
    }
    taken = {"seconds": 40.0, "money": 0.5, "currency": "EUR"}
    test = {"metric": "macro_f1", "p": 0.001, "p_corrected": 0.002, "mcnemar": None}
    return {
        "base_evaluation": {},
        "evaluation_report": {
            "systems": {
                system: {name: figure(0.9 - gain) for name in ("macro_f1", "accuracy")}
                for system, gain in {"fine_tuned": 0.0, **gains}.items()
            },
            "differences": {system: {"macro_f1": difference(gain)} for system, gain in gains.items()},
            "test_rows": 400,
            "left_out": {},
            "main_metric": "macro_f1",
            "info": {},
            "renderer_hash": RENDERER,
            "metric_versions": metric_versions(),
            "calibration": {"fine_tuned": {"ece": figure(0.05)}},
            "per_1000_requests": {system: dict(taken) for system in ("fine_tuned", *gains)},
            "tests": {system: dict(test) for system in gains},
            "slices": [],
            "golden": {"period": {"kept": True, "unsaid": [], "said": []}},
        },
        "fairness_report": {
            "test_rows": TEST_ROWS,
            "gap_metric": "accuracy",
            "min_group_rows": 20,
            "features": {"region": _compared(), "age": _compared()},
            "intersections": {"region and age": _compared()},
            "swaps": {"gender": {"rows": 80, "flip_rate": figure(0.03), "status": "measured"}},
        },
        "privacy_report": {
            "records": 2000,
            "members": 1000,
            "others": 400,
            "membership": {name: {"auc": figure(0.52, 0.1), "at_1_percent": figure(0.02)} for name in ATTACKS},
            "slices": [],
            "membership_status": "measured",
            "extraction_rate": extraction(Copied(100, 0, 2), Copied(100, 0, 1), Copied(100, 0, 0), "user texts", 0.95),
            "personal_data": {"originals": 0},
            "personal_data_status": "measured",
            "differential_privacy": {"epsilon": 7.5, "delta": 1e-5, "unit": "record"},
        },
        "regression_report": {"suites": {"general_text": _suite()}, "champion": {"checkpoint": None}},
        "roi_report": {
            "currency": "EUR",
            "savings_per_month": None,
            "payback_months": {"value": None, "reason": "No volume is stated"},
            "figures": {},
        },
        "data_report": {},
        "model_card": {},
        "seed_variation": seeds_evidence(),
        "canary_audit": {"exposure_bits": {"1": figure(1.5, 0.5), "10": figure(6.0, 1.0)}},
        "human_review": {
            "evaluation": "evaluation_report",
            "alternative": "base_few_shot",
            "win_rate": figure(0.6),
            "rows": 80,
            "confidence": 0.95,
        },
        "judge_report": {"win_rate": figure(0.6), "usable_in_gate": True},
    }


@dataclass
class EvidenceCase:
    """Publishes evidence that a test may change first.

    Attributes:
        author: who committed the file of the use case and started the training, signed in. Empty: nobody knows.
    """

    home: Path
    attributes: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, dict[str, Any]] = field(default_factory=good_figures)
    left_out: set[str] = field(default_factory=set)
    champion: str | None = None
    recall: dict[str, Any] = field(default_factory=lambda: dict(RECALL))
    k_anonymity: dict[str, Any] = field(default_factory=dict)
    features: tuple[str, ...] = ("region", "age")
    policy: Policy = field(default_factory=Policy)
    people: People = field(default_factory=People)
    writes: bool = True
    method: str | None = "lora"
    author: str = ""

    def publish(self) -> "EvidenceCase":
        self._settle()
        self.lake = open_lake(Environment(home=self.home))
        self.versions: dict[str, Any] = {"splits": usable_splits(self.lake, self.use_case)}
        self.versions["adapter_checkpoint"] = self.checkpoint()
        if self.author:
            self.committed_by(self.author)
            self.trained_by(self.author)
        for stage in STAGES:
            wanted = stage in ("base_evaluation", *OPTIONAL, *REQUIRED)
            if wanted and stage not in self.left_out:
                self.versions[stage] = self.add(stage)
        return self

    def committed_by(self, email: str) -> None:
        """Puts the file of the use case into a repository, as somebody commits it."""
        folder = self.home / "repository" / "complaints"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "defs.yaml"
        file.write_text(f"{json.dumps(self.attributes_used)} # {email}")
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "settings"]):
            who = ["-c", f"user.email={email}", "-c", "user.name=somebody"]
            subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)
        self.use_case = self.use_case.model_copy(update={"path": file})

    def trained_by(self, email: str, known_by: KnownBy = "openid") -> None:
        """Notes that a person started the run that trained the checkpoint, as the asset does."""
        assert self.lake.signing
        checkpoint = self.versions["adapter_checkpoint"]
        tags = signed_tags("run", tags_of(Person(email, known_by=known_by)), self.lake.signing.keys)
        note_start(self.lake, self.use_case, checkpoint.artifact_id, "run", tags)
        note_trainers(self.lake, self.use_case, checkpoint)

    def refusing(self) -> dict[str, str]:
        """Broken rule -> why, for these figures in an intact lineage; nothing is written."""
        self._settle()
        items = {stage: self._item(stage) for stage in (*REQUIRED, *OPTIONAL)}
        made = ArtifactVersion("complaints", "adapter_checkpoint", "ckpt-weights", "0" * 64, "memory")
        stages = [stage for stage in STAGES.values() if stage.kind == "table"]
        tables = {
            stage.name: TableVersion("complaints", stage.name, stage.zone, 0, "0" * 64, 1, "memory") for stage in stages
        }
        passed = Verdict(check="any", passed=True, settings_hash="s", content_hash="0" * 64, checked_at="today")
        verdicts = {name: dict.fromkeys(STAGES[name].checks, passed) for name in tables}
        for check, numbers in {"recall_above_floor": self.recall, "is_k_anonymous": self.k_anonymity}.items():
            verdicts["anonymized_records"][check] = passed.model_copy(update={"numbers": numbers})
        rulings = apply(
            rules_of(self.use_case, self.champion), Evidence(made, (), tables, verdicts, items, (), 0, self.writes)
        )
        return {ruling.rule: ruling.why for ruling in rulings if not ruling.passed}

    def _item(self, stage: str) -> Item:
        if stage not in self.figures:
            return Item(stage, None, None, (f"there is no {stage}",))
        version = ArtifactVersion("complaints", stage, stage, "0" * 64, "memory")
        try:
            figures = typed(stage, stage, json.dumps(self.figures[stage]).encode()) if stage in FILES else Shown()
        except NotProven as gap:
            return Item(stage, version, None, (str(gap),))
        return Item(stage, version, figures, ())

    def _settle(self) -> None:
        usual = {"owners": OWNERS, "fairness": {"sensitive_features": ["region", "age"]}, "privacy": MEASURED}
        attributes = {**minimal_attributes("unused.csv"), **usual, **self.attributes}
        attributes["record"] = {**attributes["record"], "features": {name: name for name in self.features}}
        self.attributes_used = attributes
        installation = {"policy": self.policy, "people": self.people}
        self.use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes), **installation)

    def checkpoint(self, content: str = "weights") -> ArtifactVersion:
        return self._publish(
            "adapter_checkpoint",
            {
                "training.json": {
                    "renderer_hash": RENDERER,
                    "training": {"method": self.method} if self.method else {},
                },
                "weights.json": content,
                **({} if self.writes else {"label_head.safetensors": ""}),
            },
            f"ckpt-{content}",
        )

    def add(self, stage: str, suffix: str = "") -> ArtifactVersion:
        name = FILES.get(stage, ("page.json", None))[0]
        return self._publish(stage, {name: self.figures.get(stage, {})}, f"{stage}{suffix}")

    def _publish(self, stage: str, files: dict[str, Any], artifact_id: str) -> ArtifactVersion:
        parents = [self.versions[name] for name in STAGES[stage].parents if name in self.versions]
        with self.lake.scratch("complaints", stage) as folder:
            folder.mkdir(parents=True)
            for name, content in files.items():
                (folder / name).write_text(json.dumps(content))
            settings_hash = STAGES[stage].settings_hash(self.use_case)
            hashes = {"settings_hash": settings_hash, "input_hash": input_hash(self.use_case, stage, parents)}
            return self.lake.publish("complaints", stage, artifact_id, folder, parents=parents, **hashes)

    def decide(self, **kwargs: Any) -> Decision:
        checkpoint = self.versions["adapter_checkpoint"]
        return decide(
            self.lake, self.use_case, checkpoint, newest_evidence(self.lake, self.use_case, checkpoint), **kwargs
        )

    def published_decision(self) -> ArtifactVersion:
        """As the graph makes it."""
        reports = {name: self.versions[name] for name in REQUIRED}
        return publish_decision(self.lake, self.use_case, self.versions["adapter_checkpoint"], reports, write_decision)


def changed(figures: dict[str, Any], stage: str, path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Figures with one value replaced, or its key deleted where `value` is `...`; with an empty path the whole file."""
    made = copy.deepcopy(figures)
    if not path:
        return {**made, stage: value}
    place = made[stage]
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return made


def leaves(found: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths of every value below a mapping."""
    if not isinstance(found, dict):
        return [path]
    return [leaf for key, value in found.items() for leaf in leaves(value, (*path, key))]
