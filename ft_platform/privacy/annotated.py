"""The texts that the recall of a use case is measured on, and whether they say anything about its own source.

Covered: a text counts where it is, word for word, among the records that were anonymized, whatever a file says about
itself; each counts once and for as many records as it was drawn from. Sentences of the platform count where the
platform generated the records, told by generating them again. Not covered: whether people annotated well, and whether
they left out texts that they were to annotate.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ft_platform.errors import DataError
from ft_platform.lake.store import Lake
from ft_platform.privacy.annotation_sample import sample_place
from ft_platform.privacy.evaluation import GoldText, NotAnnotated, gold_in, read_gold
from ft_platform.privacy.strata import NOTHING, Strata, entities_of
from ft_platform.records.columns import user_texts
from ft_platform.records.profiling.languages import UNDETERMINED, is_installed, languages
from ft_platform.records.rows import Rows
from ft_platform.use_case.named import NamedUseCase

LEAST_TEXTS = 20
"""Annotated texts with an entity below which its recall is not told: even a recall of 1 has an interval from 0.84 on
(Wilson 1927)."""

LANGUAGE_RECORDS = 5_000
"""Records whose language is told, a second of work."""
LEAST_LANGUAGE_SHARE = 0.05
"""Share of the records from which a language counts; short texts are taken for other languages now and then."""

Basis = Literal["own_records", "own_sample", "generated_records", "generated_texts", "other_texts"]


@dataclass(frozen=True)
class Annotated:
    """Annotated texts.

    Attributes:
        basis: `own_records`: they are among the records; `generated_records`: the platform generated both;
            `generated_texts`: the platform generated them, and not the records; `other_texts`: none of these. A
            verdict can also rest on `own_sample`, records that people marked one by one (`own_sample`).
        about: what they are, in words, e.g. `212 annotated texts of this source`.
        why_not: where they say nothing about the source, why.
        gaps: what they cannot show although they are of the source, as clauses.
        unseen: entity that was found in the records -> what they lack of it, as a clause.
        languages: of each text, where the records are in several; empty: they are in one, or nobody can tell.
    """

    texts: Sequence[GoldText]
    basis: Basis
    about: str
    why_not: str = ""
    gaps: tuple[str, ...] = ()
    unseen: Mapping[str, str] | None = None
    languages: tuple[str, ...] = ()


def annotated_texts(
    use_case: NamedUseCase, lake: Lake, cleaned: Rows, anonymized: Rows, source_sha256s: Collection[str]
) -> Annotated:
    """What the recall is measured on.

    Args:
        cleaned: `cleaned_records` behind `anonymized`.
        source_sha256s: of every file that the records came from.

    Raises:
        DataError: the file of `privacy.gold` is missing or not in the format.
    """
    name = use_case.settings.privacy.gold
    if name is None:
        return generated(use_case, source_sha256s, "privacy.gold names no annotated texts")
    try:
        gold = own_gold(use_case, lake, name)
    except NotAnnotated:
        return generated(use_case, (), f"none of the texts in {Path(name).name} is annotated yet")
    own = among_records(gold, cleaned, anonymized)
    if own.texts:
        return own
    return Annotated(
        gold,
        "other_texts",
        f"{len(gold):,} annotated texts",
        f"none of the {len(gold):,} texts in {Path(name).name} is among the records",
    )


def generated(use_case: NamedUseCase, source_sha256s: Collection[str], why_not: str) -> Annotated:
    """Sentences of the platform.

    Args:
        why_not: they say nothing about the source, if the platform did not generate the records too.
    """
    from ft_platform.privacy.gold import gold_texts
    from ft_platform.sources.samples.generator import is_generated, sentences_around

    texts = gold_texts()
    about = f"{len(texts):,} sentences that the platform generates"
    uri = use_case.settings.source.uri
    if source_sha256s and is_generated(uri, source_sha256s):
        if (around := sentences_around(uri)) is not None:
            planted = gold_texts(around=around)
            return Annotated(
                planted,
                "generated_records",
                f"{len(planted):,} texts made, as the records are, of the sample's own sentences and planted values",
            )
        return Annotated(texts, "generated_records", f"{about} (it generated the records too)")
    return Annotated(texts, "generated_texts", about, why_not)


def own_gold(use_case: NamedUseCase, lake: Lake, name: str) -> list[GoldText]:
    """The texts of `privacy.gold`: a file beside the YAML, or one that `ft privacy sample` drew.

    Raises:
        DataError: there is no such file, or it is not in the format.
    """
    beside = (use_case.path.parent if use_case.path else Path()) / name
    if beside.is_file():
        return read_gold(beside)
    place = sample_place(lake, use_case.name, name)
    if Path(name).name != name or not lake.fs.isfile(place):
        raise DataError(
            f"privacy.gold: there is no {name} beside the YAML or in {sample_place(lake, use_case.name, '')}",
            f"Draw texts to annotate: ft privacy sample {use_case.name}",
        )
    return gold_in(place, lake.fs.cat_file(place))  # type: ignore[arg-type]


def among_records(gold: Sequence[GoldText], cleaned: Rows, anonymized: Rows) -> Annotated:
    """Of annotated texts those that are among the records, each once, weighted by the records that it stands for."""
    wanted = {one.text: one for one in gold}
    record_of = _records_with(wanted, cleaned)
    strata = Strata(anonymized)
    records = set(record_of.values())
    found = {record_id: entities for record_id, entities in entities_of(anonymized) if record_id in records}
    drawn = Counter(strata.of(entities) for entities in found.values())
    weight = {name: strata.sizes[name] / count for name, count in drawn.items()}
    texts = [
        replace(wanted[text], weight=weight[strata.of(found[record])])
        for text, record in record_of.items()
        if record in found
    ]
    seen = Counter(entity for entities in found.values() for entity in entities)
    unseen = {
        entity: f"{seen[entity]:,} of the {count:,} records with a finding were annotated"
        for entity, count in sorted(strata.with_entity.items())
        if seen[entity] < min(LEAST_TEXTS, count)
    }
    shares = record_languages(cleaned)
    of_texts = tuple(languages(one.text for one in texts)) if len(shares) > 1 else ()
    return Annotated(
        texts,
        "own_records",
        f"{len(texts):,} annotated texts of this source",
        gaps=(*_gaps(drawn[NOTHING], strata.sizes[NOTHING]), *_languages_without(shares, of_texts)),
        unseen=unseen,
        languages=of_texts,
    )


def record_languages(cleaned: Rows) -> dict[str, float]:
    """Language -> its share of (at most `LANGUAGE_RECORDS`) records, of those with a share that counts; nothing where
    py3langid is not installed."""
    if not is_installed():
        return {}
    step = max(1, cleaned.num_rows // LANGUAGE_RECORDS)
    drawn, place = [], 0
    for batch in cleaned.batches(["messages"]):
        drawn += user_texts(batch.column("messages"))[-place % step :: step]
        place += batch.num_rows
    found = Counter(languages(drawn))
    return {
        language: count / len(drawn)
        for language, count in found.most_common()
        if language != UNDETERMINED and count >= LEAST_LANGUAGE_SHARE * len(drawn)
    }


def _languages_without(shares: Mapping[str, float], of_texts: Sequence[str]) -> Iterator[str]:
    """What is not annotated in a language, as clauses."""
    for language, share in shares.items():
        if len(shares) > 1 and (there := of_texts.count(language)) < LEAST_TEXTS:
            yield (
                f"{share:.0%} of the records are in {language} (ISO 639), and {there} of the annotated texts"
                f" ({LEAST_TEXTS} are needed)"
            )


def _gaps(annotated: int, records: int) -> tuple[str, ...]:
    """Without texts in which nothing was found, what is missed entirely does not show."""
    if annotated >= min(LEAST_TEXTS, records):
        return ()
    return (
        (
            f"of {records:,} records without any finding {annotated:,} were annotated ({min(LEAST_TEXTS, records)} are"
            " needed to see what is missed entirely)"
        ),
    )


def _records_with(texts: Collection[str], cleaned: Rows) -> dict[str, str]:
    """Text -> the first record that has it as a message."""
    found: dict[str, str] = {}
    for batch in cleaned.batches(["record_id", "messages"]):
        for record_id, messages in zip(
            batch.column("record_id").to_pylist(), batch.column("messages").to_pylist(), strict=True
        ):
            for message in messages or []:
                if message["content"] in texts:
                    found.setdefault(message["content"], record_id)
    return found
