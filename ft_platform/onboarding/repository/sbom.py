"""The resolved packages of a project as a CycloneDX 1.6 bill of materials (https://cyclonedx.org/docs/1.6/json/)."""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from packaging.requirements import Requirement

from ft_platform.onboarding.repository.packages import Package, Resolved, key_of

NAMESPACE = uuid.UUID("0e8c58f0-3c5d-4b6e-a8a4-5a2f4f1f8d1b")
"""Makes the serial number of a bill from its content: the same packages have the same one."""


def sbom(name: str, version: str, resolved: Resolved, python: str, files: Mapping[str, str] | None = None) -> str:
    """The JSON text, without a time: the same packages give the same bytes.

    Args:
        resolved: as `resolve` found it.
        python: version they were resolved for, e.g. `3.11`.
        files: name -> sha256 of the files that were built of the project.
    """
    packages = resolved.packages
    components = [_component(one) for one in packages]
    known = {one.key: _reference(one) for one in packages}
    own: dict[str, Any] = {
        "type": "application",
        "bom-ref": name,
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{quote(name)}@{quote(version)}",
        "components": [
            {"type": "file", "bom-ref": f"file:{file}", "name": file, "hashes": [{"alg": "SHA-256", "content": digest}]}
            for file, digest in sorted((files or {}).items())
        ],
    }
    graph = [
        {"ref": name, "dependsOn": _needs(name, resolved.requires, known, python)},
        *({"ref": known[one.key], "dependsOn": _needs(one.name, one.requires, known, python)} for one in packages),
    ]
    content = json.dumps([own, components, graph], sort_keys=True)
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, content)}",
        "version": 1,
        "metadata": {"component": own, "properties": [{"name": "python", "value": python}]},
        "components": components,
        "dependencies": graph,
    }
    return json.dumps(bill, indent=1, ensure_ascii=False) + "\n"


def _reference(package: Package) -> str:
    return f"pkg:pypi/{quote(package.key)}@{quote(package.version)}"


def _component(package: Package) -> dict[str, Any]:
    licence = {"licenses": [{"license": {"name": package.licence}}]} if package.licence else {}
    return {
        "type": "library",
        "bom-ref": _reference(package),
        "name": package.name,
        "version": package.version,
        "purl": _reference(package),
        "hashes": [{"alg": "SHA-256", "content": package.sha256}],
        **licence,
    }


def _needs(name: str, requires: Sequence[str], known: Mapping[str, str], python: str) -> list[str]:
    """What of the resolved packages one requires. Requirements of its extras count where they were resolved: pip does
    not tell which extras were asked for."""
    found = set()
    for text in requires:
        requirement = Requirement(text)
        key = key_of(requirement.name)
        if key in known and key != key_of(name) and _applies(requirement, python):
            found.add(known[key])
    return sorted(found)


def _applies(requirement: Requirement, python: str) -> bool:
    """Whether its marker holds for this Python, with whatever extra it names."""
    if requirement.marker is None:
        return True
    return "extra" in str(requirement.marker) or requirement.marker.evaluate({"python_version": python, "extra": ""})
