"""The file of a new use case for a source: looked at, proposed, rendered, and checked that it loads."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ft_platform.errors import ConfigError
from ft_platform.onboarding.proposal.propose import Proposal, propose, rounded_length
from ft_platform.onboarding.proposal.questions import OPEN, questions
from ft_platform.onboarding.proposal.rendered import GROWS, rendered_lengths
from ft_platform.sources.looking import Looked, look
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.problems import schema_problems
from ft_platform.use_case.scaffold import BASE_MODEL, nested, scaffold_yaml
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.source import Source

MOST_TOKENS = 2048
"""Of a proposed `training.max_length`: what `training.micro_batch_tokens` holds by default."""
CHARACTERS_PER_TOKEN = 3
"""Where no tokenizer is there: fewer than English text has, so that rows are rather thought too long than too short."""


@dataclass(frozen=True)
class Answers:
    """What a person answered: path -> value, and who it was: an e-mail address, or an account."""

    values: Mapping[str, Any] = field(default_factory=dict)
    person: str = ""

    @property
    def mark(self) -> str:
        """The comment behind each."""
        return f"answered by {self.person} on {datetime.now(UTC).date()}"


Ask = Callable[[Proposal, Looked], Answers]


@dataclass(frozen=True)
class Draft:
    """A file that can be written, and what it rests on."""

    text: str
    proposal: Proposal
    looked: Looked
    answers: Answers


def draft(
    name: str,
    uri: str,
    environment: Environment,
    stated: dict[str, Any],
    kind: str | None,
    *,
    every_field: bool = False,
    ask: Ask | None = None,
) -> Draft:
    """The file of a new use case for a source.

    Args:
        ask: asks a person what only people know. None: nobody is there, and each question is marked in the file.
        uri: what `source.uri` holds; a local path may be relative.
        stated: path -> value that a person has given, such as `source.table` or `governance.licence`.

    Raises:
        ConfigError: what is stated does not fit, or there is nothing to learn from.
        SourceError, TransientError: the source cannot be looked at.
    """
    uri = str(Path(uri).expanduser().absolute()) if "://" not in uri else uri
    source = {"uri": uri} | {
        path.removeprefix("source."): value for path, value in stated.items() if path.startswith("source.")
    }
    looked = look(Source.model_validate(source), environment)
    made = propose(name, looked, stated, kind)
    answers = ask(made, looked) if ask else Answers()
    if answers.values:
        stated = {**stated, **answers.values}
        made = propose(name, looked, stated, kind)
        made.why |= dict.fromkeys(answers.values, answers.mark)
    made.values = {
        "description": f"Say in a sentence what {name} does, and for whom.",
        "owners.accountable": "team:name-of-your-team",
        "source.uri": uri,
        **made.values,
        "release.intended_use": "Not stated yet: say what the model may be used for.",
        **({} if "base_model.uri" in stated else BASE_MODEL),
        **stated,
    }
    for question in questions(made, looked, stated):
        if not question.proposed:
            made.set(question.path, made.values.get(question.path, question.empty), f"{OPEN}{question.mark}")
    made.why["source.uri"] = f"{looked.rows.num_rows:,} rows looked at{', which is all' if looked.complete else ''}"
    if looked.differing:
        made.set("record.optional_columns", sorted(_mapped(made) & looked.differing), "some files lack them")
    settings, problems = schema_problems(nested(made.values), {})
    if settings is None or problems:
        raise ConfigError([text for _, text in problems], "Correct what --set states")
    if "training.max_length" not in stated:
        _set_max_length(made, NamedUseCase(name=name, settings=settings), looked, environment)
    text = scaffold_yaml(name, values=made.values, why=made.why, every_field=every_field)
    return Draft(text, made, looked, answers)


def _mapped(made: Proposal) -> frozenset[str]:
    return frozenset(made.roles())


def _set_max_length(made: Proposal, use_case: NamedUseCase, looked: Looked, environment: Environment) -> None:
    """From rendered rows: written into the file, so that a checkpoint's settings say it, and new rows change no
    training by it."""
    lengths = rendered_lengths(use_case, looked.rows, environment)
    if lengths:
        most, fixed = float(np.quantile(lengths.rows, 0.99)), max(lengths.fixed)
        needed = max(most, fixed) * GROWS
        why = (
            f"tokens: 99 of 100 rendered rows have at most {round(most):,}; a third more, as replaced names are longer"
        )
        if fixed > most:
            why = f"tokens: the longest answer needs {fixed:,}; a third more, as replaced names are longer"
    else:
        columns = [one for one in made.columns if one.name in _mapped(made) and one.kind in ("text", "list", "code")]
        needed = sum(one.lengths[2] for one in columns) / CHARACTERS_PER_TOKEN + 64
        why = "tokens, from the characters of the texts: the base model is not on this machine"
    length = rounded_length(needed)
    if length > MOST_TOKENS:
        why += f"; no more than {MOST_TOKENS:,}, because long rows cost memory"
        long = sum(one * GROWS > MOST_TOKENS for one in lengths.fixed) if lengths else 0
        if long:
            share = math.ceil(100 * long / looked.rows.num_rows + 1) / 100
            made.set("audit.max_left_out_share", share, f"{long:,} rows or more have longer answers, and are left out")
    made.set("training.max_length", min(length, MOST_TOKENS), why)
    if lengths and lengths.with_tools:
        made.why["base_model.uri"] = "knows no tools: name one that does, or rows with calls of tools stop the audit"
