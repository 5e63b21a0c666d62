"""The bill of materials of resolved packages: valid, the same for the same packages, and a graph that leads on."""

import json
from dataclasses import replace

import pytest

from ft_platform.onboarding.repository.packages import Package, Resolved, _licence
from ft_platform.onboarding.repository.sbom import sbom


def package(name: str, version: str, *requires: str) -> Package:
    url = f"https://index.example/{name}-{version}-py3-none-any.whl"
    return Package(name, version, url, "a" * 64, requires, "MIT")


RESOLVED = Resolved(
    (
        package("Leaf_Lib", "1.0", "other-lib>=1", "not-on-linux; sys_platform == 'win32'", "other-lib; extra == 'x'"),
        package("other-lib", "2.0+cpu", 'old-only; python_version < "3"'),
        package("old-only", "1"),
    ),
    "acme",
    "1.2",
    ("leaf.lib",),
)


@pytest.mark.parametrize(
    ("about", "licence"),
    [
        ({"license_expression": "MIT", "license": "other"}, "MIT"),
        ({"license": "BSD\n 3-Clause"}, "BSD 3-Clause"),
        ({"license": "Permission is " * 50, "classifier": ["License :: OSI Approved :: MIT License"]}, "MIT License"),
        ({"classifier": ["Programming Language :: Python"]}, ""),
    ],
    ids=["expression", "words", "whole-text", "none"],
)
def test_the_licence_is_what_the_metadata_state(about: dict, licence: str) -> None:
    assert _licence(about) == licence


def made(resolved: Resolved = RESOLVED) -> str:
    return sbom("acme", "1.2", resolved, "3.11", {"acme-1.2.whl": "b" * 64})


def test_every_package_has_its_hash_and_what_it_needs() -> None:
    bill = json.loads(made())
    components = {one["purl"]: one["hashes"][0]["content"] for one in bill["components"]}
    leaf, other = "pkg:pypi/leaf-lib@1.0", "pkg:pypi/other-lib@2.0%2Bcpu"
    assert components == dict.fromkeys((leaf, other, "pkg:pypi/old-only@1"), "a" * 64)
    graph = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    assert graph == {"acme": [leaf], leaf: [other], other: [], "pkg:pypi/old-only@1": []}
    assert bill["metadata"]["component"]["components"][0]["hashes"][0]["content"] == "b" * 64


def test_the_same_packages_give_the_same_bytes_and_others_another_number() -> None:
    changed = replace(RESOLVED, packages=(*RESOLVED.packages[:2], package("old-only", "2")))
    assert made() == made()
    assert json.loads(made())["serialNumber"] != json.loads(made(changed))["serialNumber"]


def test_the_schema_of_the_format_accepts_it() -> None:
    validation = pytest.importorskip(
        "cyclonedx.validation.json", reason="the library of CycloneDX is not installed (extra dev)"
    )
    schema = pytest.importorskip("cyclonedx.schema")
    validator = validation.JsonStrictValidator(schema.SchemaVersion.V1_6)
    assert validator.validate_str(made()) is None
    assert validator.validate_str(made().replace('"library"', '"libary"')) is not None
