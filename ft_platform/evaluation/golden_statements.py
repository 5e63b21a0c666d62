"""Golden prompts that experts write without the file of the use case: signed statements with who and when.

They count beside `evaluation.golden` of the file: each is asked by the next evaluation, at every comparison of an
endpoint with that evaluation, and is a rule of the release from the moment it is written. Covered: a prompt that was
altered, and one that holds direct identifiers. Not covered: names without a form of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from ft_platform.errors import ConfigError, DataError
from ft_platform.lake.manifest import now
from ft_platform.lake.store import Lake
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import Person
from ft_platform.people.statements import Stated, state, statements, take_back
from ft_platform.privacy.residual import residual
from ft_platform.process.reasons import require_reason
from ft_platform.records.columns import MESSAGES
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import feature_columns
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.golden import GoldenPrompt
from ft_platform.use_case.settings.hash import settings_hash

KIND = "golden"
MOST = 200
"""Prompts of an expert in force, as in `evaluation.golden`: each is asked at every evaluation."""


@dataclass(frozen=True)
class StatedPrompt:
    """A prompt in force.

    Attributes:
        person: who wrote it.
        at: when, ISO 8601.
    """

    prompt: GoldenPrompt
    person: str
    at: str
    stated: Stated


def stated_prompts(lake: Lake, use_case: NamedUseCase) -> list[StatedPrompt]:
    """Prompts that experts wrote and nobody took back, by name.

    Raises:
        CorruptVersion: one was altered.
    """
    found = [one for one in statements(lake, use_case, KIND) if not one.taken_back]
    prompts = [
        StatedPrompt(GoldenPrompt.model_validate(one.said["prompt"]), one.said["person"], one.said["at"], one)
        for one in found
    ]
    return sorted(prompts, key=lambda one: one.prompt.name)


def golden_prompts(lake: Lake, use_case: NamedUseCase) -> list[GoldenPrompt]:
    """Those of the file, then those of experts.

    Raises:
        ConfigError: a prompt of the file has the name of another one.
        CorruptVersion: one was altered.
    """
    own = use_case.settings.evaluation.golden
    stated = [one.prompt for one in stated_prompts(lake, use_case)]
    if both := sorted({one.name for one in own} & {one.name for one in stated}):
        problem = f"`evaluation.golden` of {use_case.name} and an expert have a prompt named {both[0]}"
        raise ConfigError([problem], f"Rename it in the file, or: ft golden remove {use_case.name} {both[0]}")
    return [*own, *stated]


def with_golden(lake: Lake, use_case: NamedUseCase) -> NamedUseCase:
    """The use case as if its file had all of them. Raises as `golden_prompts`."""
    evaluation = use_case.settings.evaluation.model_copy(update={"golden": golden_prompts(lake, use_case)})
    return use_case.model_copy(update={"settings": use_case.settings.model_copy(update={"evaluation": evaluation})})


def fingerprint(lake: Lake, use_case: NamedUseCase) -> str:
    """What an evaluation depends on beside the file; empty where no expert wrote a prompt."""
    stated = stated_prompts(lake, use_case)
    return settings_hash({one.prompt.name: one.prompt.model_dump(mode="json") for one in stated}) if stated else ""


def add_prompt(
    lake: Lake,
    use_case: NamedUseCase,
    person: Person,
    name: str,
    prompt: str,
    must_say: Sequence[str | list[str]],
    must_never_say: Sequence[str],
) -> dict[str, Any]:
    """Keeps a prompt.

    Args:
        must_say: phrases; of a list, one is enough.

    Returns:
        The statement.

    Raises:
        ConfigError: it cannot be meant, or there is one with its name.
        DataError: it holds personal data.
    """
    try:
        made = GoldenPrompt(name=name, prompt=prompt, must_say=[*must_say], must_never_say=[*must_never_say])
    except ValidationError as error:
        raise ConfigError([_problem(one) for one in error.errors()[:5]]) from None
    known = {one.name for one in golden_prompts(lake, use_case)}
    if made.name in known:
        raise ConfigError([f"{use_case.name} has a golden prompt {made.name}"], "Remove it first, or name another one")
    if len(known) >= MOST:
        raise ConfigError([f"{use_case.name} has {len(known)} golden prompts, expected at most {MOST}"])
    _require_no_personal_data(use_case, made)
    said = {"prompt": made.model_dump(mode="json"), "at": now("milliseconds")}
    said |= {"person": person.name, "known_by": person.known_by}
    note(lake, use_case, "annotation", "wrote a golden prompt", person, prompt=made.name)
    return state(lake, use_case, KIND, said, [])


def remove_prompt(lake: Lake, use_case: NamedUseCase, person: Person, name: str, reason: str) -> None:
    """Takes a prompt of an expert back; it stays on record.

    Raises:
        ConfigError: no reason is named.
        DataError: no expert wrote one of that name.
    """
    found = next((one for one in stated_prompts(lake, use_case) if one.prompt.name == name), None)
    if found is None:
        in_file = name in {one.name for one in use_case.settings.evaluation.golden}
        remedy = "Take it out of the file" if in_file else f"See: ft golden list {use_case.name}"
        raise DataError(f"no expert wrote a golden prompt {name!r} for {use_case.name}", remedy)
    reason = require_reason(reason)
    note(lake, use_case, "annotation", "took a golden prompt back", person, prompt=name)
    take_back(lake, use_case, found.stated, by=person.name, known_by=person.known_by, reason=reason)


def _problem(error: Any) -> str:
    """What is wrong with a field, without its words."""
    place = ".".join(map(str, error["loc"]))
    return f"{place}: {error['msg']}" if place else str(error["msg"])


def _require_no_personal_data(use_case: NamedUseCase, made: GoldenPrompt) -> None:
    phrases = [phrase for any_of in made.wanted for phrase in any_of]
    texts = [{"role": "user", "content": one} for one in (made.prompt, *phrases, *made.must_never_say)]
    columns: dict[str, Any] = {
        "record_id": pa.array([made.name], pa.string()),
        "messages": pa.array([texts], MESSAGES),
        **{name: pa.nulls(1, pa.string()) for name in ("label", *feature_columns(use_case))},
    }
    scanned = residual(use_case, TableRows(pa.table(columns)))
    if scanned["rows_with_finding"]:
        kinds = ", ".join(scanned["findings"])
        raise DataError(f"the golden prompt holds personal data ({kinds})", "Reports quote it: leave that out")
