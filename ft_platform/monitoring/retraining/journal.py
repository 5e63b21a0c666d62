"""Which retrainings were started, asked for and ended: signed entries in the lake that nobody changes.

Covered: a daemon that starts anew, two daemons on one Dagster instance, a clock that is set: a start is decided and
written under one lock, and evidence that started a run once starts none again. Not covered: two installations with
locks of their own on one lake, beyond that equal evidence has one id.
"""

import json
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ft_platform.errors import ConfigError, CorruptVersion, DataError
from ft_platform.lake.draft import Draft
from ft_platform.lake.files import locked
from ft_platform.monitoring.retraining.entries import End, Entries, Request, Start
from ft_platform.people.noted import Noted, Noting, unnoted
from ft_platform.people.person import at_this_machine
from ft_platform.process.account import this_account
from ft_platform.process.reasons import require_reason
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.hash import settings_hash

if TYPE_CHECKING:
    from ft_platform.lake.store import Lake

STORED_AS, FILE = "retraining", "entry.json"


KINDS = {"start": Start, "end": End, "request": Request}


def entries(lake: "Lake", use_case: str) -> Entries:
    """What was written so far.

    Raises:
        CorruptVersion: an entry was altered.
    """
    found: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    for version in lake.artifacts(use_case, STORED_AS):
        lake.verify_artifact(version)
        try:
            told = json.loads(lake.read_file(version, FILE))
            kind = told.pop("kind")
            found[kind].append(KINDS[kind](**{**told, "at": datetime.fromisoformat(told["at"])}))
        except (ValueError, KeyError, TypeError):
            raise CorruptVersion(f"{version.id} of {use_case} cannot be read", "See: ft seals verify") from None
    starts = sorted(found["start"], key=lambda one: one.number)
    return Entries(starts, *(sorted(found[kind], key=lambda one: one.at) for kind in ("end", "request")))


def alone(environment: Environment, use_case: str) -> AbstractContextManager[None]:
    """Others who would decide about the same use case wait."""
    return locked(environment.lock("retraining", use_case))


def write(lake: "Lake", use_case: NamedUseCase, entry: Start | End | Request) -> None:
    """Adds an entry. The caller holds `alone`."""
    kind = next(kind for kind, made in KINDS.items() if isinstance(entry, made))
    inputs = settings_hash({"entry": entry.id})
    draft = Draft(lake, use_case, STORED_AS, entry.id, inputs, [], inputs)
    told = {"kind": kind, **asdict(entry), "at": entry.at.isoformat()}
    with draft.folder() as folder:
        (folder / FILE).write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")
        draft.publish(folder)


def end(lake: "Lake", use_case: NamedUseCase, start: Start, at: datetime, state: str, run: str = "") -> None:
    """Notes that a retraining has ended. Said again, the first word stays."""
    write(lake, use_case, End(start.id.replace("start", "end"), start.id, at, state, run))


def ask(
    lake: "Lake",
    environment: Environment,
    use_case: NamedUseCase,
    reason: str,
    at: datetime,
    note: Noting = unnoted,
) -> Request:
    """A person's request, which the next decision weighs.

    Args:
        reason: why, without personal data.
        note: is told before it is written.

    Raises:
        ConfigError: the reason is too short, or no sensor weighs reasons.
    """
    if use_case.settings.retraining.mode != "by_reasons":
        raise ConfigError(
            [f"retraining.mode of {use_case.name} is {use_case.settings.retraining.mode}: nothing weighs reasons"],
            f"Train now: ft run {use_case.name}, or set retraining.mode: by_reasons",
        )
    reason = require_reason(reason)
    note(Noted("run", at_this_machine(), "asked for a retraining", use_case.name, {"reason": reason}))
    told = {"at": at.isoformat(), "reason": reason, "recorded_by": this_account()}
    made = Request(f"request-{settings_hash(told)[:12]}", at, told["reason"], told["recorded_by"])
    with alone(environment, use_case.name):
        write(lake, use_case, made)
    return made


def give_up(
    lake: "Lake",
    environment: Environment,
    use_case: NamedUseCase,
    start_id: str,
    at: datetime,
    note: Noting = unnoted,
) -> None:
    """A person says that the run of a start is lost.

    Raises:
        DataError: it is not running.
    """
    with alone(environment, use_case.name):
        running = entries(lake, use_case.name).running
        if running is None or running.id != start_id:
            raise DataError(
                f"{start_id} of {use_case.name} is not running", f"See: ft retraining explain {use_case.name}"
            )
        note(Noted("run", at_this_machine(), "gave up a retraining", use_case.name, {"start": start_id}))
        end(lake, use_case, running, at, "given up")
