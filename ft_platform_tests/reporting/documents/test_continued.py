"""What documents say about a checkpoint that was continued from another: which one, by its hash."""

import dataclasses
import json

from ft_platform.reporting.documents import ml_bom, provenance, statements
from ft_platform.reporting.documents.facts import Facts
from ft_platform_tests.reporting.documents.made import facts

BEFORE = {
    "checkpoint": "ckpt-0123456789ab",
    "content_hash": "b" * 64,
    "records": 1200,
    "splits": "splits@3",
    "steps": 150,
}


def continued() -> Facts:
    full = facts()
    manifest = full.manifests["adapter_checkpoint"]
    told = manifest.model_copy(update={"info": {**manifest.info, "continued_from": BEFORE}})

    def read(stage: str, file: str) -> object:
        found = full.read(stage, file)
        return {**found, "continued_from": BEFORE} if file == "training.json" else found

    return dataclasses.replace(full, manifests={**full.manifests, "adapter_checkpoint": told}, read=read)


def test_the_bill_of_materials_names_the_earlier_checkpoint_among_what_it_depends_on() -> None:
    bill = json.loads(ml_bom.make(continued()))
    parts = {one["bom-ref"]: one for one in bill["components"]}
    assert parts["continued_from"]["name"] == BEFORE["checkpoint"]
    assert parts["continued_from"]["hashes"] == [{"alg": "SHA-256", "content": "b" * 64}]
    assert bill["dependencies"][0]["dependsOn"][:3] == ["base_model", "continued_from", "dataset"]
    assert "continued_from" not in ml_bom.make(facts())


def test_the_provenance_statement_has_it_among_the_dependencies() -> None:
    statement = json.loads(provenance.make(continued()))
    found = statement["predicate"]["buildDefinition"]["resolvedDependencies"][1]
    assert found == {"name": "continued_from", "uri": BEFORE["checkpoint"], "digest": {"ftFilesHash": "b" * 64}}


def test_documents_say_in_words_what_came_before() -> None:
    said = [one.text for one in statements.training(continued())]
    expected = (
        "Continued from ckpt-0123456789ab, which was trained on 1,200 records of splits@3 and had made 150 optimizer"
    )
    assert any(text.startswith(expected) for text in said)
    assert not any("Continued" in one.text for one in statements.training(facts()))
