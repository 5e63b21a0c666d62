"""Settings of one run, as the launchpad and `dg launch --config-json` take them: what `ft run --set` can, without text.

`{"resources": {"settings": {"config": {"training": {"max_steps": 20}}}}}`. Text would lie in Dagster's database for
everybody to read; it goes into the use case's file. So fields with free text, lists and mappings are left out, and so
are limits: a release goes by the file.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from enum import Enum
from functools import cache
from typing import Any

import dagster as dg
from pydantic import Field, create_model

from ft_platform.errors import ConfigError
from ft_platform.use_case.fields import UseCaseField, fields
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

NAME = "settings"
"""Of the resource."""
USE_CASE_TAG = "ft/use_case"
"""Of runs of a use case's own jobs."""
BETWEEN_RUNS = ("retraining",)
"""Sections that say when runs start; none of them has a meaning inside one."""
LIMITS = ("gate", "fairness", "attacks", "privacy", "regression", "evaluation", "release", "serving")
"""Sections that say what a release needs. They are changed in the file, where others see it."""
TYPES: dict[str, type] = {"a whole number": int, "a number": float, "`true` or `false`": bool}


@cache
def settings_type() -> type[dg.Config]:
    """Sections and fields of a use case that a run may change, each with its description and bounds; none is needed."""
    return _section("", "Settings") or dg.Config


def _section(prefix: str, name: str) -> type[dg.Config] | None:
    made: dict[str, Any] = {}
    for field in fields().values():
        if field.path != f"{prefix}{field.name}" or "[]" in field.path or field.path in (*BETWEEN_RUNS, *LIMITS):
            continue
        found = _section(f"{field.path}.", _camel(field.path)) if field.is_section else _type_of(field)
        if found is not None:
            words = ". ".join(filter(None, [field.description.rstrip("."), field.bounds]))
            made[field.name] = (found | None, Field(default=None, description=words))
    return create_model(name, __base__=dg.Config, **made) if made else None


def _type_of(field: UseCaseField) -> type | None:
    if field.kind.startswith(("one of ", "`")) and field.kind not in TYPES:
        choices: Any = Enum(_camel(field.path), {choice: choice for choice in re.findall(r"`([^`]+)`", field.kind)})
        return choices
    return TYPES.get(field.kind)


def _camel(path: str) -> str:
    return "".join(word.capitalize() for word in re.split(r"[._]", path))


def overrides_of(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of what is set in the configuration of the resource."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from overrides_of(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value.value if isinstance(value, Enum) else value


def settings_resource(environment: Environment, use_cases: Iterable[NamedUseCase]) -> dg.ResourceDefinition:
    """The resource that takes the settings of a run, and gives them to every stage of its use cases until it ends.

    Raises:
        ConfigError: in the run: a setting is out of its bounds, with the path.
    """

    @dg.resource(
        config_schema=settings_type().to_config_schema(),
        description="Settings of the use case for one run only, as with `ft run --set`, except text.",
    )
    def settings(context: dg.InitResourceContext) -> Iterator[None]:
        overrides = dict(overrides_of(context.resource_config or {}))
        with ExitStack() as stack:
            for use_case in _of_run(context.run, use_cases) if overrides else []:
                assert use_case.path
                changed = load_use_case(use_case.path, overrides, environment)
                stack.enter_context(use_case.having(changed))
            yield

    return settings


def _of_run(run: dg.DagsterRun | None, use_cases: Iterable[NamedUseCase]) -> list[NamedUseCase]:
    """The use cases that a run makes something of.

    Raises:
        ConfigError: there are none.
    """
    selected = {key.path[0] for key in (run.asset_selection or ())} if run else set()
    names = selected or ({run.tags.get(USE_CASE_TAG)} if run else set())
    found = [use_case for use_case in use_cases if use_case.name in names]
    if not found:
        raise ConfigError(["this run makes no stage of a use case, so its settings would change nothing"])
    return found
