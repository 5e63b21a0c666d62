"""Records without a label, as experts may see them: permitted, cleaned and anonymized by the stages of the training
data, and looked at by the second scan. They are made for one task and not stored.

Left out: records near to a labelled one or to another of them, which cleaning would take for a duplicate of it, and
records of persons in the validation or test split, from whom no training may learn. Covered: everything that the stages
do to a record. Not covered: expectations of `validation` and k-anonymity, which look at a record once it has its label;
columns that they are about are shown to nobody here."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.cleaning.clean import clean
from ft_platform.errors import DataError
from ft_platform.evaluation.annotation.marks import in_force
from ft_platform.evaluation.annotation.unlabelled_overlay import has_none
from ft_platform.lake.gate import require_usable
from ft_platform.lake.keys.key_ring import KeyHandle
from ft_platform.lake.stage_table import Work
from ft_platform.lake.store import Lake
from ft_platform.privacy.anonymize import anonymize
from ft_platform.privacy.residual import residual
from ft_platform.records.columns import user_texts
from ft_platform.records.engines import engine_of
from ft_platform.records.near_duplicates import find_near_duplicates_stream
from ft_platform.records.rows import Rows, Spool, TableRows
from ft_platform.records.schemas import anonymized_schema, cleaned_schema, feature_columns, raw_schema
from ft_platform.records.stage_results import StageStream, reason_counts
from ft_platform.use_case.named import NamedUseCase

MOST = 20_000
"""Records that are looked at, a random sample where there are more: anonymizing so many takes some minutes."""


@dataclass(frozen=True)
class Pool:
    """Records that can be shown.

    Attributes:
        of: permitted records without a label.
        left_out: reason -> records, of those that were looked at.
    """

    ids: list[str]
    texts: list[str]
    of: int
    left_out: dict[str, int]


def unlabelled_pool(
    lake: Lake,
    use_case: NamedUseCase,
    keys: KeyHandle,
    labelled: pa.Table,
    *,
    judged: Collection[str] = (),
    only: Collection[str] | None = None,
) -> Pool:
    """The records without a label.

    Args:
        labelled: the rows of the newest `splits`.
        judged: ids of records that somebody judged, which are left out.
        only: ids; None: all.

    Raises:
        DataError: the second scan finds personal data.
        VersionRefused: `permitted_records` may not be used.
    """
    ids = _ids_without_label(lake, use_case)
    there = [one for one in ids if one not in judged and (only is None or one in only)]
    left = Counter({"judged_already": sum(one in judged for one in ids)})
    left["not_sampled"] = max(0, len(there) - MOST)
    if not there:
        return Pool([], [], len(ids), dict(+left))
    seed = use_case.settings.evaluation.seed
    rows = _rows(lake, use_case, [there[p] for p in np.random.default_rng(seed).permutation(len(there))[:MOST]])
    with lake.scratch(use_case.name, "unlabelled", zone="restricted") as folder:
        folder.mkdir(mode=0o700)
        work, made_for = Work(folder, engine_of(use_case.settings.compute)), _for_one_task(use_case)
        cleaned = _kept(
            clean(made_for, TableRows(rows), work), cleaned_schema(made_for), folder / "cleaned.arrow", left
        )
        stream = anonymize(made_for, cleaned, work, keys, marks=in_force(lake, use_case))
        anonymized = _kept(stream, anonymized_schema(made_for), folder / "anonymized.arrow", left)
        scanned = residual(made_for, anonymized)
        if not scanned["passed"]:
            problem = f"the second scan finds personal data in {scanned['rows_with_finding']} records without a label"
            raise DataError(f"{use_case.name}: {problem}", "Add a recognizer: docs/how_to/add_a_recognizer.md")
        names = ["record_id", "subject_id", "messages"]
        found = pa.Table.from_batches(
            anonymized.batches(names), schema=pa.schema([anonymized.schema.field(n) for n in names])
        )
        return _shown(use_case, found.sort_by("record_id"), labelled, folder, len(ids), left)


def _permitted(lake: Lake, use_case: NamedUseCase) -> Rows:
    permitted = lake.latest(use_case.name, "permitted_records")
    if permitted is None:
        raise DataError(f"{use_case.name} has no permitted records", f"Run: ft run {use_case.name}")
    require_usable(lake, use_case, permitted)
    return lake.rows(permitted)


def _ids_without_label(lake: Lake, use_case: NamedUseCase) -> list[str]:
    found = []
    for batch in _permitted(lake, use_case).batches(["record_id", "label"]):
        ids, labels = (batch.column(name).to_pylist() for name in ("record_id", "label"))
        found += [one for one, label in zip(ids, labels, strict=True) if has_none(label)]
    return sorted(found)


def _rows(lake: Lake, use_case: NamedUseCase, ids: Collection[str]) -> pa.Table:
    """Permitted records. Cleaning removes a record without a label; the word that stands here for one, and no features,
    are shown to nobody."""
    wanted, schema = pa.array(sorted(ids), pa.string()), raw_schema(use_case)
    rows = _permitted(lake, use_case)
    parts = [batch.filter(pc.is_in(batch.column("record_id"), value_set=wanted)) for batch in rows.batches()]
    table = pa.Table.from_batches(parts, schema=schema)
    for name in ("label", *feature_columns(use_case)):
        place, value = schema.get_field_index(name), "unlabelled" if name == "label" else None
        table = table.set_column(place, schema.field(place), pa.array([value] * table.num_rows, pa.string()))
    return table


def _for_one_task(use_case: NamedUseCase) -> NamedUseCase:
    """Without limits that are about a whole source, and without columns that nobody is shown."""
    settings = use_case.settings
    changed = {
        "cleaning": settings.cleaning.model_copy(update={"max_removed_share": 1.0}),
        "privacy": settings.privacy.model_copy(update={"quasi_identifiers": {}}),
    }
    return use_case.model_copy(update={"settings": settings.model_copy(update=changed)})


def _kept(stream: StageStream, schema: pa.Schema, path: Path, left: Counter[str]) -> Spool:
    """What a stage keeps, on the disk; what it removes is counted."""
    kept = Spool(path, schema)
    for goes_on, does_not in stream.parts:
        if goes_on is not None:
            kept.write(goes_on)
        if does_not is not None:
            left.update(reason_counts(does_not))
    return kept


def _shown(
    use_case: NamedUseCase, found: pa.Table, labelled: pa.Table, folder: Path, of: int, left: Counter[str]
) -> Pool:
    held_out = set(labelled.filter(pc.field("split") != "train")["subject_id"].to_pylist()) - {None}
    texts, known = user_texts(found["messages"]), user_texts(labelled["messages"])
    repeats = _near(use_case, known, texts, folder)
    shown = []
    for place, subject in enumerate(found["subject_id"].to_pylist()):
        why = "near_labelled" if repeats[place] else "person_held_out" if subject in held_out else None
        if why:
            left[why] += 1
        else:
            shown.append(place)
    ids = found["record_id"].to_pylist()
    return Pool([ids[p] for p in shown], [texts[p] for p in shown], of, dict(sorted((+left).items())))


def _near(use_case: NamedUseCase, known: list[str], texts: list[str], folder: Path) -> np.ndarray:
    """Which texts are near to a labelled one. Shape `(texts,)`, dtype bool."""
    together = pa.array([*known, *texts], pa.string())
    threshold = use_case.settings.cleaning.near_duplicate_threshold
    near = find_near_duplicates_stream(lambda: iter([together]), len(together), threshold, folder, "unlabelled")
    return near.original[len(known) :] >= 0
