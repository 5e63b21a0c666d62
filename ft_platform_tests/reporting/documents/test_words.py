"""What documents say about a classifier of words: it has no base model."""

import dataclasses
import json

from ft_platform.reporting.documents import ml_bom, provenance, statements
from ft_platform.reporting.documents.facts import Facts
from ft_platform.use_case.settings.base_model import WORDS_ONLY
from ft_platform_tests.reporting.documents.made import facts


def of_words() -> Facts:
    full = facts()
    manifest = full.manifests["adapter_checkpoint"]
    told = manifest.model_copy(update={"info": {**manifest.info, "base_model": {"uri": WORDS_ONLY.uri, "sha256": "0"}}})
    return dataclasses.replace(full, manifests={**full.manifests, "adapter_checkpoint": told})


def test_no_document_names_a_base_model_that_is_none() -> None:
    bill = json.loads(ml_bom.make(of_words()))
    assert "base_model" not in [one["bom-ref"] for one in bill["components"]]
    assert bill["dependencies"][0]["dependsOn"][0] == "dataset"
    statement = json.loads(provenance.make(of_words()))
    needed = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert needed and "base_model" not in [one["name"] for one in needed]
    assert statements.training(of_words())[0].text == "Base model: none."
