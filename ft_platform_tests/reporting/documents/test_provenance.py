"""The provenance statement: its subjects are the files of the checkpoint, its dependencies what it was made from."""

import json

import pytest

from ft_platform.reporting.documents import provenance
from ft_platform.reporting.documents.facts import NotKnown
from ft_platform_tests.reporting.documents.made import facts, without


def test_subjects_are_the_files_and_dependencies_every_version_behind_them() -> None:
    made = json.loads(provenance.make(facts()))
    checkpoint = facts().manifests["adapter_checkpoint"]
    expected = {f"adapter_checkpoint-1/{name}": hash_ for name, hash_ in checkpoint.files.items()}
    assert {one["name"]: one["digest"]["sha256"] for one in made["subject"]} == expected
    dependencies = {one["name"]: one for one in made["predicate"]["buildDefinition"]["resolvedDependencies"]}
    expected = ["base_model", "raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits"]
    assert list(dependencies) == expected
    assert dependencies["base_model"]["digest"] == {"sha256": "a" * 64}
    assert dependencies["splits"]["digest"] == {"ftContentHash": facts().manifests["splits"].content_hash}
    assert made["predicate"]["runDetails"]["metadata"]["finishedOn"] == f"{checkpoint.written_at[:19]}Z"


def test_the_formats_own_library_accepts_it() -> None:
    statement_pb2 = pytest.importorskip(
        "in_toto_attestation.v1.statement_pb2", reason="the library of in-toto is not installed (extra dev)"
    )
    from google.protobuf.json_format import ParseDict
    from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
    from in_toto_attestation.v1.statement import Statement

    made = json.loads(provenance.make(facts()))
    Statement.copy_from_pb(ParseDict(made, statement_pb2.Statement())).validate()
    ParseDict(made["predicate"], provenance_pb2.Provenance())


def test_without_a_checkpoint_there_is_none() -> None:
    with pytest.raises(NotKnown, match="no version of adapter_checkpoint"):
        provenance.make(without("adapter_checkpoint"))
