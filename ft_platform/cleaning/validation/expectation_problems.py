"""What Great Expectations does not accept of the expectations in a use case's file, with the place of each."""

import re
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.problems import LONGEST_GOT, Problem, dotted
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.source import RecordMapping
from ft_platform.use_case.settings.validation import Expectation, Validation
from ft_platform.use_case.yaml_file import Place

PROBLEM = re.compile(
    r"validation\.expectations\[(?P<position>\d+)\]\.(?P<field>expectation|kwargs)(\.(?P<argument>\w+))?(?P<text>.*)",
    re.DOTALL,
)


def expectation_problems_in(
    name: str, attributes: dict[str, Any], from_environment: dict[Place, list[str]]
) -> list[Problem]:
    """Problems of the expectations that the schema accepts; it has said what is wrong with the others.

    Imports Great Expectations (4 s) where there are any. Other sections may be wrong, except `record`: its features are
    columns.

    Args:
        name: of the use case.
        attributes: what the file holds, environment variables filled in.
        from_environment: place -> the variables that its value came from.
    """
    sound = _sound_expectations(attributes.get("validation"))
    try:
        record = RecordMapping.model_validate(attributes.get("record"))
    except ValidationError:
        return []
    if not sound:
        return []
    from ft_platform.cleaning.validation.suite import expectation_problems

    settings = UseCase.model_construct(
        record=record, validation=Validation.model_construct(expectations=list(sound.values()))
    )
    found = expectation_problems(NamedUseCase.model_construct(name=name, settings=settings))
    return [_placed(problem, list(sound), attributes, from_environment) for problem in found]


def _sound_expectations(validation: Any) -> dict[int, Expectation]:
    """Position in the file -> expectation."""
    listed = validation.get("expectations") if isinstance(validation, dict) else None
    sound = {}
    for position, value in enumerate(listed if isinstance(listed, list) else []):
        with suppress(ValidationError):
            sound[position] = Expectation.model_validate(value)
    return sound


def _placed(
    problem: str, positions: list[int], attributes: dict[str, Any], from_environment: dict[Place, list[str]]
) -> Problem:
    """A line of `cleaning.validation.suite.expectation_problems` as a place and a sentence with what stands there."""
    found = PROBLEM.search(problem)
    assert found, problem
    position = positions[int(found["position"])]
    place: Place = ("validation", "expectations", position, found["field"], *filter(None, [found["argument"]]))
    arguments = attributes["validation"]["expectations"][position].get("kwargs", {})
    # Sentences about names hold the name; those of Great Expectations about a value do not hold the value.
    about_value = (
        found["text"].startswith(": ")
        and " is not a column of " not in found["text"]
        and found["argument"] in arguments
    )
    got = f", got {_got(arguments[found['argument']], place, from_environment)}" if about_value else ""
    return place, f"{dotted(place)}{found['text']}{got}"


def _got(value: Any, place: Place, from_environment: dict[Place, list[str]]) -> str:
    variables = sorted(
        {name for where, names in from_environment.items() if where[: len(place)] == place for name in names}
    )
    if variables:
        return f"the value of {', '.join(variables)}"
    return repr(value) if len(repr(value)) <= LONGEST_GOT else f"{repr(value)[:LONGEST_GOT]}..."
