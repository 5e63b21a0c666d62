"""Reads `defs/<use_case>/defs.yaml` into a checked use case, and says what is wrong with it: all of it, with file and
line.

The file has a `type:` (the component) and `attributes:` (the schema in `use_case.py`). `{{ env.NAME }}` inside a string
is replaced by that environment variable; such values never appear in a message.
"""

import json
import os
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ft_platform.errors import ConfigError, FtError
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.fields import COMPONENT_TYPE, FIELDS, fields
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.problems import NO_TEXT, did_you_mean, dotted, field_at, schema_problems
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.privacy import entity_names
from ft_platform.use_case.settings.section import UseCaseName
from ft_platform.use_case.yaml_file import Place, YamlFile, parse_yaml, read_yaml, yaml_scalar

FILE_NAME = "defs.yaml"
NAME = TypeAdapter(UseCaseName)
LOCAL_TYPE = re.compile(r"^\.[a-z_]\w*\.[A-Za-z_]\w*$")
CHANGE_NO_RESULT = ("compute.", "training.continue_from")
"""Settings that a run may have of its own and still lead to a release: where programs run, and which weights a training
starts from, which its checkpoint names."""
TEMPLATE = re.compile(r"\{\{(.*?)\}\}")
ENV = re.compile(r"^\s*env\.([A-Za-z_][A-Za-z0-9_]*)\s*$")


@dataclass
class Reading:
    """One file on its way to a use case: its attributes, where each came from, and what is wrong with them."""

    file: Path
    document: YamlFile
    attributes: dict[str, Any] = field(default_factory=dict)
    overridden: dict[Place, str] = field(default_factory=dict)
    from_environment: dict[Place, list[str]] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Of the use case: that of the folder."""
        return self.file.parent.name

    def add(self, place: Place, text: str) -> None:
        """Notes a problem at a place in the file, from its root."""
        self.problems.append(
            (self.document.line_of(place), f"{text} ({shown(self.file)}:{self.document.line_of(place)})")
        )

    def add_attribute(self, place: Place, text: str) -> None:
        """Notes a problem at a place in the attributes; where it or what it lies in was set on the command line, that
        is its place."""
        set_by = (self.overridden.get(place[:length]) for length in range(len(place), 0, -1))
        if override := next(filter(None, set_by), None):
            self.problems.append((0, f"{text} (--set {override})"))
        else:
            self.add(("attributes", *place), text)

    def error(self) -> ConfigError:
        """All problems in the order of the file, without values that came from environment variables."""
        texts = [text for _, text in sorted(dict.fromkeys(self.problems), key=lambda problem: problem[0])]
        secrets = {os.environ[name]: name for names in self.from_environment.values() for name in names}
        for secret, name in secrets.items():
            texts = [text.replace(secret, f"<{name}>") if len(secret) >= 4 else text for text in texts]
        return ConfigError(texts)


def find_use_cases(defs: Path) -> list[Path]:
    """Folders below `defs` that hold a use case, sorted by name. Hidden folders do not count, and links to folders are
    not followed."""
    folders = []
    for folder, below, files in os.walk(defs):
        folders += [Path(folder)] if FILE_NAME in (*files, *below) else []
        below[:] = [name for name in below if not name.startswith((".", "__")) and name != FILE_NAME]
    return sorted(folders, key=lambda folder: (folder.name, folder))


def component_type(folder: Path) -> str:
    """What a use case's file names as its `type`; "" where it cannot be read or names none."""
    value = read_yaml(folder / FILE_NAME, to_change=False).value
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else ""


def has_own_component(folder: Path) -> bool:
    """Whether the file names a class beside it as its component."""
    return component_type(folder).startswith(".")


def use_case_folder(defs: Path, name: str) -> Path:
    """The folder of a use case.

    Raises:
        ConfigError: there is none with this name, and the closest name is suggested; or there are several.
    """
    folders = find_use_cases(defs)
    by_name = {p.name: p for p in folders}
    if problem := same_name(name, folders):
        raise ConfigError([problem])
    if name not in by_name:
        raise ConfigError(
            [
                f"there is no use case {name!r} in"
                f" {shown(defs)}{did_you_mean(name, by_name) or '; there are ' + (', '.join(by_name) or 'none')}"
            ]
        )
    return by_name[name]


def same_name(name: str, folders: list[Path]) -> str:
    """What is wrong where several use cases have one name, or an empty text: neither is meant more than the other."""
    found = [folder for folder in folders if folder.name == name]
    return (
        f"{len(found)} use cases have the name {name}: {' and '.join(map(shown, found))}; rename all but one"
        if len(found) > 1
        else ""
    )


def load_use_case(
    path: Path,
    overrides: dict[str, Any] | None = None,
    environment: Environment | None = None,
    *,
    closer: Callable[[Reading, UseCase | None, Policy], None] | None = None,
) -> NamedUseCase:
    """The use case in a folder (or in the `defs.yaml` that is named).

    Args:
        overrides: dotted path -> value, applied before the file is checked; see `parse_overrides`.
        environment: whose compute profiles may be named, and whose policy the use case is judged under. Default: that
            of this process.
        closer: notes what would only stop a run later (`onboarding.rehearsal.file_problems`). The code location leaves
            it out: there the checks of the stages and the gate say it.

    Raises:
        ConfigError: with every problem of the file.
    """
    file = path / FILE_NAME if path.is_dir() else path
    if not file.exists() and not file.is_symlink():
        raise ConfigError(
            [f"there is no {shown(file)}"],
            f"Write one with: ft new {file.parent.name if path.is_dir() else path.name}",
        )
    try:
        return _loaded(file, overrides or {}, environment, closer)
    except FtError:
        raise
    except Exception as error:
        raise unforeseen(file, error) from error


def unforeseen(file: Path, error: Exception) -> ConfigError:
    """What nobody foresaw while a file was read, as a problem of that file alone: other use cases go on. The message
    may hold a value of the file, so type and place are told."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"
    problem = f"the platform has no words for what is wrong with this file: {what} ({shown(file)}:1)"
    return ConfigError([problem], "Take out what was changed last, and report it with the file")


def _loaded(
    file: Path,
    overrides: dict[str, Any],
    environment: Environment | None,
    closer: Callable[[Reading, UseCase | None, Policy], None] | None,
) -> NamedUseCase:
    reading = Reading(file, read_yaml(file))
    if reading.document.broken:
        for line, text in reading.document.problems:
            reading.problems.append((line, f"{text} ({shown(file)}:{line})"))
        raise reading.error()
    _check_frame(reading)
    environment = environment or load_environment()
    settings = _read_attributes(reading, overrides, environment)
    if closer:
        closer(reading, settings, environment.policy)
    if reading.problems or settings is None:
        raise reading.error()
    changed = {path: value for path, value in (overrides or {}).items() if not path.startswith(CHANGE_NO_RESULT)}
    return NamedUseCase(
        name=reading.name,
        settings=settings,
        path=file,
        policy=environment.policy,
        people=environment.people,
        overridden=tuple(readable(changed)),
    )


def as_filed(use_case: NamedUseCase, environment: Environment) -> NamedUseCase:
    """The use case as its file says. `overridden` still names what the run has set for itself.

    Raises:
        ConfigError: the file alone is none.
    """
    if use_case.path is None or not use_case.overridden:
        return use_case
    filed = load_use_case(use_case.path, None, environment)
    return filed.model_copy(update={"overridden": use_case.overridden})


def readable(overrides: Mapping[str, Any]) -> list[str]:
    """Settings as they were typed. One with text shows its name only: it may name a person's file."""
    return [
        f"{path}={json.dumps(value)}" if isinstance(value, int | float | bool | None) else path
        for path, value in overrides.items()
    ]


def parse_overrides(texts: list[str]) -> dict[str, Any]:
    """`["training.epochs=1", "record.consent=null"]` as path -> value; values are read as YAML.

    Raises:
        ConfigError: no `=`, a value that is not YAML, or a path that is not a field.
    """
    overrides: dict[str, Any] = {}
    problems = []
    for text in texts:
        path, equals, value = text.partition("=")
        path = path.strip()
        if not equals or not path:
            problems.append(f"--set {text} is not of the form path.to.field=value")
        elif problem := _path_problem(path):
            problems.append(f"--set {path} {problem}")
        else:
            found = parse_yaml(value)
            overrides[path] = found.value
            if found.problems:
                problems.append(f"--set {path}: the value is not YAML; put it in quotes, e.g. --set '{path}=\"...\"'")
    if problems:
        raise ConfigError(problems)
    return overrides


def shown(path: Path) -> str:
    """A path as people know it: relative to the working directory where it lies below it."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _check_frame(reading: Reading) -> None:
    """Folder name, duplicate keys, `type` and `attributes`."""
    try:
        NAME.validate_python(reading.name)
    except ValidationError:
        reading.add(
            (),
            "the folder's name is the use case's name: 2 to 61 lower case letters, digits and `_`, a letter first, got"
            f" {reading.name!r}",
        )
    for line, text in reading.document.problems:
        reading.problems.append((line, f"{text} ({shown(reading.file)}:{line})"))
    value = reading.document.value
    if not isinstance(value, dict):
        reading.add((), "the file must hold `type` and `attributes`" + (", and is empty" if value is None else ""))
        return
    for key in value:
        if key not in FIELDS:
            reading.add(
                (key,),
                f"{key} is not a field of the file{did_you_mean(key, FIELDS) or '; it has ' + ', '.join(FIELDS)}",
            )
    kind = value.get("type")
    if kind is None:
        reading.add((), f"type is required: `type: {COMPONENT_TYPE}`")
    elif kind != COMPONENT_TYPE and not (isinstance(kind, str) and LOCAL_TYPE.match(kind)):
        reading.add(
            ("type",), f"type must be {COMPONENT_TYPE}, or .<module>.<Class> of a file in the same folder, got {kind!r}"
        )
    if not isinstance(value.get("attributes"), dict):
        reading.add(("attributes",), "attributes is required: a mapping with the sections of the use case")


def _read_attributes(reading: Reading, overrides: dict[str, Any], environment: Environment) -> UseCase | None:
    attributes = reading.document.value.get("attributes") if isinstance(reading.document.value, dict) else None
    if not isinstance(attributes, dict):
        return None
    # A section whose lines are all commented out reads as null: it has its defaults.
    empty = [key for key, value in attributes.items() if value is None]
    sections = {path for path, f in fields().items() if f.is_section} if empty else set[str]()
    reading.attributes = {**attributes, **{key: {} for key in empty if key in sections}}
    _apply_overrides(reading, overrides)
    unset = _fill_in(reading)
    settings, found = schema_problems(reading.attributes, reading.from_environment)
    for place, text in found:
        if place not in unset:
            reading.add_attribute(place, text)
    if settings:
        _check_installation(reading, settings, environment)
    return settings


def _path_problem(path: str) -> str:
    """Why a dotted path is not one that can be set, or an empty text."""
    known = fields()
    if path in known:
        return ""
    parts = path.split(".")
    for length in range(len(parts) - 1, 0, -1):
        parent = known.get(".".join(parts[:length]))
        if parent and not parent.is_section and parent.kind.startswith("a mapping"):
            return ""
    return "is not a field" + (did_you_mean(path, known) or "; `ft schema` lists them")


def _apply_overrides(reading: Reading, overrides: dict[str, Any]) -> None:
    for path, value in overrides.items():
        if problem := _path_problem(path):
            raise ConfigError([f"--set {path} {problem}"])
        place = place_of(path)
        target: dict[Any, Any] = reading.attributes
        for key in place[:-1]:
            if not isinstance(target.get(key), dict):
                target[key] = {}
            target = target[key]
        target[place[-1]] = value
        reading.overridden[place] = path


def place_of(path: str) -> Place:
    """The keys of a dotted path. What follows a mapping field is one key, whatever dots it has
    (`record.label_names.a.b`)."""
    parts = path.split(".")
    for length in range(1, len(parts)):
        field_ = fields().get(".".join(parts[:length]))
        if field_ and not field_.is_section:
            return (*parts[:length], ".".join(parts[length:]))
    return tuple(parts)


def _fill_in(reading: Reading) -> set[Place]:
    """Replaces `{{ env.NAME }}` in all strings. Returns the places where that was not possible."""
    failed: set[Place] = set()

    def fill(value: Any, place: Place) -> Any:
        if isinstance(value, dict):
            return {key: fill(item, (*place, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [fill(item, (*place, position)) for position, item in enumerate(value)]
        if not isinstance(value, str) or not TEMPLATE.search(value):
            return value
        filled = TEMPLATE.sub(lambda match: replace(match, place), value)
        known = field_at(place, reading.attributes)
        return yaml_scalar(filled) if known and known.kind in NO_TEXT else filled

    def replace(match: re.Match[str], place: Place) -> str:
        variable = ENV.match(match.group(1))
        name = variable.group(1) if variable else ""
        if name in os.environ:
            reading.from_environment.setdefault(place, []).append(name)
            return os.environ[name]
        failed.add(place)
        if name:
            reading.add_attribute(place, f"{dotted(place)} needs the environment variable {name}, which is not set")
        else:
            reading.add_attribute(
                place, f"{dotted(place)} holds {match.group(0)!r}; only `{{{{ env.NAME }}}}` can stand in double braces"
            )
        return match.group(0)

    reading.attributes = fill(reading.attributes, ())
    return failed


def _check_installation(reading: Reading, settings: UseCase, environment: Environment) -> None:
    """What the schema alone cannot know: the compute profiles and channels of this installation, the entities that
    have a recognizer."""
    profile, known = settings.compute.profile, environment.profiles
    if profile not in known:
        text = (
            f"compute.profile must be a profile of this environment ({', '.join(sorted(known))}), got"
            f" {profile!r}{did_you_mean(profile, known)}"
        )
        reading.add_attribute(("compute", "profile"), text)
    channels = environment.alerting.channels
    for position, name in enumerate(settings.monitoring.alerts):
        if name not in channels:
            known_ones = did_you_mean(name, channels) or f"; there are {', '.join(sorted(channels)) or 'none'}"
            text = f"monitoring.alerts: {name!r} is no channel of `alerting` in ft_environment.yaml{known_ones}"
            reading.add_attribute(("monitoring", "alerts", position), text)
    named: list[tuple[Place, str]] = [
        (("privacy", "entities", position), name) for position, name in enumerate(settings.privacy.entities)
    ]
    named += [
        (("privacy", field, name), name)
        for field in ("operators", "left_out")
        for name in getattr(settings.privacy, field)
    ]
    known_entities = entity_names()
    for name in settings.privacy.custom:
        if name in known_entities:
            reading.add_attribute(
                ("privacy", "custom", name),
                f"privacy.custom: {name} is an entity of the platform already, give yours another name",
            )
    entities = [*known_entities, *settings.privacy.custom]
    for place, name in named:
        if name not in entities:
            hint = did_you_mean(name, entities) or f"; there are {', '.join(entities)}"
            reading.add_attribute(place, f"{dotted(place[:2])}: {name!r} is not an entity{hint}")
