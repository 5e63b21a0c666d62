"""Settings whose values are the files of a folder: a new file is a new value, and nothing lists them a second time."""

import importlib.util
import pkgutil
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

LONGEST_GOT = 60
"""Characters of a wrong value that a message quotes."""


def file_names(package: str) -> list[str]:
    """The modules in the folder of a package, sorted. None of them is imported, nor is the package itself."""
    found = importlib.util.find_spec(package)
    assert found and found.submodule_search_locations, f"{package} is not a package"
    return sorted(module.name for module in pkgutil.iter_modules(found.submodule_search_locations))


@dataclass(frozen=True)
class NameOfFile:
    """Annotation of a text that must name a file of a folder, as in `Annotated[str,
    NameOfFile("ft_platform.compute.backends")]`.

    Attributes:
        package: whose folder it is.
        others: names that are allowed beside them.
        without: files that are not.
    """

    package: str
    others: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """What may stand there."""
        return [*self.others, *(name for name in file_names(self.package) if name not in self.without)]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "enum": self.names()}

    def _checked(self, value: str) -> str:
        names = self.names()
        if value not in names:
            close = get_close_matches(value, names, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise PydanticCustomError(
                "literal_error",
                "must be one of {expected}, got {got}{hint}",
                {"expected": ", ".join(names), "got": repr(value[:LONGEST_GOT]), "hint": hint},
            )
        return value
