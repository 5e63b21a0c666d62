"""The sources that are one table and not files: one file of `databases/` each, or of `formats/` where `source.format`
names it.

Such a module has `find(source, environment)`, which returns the table (a `parts.Part`) if the source is one of its
kind, else None. Nothing but local folders is looked at to tell.
"""

import importlib
from functools import cache
from typing import Protocol, cast

from ft_platform.sources.parts import Part
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.file_names import file_names
from ft_platform.use_case.settings.source import FORMATS, Source

PACKAGES = (FORMATS, "ft_platform.sources.databases")


class TableSource(Protocol):
    """A module that reads one kind of table."""

    @staticmethod
    def find(source: Source, environment: Environment) -> Part | None: ...


@cache
def table_sources() -> dict[str, TableSource]:
    """Every module that reads tables, by name."""
    modules = {
        name: importlib.import_module(f"{package}.{name}") for package in PACKAGES for name in file_names(package)
    }
    return {name: cast(TableSource, module) for name, module in sorted(modules.items()) if hasattr(module, "find")}


def find_table(source: Source, environment: Environment) -> Part | None:
    """The table that a source means, or None where it means files."""
    return next((table for module in table_sources().values() if (table := module.find(source, environment))), None)
