"""Judges Terraform files without Terraform: `python terraform.py FILE...` prints problems as a JSON list, `python
terraform.py --content FILE` what is in it.

Blocks and attributes are compared with the schemas of the providers, which their bindings for CDK Terrain carry
(`cdktn-provider-*`, from PyPI); references must lead to something in the file; each variable is used. Not seen: values
that a provider refuses, attributes of what is referred to, and what a cloud answers.

It needs python-hcl2 and the bindings, and so runs with the interpreter of `scripts/install_clients.sh`."""

import gzip
import json
import re
import sys
import tarfile
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

META = {"provider", "count", "for_each", "depends_on", "lifecycle", "provisioner", "connection", "dynamic"}
REFERENCE = re.compile(
    r"\b(?:(data)\.)?((?:google|azurerm|databricks)_[a-z0-9_]+)\.([A-Za-z0-9_]+)|\b(var|local)\.(\w+)"
)


@cache
def bound(provider: str) -> tuple[int, ...]:
    """The version of the provider whose schema there is."""
    found = next(file for place in sys.path for file in Path(place).glob(f"cdktn_provider_{provider}-*/METADATA"))
    version = re.search(rf"[a-z]+/{provider} provider version ([0-9.]+)", found.read_text(encoding="utf-8"))
    assert version
    return tuple(map(int, version[1].split(".")))


@cache
def schemas(provider: str) -> dict[str, Any]:
    """Name -> type, as jsii describes the binding of a provider."""
    found = next(
        Path(place) / f"cdktn_provider_{provider}" / "_jsii"
        for place in sys.path
        if (Path(place) / f"cdktn_provider_{provider}").is_dir()
    )  # importing it would need jsii
    with tarfile.open(next(found.glob("*.tgz"))) as archive:
        for name in sorted(archive.getnames(), key=len, reverse=True):
            if name.endswith((".jsii", ".jsii.gz")):
                raw = archive.extractfile(name)
                assert raw
                content = json.loads(gzip.decompress(raw.read()) if name.endswith("gz") else raw.read())
                if "types" in content:
                    return content["types"]
    raise SystemExit(f"the binding of {provider} has no schema")


def camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)


def plain(name: str) -> str:
    return name.strip('"')


def schema_of(kind: str, data: bool) -> dict[str, Any] | None:
    provider, _, rest = kind.partition("_")
    name = f"{'Data' if data else ''}{camel(f'_{kind}') if data else camel(f'_{rest}')}Config"
    types = schemas(provider)
    return next((one for found, one in types.items() if found.rsplit(".", 1)[-1] == name), None)


def structures(provider: str, kind: Any) -> list[dict[str, Any]]:
    """Those that a property may hold."""
    names = re.findall(r'"fqn": "([^"]+)"', json.dumps(kind))
    found = [schemas(provider)[name] for name in names if name in schemas(provider)]
    return [one for one in found if one["kind"] == "interface"]


def judged(where: str, provider: str, properties: list[dict[str, Any]], body: dict[str, Any]) -> Iterator[str]:
    known = {one["name"]: one for one in properties}
    given = {plain(name) for name in body}
    for block in body.get("dynamic", []):
        given |= {plain(name) for name in block}
    for name, value in body.items():
        name = plain(name)
        if name.startswith("__") or name in META:
            continue
        found = known.get(camel(name)) or known.get(f"{camel(name)}Attribute")
        if found is None:
            yield f"{where} has no {name}"
            continue
        for block in value if isinstance(value, list) else []:
            inner = structures(provider, found["type"])
            if isinstance(block, dict) and block.get("__is_block__") and inner:
                yield from judged(f"{where}.{name}", provider, inner[0].get("properties", []), block)
    for one in properties:
        if not one.get("optional") and one["name"] not in {camel(name) for name in given}:
            yield f"{where} needs {one['name']}"


def problems(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    content = import_module("hcl2").loads(text)
    for provider, least, below in re.findall(r'/(\w+)"\s+version\s+= ">= ([0-9.]+), < ([0-9.]+)"', text):
        if not tuple(map(int, least.split("."))) <= bound(provider) < tuple(map(int, below.split("."))):
            yield f"it is for {provider} {least} to {below}, and was judged by {'.'.join(map(str, bound(provider)))}"
    there: set[tuple[str, ...]] = set()
    for section in ("resource", "data"):
        for entry in content.get(section, []):
            for kind, instances in entry.items():
                kind, data = plain(kind), section == "data"
                schema = schema_of(kind, data)
                for name, body in instances.items():
                    there.add((section, kind, plain(name)))
                    if schema is None:
                        yield f"{kind} is unknown"
                    else:
                        where = f"{kind}.{plain(name)}"
                        yield from judged(where, kind.partition("_")[0], schema.get("properties", []), body)
    there |= {("var", plain(name)) for one in content.get("variable", []) for name in one}
    there |= {("local", plain(name)) for one in content.get("locals", []) for name in one if not name.startswith("__")}
    used = set()
    for found in REFERENCE.finditer(re.sub(r"(?m)^\s*#.*$", "", text)):
        data, kind, name, place, own = found.groups()
        reference = (place, own) if place else ("data" if data else "resource", kind, name)
        used.add(reference)
        if reference not in there:
            yield f"there is no {'.'.join(reference)}"
    for one in there - used:
        if one[0] in ("var", "local"):
            yield f"{'.'.join(one)} is not used"


if __name__ == "__main__":
    if sys.argv[1] == "--content":
        print(json.dumps(import_module("hcl2").loads(Path(sys.argv[2]).read_text(encoding="utf-8"))))
        raise SystemExit
    print(json.dumps([f"{path}: {problem}" for path in sys.argv[1:] for problem in problems(Path(path))], indent=1))
