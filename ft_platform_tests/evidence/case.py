"""A small lake with everything a pack is made of: real data stages on a CSV, and a checkpoint and reports as programs
would publish them.

Persons are fictitious. Nothing is trained, and the lake is made once a process: tests that change something copy it.
"""

import atexit
import functools
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.compute.backend import Launch
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion, Version
from ft_platform.stages import STAGES, check_settings_hash
from ft_platform.use_case.environment import create_pseudonym_key
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import Graph, records, stand_in_audit, write_csv

NAME = "complaints"
PERSON = "margarethe.quastenberg@example.org"
"""Stands in raw records and in the name of the source file, and may stand in nothing that is handed over."""

TABLES = ("raw_records", "permitted_records", "cleaned_records", "quarantined_records", "anonymized_records", "splits")


@dataclass
class Case:
    """An installation with one checkpoint and its reports."""

    environment: Environment
    lake: Lake
    use_case: NamedUseCase
    splits: TableVersion
    checkpoint: ArtifactVersion
    reports: dict[str, ArtifactVersion]

    def copy(self, home: Path) -> "Case":
        """The same in another folder, to be changed."""
        shutil.copytree(self.environment.home, home)
        environment = self.environment.model_copy(update={"home": home})
        return Case(environment, open_lake(environment), self.use_case, self.splits, self.checkpoint, self.reports)


@functools.cache
def small_case() -> Case:
    folder = Path(tempfile.mkdtemp(prefix="ft-evidence-case-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    environment = Environment(home=folder / "home", defs=folder / "defs", tracking_uri="none")
    create_pseudonym_key(environment)
    (folder / "source").mkdir()
    write_csv(folder / "source" / f"{PERSON}.csv", rows())
    attributes = attributes_of(folder / "source")
    write_use_case(environment.defs, NAME, attributes)
    use_case = load_use_case(environment.defs / NAME, environment=environment)
    lake = open_lake(environment)
    with dg.DagsterInstance.ephemeral() as instance, pytest.MonkeyPatch.context() as patch:
        for asset in ("raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits"):
            patch.setattr(f"ft_platform.assets.{asset}.profile_link", lambda *_: {})
        patch.setattr("ft_platform.compute.backends.local.run", _audit_only)
        result = Graph(environment, NAME, instance).run(*TABLES)
        assert result.success
    splits = lake.latest(NAME, "splits")
    assert splits
    return with_reports(environment, lake, use_case, splits)


def attributes_of(source: Path) -> dict[str, Any]:
    return {
        **minimal_attributes(str(source)),
        "owners": {
            "accountable": "team:complaints",
            "compliance": "officer@example.org",
            "teams": {"complaints": ["bo.lund@example.org"]},
        },
        "privacy": {"ner": "none", "quasi_identifiers": {"region": "category"}, "k": 2},
        "release": {
            "intended_use": "Suggests the product of a complaint; a person confirms it.",
            "not_intended_for": "Decisions about customers.",
        },
    }


def rows() -> list[dict[str, str]]:
    """Complaints of which one has an e-mail address in its text, two have no consent, and one comes twice."""
    made = records(rows_per_label=12)
    made[0]["text"] += f" Write to {PERSON}."
    made[1]["consent"] = made[2]["consent"] = "no"
    return [*made, {**made[5], "id": "twice"}]


def _audit_only(launch: Launch) -> dict[str, Any]:
    from ft_platform.lake.versions import from_dict

    assert launch.program == "audit"
    lake = open_lake(launch.environment)
    return {"artifact": (stand_in_audit(lake, launch.use_case, from_dict(launch.handles["splits"])).to_dict())}


def training() -> dict[str, Any]:
    """`training.json` as a training writes it, as far as documents read it."""
    return {
        "use_case": NAME,
        "training": {
            "recipe": "manual",
            "method": "lora",
            "objective": "sft",
            "rank": 4,
            "epochs": 2.0,
            "learning_rate": 0.0005,
            "seed": 17,
        },
        "labels": ["credit card", "mortgage", "student loan"],
        "base_model": {"uri": "example/none", "sha256": "a" * 64, "dtype": "float32", "revision": None, "commit": None},
        "device": "cpu",
        "threads": 2,
        "seed": 17,
        "environment": {"python": "3.11.7", "machine": "x86_64", "torch": "2.13.0+cpu", "peft": "0.21.2"},
        "counts": {"train": {"rows": 25, "tokens": 5000, "supervised_tokens": 300, "truncated": 1, "left_out": {}}},
        "metrics": {"steps": 6, "seconds": 1.5},
        "attempts": [
            {
                "from_step": 0,
                "device": "cpu",
                "processor": "AVX512",
                "threads": 2,
                "processes": 1,
                "torch": "2.13.0+cpu",
            }
        ],
    }


ENVIRONMENT = {
    "python": "3.11.7",
    "machine": "x86_64",
    "torch": "2.13.0+cpu",
    "packages": {"numpy": "2.4.6", "torch": "2.13.0", "typing-extensions": "4.15"},
}


def with_reports(environment: Environment, lake: Lake, use_case: NamedUseCase, splits: TableVersion) -> Case:
    """Publishes a checkpoint and one report of each kind that the graph makes by itself."""
    training_json = training()
    info = {
        key: training_json[key]
        for key in ("base_model", "environment", "device", "threads", "seed", "metrics", "attempts")
    }
    checkpoint = publish(
        lake,
        use_case,
        "adapter_checkpoint",
        [splits],
        {
            "training.json": training_json,
            "environment.json": ENVIRONMENT,
            "adapter_model.safetensors": "weights",
            "training_records.parquet": "ids",
            "report.html": "<p>Training</p>",
        },
        info=info,
        counts=training_json["counts"],
    )
    made: dict[str, Version] = {"splits": splits, "adapter_checkpoint": checkpoint}
    for name, stage in STAGES.items():
        if stage.kind == "report" and not stage.on_demand:
            made[name] = publish(
                lake,
                use_case,
                name,
                [made[parent] for parent in stage.parents],
                FILES.get(name, {"report.html": f"<p>{name}</p>"}),
            )
            for check in stage.checks:
                lake.add_verdict(made[name], check, True, check_settings_hash(use_case, name, check), {})
    return Case(
        environment,
        lake,
        use_case,
        splits,
        checkpoint,
        {name: made[name] for name in made if name not in ("splits", "adapter_checkpoint")},
    )  # type: ignore[misc]


FIGURE = {"value": 0.75, "low": 0.5, "high": 0.9}
FILES: dict[str, dict[str, Any]] = {
    "evaluation_report": {
        "metrics.json": {
            "test_rows": 6,
            "systems": {"fine_tuned": {"macro_f1": FIGURE, "accuracy": FIGURE}, "majority": {"macro_f1": FIGURE}},
        },
        "predictions.parquet": "predictions",
        "report.html": "<p>Evaluation</p>",
    },
    "fairness_report": {
        "fairness.json": {
            "test_rows": 6,
            "features": {"region": {"status": "not_enough_evidence", "groups": {}}},
            "intersections": {},
            "max_gap": 0.2,
        },
        "report.html": "<p>Fairness</p>",
    },
    "model_card": {"README.md": "# Card", "model_card.html": "<p>Card</p>"},
}


def publish(
    lake: Lake,
    use_case: NamedUseCase,
    name: str,
    parents: list[Version],
    files: dict[str, Any],
    *,
    artifact_id: str = "",
    info: dict[str, Any] | None = None,
    counts: dict[str, Any] | None = None,
) -> ArtifactVersion:
    """An artifact with these files: text, or what becomes JSON."""
    with lake.scratch(use_case.name, name) as folder:
        folder.mkdir(parents=True)
        for file, content in files.items():
            (folder / file).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        settings = STAGES[name].settings_hash(use_case) if name in STAGES else "none"
        return lake.publish(
            use_case.name,
            name,
            artifact_id or f"{name}-1",
            folder,
            parents=parents,
            settings_hash=settings,
            input_hash=name,
            info=info,
            counts=counts,
        )
