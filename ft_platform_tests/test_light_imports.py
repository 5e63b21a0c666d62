"""The code location and the command line stay light: every run process loads them."""

import subprocess
import sys

import pytest

from ft_platform_tests.conftest import REPOSITORY

HEAVY = ["torch", "transformers", "peft", "great_expectations", "mlflow", "spacy", "sklearn", "fairlearn", "matplotlib"]


def loaded_after(code: str) -> set[str]:
    report = f"{code}\nimport sys; print('LOADED', *[m for m in {[*HEAVY, 'dagster']!r} if m in sys.modules])"
    finished = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    line = next(line for line in finished.stdout.splitlines() if line.startswith("LOADED"))
    return set(line.split()[1:])


def test_the_code_location_loads_without_heavy_libraries():
    loaded = loaded_after("from ft_platform.definitions import defs; defs().get_repository_def()")
    assert "dagster" in loaded
    assert loaded & set(HEAVY) == set()


DOMAIN = ["lake", "sources.ingest", "governance.permission", "cleaning.clean", "privacy.anonymize", "validation.expectations", "splitting.split"]
DOMAIN += [
    "training.inputs",
    "evaluation.inputs",
    "evaluation.fairness",
    "results",
    "use_case",
    "environment",
    "errors",
    "records",
    "models.renderer",
]


@pytest.mark.parametrize("module", DOMAIN)
def test_domain_packages_load_without_dagster_and_heavy_libraries(module):
    assert loaded_after(f"import ft_platform.{module}") == set()


def test_help_loads_neither_dagster_nor_arrow():
    code = "\n".join(
        [
            "import sys; sys.argv = ['ft', '--help']",
            "from ft_platform.cli import main",
            "try: main()",
            "except SystemExit: pass",
            "assert not {'pyarrow', 'pandas'} & set(sys.modules)",
        ]
    )
    assert loaded_after(code) == set()
