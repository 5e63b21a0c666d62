"""The code location and the command line stay light: every run process loads them."""

import subprocess
import sys

import pytest

from ft_platform_tests.conftest import REPOSITORY

HEAVY = ["torch", "transformers", "peft", "great_expectations", "mlflow", "spacy", "sklearn", "fairlearn", "matplotlib"]


def loaded_after(code: str) -> set[str]:
    report = f"{code}\nimport sys; print('LOADED', *[m for m in {[*HEAVY, 'dagster']!r} if m in sys.modules])"
    finished = subprocess.run(
        [sys.executable, "-c", report], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    line = next(line for line in finished.stdout.splitlines() if line.startswith("LOADED"))
    return set(line.split()[1:])


@pytest.mark.integration
def test_the_code_location_loads_without_heavy_libraries():
    loaded = loaded_after("from ft_platform.definitions import defs; defs().get_repository_def()")
    assert "dagster" in loaded
    assert loaded & set(HEAVY) == set()


DOMAIN = [
    "lake",
    "sources.ingest",
    "governance.permission",
    "cleaning.clean",
    "privacy.anonymize",
    "validation.expectations",
    "splitting.split",
]
DOMAIN += [
    "compute.backends.local",
    "compute.backends.torchrun",
    "training.inputs",
    "evaluation.inputs",
    "business.publish",
    "evaluation.fairness",
    "orchestration.results",
    "use_case",
    "environment",
    "errors",
    "records.columns",
    "models.renderer",
]


@pytest.mark.parametrize("module", DOMAIN)
def test_domain_packages_load_without_dagster_and_heavy_libraries(module):
    assert loaded_after(f"import ft_platform.{module}") == set()


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [("models.safety.probe", {"ft_platform.lake", "pyarrow", "numpy", "pandas"}), ("lake", {"pandas"})],
    ids=["a process for each base model", "every program"],
)
def test_what_many_processes_import_stays_small(module, unwanted):
    code = f"import sys, ft_platform.{module}; assert not (found := {unwanted!r} & set(sys.modules)), found"
    assert loaded_after(code) == set()


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"]], ids=" ".join)
def test_help_loads_nothing_but_the_standard_library(words):
    """What keeps `ft --help` below half a second: one package of those that the commands need costs more than all the
    rest."""
    code = "\n".join(
        [
            "import sys; before = set(sys.modules)",
            f"sys.argv = ['ft', *{words!r}]",
            "from ft_platform.cli import main",
            "try: main()",
            "except SystemExit: pass",
            (
                "foreign = {m.split('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names) -"
                " {'ft_platform'}"
            ),
            "assert not foreign, foreign",
        ]
    )
    assert loaded_after(code) == set()
