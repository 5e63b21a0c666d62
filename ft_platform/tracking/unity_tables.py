"""Tables of the lake as external tables of a Unity Catalog: `<catalog>.<schema>.<use case>_<stage>`.

The lake decides; the catalogue shows it. Each look compares the two and makes only what differs, so it may be repeated,
be killed at any point and run twice at once. A table is shown while its newest version is one that may be trained on:
all its checks passed on this content with these settings, and none of its rows withdrawn. Otherwise it is taken out
until a version passes. Taking out removes the entry; the data stays.

The catalogue names a place; what is read there is the newest commit of Delta's log, which is always whole. So readers
see a new version from its commit on: up to the next look also one whose checks fail. After an erasure they read the
files as they were written anew.

Neither Databricks' API nor the open-source server changes an external table: other columns mean a new entry, which
loses grants on the table itself. Grant on the schema. What changes with each version stands in tags, where the
server has them (Databricks), and otherwise in properties of a new entry.

Covered by tests: a stand-in with states and faults that checks requests by the published OpenAPI document; what it
holds is read by DuckDB's client. Not run: Databricks itself, and the open-source server, which is no package here."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import quote

from ft_platform.errors import FtError, VersionRefused
from ft_platform.errors.printable import printable
from ft_platform.lake import files
from ft_platform.lake.manifest import Manifest
from ft_platform.lake.parents import tables_behind
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import taint_of, taint_text
from ft_platform.lake.verdicts import missing_verdicts
from ft_platform.lake.versions import TableVersion
from ft_platform.process.unity_catalog import Catalog, NotGiven
from ft_platform.records.column_lineage import WHAT
from ft_platform.tracking.unity_entries import STAGE, USE_CASE, entry, is_ours, is_same
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.unity_catalog import SharedTable, UnityCatalog

ASKER = "`unity_catalog` of the environment"
TRIES = 3
NOTED = ("shared", "_catalog", "schemas")
"""Folder of the lake with the name of every schema that was ever written to: a stage that moves, or is taken out of the
settings, leaves nothing behind."""
OPEN = {"SELECT", "MODIFY", "ALL_PRIVILEGES", "ALL PRIVILEGES", "MANAGE"}
"""Privileges that open the rows of a table, or let somebody grant that."""
REASON_CHARACTERS = 200
State = Literal["there", "registered", "described", "taken out", "not shown", "failed"]


class CatalogRefused(FtError):
    """A Unity Catalog does not do what it was asked for."""


@dataclass(frozen=True)
class Shown:
    """What a look found and did about one table.

    Attributes:
        state: `described`: its tags were set. `not shown`: `why` not. `failed`: the catalogue shows it otherwise than
            the lake, and the next look tries again.
    """

    table: str
    state: State
    why: str = ""

    def line(self) -> str:
        return f"{self.table}: {self.state}{f' ({self.why})' if self.why else ''}"


def show_tables(
    environment: Environment, lake: Lake, use_cases: Sequence[NamedUseCase], known: Collection[str] | None = None
) -> list[Shown]:
    """Makes the catalogue show the tables of these use cases as the lake has them.

    Args:
        known: names of all use cases that there are. Tables of others go too, if the lake does not have them any more;
            default: they stay.

    Returns:
        One for each table, in the order of their names; none without `unity_catalog` in the environment.

    Raises:
        ConfigError: the variables of the catalogue are missing.
        TransientError: the catalogue, or the lake, does not answer.
        CatalogRefused: it does not let this principal see a schema.
    """
    if environment.unity_catalog is None:
        return []
    look = _Look(environment.unity_catalog, lake, Catalog(ASKER, TRIES))
    return look.all(use_cases, known)


class _Look:
    def __init__(self, settings: UnityCatalog, lake: Lake, catalog: Catalog) -> None:
        self._settings, self._lake, self._catalog = settings, lake, catalog

    def all(self, use_cases: Sequence[NamedUseCase], known: Collection[str] | None) -> list[Shown]:
        there = {str(one["full_name"]): one for one in self._listed()}
        tags = {schema: self._has_tags(schema) for schema in set(self._settings.tables.values())}
        wanted = {
            f"{schema}.{use_case.name}_{stage}": (use_case, stage, tags[schema])
            for use_case in use_cases
            for stage, schema in self._settings.tables.items()
        }
        names = {one.name for one in use_cases}
        left = [name for name, one in there.items() if name not in wanted and self._is_left(one, names, known)]
        # First what goes: a catalogue has no two tables in one place.
        found = [self._each(name, lambda name=name: self._taken_out(name, "not shown here any more")) for name in left]
        found += [
            self._each(name, lambda name=name, of=of: self._shown(name, there.get(name), *of))
            for name, of in wanted.items()
        ]
        return sorted(found, key=lambda one: one.table)

    def _each(self, name: str, does: Any) -> Shown:
        try:
            return does()
        except (CatalogRefused, NotGiven) as refusal:
            return Shown(
                name, "failed", refusal.message if isinstance(refusal, CatalogRefused) else f"status {refusal}"
            )

    def _listed(self) -> Iterator[dict[str, Any]]:
        """Tables in all schemas that were ever written to; one that is gone has none."""
        named = set(self._settings.tables.values())
        for schema in sorted(named | _noted(self._lake)):
            catalog_name, schema_name = schema.split(".")
            try:
                for one in self._catalog.pages(
                    "/tables", "tables", catalog_name=catalog_name, schema_name=schema_name, max_results="50"
                ):
                    yield {**one, "full_name": f"{schema}.{one['name']}"}
            except NotGiven as refusal:
                if schema in named or str(refusal) != "404":
                    raise CatalogRefused(
                        f"the catalogue does not list {schema} (status {refusal})",
                        "Make the schema, and grant USE CATALOG and USE SCHEMA: infra/databricks",
                    ) from None

    def _has_tags(self, schema: str) -> bool:
        return self._catalog.ask("GET", f"/entity-tag-assignments/schemas/{schema}/tags")[0] not in (404, 405, 501)

    def _shown(
        self, name: str, found: dict[str, Any] | None, use_case: NamedUseCase, stage: str, has_tags: bool
    ) -> Shown:
        if found is not None and not is_ours(self._lake, found):
            return Shown(name, "failed", "this name belongs to a table that is not of this lake: rename that one")
        why = self._why_not(name, use_case, stage)
        if isinstance(why, str):
            return self._taken_out(name, why) if found else Shown(name, "not shown", why)
        version, manifest = why
        if not self._lake.is_newest_commit(version):
            return Shown(name, "there" if found else "not shown", "a newer version is being written")
        facts = self._facts(use_case, version, manifest)
        wanted = entry(self._lake, name, version, facts, WHAT, has_tags)
        state: State = "there"
        if found is None or not is_same(found, wanted):
            if found is not None:
                self._delete(name)
            self._create(name, wanted)
            state = "registered"
        if has_tags and self._tagged(name, facts) and state == "there":
            state = "described"
        return Shown(name, state)

    def _why_not(self, name: str, use_case: NamedUseCase, stage: str) -> str | tuple[TableVersion, Manifest]:
        """Why a table may not be seen, or its newest version."""
        try:
            version = self._lake.latest(use_case.name, stage)
            if version is None:
                return "the lake has no such table"
            if erased := self._lake.erased(version):
                return f"erased ({erased})"
            problems = missing_verdicts(self._lake, use_case, version)
            if taint := taint_of(self._lake, version):
                problems.append(taint_text(version.id, taint))
            if stage not in get_args(SharedTable) and (others := self._others(name)):
                problems.append(f"{others} principals who are not in restricted_readers hold a grant that opens it")
            return "; ".join(problems) if problems else (version, self._lake.manifest(version))
        except VersionRefused as refusal:
            return refusal.message

    def _others(self, name: str) -> int:
        """How many principals hold a grant that they should not. Owners and administrators hold none."""
        catalog_name, schema, _ = name.split(".")
        found: set[str] = set()
        for kind, securable in (("catalog", catalog_name), ("schema", f"{catalog_name}.{schema}"), ("table", name)):
            place = f"/permissions/{kind}/{quote(securable, safe='')}"
            try:
                for one in self._catalog.pages(place, "privilege_assignments"):
                    if OPEN & set(one.get("privileges") or ()):
                        found.add(str(one.get("principal")))
            except NotGiven as refusal:
                if not (kind == "table" and str(refusal) == "404"):
                    raise CatalogRefused(
                        f"its grants cannot be seen (status {refusal}), so it is left as it is"
                    ) from None
        return len(found - set(self._settings.restricted_readers))

    def _is_left(self, one: Mapping[str, Any], names: set[str], known: Collection[str] | None) -> bool:
        """Whether an entry of ours that is not wanted is to go: its stage is not shown in this schema any more, or the
        lake does not have its table any more."""
        if not is_ours(self._lake, one):
            return False
        use_case, stage = one["properties"][USE_CASE], one["properties"][STAGE]
        if use_case in names or known is None or use_case in known:
            return use_case in names
        if self._settings.tables.get(stage) != one["full_name"].rsplit(".", 1)[0]:
            return True
        version = self._lake.latest(use_case, stage)  # nobody has its settings, so nobody can judge it
        return version is None or bool(self._lake.erased(version))

    def _facts(self, use_case: NamedUseCase, version: TableVersion, manifest: Manifest) -> dict[str, str]:
        """What changes with each version: names, hashes and counts."""
        behind = [one.id for one in tables_behind(self._lake, version).values()]
        source = use_case.settings.source.uri
        behind += [source] if source.startswith("uc://") else []
        return {
            "ft_version": version.id,
            "ft_data_version": version.content_hash[:32],
            "ft_rows": str(version.rows),
            "ft_written_at": manifest.written_at,
            "ft_made_from": " ".join(behind) or "the source",
        }

    def _create(self, name: str, wanted: dict[str, Any]) -> None:
        _note(self._lake, name.rsplit(".", 1)[0])
        status, answer = self._catalog.ask("POST", "/tables", wanted)
        if status in (200, 201):
            return
        # The answer to an earlier try was lost, or another process of this installation was faster.
        if "ALREADY_EXISTS" in str(answer.get("error_code")):
            status, found = self._catalog.ask("GET", f"/tables/{quote(name, safe='')}")
            if status == 200 and is_same(found, wanted):
                return
        raise _refusal("does not register it", status, answer)

    def _delete(self, name: str) -> None:
        status, answer = self._catalog.ask("DELETE", f"/tables/{quote(name, safe='')}")
        if status not in (200, 204, 404):
            raise _refusal("does not take it out", status, answer)

    def _taken_out(self, name: str, why: str) -> Shown:
        self._delete(name)
        return Shown(name, "taken out", why)

    def _tagged(self, name: str, facts: Mapping[str, str]) -> bool:
        """Sets the tags that differ. Returns whether any did."""
        place = f"/entity-tag-assignments/tables/{quote(name, safe='')}/tags"
        have = {one.get("tag_key"): one.get("tag_value") for one in self._catalog.pages(place, "tag_assignments")}
        differ = {key: value for key, value in facts.items() if have.get(key) != value}
        for key, value in differ.items():
            body = {"entity_type": "tables", "entity_name": name, "tag_key": key, "tag_value": value}
            if key not in have:
                status, answer = self._catalog.ask("POST", "/entity-tag-assignments", body)
            if key in have or "ALREADY_EXISTS" in str(answer.get("error_code")):
                status, answer = self._catalog.ask("PATCH", f"{place}/{key}?update_mask=tag_value", body)
            if status not in (200, 201):
                raise _refusal(f"does not set the tag {key}", status, answer)
        return bool(differ)


def _refusal(what: str, status: int, answer: Mapping[str, Any]) -> CatalogRefused:
    said = printable(f"{answer.get('error_code', '')} {answer.get('message', '')}")[:REASON_CHARACTERS].strip()
    return CatalogRefused(f"the catalogue {what}: status {status} {said}".strip())


def _noted(lake: Lake) -> set[str]:
    """Schemas that were ever written to."""
    lake.fs.invalidate_cache()
    folder = lake.path_of(*NOTED)
    return {path.rsplit("/", 1)[-1] for path in lake.fs.ls(folder, detail=False)} if lake.fs.exists(folder) else set()


def _note(lake: Lake, schema: str) -> None:
    """Before anything is registered there."""
    if schema not in _noted(lake):
        files.write_bytes(lake.fs, lake.path_of(*NOTED, schema), b"")
