"""raw_records: what the source holds, mapped to the columns of a record, with where each row came from."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.assets.decorators import asset, asset_check
from ft_platform.assets.profile import profile_link
from ft_platform.assets.stage import judged, key, materialized, stage, tags, with_typed_failures
from ft_platform.lake.input_hash import input_hash
from ft_platform.lake.manifest import Manifest
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.process.hidden_names import source_place
from ft_platform.records.columns import TRAFFIC
from ft_platform.records.schemas import raw_schema
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

if TYPE_CHECKING:
    from ft_platform.sources.ingest import Ingest

SHOWN_FILES = 100
"""Files whose hashes are shown in the UI; the manifest has all of them."""


def build(use_case: NamedUseCase) -> list:
    watched = use_case.settings.retraining.watches_source
    source = dg.AssetSpec(
        key(use_case, "source"),
        description=f"What the records are read from. The sensor `{use_case.name}_source` reports new content here"
        + ("." if watched else "; it is off until someone switches it on, because retraining.mode is on_demand."),
        group_name=use_case.name,
        kinds={"file"},
        tags=tags(use_case, "restricted", "external"),
        owners=[use_case.settings.owners.of("data_engineering")],
        metadata={"dagster/uri": source_place(use_case.settings.source.uri)},
    )

    @asset(**stage(use_case, "raw_records"), deps=[key(use_case, "source")])
    @with_typed_failures
    def raw_records(
        lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment]
    ) -> dg.MaterializeResult[TableVersion]:
        """Records of the source as they came, restricted to the mapped columns, each with its source file, row and
        hash.

        A file that was already read adds nothing; a changed file adds its new and changed rows. Rows that the source no
        longer has stay or go, as `source.vanished_rows` says. A different source starts a new version without the rows
        of the old one. Old versions stay readable."""
        version, reused = ingest_source(lake, environment, use_case)
        manifest = lake.manifest(version)
        files = shown_files(manifest.info["files"])
        return materialized(
            use_case,
            version,
            manifest,
            reused=reused,
            **profile_link(lake, environment, use_case, version),
            files=dg.MetadataValue.json(files),
        )

    @asset_check(
        asset=key(use_case, "raw_records"),
        blocking=True,
        description="Every row read from the source is in the table, once.",
    )
    @with_typed_failures
    def rows_are_accounted_for(lake: dg.ResourceParam[Lake], raw_records: TableVersion) -> dg.AssetCheckResult:
        def judge() -> tuple[bool, dict]:
            from ft_platform.sources.known_records import distinct_ids

            rows, distinct = distinct_ids(lake.rows(raw_records))
            numbers = {
                "rows": rows,
                "distinct_record_ids": distinct,
                "rows_in_manifest": lake.manifest(raw_records).rows,
            }
            return len(set(numbers.values())) == 1, numbers

        return judged(lake, use_case, raw_records, "rows_are_accounted_for", judge)

    return [source, raw_records, rows_are_accounted_for]


def shown_files(files: Mapping[str, str]) -> dict[str, str]:
    """Hashes of source files for the UI. The names (a message of a person, say) stay in the manifest, in the restricted
    zone.

    Args:
        files: path or URI -> sha256.
    """
    return {f"file {number}": digest for number, digest in enumerate(list(files.values())[:SHOWN_FILES], 1)}


class Left:
    """What is left of batches without persons who were erased, and rows that the retention would delete.

    Args:
        erased: persons (`tombstones.ErasedPersons`).
        due: judge of rows (`retention_due.due_rows`); None: none is due.

    Attributes:
        removed: reason -> rows that were left out so far; `rows`: all of them.
    """

    def __init__(self, erased: Any, due: Callable[[pa.RecordBatch], Any] | None = None) -> None:
        self._erased, self._due, self.removed = erased, due, Counter[str]()

    @property
    def rows(self) -> int:
        return self.removed.total()

    def out(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from ft_platform.erasure.tombstones import REASON
        from ft_platform.governance.reasons import NAMES, PERMITTED

        for batch in batches:
            if self._erased.hashes and "subject_id" in batch.schema.names:
                gone = self._erased.among(batch.column("subject_id"))
                self.removed += Counter({REASON: int(gone.sum())})
                batch = batch.filter(pa.array(~gone))
            if self._due and batch.num_rows:
                codes = self._due(batch)
                self.removed += Counter(NAMES[code] for code in codes.tolist() if code != PERMITTED)
                batch = batch.filter(pa.array(codes == PERMITTED))
            if batch.num_rows:
                yield batch


@dataclass(frozen=True)
class Known:
    """What `raw_records` has already, and what of released feedback it should have.

    Attributes:
        newest: version; `before` it is with the settings of now, `manifest` its.
        files: URI -> hash of the files of the source that were read, `feedback` of the batches that are released now.
        asked: rows of those batches.
        again: feedback was taken back: what is left of it is read again.
    """

    newest: TableVersion | None
    before: TableVersion | None
    manifest: Manifest | None
    files: dict[str, str]
    feedback: dict[str, str]
    asked: pa.Table
    again: bool
    new_batches: list[str]


def _known(lake: Lake, use_case: NamedUseCase) -> Known:
    from ft_platform.monitoring.traffic.batches import released_records

    newest = lake.latest(use_case.name, "raw_records")
    manifest = lake.manifest(newest) if newest else None
    same = manifest is not None and manifest.settings_hash == STAGES["raw_records"].settings_hash(use_case)
    files = manifest.info.get("files", {}) if same and manifest else {}
    feedback, asked = released_records(lake, use_case)
    fed = {uri: sha256 for uri, sha256 in files.items() if uri.startswith(TRAFFIC)}
    again = not fed.items() <= feedback.items()
    new_batches = [uri for uri in feedback if again or uri not in fed]
    files = {uri: sha256 for uri, sha256 in files.items() if uri not in fed}
    return Known(newest, newest if same else None, manifest, files, feedback, asked, again, new_batches)


def _news(lake: Lake, known: Known, found: "Ingest") -> bool:
    """Whether there is anything that a new version would have: in the source, in released feedback, or rows erased
    from the version that is there."""
    redone = known.before is not None and bool(lake.erased_rows(known.before).erasures)
    return not found.unchanged or bool(known.new_batches) or known.again or redone


def existing(lake: Lake, environment: Environment, use_case: NamedUseCase) -> TableVersion | None:
    """The table of this source as it is now. Compares hashes of its files and tables; no row is read.

    Raises:
        SourceError, TransientError: the source cannot be read.
    """
    from ft_platform.sources.ingest import read_new_records

    known = _known(lake, use_case)
    if known.before is None:
        return None
    found = read_new_records(use_case, environment, known.files, None, datetime.now(UTC))
    return None if _news(lake, known, found) else known.before


def ingest_source(lake: Lake, environment: Environment, use_case: NamedUseCase) -> tuple[TableVersion, bool]:
    """Adds what is new in the source, and of released feedback, to `raw_records`, batch by batch; rows of persons who
    were erased, and rows that the retention would delete, are left out. After an erasure or such a deletion a new
    version begins what is made anew without them. Returns the version and whether nothing was new."""
    from ft_platform.erasure.retention_due import due_rows, ledger_of
    from ft_platform.erasure.tombstones import erased_persons
    from ft_platform.sources.ingest import joined_encodings, read_new_records
    from ft_platform.sources.known_records import KnownRecords, known_rows_left

    known = _known(lake, use_case)
    before, manifest, known_files, again = known.before, known.manifest, known.files, known.again
    asked = known.asked.filter(pc.is_in(known.asked["source_uri"], value_set=pa.array(known.new_batches, pa.string())))
    counts: dict[str, Any] = {}
    info: dict[str, Any] = {}
    started = time.monotonic()
    today = datetime.now(UTC).date()
    due = due_rows(use_case, lake, today, ledger_of(lake, use_case, today))
    with lake.scratch(use_case.name, "raw_records", zone="restricted") as folder:
        folder.mkdir(mode=0o700)
        loaded = (lambda: KnownRecords.of(lake.rows(before))) if before else None
        known_marks = manifest.info.get("marks", {}) if before and manifest else {}
        found = read_new_records(use_case, environment, known_files, loaded, datetime.now(UTC), folder, known_marks)
        if before and not _news(lake, known, found):
            return before, True
        left = Left(erased_persons(lake, environment, use_case), due)
        batches = left.out(found.batches)
        first = next(batches, None)

        def rows() -> Iterator[pa.RecordBatch]:
            """New rows; where vanished ones are taken out, also the known rows that are left, in place of an append."""
            if first is not None:
                yield from chain([first], batches)
            yield from asked.to_batches()
            total, vanished = (before.rows if before else 0) + found.counts["rows_new"] + asked.num_rows, 0
            total -= left.rows
            if before and (found.whole or again):
                for batch in known_rows_left(lake.rows(before), found.present if found.whole else None, not again):
                    vanished -= batch.num_rows
                    yield batch
                vanished += before.rows
                total -= vanished
            absent = found.counts["columns_absent"]
            if before and manifest and found.unchanged:  # no file was read
                absent = manifest.info["columns_absent"]
            elif before and manifest and not found.whole and found.counts["rows_new"]:
                # A column that any file of the source has is not absent: its empty values are no consent.
                absent = [column for column in absent if column in manifest.info["columns_absent"]]
            removed = dict(sorted((+left.removed).items()))
            funnel = {"stage": "raw_records", "rows_in": total + left.rows, "kept": total, "removed": removed}
            counts.update(found.counts, rows_vanished=vanished, rows_of_feedback=asked.num_rows, funnel=funnel)
            files = found.files if found.whole else {**known_files, **found.files}
            earlier = manifest.info.get("encodings", []) if before and manifest and not found.whole else []
            info.update(files={**files, **known.feedback}, marks={**known_marks, **found.marks}, columns_absent=absent)
            info["encodings"] = joined_encodings(earlier, found.counts["encodings"])

        version = lake.write_table(
            use_case.name,
            "raw_records",
            rows(),
            raw_schema(use_case),
            zone="restricted",
            settings_hash=STAGES["raw_records"].settings_hash(use_case),
            input_hash=input_hash(
                use_case, "raw_records", [], files=str(sorted({**found.files, **known.feedback}.items()))
            ),
            counts=counts,
            info=info,
            append=before is not None and not found.whole and not again,
            based_on=known.newest,
            started=started,
        )
    return version, False
