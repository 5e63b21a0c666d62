"""Some rows of a source on their way through the data stages and the training audit, in a private folder that is gone
afterwards.

Covered: what the stages remove and refuse, and every fault of `training.audit_faults`. Not covered: what depends on how
many rows there are (rare labels, labels that a given side lacks, k-anonymity, shares of labels), checks by Great
Expectations, and recall.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.errors import FtError
from ft_platform.lake.opening import open_lake
from ft_platform.lake.stage_table import Work
from ft_platform.records.engines.in_process import InProcess
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import anonymized_schema, cleaned_schema, raw_schema, splits_schema
from ft_platform.records.stage_results import StageStream, reason_counts
from ft_platform.release.best_evidence import Counted, counted
from ft_platform.sources.ingest import records_in
from ft_platform.sources.looking import Looked, sampled
from ft_platform.splitting.given import given_sides
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

CODE = re.compile(r"[A-Za-z]{0,4}[-_. ]?\d[\w.-]*|[A-Za-z]")
"""Labels such as 3, C17, cat_4 or B."""
ROWS = 500
"""Rows that are led through: seconds, also where texts are long."""
FEWEST = 3
"""Of some rows, so many of a label are enough: one for each side."""


@dataclass
class Rehearsal:
    """How far rows came.

    Attributes:
        rows: how many were led through, of `of` that were looked at.
        kept: stage -> rows that it kept.
        removed: stage -> reason -> rows.
        problems: what stops a run, in sentences.
        hints: what does not, and is worth knowing.
        records: how all records of the source are expected to be divided; None: no row came so far.
    """

    rows: int
    of: int
    kept: dict[str, int] = field(default_factory=dict)
    removed: dict[str, dict[str, int]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    records: Counted | None = None


def rehearse(use_case: NamedUseCase, looked: Looked, environment: Environment, rows: int = ROWS) -> Rehearsal:
    """Leads rows through the stages up to `splits` and through the audit, until one refuses them. Writes no version to
    the lake; the key of pseudonyms is drawn and thrown away."""
    chosen = sampled(looked.rows, rows)
    found = Rehearsal(chosen.num_rows, looked.rows.num_rows)
    part = use_case if looked.complete and chosen.num_rows == looked.rows.num_rows else _for_some_rows(use_case)
    stage = "raw_records"
    try:
        with _private_folder(use_case, environment) as private:
            work = Work(private, InProcess())
            table = records_in(part, chosen, use_case.settings.source.uri, datetime.now(UTC))
            found.kept[stage] = table.num_rows
            for stage, make, schema in _stages(part, looked, work, environment):
                table = _made(found, stage, make(TableRows(table)), schema, some=part is not use_case)
                if stage == "splits":
                    about = f"expected from {found.rows:,} of {found.of:,} rows"
                    found.records = counted(use_case, table, about, found.of / found.rows)
                if stage == "anonymized_records":
                    _look_again(part, table, found)
                    if use_case.settings.splits.given_by:  # some rows are divided at random
                        given_sides(use_case, TableRows(table))
            stage = "the training audit"
            _audit(part, table, environment, found)
    except FtError as error:
        found.problems.append(f"{stage} of {found.rows:,} rows: {' '.join(str(error).split())}")
    return found


@contextmanager
def _private_folder(use_case: NamedUseCase, environment: Environment) -> Iterator[Path]:
    """In the restricted zone, where the next run removes what a killed one left. Before the first run of a use case
    there is none: then in a temporary folder of this account alone."""
    lake = open_lake(environment)
    if not lake.is_local or not Path(lake.path_of("restricted", use_case.name)).is_dir():
        with TemporaryDirectory(prefix="ft-rehearsal-") as folder:
            yield Path(folder)
        return
    with lake.scratch(use_case.name, "rehearsal", zone="restricted") as place:
        place.mkdir()
        yield place


def _for_some_rows(use_case: NamedUseCase) -> NamedUseCase:
    """The use case without what asks for many rows."""
    settings = use_case.settings
    rare = {"min_rows_per_label": FEWEST, "rare_labels": "drop" if settings.splits.rare_labels == "error" else "other"}
    given = {"strategy": "random", "given_by": None} if settings.splits.given_by else {}
    splits = settings.splits.model_copy(update=rare | given)
    privacy = settings.privacy.model_copy(update={"k": 1})
    return use_case.model_copy(update={"settings": settings.model_copy(update={"splits": splits, "privacy": privacy})})


def _stages(
    use_case: NamedUseCase, looked: Looked, work: Work, environment: Environment
) -> list[tuple[str, Callable[[TableRows], StageStream], pa.Schema]]:
    from ft_platform.cleaning.clean import clean
    from ft_platform.governance.ledger import pin_ledger
    from ft_platform.governance.permission import permit
    from ft_platform.lake.keys.key_ring import KeyRing, key_handle
    from ft_platform.lake.keys.providers import KeyPlace
    from ft_platform.privacy.anonymize import anonymize
    from ft_platform.splitting.benchmark_texts import benchmark_texts
    from ft_platform.splitting.split import split

    today, absent = datetime.now(UTC).date(), set(use_case.settings.record.columns()) - set(looked.rows.schema.names)
    place = KeyPlace("file", work.folder / "key", "FT_REHEARSAL_KEY")
    ring = KeyRing({1: token_bytes(32)})
    place.open().write(ring.to_text())
    handle = key_handle(ring, place, use_case.name)
    ledger = pin_ledger(use_case, environment.storage_options())
    return [
        (
            "permitted_records",
            lambda rows: permit(use_case, rows, work, today, absent, ledger),
            raw_schema(use_case),
        ),
        ("cleaned_records", lambda rows: clean(use_case, rows, work), cleaned_schema(use_case)),
        ("anonymized_records", lambda rows: anonymize(use_case, rows, work, handle), anonymized_schema(use_case)),
        (
            "splits",
            lambda rows: split(use_case, rows, work, benchmark_texts(use_case.settings.splits)),
            splits_schema(use_case),
        ),
    ]


def _made(found: Rehearsal, stage: str, stream: StageStream, schema: pa.Schema, *, some: bool) -> pa.Table:
    """The rows that a stage keeps.

    Args:
        some: they are not all rows of the source.
    """
    made = stream.collect(schema)
    found.kept[stage] = made.kept.num_rows
    if made.removed.num_rows:
        found.removed[stage] = dict(reason_counts(made.removed))
    if (rare := found.removed.get(stage, {}).get("rare_label")) and some:
        found.hints.append(
            f"rare_label: {rare:,} of these rows have a label that fewer than {FEWEST} of them have; among all rows of"
            " the source there may be more of it"
        )
    if conflicts := made.counts.get("label_conflicts"):
        left_out = found.removed.get(stage, {}).get("label_conflict", 0)
        found.hints.append(
            f"label_conflict: {conflicts:,} texts occur with several labels. Each takes the label that most of its rows"
            f" have; where no label leads, none of them stays ({left_out:,} rows)"
        )
    if near := made.counts.get("near_label_conflicts"):
        found.hints.append(
            f"near_duplicate: {near:,} rows that nearly repeat another one have another label than the one that stays"
        )
    return made.kept


def _look_again(use_case: NamedUseCase, table: pa.Table, found: Rehearsal) -> None:
    """The second scan for personal data, whose verdict stops a run."""
    from ft_platform.privacy.residual import residual

    seen = residual(use_case, TableRows(table))
    if not seen["passed"]:
        entities = ", ".join(f"{entity} {count:,}" for entity, count in seen["findings"].items())
        found.problems.append(
            f"no_residual_pii: {seen['rows_with_finding']:,} of {seen['rows']:,} rows still contain what looks like"
            f" personal data ({entities}). Remove these rows, or allow them with privacy.max_residual_percent"
        )


def _audit(use_case: NamedUseCase, table: pa.Table, environment: Environment, found: Rehearsal) -> None:
    from ft_platform.models import base_model
    from ft_platform.models.model_sources import is_here
    from ft_platform.models.rendering.renderer import labels_of
    from ft_platform.models.tokenizer import load_tokenizer
    from ft_platform.training.audit import renderers_of
    from ft_platform.training.audit_faults import KINDS
    from ft_platform.training.audit_rows import RowAudit, decoder

    settings = use_case.settings
    if not is_here(settings.trained_base, environment.cache_path):
        found.hints.append(f"the training audit was not tried: {settings.base_model.uri} is not on this machine yet")
        return
    resolved = base_model.resolve_here(settings.trained_base, environment)
    loaded = load_tokenizer(resolved)
    renderer = renderers_of(use_case, loaded.tokenizer, loaded.tokenizer, labels_of(table))["training"]
    audit = RowAudit(use_case, renderer, decoder(loaded.tokenizer), loaded.context_length)
    seen = audit.run(lambda columns: table.select(columns).to_batches(), table.num_rows)
    advice = _room(use_case, renderer, table) if {"prompt_shortened", "answer_truncated"} & _found(seen.counts) else ""
    for kinds, told in ((seen.blocking(), found.problems), (seen.warnings(), found.hints)):
        for kind in kinds:
            remedy = advice or KINDS[kind].remedy
            told.append(f"{kind}: {seen.counts[kind]:,} of {seen.rows:,} rows: {KINDS[kind].meaning}. {remedy}")
    prefix = len(renderer.prefix_ids())
    if settings.training.objective == "label_head" and "{labels}" in settings.task.instruction and prefix > 64:
        found.hints.append(
            f"task.instruction writes all labels into every prompt, {prefix:,} tokens with them: a label head needs no"
            " {labels}"
        )
    described = settings.training.label_descriptions
    codes = [label for label in renderer.labels if CODE.fullmatch(label) and label not in described]
    starts_at_words = settings.training.recipe == "auto" or settings.training.label_head_start != "random"
    if settings.training.objective == "label_head" and starts_at_words and codes:
        found.hints.append(
            f"{len(codes):,} of {len(renderer.labels):,} labels are codes (a number, or a letter): a label head starts"
            " at what the base model knows of their words. record.label_names gives them names,"
            " training.label_descriptions says what they mean"
        )


def _found(counts: dict[str, int]) -> set[str]:
    return {kind for kind, count in counts.items() if count}


def _room(use_case: NamedUseCase, renderer: Any, table: pa.Table) -> str:
    """A `training.max_length` that would do, from rows without a bound."""
    from ft_platform.models.rendering.renderer import NotRendered
    from ft_platform.training.dataset import COLUMNS, records_of

    lengths = []
    for batch in table.select(COLUMNS).to_batches():
        for _, messages, answer in records_of(batch, use_case):
            try:
                lengths.append(
                    len(renderer.example([m for m in messages if m["role"] != "rejected"], answer).input_ids)
                )
            except NotRendered:
                continue
    if not lengths:
        return ""
    most = round(float(np.quantile(lengths, 0.99)))
    return (
        f"99 of 100 rows have at most {most:,} tokens, {len(renderer.prefix_ids()):,} of them the instruction: raise"
        f" training.max_length ({use_case.settings.training.max_length:,}), or shorten what is long"
    )
