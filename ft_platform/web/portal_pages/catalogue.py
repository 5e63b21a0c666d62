"""The catalogue: every version of every dataset, and every checkpoint, of all use cases, with what permits its use and
what was made from it.

Covered: what signed manifests and verdicts say; purpose and licence as the records of a version were judged with them,
and not known where its manifest does not say and the file is another by now; whom to ask today. Not covered: names of
source files, which may name a person, and copies outside the lake."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode

from ft_platform.errors import FtError
from ft_platform.lake.manifest import Manifest
from ft_platform.lake.releases import releases
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import NOT_TAINTED, SAW_NO_ERASED
from ft_platform.lake.versions import TableVersion
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase

LISTED = [stage for stage in STAGES.values() if stage.kind in ("table", "quarantine", "checkpoint")]
ON_A_PAGE = 100
LONGEST = 200
"""Characters of a search."""
NOT_KNOWN = "not known"
Place = tuple[str, str]
"""Stage and id of a version."""


class Released(NamedTuple):
    """How a release is told."""

    id: str
    withdrawn: bool


@dataclass(frozen=True)
class Found:
    """What the lake says of one version.

    Attributes:
        basis: what permits its records; empty where nobody has judged them yet.
        purpose, licence: that they were judged with; empty where the version does not say.
        judged_with: hash of the settings of that judgement; empty where there is none.
        made_from_it: ids of versions that name it as their parent.
        releases: of checkpoints that learned from it, or of itself.
        withdrawn_rows: that may not be used any more.
        erased: why and when its content was deleted; empty: it was not.
        erased_rows: that are gone of it, by erasures of persons and the retention.
        quarantined_for: erased rows that a checkpoint learned from.
    """

    stage: str
    id: str
    rows: int
    written_at: str
    basis: str
    made_from_it: Sequence[str]
    releases: Sequence[Released]
    withdrawn_rows: int
    erased: str
    erased_rows: int = 0
    quarantined_for: int = 0
    purpose: str = ""
    licence: str = ""
    judged_with: str = ""

    @property
    def is_gone(self) -> bool:
        """Whether something of it was withdrawn or erased."""
        return bool(self.withdrawn_rows or self.erased or self.erased_rows or self.quarantined_for)


@dataclass(frozen=True)
class Entry:
    """One line of the catalogue.

    Attributes:
        owner: whom to ask today.
        read_by: other use cases whose records come from the same source.
    """

    use_case: str
    owner: str
    purpose: str
    licence: str
    zone: str
    read_by: Sequence[str]
    found: Found

    @property
    def words(self) -> str:
        """What a search looks at."""
        found = self.found
        made = (*found.made_from_it, *(one.id for one in found.releases), *self.read_by)
        parts = (self.use_case, self.owner, self.purpose, self.licence, self.zone, found.stage, found.id, found.basis)
        erased = "erased" if found.erased or found.erased_rows else ""
        state = ("withdrawn" if found.withdrawn_rows else "", erased, found.written_at[:10])
        return " ".join((*parts, *made, *state)).replace("_", " ").casefold()


@dataclass(frozen=True)
class Asked:
    """What somebody looks for: all words, and these values where they are given."""

    words: str = ""
    use_case: str = ""
    stage: str = ""
    zone: str = ""
    page: int = 1

    @classmethod
    def of(cls, query: str) -> "Asked":
        """As the address says; what cannot be read counts as not there."""
        try:
            given = {name: values[0][:LONGEST].strip() for name, values in parse_qs(query, max_num_fields=20).items()}
        except ValueError:
            given = {}
        page = given.pop("page", "")
        number = int(page) if page.isascii() and page.isdecimal() and len(page) < 7 else 1
        known = {name: given.get(name, "") for name in ("words", "use_case", "stage", "zone")}
        return cls(**known, page=max(number, 1))

    def on(self, page: int) -> str:
        """The address of another page of what was found, from the pages over all use cases."""
        given = {name: value for name, value in vars(self).items() if value and name != "page"}
        return f"catalogue?{urlencode({**given, 'page': page})}"

    def finds(self, entry: Entry) -> bool:
        asked = {entry.use_case: self.use_case, entry.found.stage: self.stage, entry.zone: self.zone}
        if any(value and value != there for there, value in asked.items()):
            return False
        words = self.words.replace("_", " ").casefold().split()
        return not words or all(word in entry.words for word in words)


class Catalogue:
    """Reads a use case again only where something was signed in it since."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._known: dict[str, tuple[object, list[Found], frozenset[str]]] = {}

    def entries(self, use_cases: Mapping[str, NamedUseCase]) -> tuple[list[Entry], list[str]]:
        """Every version, by use case and stage, the newest first; and what cannot be read, a sentence each."""
        problems, found = [], {}
        for name in sorted(use_cases):
            try:
                found[name] = self._of(name)
            except FtError as error:
                problems.append(f"{name.replace('_', ' ')}: {error.message}")
        today = {name: _today(use_cases[name]) for name in found}
        readers = _readers({name: (use_cases[name], files) for name, (_, files) in found.items()})
        return [
            Entry(
                use_case=name,
                owner=use_cases[name].settings.owners.of(STAGES[one.stage].role),
                purpose=one.purpose or today[name][one.judged_with][0],
                licence=one.licence or today[name][one.judged_with][1],
                zone=STAGES[one.stage].zone,
                read_by=readers[name],
                found=one,
            )
            for name, (versions, _) in found.items()
            for one in versions
        ], problems

    def _of(self, name: str) -> tuple[list[Found], frozenset[str]]:
        seals = self._lake.seals(name)
        newest = seals.newest() if seals else None
        known = self._known.get(name)
        if known is None or newest is None or known[0] != newest:
            self._known[name] = known = newest, *_read(self._lake, name)
        return known[1], known[2]


def _read(lake: Lake, name: str) -> tuple[list[Found], frozenset[str]]:
    """The versions of a use case, and the hashes of the files that the newest raw records came from."""
    manifests = {(one.name, one.id): one for stage in LISTED for one in _manifests(lake, name, stage.name)}
    made_from: dict[Place, list[str]] = defaultdict(list)
    released: dict[Place, list[Released]] = defaultdict(list)
    for manifest in manifests.values():
        for parent in manifest.parents:
            made_from[parent.name, parent.id].append(manifest.id)
    for release in releases(lake, name):
        told = Released(release.id, release.withdrawn is not None)
        for place in _behind(manifests, ("adapter_checkpoint", release.checkpoint)):
            released[place].append(told)
    raw = next((one for one in manifests.values() if one.name == "raw_records"), None)
    found = [_found(lake, manifests, place, made_from[place], released[place]) for place in manifests]
    return found, frozenset(map(str, raw.info.get("files", {}).values())) if raw else frozenset()


def _manifests(lake: Lake, name: str, stage: str) -> Iterator[Manifest]:
    if STAGES[stage].kind == "checkpoint":
        yield from (lake.manifest(one) for one in lake.artifacts(name, stage))
    else:
        yield from lake.manifests(name, stage)


def _found(
    lake: Lake, manifests: Mapping[Place, Manifest], place: Place, made: list[str], released: list[Released]
) -> Found:
    manifest, stage = manifests[place], STAGES[place[0]]
    if stage.kind == "checkpoint":
        version: Any = lake.artifact(manifest.use_case, manifest.name, manifest.id, verify=False)
    else:
        number, uri = int(manifest.version or 0), lake.uri(stage.zone, manifest.use_case, "tables", stage.name)
        about = (manifest.use_case, stage.name, stage.zone, number, manifest.content_hash, manifest.rows, uri)
        version = TableVersion(*about)
    verdict = lake.verdict(version, NOT_TAINTED) if version else None
    erased_rows = lake.erased_rows(version).rows if version else 0
    quarantine = lake.verdict(version, SAW_NO_ERASED) if version else None
    permitted = next((one for one in _behind(manifests, place) if one[0] == "permitted_records"), None)
    judged = manifests[permitted] if permitted else None
    return Found(
        stage=stage.name,
        id=manifest.id,
        rows=manifest.rows - erased_rows,
        written_at=manifest.written_at,
        **{name: str(judged.counts.get(name, "")) if judged else "" for name in ("basis", "purpose", "licence")},
        judged_with=judged.settings_hash if judged else "",
        made_from_it=made,
        releases=released,
        withdrawn_rows=verdict.numbers["rows"] if verdict and not verdict.passed else 0,
        erased=lake.erased(version) if version else "",
        erased_rows=erased_rows,
        quarantined_for=quarantine.numbers["rows"] if quarantine and not quarantine.passed else 0,
    )


def _behind(manifests: Mapping[Place, Manifest], place: Place) -> list[Place]:
    """A version and all that it was made from, as far as it is listed, each once."""
    queue = [place] if place in manifests else []
    for one in queue:
        parents = ((parent.name, parent.id) for parent in manifests[one].parents)
        queue += [parent for parent in dict.fromkeys(parents) if parent in manifests and parent not in queue]
    return queue


def _today(use_case: NamedUseCase) -> dict[str, tuple[str, str]]:
    """Hash of the settings that records are judged with -> purpose and licence: those of the file for its own hash, and
    not known for every other."""
    governance = use_case.settings.governance
    said = governance.purpose, governance.licence_in_words
    return defaultdict(lambda: (NOT_KNOWN, NOT_KNOWN), {STAGES["permitted_records"].settings_hash(use_case): said})


def _readers(found: Mapping[str, tuple[NamedUseCase, frozenset[str]]]) -> dict[str, list[str]]:
    """Use case -> others that read the same place, or files with the same content."""
    by_key: dict[object, set[str]] = defaultdict(set)
    keys: dict[str, set[object]] = {}
    for name, (use_case, files) in found.items():
        source = use_case.settings.source
        keys[name] = {(source.uri, source.table, source.query), *files}
        for key in keys[name]:
            by_key[key].add(name)
    return {name: sorted(set().union(*(by_key[key] for key in of)) - {name}) for name, of in keys.items()}
