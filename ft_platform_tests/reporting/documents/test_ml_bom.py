"""The bill of materials: valid by the schema of CycloneDX 1.6, with the hashes of what the checkpoint was made from."""

import json
from typing import Any

import pytest

from ft_platform.reporting.documents import ml_bom
from ft_platform_tests.evidence.case import ENVIRONMENT
from ft_platform_tests.reporting.documents.made import facts, without


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return json.loads(ml_bom.make(facts()))


def test_it_names_adapter_base_model_dataset_and_packages_with_their_hashes(made: dict[str, Any]) -> None:
    checkpoint = facts().manifests["adapter_checkpoint"]
    adapter = made["metadata"]["component"]
    assert {one["name"]: one["hashes"][0]["content"] for one in adapter["components"]} == checkpoint.files
    parts = {one["bom-ref"]: one for one in made["components"]}
    assert parts["base_model"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert parts["dataset"]["version"] == "splits@0"
    found = parts["dataset"]["properties"]
    assert found == [{"name": "ft:content_hash", "value": facts().manifests["splits"].content_hash}]
    found = {one["name"]: one["version"] for one in made["components"] if one["type"] == "library"}
    assert found == ENVIRONMENT["packages"]
    found = adapter["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0]["confidenceInterval"]
    assert found == {"lowerBound": "0.5", "upperBound": "0.9"}


def test_every_reference_leads_to_a_part(made: dict[str, Any]) -> None:
    refs = [made["metadata"]["component"]["bom-ref"], *(one["bom-ref"] for one in made["components"])]
    assert len(refs) == len(set(refs))
    assert {one["ref"] for one in made["dependencies"]} == set(refs)
    assert set(made["dependencies"][0]["dependsOn"]) == set(refs) - {"adapter"}


def test_the_schema_of_the_format_accepts_it() -> None:
    validation = pytest.importorskip(
        "cyclonedx.validation.json", reason="the library of CycloneDX is not installed (extra dev)"
    )
    schema = pytest.importorskip("cyclonedx.schema")
    validator = validation.JsonStrictValidator(schema.SchemaVersion.V1_6)
    for given in (facts(), without("evaluation_report", "model_card")):
        assert validator.validate_str(ml_bom.make(given)) is None
    assert validator.validate_str(json.dumps({**json.loads(ml_bom.make(facts())), "made_up": 1})) is not None


def test_without_an_evaluation_it_has_no_figures_and_without_a_card_no_use() -> None:
    card = json.loads(ml_bom.make(without("evaluation_report", "model_card")))["metadata"]["component"]["modelCard"]
    assert "quantitativeAnalysis" not in card and "considerations" not in card
