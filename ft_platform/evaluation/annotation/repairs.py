"""Judgements of experts and the repairs that follow from them, as signed statements that nobody changes.

A repair says of one record what its label or answer was, what it is, who judged it and when. Labels stand in the
statement; answers stand in the table `repaired_answers`, whose rows can be erased, and the statement has their sha256.
Covered: a statement or answer that was altered. Not covered: that whoever hands in a file is the rater whom it names.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pyarrow as pa

from ft_platform.errors import AnswersRefused, CorruptVersion, DataError
from ft_platform.evaluation.annotation.answers import Judgements
from ft_platform.evaluation.annotation.settling import Outcome, agreed, settle
from ft_platform.evaluation.annotation.task import TASKS, Task, answer_hash, tasks
from ft_platform.lake.manifest import now
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import Person
from ft_platform.people.statements import Stated, state, statements, statements_again, take_back
from ft_platform.privacy.residual import residual
from ft_platform.process.reasons import require_reason
from ft_platform.records.columns import MESSAGES
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import feature_columns
from ft_platform.use_case.named import NamedUseCase

REPAIRS = "repairs"
"""Statements: what was judged in one import, and what is repaired since."""
ANSWERS = "repaired_answers"
ANSWERS_SCHEMA = pa.schema([("record_id", pa.string()), ("sha256", pa.string()), ("answer", pa.string())])


@dataclass(frozen=True)
class Repair:
    """One corrected record.

    Attributes:
        before, after: label, or sha256 of the answer.
        raters: handles of those who judged it.
        at: when it was accepted.
        answer: the answer itself; None: it is a label, or the text was erased.
    """

    record_id: str
    field: Literal["label", "answer"]
    before: str
    after: str
    raters: tuple[str, ...]
    arbiter: str | None
    at: str
    answer: str | None = None


def add_judgements(
    lake: Lake,
    use_case: NamedUseCase,
    found: Judgements,
    person: Person,
    arbiters: Collection[str] = (),
    earlier: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Keeps what raters said, and the repairs that are settled now. One at a time (`Environment.lock`).

    Args:
        person: who hands it in.
        arbiters: handles of the raters who decide where others disagree.
        earlier: what was handed in of the task; None: it is read.

    Returns:
        `{"id", "accepted": newly repaired records, ...}` and what `state_of` says of the task.

    Raises:
        AnswersRefused: an answer holds personal data, or is no JSON that the task asks for.
    """
    if found.task.field == "answer":
        _require_clean(use_case, found)
    earlier = _of_task(lake, use_case, found.task) if earlier is None else earlier
    at = now("milliseconds")
    judged = {
        rater: {record: [_as_stored(found.task, value), found.at[rater][record]] for record, value in said.items()}
        for rater, said in found.said.items()
    }
    said: dict[str, Any] = {"task": found.task.id, "field": found.task.field, "at": at, "judged": judged}
    said["arbiters"] = sorted(set(arbiters) & set(judged))
    outcome = _outcome([*earlier, said])
    present = {**found.task.before, **{one["record_id"]: one["after"] for past in earlier for one in past["repairs"]}}
    repaired = {record: one for record, one in outcome.settled.items() if one.value != present[record]}
    said["repairs"] = [
        {"record_id": record, "before": present[record], "after": one.value, **_by(one)}
        for record, one in sorted(repaired.items())
    ]
    said |= {"person": person.name, "known_by": person.known_by}
    about = {"task": found.task.id, "judged": sum(map(len, judged.values())), "repaired": len(repaired)}
    note(lake, use_case, "annotation", "handed in judgements of records", person, **about)
    said["answers_version"] = _keep_answers(lake, use_case, found) if found.task.field == "answer" else None
    made = state(lake, use_case, REPAIRS, said, [])
    return {"id": made["id"], "accepted": len(repaired), **state_after(use_case, found.task, [*earlier, said])}


def state_of(lake: Lake, use_case: NamedUseCase, task: Task) -> dict[str, Any]:
    """`{"task", "field", "rows", "judged": {rater: records}, "agreement", "repaired", "confirmed", "disputed": [ids],
    "single"}`."""
    return state_after(use_case, task, _of_task(lake, use_case, task))


def state_after(use_case: NamedUseCase, task: Task, said: list[dict[str, Any]]) -> dict[str, Any]:
    """What `state_of` says after these statements of a task."""
    outcome, ratings = _outcome(said), merged(said)[0]
    changed = [record for record, one in outcome.settled.items() if one.value != task.before[record]]
    return {
        "task": task.id,
        "field": task.field,
        "rows": len(task.before),
        "judged": {rater: len(records) for rater, records in sorted(ratings.items())},
        "agreement": agreed(ratings, use_case.settings.evaluation, task.labels) if ratings else None,
        "repaired": len(changed),
        "confirmed": len(outcome.settled) - len(changed),
        "disputed": outcome.disputed,
        "single": len(outcome.single),
    }


def all_states(lake: Lake, use_case: NamedUseCase) -> list[dict[str, Any]]:
    """Of each task, newest first."""
    said = handed_in(lake, use_case)
    return [state_after(use_case, task, said.get(task.id, [])) for task in tasks(lake, use_case)]


def repairs(lake: Lake, use_case: NamedUseCase) -> list[Repair]:
    """Every repair that stands, oldest first.

    Raises:
        CorruptVersion: a statement or an answer was altered.
    """
    return [one for stated in standing(lake, use_case) for one in _repairs_in(lake, use_case, stated.said)]


def standing(lake: Lake, use_case: NamedUseCase) -> list[Stated]:
    """Statements with repairs that nobody took back, oldest first."""
    found = [one for one in statements(lake, use_case, REPAIRS) if not one.taken_back and one.said["repairs"]]
    return sorted(found, key=lambda one: (one.said["at"], one.said["id"]))


def withdraw(lake: Lake, use_case: NamedUseCase, repairs_id: str, person: Person, reason: str) -> None:
    """Takes back what was accepted in one import; it stays on record.

    Raises:
        ConfigError: no reason is named.
        DataError: there is no such import that stands.
    """
    found = next((one for one in statements(lake, use_case, REPAIRS) if one.said["id"] == repairs_id), None)
    if found is None:
        raise DataError(f"{use_case.name} has no repairs {repairs_id}", f"See: ft annotate status {use_case.name}")
    reason = require_reason(reason)
    note(lake, use_case, "annotation", "took repairs back", person, repairs=repairs_id)
    take_back(lake, use_case, found, by=person.name, known_by=person.known_by, reason=reason)


def _by(one: Any) -> dict[str, Any]:
    return {"raters": list(one.raters), "arbiter": one.arbiter}


def _as_stored(task: Task, value: str) -> str:
    return value if task.field == "label" else answer_hash(value)


def _of_task(lake: Lake, use_case: NamedUseCase, task: Task) -> list[dict[str, Any]]:
    return handed_in(lake, use_case).get(task.id, [])


_verified: dict[tuple[str, str], dict[str, Stated]] = {}


def handed_in(lake: Lake, use_case: NamedUseCase, *, once: bool = False) -> dict[str, list[dict[str, Any]]]:
    """Task -> what was handed in and not taken back, oldest first.

    Args:
        once: this process verifies each statement once (`statements_again`), for pages.
    """
    known = _verified.setdefault((str(lake.root), use_case.name), {})
    stated = statements_again(lake, use_case, REPAIRS, known) if once else statements(lake, use_case, REPAIRS)
    found = [one.said for one in stated if not one.taken_back]
    by_task: dict[str, list[dict[str, Any]]] = {}
    for one in sorted(found, key=lambda one: (one["at"], one["id"])):
        by_task.setdefault(one["task"], []).append(one)
    return by_task


def unsettled(lake: Lake, use_case: NamedUseCase) -> tuple[ArtifactVersion, int, int] | None:
    """The newest task, how many of its records are not settled, and how many of these wait for an arbiter; None: there
    is none, or it is done."""
    task = next(iter(lake.artifacts(use_case.name, TASKS)), None)
    if task is None:
        return None
    said = handed_in(lake, use_case, once=True)
    ratings, decided = merged(said.get(task.artifact_id, []))
    outcome = settle(ratings, decided) if ratings else Outcome()
    left = lake.manifest(task).counts["rows"] - len(outcome.settled)
    return (task, left, len(outcome.disputed)) if left else None


def merged(said: list[dict[str, Any]]) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
    """Rater -> record id -> label, or sha256 of the answer: of raters, and of arbiters. Of one who judged a record
    twice, the later one."""
    ratings: dict[str, dict[str, str]] = {}
    deciding: dict[str, dict[str, str]] = {}
    for one in said:
        for rater, records in one["judged"].items():
            place = deciding if rater in one["arbiters"] else ratings
            place.setdefault(rater, {}).update({record: value for record, (value, _) in records.items()})
    return ratings, deciding


def _outcome(said: list[dict[str, Any]]) -> Outcome:
    return settle(*merged(said))


def _keep_answers(lake: Lake, use_case: NamedUseCase, found: Judgements) -> int:
    """Writes the answers of an import. Returns the version of the table."""
    rows = {
        (record, _as_stored(found.task, value)): value for said in found.said.values() for record, value in said.items()
    }
    table = pa.Table.from_pylist(
        [{"record_id": record, "sha256": digest, "answer": value} for (record, digest), value in sorted(rows.items())],
        schema=ANSWERS_SCHEMA,
    )
    key = hashlib.sha256("".join(table["sha256"].to_pylist()).encode()).hexdigest()[:16]
    return lake.write_table(
        use_case.name, ANSWERS, table.to_batches(), ANSWERS_SCHEMA, zone="shared", input_hash=key
    ).version


def _repairs_in(lake: Lake, use_case: NamedUseCase, said: Mapping[str, Any]) -> list[Repair]:
    texts = answers_of(lake, use_case, said["task"]) if said["field"] == "answer" else {}
    return [
        Repair(
            one["record_id"],
            said["field"],
            one["before"],
            one["after"],
            tuple(one["raters"]),
            one["arbiter"],
            said["at"],
            texts.get((one["record_id"], one["after"])),
        )
        for one in said["repairs"]
    ]


def answers_of(lake: Lake, use_case: NamedUseCase, task: str) -> dict[tuple[str, str], str]:
    """Record id and sha256 -> answer, of all imports of a task."""
    found: dict[tuple[str, str], str] = {}
    for one in statements(lake, use_case, REPAIRS):
        if one.said["task"] == task and one.said["answers_version"] is not None:
            version = TableVersion(use_case.name, ANSWERS, "shared", one.said["answers_version"], "", 0, "")
            for row in lake.read_table(version).to_pylist():
                if answer_hash(row["answer"]) != row["sha256"]:
                    raise CorruptVersion(f"{ANSWERS} of {use_case.name} was altered", "See: ft seals verify")
                found[row["record_id"], row["sha256"]] = row["answer"]
    return found


def _require_clean(use_case: NamedUseCase, found: Judgements) -> None:
    """
    Raises:
        AnswersRefused: the second scan finds direct identifiers in an answer, or it is no JSON object where the task
            asks for one.
    """
    from ft_platform.evaluation.json_answers import meets_schema, read_object

    rows = [(record, value) for said in found.said.values() for record, value in said.items()]
    schema = use_case.settings.task.schema_of_answers
    if schema is not None:
        wrong = sorted({record for record, value in rows if not meets_schema(read_object(value), schema)})
        if wrong:
            raise AnswersRefused([f"answers to {len(wrong)} records are not JSON with `task.fields`: {wrong[0]}, ..."])
    columns: dict[str, Any] = {
        "record_id": pa.array([record for record, _ in rows], pa.string()),
        "messages": pa.array([[{"role": "assistant", "content": value}] for _, value in rows], MESSAGES),
        **{name: pa.nulls(len(rows), pa.string()) for name in ("label", *feature_columns(use_case))},
    }
    scanned = residual(use_case, TableRows(pa.table(columns)))
    if scanned["rows_with_finding"]:
        kinds = ", ".join(f"{name} {count}" for name, count in scanned["findings"].items())
        ids = ", ".join(dict.fromkeys(scanned["record_ids"]))
        problem = f"{scanned['rows_with_finding']} answers hold personal data ({kinds}), of records {ids}"
        raise AnswersRefused([problem], "Nothing was imported. Leave it out, or write the pseudonym of the question")


def as_dicts(found: Collection[Repair]) -> list[dict[str, Any]]:
    """Without answers."""
    return [{name: value for name, value in asdict(one).items() if name != "answer"} for one in found]
