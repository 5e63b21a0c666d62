"""Loads every use case of a folder. One that does not load shows as an asset with its errors; the others go on."""

import gc
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import dagster as dg

from ft_platform.assets.order import Order
from ft_platform.errors import ConfigError, FtError
from ft_platform.errors.printable import printable
from ft_platform.orchestration.audit_log import audit_log_watch
from ft_platform.orchestration.catalog_watch import catalog_watch
from ft_platform.orchestration.fine_tuning import FineTuningUseCase
from ft_platform.orchestration.identities import is_served_here
from ft_platform.orchestration.lineage_watch import lineage_watch
from ft_platform.orchestration.places import with_places
from ft_platform.orchestration.shared import resources
from ft_platform.redaction.console import console_logger
from ft_platform.redaction.own_code import prints_kept, said_of
from ft_platform.redaction.withheld import Withheld
from ft_platform.stages import STAGES
from ft_platform.use_case.file import (
    FILE_NAME,
    component_type,
    find_use_cases,
    has_own_component,
    load_use_case,
    same_name,
    shown,
    unforeseen,
    use_case_folder,
)
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Meanwhile hundreds of thousands of objects are made, and they stay."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@nothing_collected()
def load_definitions(
    environment: Environment,
    only: str | None = None,
    overrides: dict[str, Any] | None = None,
    order: Order | None = None,
) -> dg.Definitions:
    """Definitions of all use cases, or of one with changed settings.

    Args:
        only: name of the one use case to load: running one out of many is several times faster so.
        overrides: dotted path -> value, for `only`.
        order: what a command asks of its one run.

    Raises:
        ConfigError: `only` is given and does not load or does not exist.
    """
    folders = [use_case_folder(environment.defs, only)] if only else find_use_cases(environment.defs)
    folders = [folder for folder in folders if is_served_here(environment, folder.name)]
    if only and not folders:
        remedy = f"Start it with the command: ft run {only}"
        raise ConfigError([f"{only} runs under an account of its own, and this process has another one"], remedy)
    loaded = []
    own = []
    use_cases: list[NamedUseCase] = []
    for name, folder in {folder.name: folder for folder in folders}.items():
        try:
            if problem := same_name(name, folders):
                raise ConfigError([problem])
            loaded.append(build(folder, environment, overrides, use_cases))
        except (FtError, dg.DagsterError) as error:
            if only:
                raise
            loaded.append(_broken(folder / FILE_NAME, str(error)))
        except Exception as error:  # nobody foresaw it: the others go on all the same
            if only:
                raise
            loaded.append(_broken(folder / FILE_NAME, str(unforeseen(folder / FILE_NAME, error))))
        else:
            own += [(len(loaded) - 1, folder)] if has_own_component(folder) else []
    sensor = dg.AutomationConditionSensorDefinition(
        "automation", target=dg.AssetSelection.all(), default_status=dg.DefaultSensorStatus.RUNNING
    )
    shared = dg.Definitions(
        resources=resources(environment, use_cases, order),
        executor=dg.in_process_executor,
        loggers={"console": console_logger(Withheld(environment.dagster_home))},
        sensors=[sensor, *lineage_watch(environment), *audit_log_watch(environment), *catalog_watch(environment)]
        if loaded
        else [],
    )
    if len(loaded) > 1:
        for place, folder in own:
            loaded[place] = _fitting(
                loaded[place],
                folder,
                environment,
                [shared, *(one for number, one in enumerate(loaded) if number != place)],
            )
    return dg.Definitions.merge(shared, *loaded)


def _fitting(
    own: dg.Definitions, folder: Path, environment: Environment, others: list[dg.Definitions]
) -> dg.Definitions:
    """The definitions of a use case with code of its own; its error where they do not go together with those of the
    others."""
    try:
        with _own_code(folder, Withheld(environment.dagster_home)):
            dg.Definitions.merge(*others, own).get_repository_def()
    except ConfigError as error:
        return _broken(folder / FILE_NAME, str(error))
    return own


def build(
    folder: Path,
    environment: Environment,
    overrides: dict[str, Any] | None = None,
    use_cases: list[NamedUseCase] | None = None,
) -> dg.Definitions:
    """The graph of one use case.

    Args:
        use_cases: gets the one that the stages read their settings from.

    Raises:
        ConfigError: with file and line of every problem, also of the code in its own folder.
    """
    if not has_own_component(folder):
        return _graph(load_component(folder, overrides, environment), environment, use_cases)
    with _own_code(folder, Withheld(environment.dagster_home)):
        made = _graph(load_component(folder, overrides, environment), environment, use_cases)
        # By itself: in the graph of all, a stage that it leaves out and another one reads would be a problem of all.
        dg.Definitions.merge(dg.Definitions(resources=resources(environment, [])), made).get_repository_def()
        return made


def _graph(
    component: FineTuningUseCase, environment: Environment, use_cases: list[NamedUseCase] | None
) -> dg.Definitions:
    use_case = component.use_case
    assert use_case.path
    definitions = with_places(component.build_defs(), environment, use_case.path)
    if use_cases is not None:
        use_cases.append(use_case)
    return definitions


def component_problems(folders: list[Path], environment: Environment) -> list[str]:
    """What is wrong with the code beside use-case files that name it; problems of the files themselves are left out."""
    problems: list[str] = []
    for folder in folders:
        try:
            load_use_case(folder)
        except ConfigError:
            continue
        if not is_served_here(environment, folder.name):
            continue  # its code would run here with the rights of this account
        try:
            build(folder, environment)
        except ConfigError as error:
            problems += error.problems
    return problems


@contextmanager
def _own_code(folder: Path, withheld: Withheld) -> Iterator[None]:
    """What the code in a use case's own folder raises becomes a problem of that use case, with file and line."""
    try:
        with prints_kept(folder.name, withheld):
            yield
    except (FtError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # also SystemExit, and a panic in Rust: each is a problem of this use case alone
        frames = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
        if isinstance(error, SyntaxError):
            frames.append((Path(error.filename or ""), error.lineno))
        file, line = next((frame for frame in reversed(frames) if folder in frame[0].parents), (folder / FILE_NAME, 1))
        text = str(error) if isinstance(error, dg.DagsterError) else said_of(error, folder.name, withheld)
        raise ConfigError([f"{' '.join(text.split())} ({shown(file)}:{line})"]) from error


def stages_of(folder: Path, environment: Environment) -> list[str]:
    """The stages of a use case's graph in their order: those of the platform, or what its own code makes of them.

    Raises:
        ConfigError: the file or its own code does not load.
    """
    if not has_own_component(folder) or not is_served_here(environment, folder.name):  # its code runs elsewhere
        return list(STAGES)
    with _own_code(folder, Withheld(environment.dagster_home)):
        return list(load_component(folder, environment=environment).stages())


def load_component(
    folder: Path, overrides: dict[str, Any] | None = None, environment: Environment | None = None
) -> FineTuningUseCase:
    """The component of one use case: FineTuningUseCase, or the class beside its `defs.yaml` that `type` names.

    Raises:
        ConfigError: with file and line of every problem.
    """
    use_case = load_use_case(folder, overrides, environment)
    type_name = component_type(folder)
    return (_own_class(folder / FILE_NAME, type_name) if type_name.startswith(".") else FineTuningUseCase)(use_case)


def _own_class(path: Path, type_name: str) -> type[FineTuningUseCase]:
    module_name, _, class_name = type_name.lstrip(".").rpartition(".")
    file = path.parent / f"{module_name}.py"
    if not file.is_file():  # nor a pipe, which would be waited for
        raise ConfigError([f"type {type_name!r} needs the file {file}, which does not exist ({path}:1)"])
    name = f"ft_platform_defs_{path.parent.name}_{module_name}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, FineTuningUseCase)):
        raise ConfigError([f"{file} has no class {class_name} derived from FineTuningUseCase ({path}:1)"])
    return found


def _broken(path: Path, message: str) -> dg.Definitions:
    name, file, message = path.parent.name, printable(str(path)), printable(message)
    known = bool(re.fullmatch(r"[a-z][a-z0-9_]*", name))
    shown_as = dg.AssetSpec(
        dg.AssetKey([name if known else f"folder_{sha256(os.fsencode(path)).hexdigest()[:12]}", "does_not_load"]),
        group_name=name if known else "broken",
        description=f"This use case does not load:\n\n```\n{message}\n```\n\nCorrect `{file}` and run `ft check`.",
        kinds={"error"},
        metadata={"file": file, "error": dg.MetadataValue.md(f"```\n{message}\n```")},
    )
    return dg.Definitions(assets=[shown_as])
