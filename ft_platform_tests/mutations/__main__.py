"""Plants faults in a copy of the tree and says which tier of tests caught each.

Tests named after the file are tried first, then those of its package, then the whole tier, each until the first test
fails; that test must pass without the fault. `make test-all` holds every test of `make test`, so what the one catches
the other catches."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.mutations.copy_of_tree import CopyOfTree
from ft_platform_tests.mutations.faults import FAULTS, Fault
from ft_platform_tests.tiers import TEST, TEST_ALL

TIERS = {"test": TEST, "test-all": TEST_ALL}


def main(words: list[str] | None = None) -> int:
    """0: each fault was caught by a tier that was asked for."""
    names = {fault.name: fault for fault in FAULTS}
    parser = argparse.ArgumentParser(prog="python -m ft_platform_tests.mutations", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=sorted(names), metavar="FAULT", help="these faults only")
    parser.add_argument("--tier", choices=list(TIERS), help="this tier only; default: test, then test-all")
    parser.add_argument("--tests", nargs="+", metavar="PATH", help="these tests, instead of the whole tier")
    parser.add_argument("--own", action="store_true", help="not the whole tier: quick, a lower bound")
    parser.add_argument("--workers", type=int, default=2, help="processes for a whole tier (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the scorecard there")
    arguments = parser.parse_args(words)
    tiers = [arguments.tier] if arguments.tier else list(TIERS)
    rows = []
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        tree = CopyOfTree(REPOSITORY, Path(folder))
        for fault in [names[name] for name in arguments.only or names]:
            rows.append(row := scored(tree, fault, tiers, arguments))
            print(f"{fault.name:<32} {row['tier'] or 'NOT CAUGHT':<10} {row['test'] or ''}", flush=True)
            if arguments.json:
                arguments.json.write_text(json.dumps({"faults": rows, **totals(rows)}, indent=1) + "\n")
    print(" ".join(f"{name}: {value}" for name, value in totals(rows).items()))
    return 0 if all(row["test"] for row in rows) else 1


def totals(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many faults each tier caught."""
    return {
        "planted": len(rows),
        "caught_by_test": sum(row["tier"] == "test" for row in rows),
        "caught_by_test_all": sum(row["tier"] is not None for row in rows),
    }


def scored(tree: CopyOfTree, fault: Fault, tiers: Sequence[str], arguments: argparse.Namespace) -> dict[str, Any]:
    """`{"fault", "file", "why", "tier", "test"}`: the first tier that caught it, and the test that did."""
    row: dict[str, Any] = {"fault": fault.name, "file": fault.file, "why": fault.why, "tier": None, "test": None}
    for tier in tiers:
        if test := caught(tree, fault, TIERS[tier], arguments):
            return {**row, "tier": tier, "test": test}
    return row


def caught(tree: CopyOfTree, fault: Fault, tier: str, arguments: argparse.Namespace) -> str | None:
    """The test of a tier that fails with the fault and passes without it, or None."""
    for tests, workers in steps(tree.folder, fault, arguments):
        with tree.planted(fault):
            found = tree.run(tests, tier, workers)
        if found.test and tree.run([found.test], "").test is None:
            return found.test
    return None


def steps(root: Path, fault: Fault, arguments: argparse.Namespace) -> list[tuple[list[str], int]]:
    """Tests to run one after the other, each with its number of processes."""
    if arguments.tests:
        return [(arguments.tests, 0)]
    stem = Path(fault.file).stem
    named = [str(path.relative_to(root)) for path in sorted((root / "ft_platform_tests").rglob(f"test_{stem}.py"))]
    folder = f"ft_platform_tests/{fault.package}"
    near = [list(fault.tests) or named, [folder] if (root / folder).is_dir() else []]
    return [
        *((tests, 0) for tests in near if tests),
        *([] if arguments.own else [(["ft_platform_tests"], arguments.workers)]),
    ]


if __name__ == "__main__":
    sys.exit(main())
