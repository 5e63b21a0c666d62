"""The sources that are one table and not files: one file of this folder each.

Such a module has `find(source, environment)`, which returns the table (a `parts.Part`) if the source is one of its kind, else None.
Nothing but local folders is looked at to tell.
"""

import importlib
import pkgutil
from functools import cache
from typing import Protocol, cast

from ft_platform import sources
from ft_platform.environment import Environment
from ft_platform.settings.source import Source
from ft_platform.sources.parts import Part


class TableSource(Protocol):
    """A module of this folder that reads one kind of table."""

    @staticmethod
    def find(source: Source, environment: Environment) -> Part | None: ...


@cache
def table_sources() -> dict[str, TableSource]:
    """Every module of this folder that reads tables, by name."""
    modules = {m.name: importlib.import_module(f"{sources.__name__}.{m.name}") for m in pkgutil.iter_modules(sources.__path__)}
    return {name: cast(TableSource, module) for name, module in sorted(modules.items()) if hasattr(module, "find")}


def find_table(source: Source, environment: Environment) -> Part | None:
    """The table that a source means, or None where it means files."""
    return next((table for module in table_sources().values() if (table := module.find(source, environment))), None)
