"""What the model consists of as a CycloneDX 1.6 bill of materials: adapter, base model, dataset, Python packages.

Format: https://cyclonedx.org/docs/1.6/json/.
"""

import json
import uuid
from typing import Any
from urllib.parse import quote

from ft_platform.reporting.documents import statements
from ft_platform.reporting.documents.environment_lock import RECORDED
from ft_platform.reporting.documents.facts import Facts
from ft_platform.use_case.settings.base_model import reads_words

FILE = "ml_bom.cdx.json"
NAMESPACE = uuid.UUID("6f0d3f2e-7c55-4f0a-9d8e-2f4a5b0c7e11")
"""Makes the serial number of a bill from the content it is about: the same checkpoint has the same one."""


def make(facts: Facts) -> str:
    """The JSON text.

    Raises:
        NotKnown: there is no checkpoint, or no `splits` behind it.
    """
    checkpoint = facts.manifest("adapter_checkpoint")
    packages = _packages(facts)
    earlier = _earlier(facts)
    base = _base_model(facts)
    parts = [
        *(one["bom-ref"] for one in base),
        *(one["bom-ref"] for one in earlier),
        "dataset",
        *(one["bom-ref"] for one in packages),
    ]
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, checkpoint.content_hash)}",
        "version": 1,
        "metadata": {
            "timestamp": checkpoint.written_at,
            "tools": {"components": [{"type": "application", "name": "ft-platform", "version": checkpoint.code}]},
            "component": _adapter(facts),
        },
        "components": [*base, *earlier, _dataset(facts), *packages],
        "dependencies": [{"ref": "adapter", "dependsOn": parts}, *({"ref": part} for part in parts)],
    }
    return json.dumps(bill, indent=1, ensure_ascii=False)


def _adapter(facts: Facts) -> dict[str, Any]:
    manifest = facts.manifest("adapter_checkpoint")
    release, task = facts.section("model_card", "release.in_card"), facts.section("adapter_checkpoint", "task")
    considerations = {"useCases": [release.intended_use]} if release else {}
    parameters: dict[str, Any] = {
        "approach": {"type": "supervised"},
        "datasets": [{"ref": "dataset"}],
        "inputs": [{"format": "text"}],
    }
    parameters |= {"outputs": [{"format": "text"}], **({"task": task.kind} if task else {})}
    scores = _scores(facts)
    return {
        "type": "machine-learning-model",
        "bom-ref": "adapter",
        "name": facts.name,
        "version": manifest.id,
        **({"licenses": [{"license": {"name": release.licence}}]} if release else {}),
        "properties": [
            {"name": "ft:content_hash", "value": manifest.content_hash},
            {"name": "ft:settings_hash", "value": manifest.settings_hash},
            *({"name": "ft:release", "value": said.text} for said in statements.decision(facts)),
        ],
        "components": [
            {"type": "file", "bom-ref": f"file:{name}", "name": name, "hashes": [{"alg": "SHA-256", "content": digest}]}
            for name, digest in sorted(manifest.files.items())
        ],
        "modelCard": {
            "modelParameters": parameters,
            **({"quantitativeAnalysis": {"performanceMetrics": scores}} if scores else {}),
            **({"considerations": considerations} if considerations else {}),
        },
    }


def _scores(facts: Facts) -> list[dict[str, Any]]:
    figures = facts.read("evaluation_report", "metrics.json") or {}
    found = figures.get("systems", {}).get("fine_tuned", {})
    return [
        {
            "type": name,
            "value": str(one["value"]),
            "slice": "test split",
            "confidenceInterval": {"lowerBound": str(one["low"]), "upperBound": str(one["high"])},
        }
        for name, one in found.items()
        if one.get("value") is not None
    ]


def _base_model(facts: Facts) -> list[dict[str, Any]]:
    """None of a classifier of words."""
    base = facts.manifest("adapter_checkpoint").info.get("base_model", {})
    if reads_words(base):
        return []
    version = base.get("commit") or base.get("revision")
    made = {
        "type": "machine-learning-model",
        "bom-ref": "base_model",
        "name": statements.place_of(str(base.get("uri", "not stated"))),
        **({"version": version} if version else {}),
        **({"hashes": [{"alg": "SHA-256", "content": base["sha256"]}]} if base.get("sha256") else {}),
        "properties": [
            {"name": "ft:hash_of", "value": "the weights file; of several files, the list of their names and hashes"}
        ],
    }
    return [made]


def _earlier(facts: Facts) -> list[dict[str, Any]]:
    """The checkpoint that this one was continued from, if there is one."""
    before = facts.manifest("adapter_checkpoint").info.get("continued_from")
    if not before:
        return []
    return [
        {
            "type": "machine-learning-model",
            "bom-ref": "continued_from",
            "name": before["checkpoint"],
            "hashes": [{"alg": "SHA-256", "content": before["content_hash"]}],
            "properties": [{"name": "ft:hash_of", "value": "the list of its files and their hashes"}],
        }
    ]


def _dataset(facts: Facts) -> dict[str, Any]:
    manifest = facts.manifest("splits")
    governance = facts.section("permitted_records", "governance")
    licence = governance.licence if governance else None
    replaced = sorted(facts.counts("anonymized_records").get("entities", {}))
    data: dict[str, Any] = {
        "type": "dataset",
        "name": f"{facts.name} splits",
        "description": f"{manifest.rows:,} anonymized records; {manifest.id}.",
        "sensitiveData": [f"replaced before training: {name}" for name in replaced],
        "governance": {
            "owners": [{"contact": {"name": facts.owner("accountable")}}],
            "stewards": [{"contact": {"name": facts.owner("compliance")}}],
        },
    }
    return {
        "type": "data",
        "bom-ref": "dataset",
        "name": f"{facts.name} splits",
        "version": manifest.id,
        **({"licenses": [{"license": {"name": licence}}]} if licence else {}),
        "properties": [{"name": "ft:content_hash", "value": manifest.content_hash}],
        "data": [data],
    }


def _packages(facts: Facts) -> list[dict[str, Any]]:
    """All installed packages where the checkpoint noted them, else those its manifest names."""
    recorded = facts.read("adapter_checkpoint", RECORDED)
    environment = facts.manifest("adapter_checkpoint").info.get("environment", {})
    found = (
        recorded["packages"]
        if recorded
        else {name: version for name, version in environment.items() if name not in ("python", "machine")}
    )
    return [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{quote(name)}@{quote(version)}",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{quote(name)}@{quote(version)}",
        }
        for name, version in sorted(found.items())
    ]
