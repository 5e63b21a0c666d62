"""The code location and the command line stay light: every run process loads them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ft_platform_tests.conftest import REPOSITORY

HEAVY = ["torch", "transformers", "peft", "great_expectations", "mlflow", "spacy", "sklearn", "fairlearn", "matplotlib"]
HEAVY += ["httpx2"]


def loaded_after(code: str, home: Path | None = None) -> set[str]:
    report = f"{code}\nimport sys; print('LOADED', *[m for m in {[*HEAVY, 'dagster']!r} if m in sys.modules])"
    finished = subprocess.run(
        [sys.executable, "-c", report],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, **({"FT_HOME": str(home)} if home else {})},
        check=True,
    )
    line = next(line for line in finished.stdout.splitlines() if line.startswith("LOADED"))
    return set(line.split()[1:])


@pytest.mark.integration
def test_the_code_location_loads_without_heavy_libraries(tmp_path):
    loaded = loaded_after("from ft_platform.definitions import defs; defs().get_repository_def()", tmp_path)
    assert "dagster" in loaded
    assert loaded & set(HEAVY) == set()


DOMAIN = [
    "lake",
    "sources.ingest",
    "governance.permission",
    "cleaning.clean",
    "privacy.anonymize",
    "cleaning.validation.expectations",
    "splitting.split",
]
DOMAIN += [
    "compute.backends.local",
    "compute.backends.torchrun",
    "training.inputs",
    "evaluation.inputs",
    "reporting.publishing.roi",
    "evaluation.fairness",
    "orchestration.results",
    "use_case",
    "use_case.environment",
    "errors",
    "records.columns",
    "models.rendering.renderer",
    "models.endpoint",
    "sources.unity_catalog",
]


def test_domain_packages_load_without_dagster_and_heavy_libraries():
    """All in one interpreter: what one of them loads is loaded in the end, and the first that loads it is named."""
    code = f"""
import importlib, sys
for module in {DOMAIN!r}:
    importlib.import_module("ft_platform." + module)
    assert not (found := {{*{HEAVY!r}, "dagster"}} & set(sys.modules)), (module, found)
"""
    assert loaded_after(code) == set()


def test_a_way_back_waits_for_no_heavy_library():
    """Before the traffic is switched: with Dagster and SciPy's distributions it took 4 seconds, without them 1.4."""
    modules = "ft_platform.commands.rollback, ft_platform.release.releasing, ft_platform.monitoring.rollout.going_back"
    assert (
        loaded_after(f"import {modules}, sys; assert 'scipy.stats' not in sys.modules") & {"dagster", "torch", "mlflow"}
        == set()
    )


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [("models.guards.probe", {"ft_platform.lake", "pyarrow", "numpy", "pandas"}), ("lake", {"pandas"})],
    ids=["a process for each base model", "every program"],
)
def test_what_many_processes_import_stays_small(module, unwanted):
    code = f"import sys, ft_platform.{module}; assert not (found := {unwanted!r} & set(sys.modules)), found"
    assert loaded_after(code) == set()


def test_help_loads_nothing_but_the_standard_library():
    """What keeps `ft --help` below half a second: one package of those that the commands need costs more than all the
    rest."""
    code = """
import sys
before = set(sys.modules)
from ft_platform.cli import main
for words in (["--help"], ["run", "--help"], ["--version"]):
    sys.argv = ["ft", *words]
    try: main()
    except SystemExit: pass
    foreign = {m.split(".")[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names) - {"ft_platform"}
    assert not foreign, (words, foreign)
"""
    assert loaded_after(code) == set()
