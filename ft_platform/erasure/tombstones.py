"""Who was erased, as keyed hashes, so that a source that still has a person cannot bring the person back.

The key lies beside that of the pseudonyms and is never rotated: the ids are gone, so nobody could make the hashes anew.
Covered: rows that a source, or a run that was under way, brings in again. Not covered: a source that writes the same
person with another id; whoever has the key can try ids."""

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import KeyMissing
from ft_platform.lake.keys.key_ring import KeyRing, UseCaseKeys, read_key_ring
from ft_platform.lake.keys.providers import KeyPlace
from ft_platform.lake.store import Lake
from ft_platform.people.person import Person
from ft_platform.people.statements import state, statements
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.hash import settings_hash

ERASED_PERSONS = "erased_persons"
PURPOSE = "erased persons"
RECORDS = b"erased records\0"
REASON = "person_erased"


@dataclass(frozen=True)
class ErasedPersons:
    """Persons who may not come back.

    Attributes:
        hashes: of their ids.
        key: that they were made with; None where there are none.
    """

    hashes: frozenset[str] = frozenset()
    key: bytes | None = None

    @property
    def fingerprint(self) -> str:
        """Changes with each erasure; empty before the first."""
        return settings_hash({"erased": sorted(self.hashes)}) if self.hashes else ""

    def among(self, subjects: pa.Array) -> np.ndarray:
        """Whether each id is one of them. Shape `(rows,)`."""
        if self.key is None:
            return np.zeros(len(subjects), bool)
        coded = pc.utf8_trim_whitespace(subjects.cast(pa.string())).dictionary_encode()
        known = [one is not None and _hash(self.key, one) in self.hashes for one in coded.dictionary.to_pylist()]
        return np.array([*known, False], bool)[pc.fill_null(coded.indices, len(known)).to_numpy()]


def key_of(environment: Environment, use_case: str, *, make: bool = False) -> bytes:
    """The key of a use case.

    Args:
        make: if there is none yet, at the first request.

    Raises:
        KeyMissing: there is none.
    """
    place = KeyPlace("file", environment.erasure_key_path, "")
    provider = place.open()
    if make and provider.read() is None:
        provider.write(KeyRing({}).rotated().to_text())
    try:
        ring = read_key_ring(place)
    except KeyMissing as error:
        raise KeyMissing(
            f"{error.message}, so nobody can tell which persons were erased", "Restore the key of this installation"
        ) from None
    return UseCaseKeys(ring.keys[ring.newest], use_case).derived(PURPOSE)


def bury(
    lake: Lake, environment: Environment, use_case: NamedUseCase, subjects: Collection[str], said: dict, person: Person
) -> None:
    """Notes that persons may not come back. Noted again, nothing changes."""
    key = key_of(environment, use_case.name)
    hashes = sorted(_hash(key, subject) for subject in subjects)
    if not set(hashes) <= erased_persons(lake, environment, use_case).hashes:
        state(lake, use_case, ERASED_PERSONS, {**said, "hashes": hashes, "person": person.name}, [])


def erased_persons(lake: Lake, environment: Environment, use_case: NamedUseCase) -> ErasedPersons:
    """Everybody who was erased from a use case.

    Raises:
        CorruptVersion: a record of it was altered.
        KeyMissing: the key is gone.
    """
    if not lake.artifact_paths(use_case.name, ERASED_PERSONS):
        return ErasedPersons()
    stated = statements(lake, use_case, ERASED_PERSONS)
    hashes = frozenset(one for stood in stated for one in stood.said["hashes"])
    return ErasedPersons(hashes, key_of(environment, use_case.name))


def digest(key: bytes, subjects: Collection[str], texts: Collection[str]) -> str:
    """Binds the word of a second person to whom it is about, and tells nothing of them."""
    said = settings_hash({"subjects": sorted(set(subjects)), "texts": sorted(set(texts))})
    return hmac.digest(key, said.encode(), "sha256").hex()


def stand_ins(key: bytes, records: Collection[str]) -> dict[str, str]:
    """Record id -> what stands in its place where a signed record names it: of the form of an id, the same everywhere,
    and nobody without the key can tell of which record."""
    return {one: hmac.digest(key, RECORDS + one.encode(), "sha256").hex()[: max(len(one), 16)] for one in records}


def _hash(key: bytes, subject: str) -> str:
    return hmac.digest(key, subject.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()[:32]
