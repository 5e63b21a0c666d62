"""What only people know about a source: each question in words, what the columns propose, and the fields that an answer
fills."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from ft_platform.onboarding.proposal.propose import NOBODY, Proposal, feature_name
from ft_platform.sources.looking import Looked
from ft_platform.use_case.settings.governance import TO_BE_STATED
from ft_platform.use_case.settings.licences import PROPRIETARY, canonical_licence

OPEN = "OPEN: "
"""Begins the comment behind a field that waits for an answer: one line for each question."""
NONE, OWN = "none", "own"
Fields = dict[str, Any]


class Unclear(Exception):
    """An answer that fits no field; the sentence says why."""


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        path: the field that it is about, where it is marked as open.
        asks: in words.
        mark: the same in the file, in short.
        proposed: the answer that Enter gives; empty: Enter leaves it open.
        fields: what an answer fills. Raises Unclear.
        empty: value of the field while nobody has answered.
    """

    path: str
    asks: str
    mark: str
    proposed: str
    fields: Callable[[str], Fields]
    empty: Any = None


def questions(
    made: Proposal, looked: Looked, answered: Mapping[str, Any], proposed_person: str = ""
) -> Iterator[Question]:
    """What is still to be asked, one after the other: what is `answered` meanwhile decides about the next.

    Args:
        answered: path -> value; what was stated from the start, and every answer as it is given.
        proposed_person: e-mail address of who probably sits there.
    """
    for ask in ASKED:
        question = ask(made, looked, answered)
        if question and answered.get(question.path, [TO_BE_STATED]) == [TO_BE_STATED]:
            known = question.path == "owners.accountable" and proposed_person
            yield Question(**{**vars(question), "proposed": proposed_person}) if known else question


def _person(path: str) -> Callable[[str], Fields]:
    def fields(text: str) -> Fields:
        if "@" not in text.strip("@ ") or " " in text.strip():
            raise Unclear("That is no e-mail address")
        return {path: text.strip()}

    return fields


def _accountable(made: Proposal, looked: Looked, answered: Mapping[str, Any]) -> Question:
    asks = "Your e-mail address: you answer for this use case, and it goes beside your answers."
    path, so_far = "owners.accountable", made.values.get("owners.accountable")
    return Question(path, asks, "an e-mail address, or team:<name>", "", _person(path), so_far)


def _licence(made: Proposal, looked: Looked, answered: Mapping[str, Any]) -> Question | None:
    if "record.licence" in made.values:
        return None
    asks = (
        f"Whose records are these? `{OWN}` for your organization's own, or the licence of a published data set, such as"
        " CC-BY-4.0."
    )

    def fields(text: str) -> Fields:
        licence = PROPRIETARY if text.casefold() == OWN else canonical_licence(text)
        if licence is None:
            raise Unclear("That is no licence: an SPDX id (https://spdx.org/licenses/), or LicenseRef-<name>")
        return {"governance.licence": licence}

    return Question(
        "governance.licence",
        asks,
        "an SPDX id such as CC-BY-4.0, or `proprietary` for records of your own",
        "",
        fields,
        TO_BE_STATED,
    )


def _lawful_column(made: Proposal, looked: Looked, answered: Mapping[str, Any]) -> Question | None:
    if answered.get("governance.licence") != PROPRIETARY or "record.consent" in made.values:
        return None
    asks = (
        "No column says that persons agreed, and your own records need something that permits their use. Which column"
        " says the lawful basis of each? Enter if none does: name a consent ledger in the file then."
    )

    def fields(text: str) -> Fields:
        return {
            "record.lawful_basis": _columns(text, looked)[0],
            "governance.without_consent_column": "lawful_basis",
            "governance.lawful_bases": [TO_BE_STATED],
            "governance.lawful_bases_without_consent": [TO_BE_STATED],
        }

    return Question(
        "governance.without_consent_column",
        asks,
        "what permits the use of your own records? `ledger` or `lawful_basis`",
        "",
        fields,
        "licence",
    )


def _lawful_bases(made: Proposal, looked: Looked, answered: Mapping[str, Any]) -> Question | None:
    column = answered.get("record.lawful_basis")
    if not column or answered.get("governance.lawful_bases") != [TO_BE_STATED]:
        return None
    asks = f"Which values of {column!r} permit the use without consent? Separate them with commas."

    def fields(text: str) -> Fields:
        bases = _values(text, looked, column)
        return {"governance.lawful_bases": bases, "governance.lawful_bases_without_consent": bases}

    return Question("governance.lawful_bases", asks, "which values permit the use?", "", fields)


def _consent(made: Proposal, looked: Looked, answered: Mapping[str, Any]) -> Question | None:
    column = made.values.get("record.consent")
    if not column:
        return None
    asks = f"Column {column!r} seems to say whether a person agreed. Which values mean yes? Separate them with commas."

    def fields(text: str) -> Fields:
        return {"governance.accepted_consent": _values(text, looked, column)}

    return Question("governance.accepted_consent", asks, "which values permit this use?", "", fields, [TO_BE_STATED])


def _values(text: str, looked: Looked, column: str) -> list[str]:
    values = pc.utf8_trim_whitespace(looked.rows.column(column))
    named = [part.strip() for part in text.split(",") if part.strip()]
    if missing := [one for one in named if not pc.any(pc.equal(values, one)).as_py()]:
        raise Unclear(f"No row has {', '.join(map(repr, missing))}: capitals count")
    return named


def _columns(text: str, looked: Looked) -> list[str]:
    names = {name.casefold(): name for name in looked.rows.schema.names}
    found = [part.strip() for part in text.split(",") if part.strip()]
    if unknown := [one for one in found if one.casefold() not in names]:
        raise Unclear(f"There is no column {', '.join(map(repr, unknown))}")
    return [names[one.casefold()] for one in found]


def _subject(made: Proposal, looked: Looked, answered: Mapping[str, Any]) -> Question:
    asks = f"Which column says whose record it is, so that one person's records stay together? `{NONE}` if none does."

    def fields(text: str) -> Fields:
        columns = [] if text.casefold() == NONE else _columns(text, looked)
        if len(columns) > 1:
            raise Unclear("One column only")
        return {"record.subject": columns[0] if columns else None}

    return Question(
        "record.subject", asks, "which column says whose record it is?", made.values.get("record.subject") or "", fields
    )


def _groups(made: Proposal, looked: Looked, answered: Mapping[str, Any]) -> Question:
    asks = (
        "Which columns say what group a person belongs to, such as age, sex or region? The model is tested on each, and"
        f" they never enter a prompt. Separate them with commas; `{NONE}` if none does."
    )

    def fields(text: str) -> Fields:
        columns = [] if text.casefold() == NONE else _columns(text, looked)
        features = {feature_name(column): column for column in columns}
        return {"record.features": features, "fairness.sensitive_features": list(features)}

    proposed = ", ".join((made.values.get("record.features") or {}).values())
    return Question("fairness.sensitive_features", asks, "which features name groups of persons?", proposed, fields, [])


def _no_groups(made: Proposal, looked: Looked, answered: Mapping[str, Any]) -> Question | None:
    if answered.get("fairness.sensitive_features", ...) != []:
        return None
    asks = "Why can nobody be treated worse because of the group they belong to? In 20 characters or more."

    def fields(text: str) -> Fields:
        if len(text) < 20:
            raise Unclear("Please give a reason in 20 characters or more")
        return {"gate.without_sensitive_features": text}

    return Question("gate.without_sensitive_features", asks, "why can nobody be treated worse?", "", fields, "")


def _no_quasi_identifiers(made: Proposal, looked: Looked, answered: Mapping[str, Any]) -> Question | None:
    features = answered.get("record.features", made.values.get("record.features"))
    if features or "record.date" in made.values or not isinstance(made.values.get("record.text"), list):
        return None  # of one text and a label nobody has to say it
    asks = "Why can nobody be recognized by the columns together, apart from the texts? In 20 characters or more."

    def fields(text: str) -> Fields:
        if len(text) < 20:
            raise Unclear("Please give a reason in 20 characters or more")
        return {"privacy.without_quasi_identifiers": text}

    path = "privacy.without_quasi_identifiers"
    return Question(path, asks, "why can nobody be recognized by the columns together?", NOBODY, fields, NOBODY)


def _compliance(made: Proposal, looked: Looked, answered: Mapping[str, Any]) -> Question:
    asks = (
        "Who approves what concerns personal data and fairness? E-mail addresses of others than you, with commas: name"
        " two, as an approval counts once a second person has confirmed it."
    )
    path = "owners.compliance"

    def fields(text: str) -> Fields:
        persons = [part.strip() for part in text.split(",") if part.strip()]
        for one in persons:
            _person(path)(one)
        if len(persons) == 1:
            return {path: persons[0]}
        return {path: "team:compliance", "owners.teams": {"compliance": persons}}

    return Question(
        path, asks, "who approves: an e-mail address, or team:<name> and its members in owners.teams", "", fields
    )


def _use(made: Proposal, looked: Looked, answered: Mapping[str, Any]) -> Question:
    asks = "What may the model be used for, and by whom? A sentence for the model card."

    def fields(text: str) -> Fields:
        if len(text) < 10:
            raise Unclear("Please write a sentence")
        return {"release.intended_use": text, "description": text}

    return Question(
        "release.intended_use",
        asks,
        "what may the model be used for?",
        "",
        fields,
        made.values.get("release.intended_use"),
    )


def _special(made: Proposal, looked: Looked, answered: Mapping[str, Any]) -> Question:
    path = "privacy.special_categories"
    asks = (
        "May the texts tell of health, origin, belief, politics, sex life or crimes? `yes` or `no`. If so, somebody"
        " marks some records, to show that personal data is found in them."
    )

    def fields(text: str) -> Fields:
        if text.casefold() not in ("yes", "no"):
            raise Unclear("Please say yes or no")
        return {path: text.casefold() == "yes"}

    return Question(path, asks, "may texts tell of health, belief, crimes and the like? true or false", "", fields)


ASKED = (
    *(_accountable, _licence, _lawful_column, _lawful_bases, _consent),
    *(_subject, _groups, _no_groups, _no_quasi_identifiers, _compliance, _use, _special),
)
"""In the order in which they are asked."""
