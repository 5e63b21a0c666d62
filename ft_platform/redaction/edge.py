"""What of Dagster's events, errors, tags and configuration may be stored, decided leaf by leaf.

Events are looked at in the form in which they are stored, so that no field is forgotten: a field of a later version of
Dagster that is not named here is withheld.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from dagster_shared.serdes import pack_value, unpack_value

from ft_platform.errors.vouched import few_digits, is_vouched
from ft_platform.process.hidden_names import HIDDEN, without_names
from ft_platform.redaction.withheld import Withheld, harmless
from ft_platform.redaction.words import WORDS

THING = TypeVar("THING")

_NAMES = """
run_id job_name pipeline_name step_key step_keys event_type_value step_kind_value key name solid_name path check_name
input_name output_name manager_key upstream_output_name upstream_step_key mapping_key marker_start marker_end log_key
file_key partition partitions partition_keys asset_partitions op new_version_key parent_run_id root_run_id run_ids
module resource_keys code_location_name repository_name partition_key partition_name location_name backfill_id
"""
NAMES = frozenset(_NAMES.split())
"""Fields that hold names of the code or ids that Dagster makes."""

STRUCTURES = frozenset({"partitions_subset"})
"""Fields whose objects Dagster calculates with: schedule, time zone and keys of partitions. Of a schedule with another
text in it no run can be planned."""

SENTENCES = frozenset({"message", "user_message"})
METADATA, TEXT = "MetadataEntryData", "TextMetadataEntryData"
LABEL_CHARACTERS = 60
FIGURES = frozenset({"IntMetadataEntryData", "FloatMetadataEntryData", "BoolMetadataEntryData"})
POINTERS = frozenset(
    {
        "PythonArtifactMetadataEntryData",
        "DagsterAssetMetadataEntryData",
        "DagsterRunMetadataEntryData",
        "DagsterJobMetadataEntryData",
        "NullMetadataEntryData",
    }
)
"""Metadata that only points to something with a name."""

UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
HASH = re.compile(r"(?=[0-9]*[a-f])[0-9a-f]{16,128}|withheld-[0-9a-f]{32}|INITIAL|UNKNOWN|NULL|true|false", re.ASCII)
"""Versions of data and code; without a letter it may be a number of a card. Words are Dagster's own."""
NUMBER = re.compile(r"\d{1,8}([a-z]{1,2}\d{0,8})*", re.ASCII)
LONG_NUMBER = re.compile(r"\d(?:[ .,/()+\-]{0,3}\d){8,}")
"""Nine digits, also with what people write between them: a card, a telephone number, an account."""
LABEL = re.compile(r"[a-z][a-z0-9_]*([/:][a-z0-9_]+)*", re.ASCII)
FRAME = re.compile(r'\s*File "(.+)", line (\d+)(?:, in (\w+|<\w+>))?')
CLASS = re.compile(r"([\w.]+)(?::\s|\n|$)")
MASKED = re.compile(r"Error ID [0-9a-f\-]{36}\. The error has been masked.*", re.DOTALL)
"""What Dagster appends where DAGSTER_REDACT_USER_CODE_ERRORS is set."""
CODE_PROBLEM = re.compile(
    r"ModuleNotFoundError: No module named '[\w.]{1,100}'|NameError: name '\w{1,60}' is not defined|ZeroDivisionError:"
    r" [a-z ]{1,40}"
)
"""Texts that Python makes from the code alone."""
SYSTEM_TAG = re.compile(r"\.?dagster/|ft/")
WORD = re.compile(r"\w+")
MOST_NAMES = 50_000


class Edge:
    """Decides what may be stored and keeps the rest.

    Args:
        withheld: where the rest is kept.
    """

    def __init__(self, withheld: Withheld) -> None:
        self.withheld = withheld
        self._names: dict[str, None] = {}

    def passed(self, thing: THING, name: str, *, keep: bool = True) -> THING:
        """The same event, entry, error or tick; every text in it that may not be shown is replaced.

        Args:
            name: of the file that replaced texts are kept in, e.g. the id of the run.
            keep: False where they are kept already.
        """
        packed: Any = pack_value(thing)  # type: ignore[type-var]
        self._learn(packed, "")
        look = _Look(self, self._names, self.placeholder(name))
        passed = look.at(packed, "")
        if not look.replaced:
            return thing
        if keep:
            self.withheld.keep(name, "\n".join(look.replaced))
        return unpack_value(passed)  # type: ignore[return-value]

    def sentence(self, text: str, name: str, *, own: bool = False, keep: bool = True) -> str:
        """The same text, or what stands for it.

        Args:
            own: it is a line that code logged, no sentence of Dagster's: only what is vouched for passes.
        """
        if is_vouched(text):
            return without_names(text)
        if not own and is_sentence(text, self._names):
            return text
        if keep:
            self.withheld.keep(name, text)
        return self.placeholder(name)

    def placeholder(self, name: str) -> str:
        """What stands for a text that is withheld: where it is kept."""
        return f"withheld: {self.withheld.folder / 'withheld' / harmless(f'{name}.log')}"

    def tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        """The tags of a run. A value of somebody else's tag is replaced by its fingerprint: equal ones stay equal."""
        return {
            key: value if SYSTEM_TAG.match(key) or self.is_tag(value) else self.fingerprint(value)
            for key, value in tags.items()
        }

    def is_tag(self, value: str) -> bool:
        return bool(HASH.fullmatch(value)) or is_vouched(value) or is_sentence(value, self._names)

    def fingerprint(self, value: str) -> str:
        return self.withheld.fingerprint(value)

    def _learn(self, node: Any, field: str) -> None:
        """Remembers the words of names, for sentences in which they occur."""
        if isinstance(node, dict):
            if str(node.get("__class__", "")).endswith(METADATA):
                return
            for key, value in node.items():
                self._learn(value, field if key.startswith("__") else key)
        elif isinstance(node, list):
            for value in node:
                self._learn(value, field)
        elif isinstance(node, str) and field in NAMES:
            self._names.update(dict.fromkeys(WORD.findall(node)))
            while len(self._names) > MOST_NAMES:
                self._names.pop(next(iter(self._names)))


class _Look:
    """One look at one packed thing. `replaced` gets every text that was replaced, with its field."""

    def __init__(self, edge: Edge, names: Mapping[str, None], placeholder: str) -> None:
        self._edge, self._names, self._placeholder = edge, names, placeholder
        self._by_dagster = False
        self.replaced: list[str] = []

    def at(self, node: Any, field: str, kind: str = "") -> Any:
        if isinstance(node, dict):
            return self._at_object(node, field)
        if isinstance(node, list):
            return [self.at(value, field) for value in node]
        return self._text(node, field, kind) if isinstance(node, str) else node

    def _at_object(self, node: dict[str, Any], field: str) -> Any:
        kind = node.get("__class__", "")
        if "__enum__" in node:
            return node
        if kind == "EventMetadataEntry":
            label = self._label(node["label"])
            return {**node, "label": label, "entry_data": self._value(label, node["entry_data"])}
        if kind.endswith(METADATA):
            return self._value(field, node)
        if not kind and field == "metadata":
            return {self._label(label): self.at(value, label) for label, value in node.items()}
        if kind == "SerializableErrorInfo":
            return self._error(node)
        if not kind and field == "tags":
            return {key: self._tag(value) for key, value in node.items()}
        before, self._by_dagster = self._by_dagster, self._by_dagster or kind == "EngineEventData"
        found = {
            key: (
                value
                if key == "__class__" or key in STRUCTURES
                else self.at(value, field if key.startswith("__") or not kind else key, kind)
            )
            for key, value in node.items()
        }
        self._by_dagster = before
        return found

    def _text(self, text: str, field: str, kind: str) -> str:
        if field in NAMES or (kind, field) == ("TypeCheckData", "label") or HASH.fullmatch(text) or not text:
            return text
        if is_vouched(text):
            return self._without_names(text)
        if field in (*SENTENCES, "logging_tags") and is_sentence(text, self._names):
            return text
        return self._replace(field, text)

    def _replace(self, field: str, text: str) -> str:
        self.replaced.append(f"{field}: {text}")
        return self._placeholder

    def _without_names(self, text: str) -> str:
        """Our own text without the names of source files."""
        shown = without_names(text)
        if shown == text:
            return text
        self.replaced.append(text)
        return f"{shown.rstrip()} ({HIDDEN}: {self._placeholder})\n"

    def _tag(self, value: Any) -> Any:
        if not isinstance(value, str) or self._edge.is_tag(value):
            return value
        self.replaced.append(f"tag: {value}")
        return self._edge.fingerprint(value)

    def _label(self, label: str) -> str:
        if is_vouched(label) or (LABEL.fullmatch(label) and len(label) <= LABEL_CHARACTERS):
            return label
        self.replaced.append(f"label: {label}")
        return self._edge.fingerprint(label)

    def _value(self, label: str, data: dict[str, Any]) -> dict[str, Any]:
        """Numbers of few digits, pointers to names, and what is vouched for stay as they are."""
        kind = data["__class__"]
        if (
            kind in POINTERS
            or (kind in FIGURES and (data["value"] is None or few_digits(data["value"])))
            or is_vouched(vouched_form(data))
            or (kind == TEXT and self._by_dagster and is_sentence(data["text"], self._names))
        ):
            return data
        return {"__class__": TEXT, "text": self._replace(label, json.dumps(data, ensure_ascii=False))}

    def _error(self, error: dict[str, Any]) -> dict[str, Any]:
        """Class, files and lines of an error; its text only if it is vouched for or Dagster's own."""
        message = error["message"]
        start = CLASS.match(message)
        text = message[start.end() :] if start else message
        text = MASKED.sub("", text).strip()
        kept = is_vouched(text) or is_sentence(text, self._names) or CODE_PROBLEM.fullmatch(message.strip())
        stack = [frame for frame in map(place_of, error["stack"]) if frame]
        found = {
            **error,
            "stack": stack,
            "cause": self.at(error.get("cause"), ""),
            "context": self.at(error.get("context"), ""),
        }
        if kept:
            return {**found, "message": self._without_names(message)}
        self.replaced.append(message + "".join(error["stack"]))
        place = short_place(stack[-1]) if stack else ""
        return {**found, "message": f"{name_of(error['cls_name'])}{place}, text {self._placeholder}\n"}


def is_sentence(text: str, names: Mapping[str, None]) -> bool:
    """Whether a text is made of Dagster's words, names of the graph and short numbers only."""
    rest = UUID.sub("", text)
    return not LONG_NUMBER.search(rest) and all(
        word in names or word.lower() in WORDS or NUMBER.fullmatch(word) for word in WORD.findall(rest)
    )


def vouched_form(packed: Mapping[str, Any]) -> str:
    """One text for a packed value of metadata: what `redaction.metadata` vouches for, and what is looked up here."""
    return json.dumps(packed, sort_keys=True)


def name_of(cls_name: str | None) -> str:
    return cls_name if cls_name and cls_name.isidentifier() else "an error"


def short_place(frame: str) -> str:
    """` at letters/component.py:22` for a frame as `place_of` leaves it."""
    found = FRAME.match(frame)
    return f" at {'/'.join(Path(found[1]).parts[-2:])}:{found[2]}" if found else ""


def place_of(frame: str) -> str:
    """File, line and function of one frame of a traceback; not the line itself, and of a path only what says which file
    it is."""
    found = FRAME.match(frame)
    if not found:
        return ""
    file, line, function = found.groups()
    parts = Path(file).parts
    known = parts[parts.index("site-packages") + 1 :] if "site-packages" in parts else parts[-3:]
    return f'  File "{"/".join(known)}", line {line}' + (f", in {function}" if function else "") + "\n"
