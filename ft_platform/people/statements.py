"""What persons said about a decision or to each other, as records of the lake that nobody changes: signatures,
delegations. Each is signed with the key of the installation over all that it says.

Covered: a record that was edited, written by hand, copied under another name or into another use case, or signed by
another installation or a stolen key, also where somebody signed the lake again around it (`ft seals adopt`). Not
covered: whoever may act as the account that has the key."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ft_platform.errors import CorruptVersion, DataError, VersionRefused
from ft_platform.lake.draft import Draft
from ft_platform.lake.manifest import Verdict, now
from ft_platform.lake.seals import NO_KEYS
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.process.reasons import require_reason
from ft_platform.use_case.named import NamedUseCase

if TYPE_CHECKING:
    from ft_platform.lake.store import Lake

FILE = "statement.json"
IN_FORCE = "in_force"
"""The verdict that taking a statement back leaves on it: failed."""
DOMAIN = b"ft_platform statement v1\n"
"""Before the signed bytes, so that the signature of nothing else that the key signs is one of a statement."""


@dataclass(frozen=True)
class Stated:
    """One record.

    Attributes:
        said: all that it says, with `id`, `use_case`, `at`, `person`, `key` and `signature`.
        taken_back: `{"by", "reason", "at"}`; None: it stands.
    """

    version: ArtifactVersion
    said: dict[str, Any]
    taken_back: dict[str, Any] | None

    def stood_at(self, moment: str) -> bool:
        """Whether nobody had taken it back by then (ISO 8601, UTC)."""
        return self.taken_back is None or self.taken_back["at"] > moment


def state(
    lake: "Lake", use_case: NamedUseCase, kind: str, said: dict[str, Any], about: Sequence[ArtifactVersion]
) -> dict[str, Any]:
    """Signs and keeps what a person said.

    Args:
        kind: of statement, the name that it is stored under.
        about: versions that it is about.

    Returns:
        The record.

    Raises:
        VersionRefused: the lake was opened without keys.
    """
    if lake.signing is None:
        raise VersionRefused(NO_KEYS)
    said = {**said, "use_case": use_case.name, "key": lake.signing.keys.newest}
    said["id"] = _id(kind, said)
    said["signature"] = base64.b64encode(lake.signing.keys.sign(_content(kind, said))).decode()
    inputs = hashlib.sha256(_content(kind, said)).hexdigest()
    draft = Draft(lake, use_case, kind, said["id"], inputs, about, inputs[:16])
    with draft.folder() as folder:
        (folder / FILE).write_text(json.dumps(said, indent=1, ensure_ascii=False), encoding="utf-8")
        draft.publish(folder)
    return said


def statements(lake: "Lake", use_case: NamedUseCase, kind: str) -> list[Stated]:
    """Every statement of a kind, newest first.

    Raises:
        CorruptVersion: one was altered, or this installation did not sign it.
        VersionRefused: the lake was opened without keys.
    """
    if lake.signing is None:
        raise VersionRefused(NO_KEYS)
    return [_stated(lake, version, _verified(lake, version)) for version in lake.artifacts(use_case.name, kind)]


def statements_again(lake: "Lake", use_case: NamedUseCase, kind: str, known: dict[str, Stated]) -> list[Stated]:
    """The same in no order, for a server that asks over and over: a statement never changes, so only new ones are read.

    Args:
        known: id -> what was verified before; what is new is added.

    Raises:
        CorruptVersion, VersionRefused: as `statements`, of new ones.
    """
    if lake.signing is None:
        raise VersionRefused(NO_KEYS)
    found = []
    for statement in (path.rsplit("/", 2)[-2] for path in lake.artifact_paths(use_case.name, kind)):
        if statement not in known and ".corrupt-" not in statement and not statement.startswith("."):
            version = lake.artifact(use_case.name, kind, statement, verify=False)
            if version:
                known[statement] = Stated(version, _verified(lake, version), None)
        if statement in known:
            found.append(_stated(lake, known[statement].version, known[statement].said))
    return found


def _verified(lake: "Lake", version: ArtifactVersion) -> dict[str, Any]:
    assert lake.signing
    lake.verify_artifact(version)
    return _read(lake, version, lake.signing.keys.public)


def _stated(lake: "Lake", version: ArtifactVersion, said: dict[str, Any]) -> Stated:
    verdict = lake.verdicts(version).get(IN_FORCE)
    return Stated(version, said, verdict.numbers if verdict is not None and not verdict.passed else None)


def take_back(lake: "Lake", use_case: NamedUseCase, stated: Stated, *, by: str, known_by: str, reason: str) -> Verdict:
    """Ends a statement; it stays on record.

    Raises:
        ConfigError: no reason is named.
        DataError: it was taken back before.
    """
    if stated.taken_back:
        raise DataError(f"{stated.said['id']} was taken back at {stated.taken_back['at']}")
    told = {"by": by, "known_by": known_by, "reason": require_reason(reason), "at": now("milliseconds")}
    return lake.add_verdict(stated.version, IN_FORCE, False, lake.manifest(stated.version).settings_hash, told)


def restated(lake: "Lake", kind: str, said: dict[str, Any]) -> bytes:
    """The bytes of a statement out of which an erasure took words, signed anew. It keeps its id, by which others name
    it; `Lake.erased_rows` says that it lost words.

    Raises:
        VersionRefused: the lake was opened without keys.
    """
    if lake.signing is None:
        raise VersionRefused(NO_KEYS)
    said = {**said, "key": lake.signing.keys.newest}
    said["signature"] = base64.b64encode(lake.signing.keys.sign(_content(kind, said))).decode()
    return json.dumps(said, indent=1, ensure_ascii=False).encode()


def _read(lake: "Lake", version: ArtifactVersion, keys: Mapping[str, Any]) -> dict[str, Any]:
    try:
        said = json.loads(lake.read_file(version, FILE))
        content, signature = _content(version.name, said), base64.b64decode(said["signature"], validate=True)
        key = keys[said["key"]]
        trusted = not key.stolen_since or said["at"] < key.stolen_since
        named = (said["id"], said["use_case"]) == (version.artifact_id, version.use_case)
        lost = any(FILE in one.files for one in lake.erased_rows(version).erasures)
        good = trusted and named and (lost or said["id"] == _id(version.name, said)) and key.signed(content, signature)
    except (AttributeError, KeyError, TypeError, ValueError, binascii.Error):
        good = False
    if not good:
        problem = f"{version.id} of {version.use_case} is not what this installation signed"
        raise CorruptVersion(problem, f"It counts for nothing: ft seals accept {version.use_case} takes it out")
    return said


def _content(kind: str, said: dict[str, Any]) -> bytes:
    text = json.dumps({**said, "kind": kind, "signature": ""}, sort_keys=True, ensure_ascii=False)
    return DOMAIN + text.encode()


def _id(kind: str, said: dict[str, Any]) -> str:
    return f"{kind}-{hashlib.sha256(_content(kind, {**said, 'id': ''})).hexdigest()[:12]}"
