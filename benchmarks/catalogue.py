"""What the catalogue and the compliance page cost over many use cases and versions: the first page of a server, the
next ones, a search, and the page after something was signed in one use case.

python benchmarks/catalogue.py --use-cases 50 --versions 2000 --json
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.portal_pages.pages import Portal

CHAIN = ("raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits")
ROWS = pa.table({"record_id": ["r1", "r2"]})


def use_case(name: str) -> NamedUseCase:
    settings = {
        "description": "Routes complaints.",
        "owners": {"accountable": "maria.lind@example.org"},
        "task": {"kind": "classification", "instruction": "Name the product. One of: {labels}."},
        "source": {"uri": f"{name}.csv"},
        "record": {"id": "id", "text": "text", "label": "label", "consent": "consent"},
        "governance": {"purpose": "complaint routing", "accepted_consent": ["yes"], "licence": "proprietary"},
        "privacy": {"ner": "none", "without_quasi_identifiers": "Persons are fictitious, and so are their texts."},
        "base_model": {"uri": "example/none"},
        "release": {"intended_use": "Benchmarks of the platform."},
    }
    return NamedUseCase(name=name, settings=UseCase.model_validate(settings))


def fill(lake: Lake, name: str, versions: int) -> None:
    """Chains of data versions, each made from the one before."""
    parents: list[TableVersion] = []
    for number in range(versions):
        stage = CHAIN[number % len(CHAIN)]
        parents = parents if number % len(CHAIN) else []
        words = {"zone": STAGES[stage].zone, "input_hash": str(number), "counts": {"basis": "consent"}}
        parents = [lake.write_table(name, stage, ROWS.to_batches(), ROWS.schema, parents=parents, **words)]


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--use-cases", type=int, default=50)
    parser.add_argument("--versions", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="on the disk that is measured (default: a temporary one)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    cases = {name: use_case(name) for name in (f"case_{number:03d}" for number in range(arguments.use_cases))}
    found: dict[str, float] = {"use_cases": len(cases), "versions": arguments.versions}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        environment = Environment(home=Path(folder))
        lake = open_lake(environment)
        for name in cases:
            fill(lake, name, arguments.versions // len(cases))
        portal = Portal(open_lake(environment), lambda: cases)

        def timed(what: str, ask: Callable[[], object]) -> None:
            used = time.process_time()
            if not ask():
                raise SystemExit(f"there was no page: {what}")
            found[f"{what}_cpu_seconds"] = round(time.process_time() - used, 3)

        timed("first_page", lambda: portal.page("/catalogue"))
        timed("next_page", lambda: portal.page("/catalogue", query="page=2"))
        timed("search", lambda: portal.page("/catalogue", query="words=splits+case+007&zone=shared"))
        lake.write_table("case_000", "raw_records", ROWS.to_batches(), ROWS.schema, zone="restricted")
        timed("after_a_new_version", lambda: portal.page("/catalogue"))
        timed("compliance", lambda: portal.page("/compliance"))
        found["peak_memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    for name, value in found.items() if not arguments.json else ():
        print(f"{name.replace('_', ' '):36} {value}")
    if arguments.json:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
