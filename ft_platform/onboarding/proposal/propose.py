"""From a look at a source to the fields of a use case, each with its reason."""

import math
import re
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import ConfigError
from ft_platform.onboarding.proposal.columns import Column, columns_of
from ft_platform.onboarding.proposal.guesses import GUESSES, Guess, guess_joined, repeated_id, words_of
from ft_platform.records.label_spellings import hint, spellings
from ft_platform.sources.looking import Looked
from ft_platform.use_case.settings.governance import TO_BE_STATED
from ft_platform.use_case.settings.source import CHAT_FORMATS

ASKED = "only you can say this"
NOBODY = "No column about persons is read beside the texts, which are scanned."
"""Proposed as `privacy.without_quasi_identifiers`."""
SHORT = 20
"""`cleaning.min_characters`, below which a text is removed."""


@dataclass
class Proposal:
    """Fields of a use case.

    Attributes:
        values: path -> value, for fields that a source decides.
        why: path -> the reason, without a value of the source.
        asked: paths that only a person can answer.
        notes: what else a person should know of the source, without a value of it.
        columns: what was looked at.
    """

    values: dict[str, Any] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)

    def set(self, path: str, value: Any, why: str = "") -> None:
        self.values[path] = value
        if why:
            self.why[path] = why

    def roles(self) -> dict[str, list[str]]:
        """Column -> fields of `record` that it is proposed for."""
        found: dict[str, list[str]] = {}
        for path, value in self.values.items():
            if (
                value is not None
                and path.startswith("record.")
                and path not in ("record.chat_format", "record.optional_columns")
            ):
                for column in (
                    value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]
                ):
                    found.setdefault(str(column), []).append(path.removeprefix("record."))
        return found


def propose(name: str, looked: Looked, stated: dict[str, Any], kind: str | None = None) -> Proposal:
    """The fields that follow from a source.

    Args:
        name: of the use case.
        stated: path -> value that a person has given; nothing is proposed for these.
        kind: of the task, where a person has given it.

    Raises:
        ConfigError: no column can be learned from.
    """
    columns = columns_of(looked.rows)
    made = Proposal(columns=columns)
    guessed = _guesses(columns, stated, kind)
    made.set("task.kind", *_kind(guessed, kind))
    _record(made, looked, guessed, stated)
    _task(made)
    _governance(made, name, guessed, stated)
    _data_stages(made, looked, guessed, stated)
    _notes(made, looked, guessed, stated)
    for path, value in stated.items():
        made.set(path, value, "stated by you")
        made.asked = [one for one in made.asked if one != path]
    return made


def _notes(made: Proposal, looked: Looked, guessed: dict[str, Guess], stated: dict[str, Any]) -> None:
    """Ids that repeat, and labels of several spellings."""
    left = [one for one in made.columns if one.name not in made.roles()]
    if "id" not in guessed and "record.id" not in stated and (found := repeated_id(left)):
        made.notes.append(
            f"column {found.name!r} is called like an id and repeats in {found.rows - found.different:,} of"
            f" {found.rows:,} rows, so it is no record.id: records are told apart by their content. Look for rows that"
            " were exported twice"
        )
    label = str({**made.values, **stated}.get("record.label"))
    if label in looked.rows.schema.names:
        counted = pc.value_counts(pc.utf8_trim_whitespace(looked.rows.column(label))).to_pylist()
        counts = {str(one["values"]): one["counts"] for one in counted if one["values"]}
        made.notes += list(filter(None, [hint(spellings(counts))]))


def _guesses(columns: list[Column], stated: dict[str, Any], kind: str | None) -> dict[str, Guess]:
    """What each field seems to be. A column has one role; `stated` ones have theirs."""
    found: dict[str, Guess] = {}
    left = [one for one in columns if one.name not in _columns_in(stated)]
    for role, guess in GUESSES.items():
        skipped = (
            f"record.{role}" in stated
            or (role in ("answer", "text") and "messages" in found)
            or (role == "label" and kind != "classification" and ("messages" in found or "answer" in found))
            or (role in ("messages", "answer") and kind == "classification")
        )
        if not skipped and (one := guess(left)):
            found[role] = one
            left = [column for column in left if column.name not in one.columns]
    return found


def _columns_in(stated: dict[str, Any]) -> set[str]:
    values = [value for path, value in stated.items() if path.startswith("record.")]
    return {
        str(one) for v in values for one in (v if isinstance(v, list) else v.values() if isinstance(v, dict) else [v])
    }


def _kind(guessed: dict[str, Guess], kind: str | None) -> tuple[str, str]:
    if kind:
        return kind, "stated by you"
    if "messages" in guessed or "answer" in guessed:
        return "generation", "there are answers in words"
    return "classification", "a column sorts the rows into groups, and no column has answers in words"


def _record(made: Proposal, looked: Looked, guessed: dict[str, Guess], stated: dict[str, Any]) -> None:
    for role in ("id", "text", "answer", "messages", "label", "subject", "date", "consent", "licence"):
        if role == "text" and "text" not in guessed and not {"record.text", "record.messages"} & set(stated):
            _text_in_other_ways(made, looked, guessed)
        elif role in guessed:
            made.set(f"record.{role}", guessed[role].columns[0], guessed[role].why)
    _chat_format(made, looked)
    if made.values["task.kind"] == "classification" and not {"record.label"} & {*made.values, *stated}:
        raise ConfigError(
            ["no column has an answer, or sorts the rows into groups: there is nothing that a model could learn"],
            "Name one: --set record.label=COLUMN or --set record.answer=COLUMN",
        )
    if found := guessed.get("sensitive"):
        features = {feature_name(column): column for column in found.columns}
        made.set("record.features", features, found.why)
        made.set("fairness.sensitive_features", list(features), "compared for fairness; they never enter a prompt")


def _text_in_other_ways(made: Proposal, looked: Looked, guessed: dict[str, Guess]) -> None:
    """Messages in place of a text, or columns that are joined."""
    if "messages" in guessed:
        return
    taken = {name for guess in guessed.values() for name in guess.columns}
    joined = guess_joined([one for one in made.columns if one.name not in taken])
    if joined is None or _different(looked.rows, joined.columns) < 0.5:
        longest = max(made.columns, key=lambda one: one.words)
        raise ConfigError(
            [
                f"no column holds texts to learn from: the most words at the median are {longest.words:g}, in"
                f" {longest.name!r}" + (", and joined columns repeat in most rows" if joined else "")
            ],
            "Name columns all the same: --set record.text=COLUMN, or --set 'record.text=[COLUMN, COLUMN]'",
        )
    made.set("record.text", list(joined.columns), joined.why)
    made.set("cleaning.near_duplicates", "keep", "joined columns are alike; that is no reason to remove them")
    made.set("splits.near_duplicate_threshold", 1.0)


def _different(rows: pa.Table, columns: tuple[str, ...]) -> float:
    """Share of rows whose joined values no earlier row has."""
    joined = pc.binary_join_element_wise(*(pc.fill_null(rows.column(name), "") for name in columns), "\x1f")
    return pc.count_distinct(joined).as_py() / max(rows.num_rows, 1)


def _chat_format(made: Proposal, looked: Looked) -> None:
    """Fields that go with the usual columns of chat data."""
    names = set(looked.rows.schema.names)
    alpaca = CHAT_FORMATS["alpaca"]
    if {"instruction", "output"} <= names and made.values.get("record.answer") == "output":
        made.set("record.text", [one for one in alpaca["text"] if one in names], "the columns of Alpaca")
        made.why["record.answer"] = "the columns of Alpaca"
    if "record.messages" in made.values and {"chosen", "rejected"} <= names:
        made.set("record.text", made.values.pop("record.messages"), made.why.pop("record.messages"))
        made.values["record.answer"] = "chosen"
    if made.values.get("record.answer") == "chosen" and "rejected" in names:
        made.set("record.chat_format", "preference")
        made.set("record.answer", "chosen", "its name says that people like it more than `rejected`")
        made.set("record.rejected", "rejected", "its name says that people like it less")
    if "record.messages" in made.values and "tools" in names:
        made.set("record.tools", "tools", "its name says so")
        made.set("record.optional_columns", ["tools"])


def _task(made: Proposal) -> None:
    if made.values["task.kind"] == "generation":
        if "record.messages" not in made.values:
            made.set("task.instruction", "Answer the question.")
        return
    label = made.values.get("record.label")
    made.set(
        "task.instruction",
        f"Name the {words_of(str(label)) if label else 'label'} of the text.",
        "the labels stay out of it: a label head scores them",
    )


def _governance(made: Proposal, name: str, guessed: dict[str, Guess], stated: dict[str, Any]) -> None:
    made.set("governance.purpose", name.replace("_", " "), "say what the records are used for")
    if "consent" in guessed or "record.consent" in stated:
        _ask(made, "governance.accepted_consent", [TO_BE_STATED], "which values of the consent column permit this use?")
    else:
        made.set(
            "governance.without_consent_column",
            "licence",
            "no column seems to state a consent; or `ledger`, `lawful_basis`",
        )
    if "licence" in guessed:
        _ask(
            made, "governance.accepted_licences", [TO_BE_STATED], "which values of the licence column permit this use?"
        )
    else:
        question = "licence of the data: an SPDX id such as CC-BY-4.0, or `proprietary` for records of your own"
        _ask(made, "governance.licence", TO_BE_STATED, question)


def _ask(made: Proposal, path: str, value: Any, question: str) -> None:
    made.set(path, value, question)
    made.asked.append(path)


def _data_stages(made: Proposal, looked: Looked, guessed: dict[str, Guess], stated: dict[str, Any]) -> None:
    by_name = {one.name: one for one in made.columns}
    text = made.values.get("record.text")
    if isinstance(text, str) and (shortest := by_name[text].lengths[0]) < SHORT:
        made.set(
            "cleaning.min_characters", max(1, shortest // 2), f"one text in twenty has {shortest} characters or fewer"
        )
    features = stated.get("record.features", made.values.get("record.features", {}))
    kinds = {name: _quasi_kind(by_name[column]) for name, column in features.items() if column in by_name}
    kinds |= {"record_date": "date"} if "date" in guessed else {}
    if kinds:
        made.set("privacy.quasi_identifiers", kinds, "made coarser until five persons share each combination")
    elif isinstance(stated.get("record.text", text), list):
        made.set("privacy.without_quasi_identifiers", NOBODY, "true of the columns that are joined to the text")
    label = by_name.get(str(made.values.get("record.label")))
    if label and label.rarest < 5 and looked.complete:
        made.set("splits.rare_labels", "drop", "some labels have fewer than five records")


def _quasi_kind(column: Column) -> str:
    words = words_of(column.name).split()
    if column.kind == "number":
        return "age" if {"age", "alter"} & set(words) else "number"
    return "category"


def feature_name(column: str) -> str:
    """A column's name as that of a feature: lower case letters, digits and `_`."""
    name = re.sub(r"[^a-z0-9]+", "_", words_of(column)).strip("_")[:40]
    return name if re.match(r"[a-z]", name) else f"f_{name}"


def rounded_length(tokens: float) -> int:
    """A `training.max_length` of so many tokens."""
    return max(64, 32 * math.ceil(tokens / 32))
