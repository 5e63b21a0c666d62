"""Whether the recognizers of a use case find enough of every entity to be trusted with its records.

Covered: recall by character and entity with the use case's own entities, engine and `min_score`, the lower end of its
interval, and what the annotated texts cannot tell. Not covered: entities that stand in no annotated text.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ft_platform.privacy.annotated import LEAST_TEXTS, Annotated
from ft_platform.privacy.entities import default_entities
from ft_platform.privacy.evaluation import NOT_IDENTIFYING, SAME_AS, GoldText, Scores, evaluate
from ft_platform.privacy.own_sample import OwnSample
from ft_platform.privacy.reasons import left_out
from ft_platform.privacy.scan import Scanner
from ft_platform.use_case.named import NamedUseCase

ABOVE, BELOW, NOT_PROVEN, NOT_MEASURED = "above_floor", "below_floor", "not_proven", "not_measured_on_this_source"
"""Statuses of the whole. `BELOW` stops training; a release needs `ABOVE`, or a person who approves by name."""
TOO_FEW = "too_few_texts"
"""Status of an entity in fewer than `LEAST_TEXTS` annotated texts."""
MOST_NAMED = 5
"""Entities that a sentence names."""


def recall_on(use_case: NamedUseCase, annotated: Annotated) -> dict[str, Any]:
    """The verdict about the current recognizers. Annotations of entities that the use case does not look for do not
    count; they are counted.

    Returns:
        `{"passed", "status", "says", "basis", "recall", "min_recall", "precision", "f2", "texts", "entities": {name:
        {"recall", "low", "high", "spans", "texts", "status"}}, "languages": {language: the same}, "left_out": {entity:
        reason}, "not_looked_for": {entity: spans}}`, the worst entity first. `says` is the sentence for every report.
        `passed` is False where too little is found, or an entity is left out without a reason; where the texts say
        nothing about the source it is True, and the release rule `recall` refuses.

    Raises:
        DataError: nothing that counts is annotated, in texts that are not of this source.
    """
    privacy = use_case.settings.privacy
    scanner = Scanner(privacy)
    texts, ignored = _counted(annotated.texts, {*scanner.entities}, {*privacy.custom})
    floor = privacy.min_recall
    nothing = annotated.basis == "own_records" and not any(one.spans for one in texts)
    scores = Scores(None, None, None, texts=len(texts)) if nothing else evaluate(texts, scanner)
    entities = {name: {**one, "status": _status_of(one, floor)} for name, one in scores.entities.items()}
    spoken = {} if nothing else _by_language(texts, annotated.languages, scanner, floor)
    judged = {**entities, **{f"all in {language}": one for language, one in spoken.items()}}
    out = left_out(privacy)
    status = _status(annotated, scores, judged, floor, nothing=nothing)
    unexplained = [entity for entity, reason in out.items() if not reason]
    return {
        "passed": status != BELOW and not unexplained,
        "status": status,
        "says": " ".join(_said(status, annotated, scores, judged, floor, out)),
        "basis": annotated.basis,
        "min_recall": floor,
        **scores.as_json(),
        "entities": entities,
        "languages": spoken,
        "texts": scores.texts,
        "left_out": out,
        "not_looked_for": dict(sorted(ignored.items())),
    }


def recall_of_sample(use_case: NamedUseCase, sample: OwnSample, generated: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict about the current recognizers, of records of one's own that people marked one by one.

    All kinds together have to reach the floor with the whole interval, and none may be shown to be below it; each kind
    alone is measured on generated texts.

    Args:
        generated: of `recall_on`, about sentences that the platform generates.

    Returns:
        As `recall_on`, with `sample`: `{"id", "recall", "low", "high", "records", "found", "missed"}`.
    """
    floor, (found, missed), rate = use_case.settings.privacy.min_recall, sample.places, sample.recall
    below = sample.below(floor)
    status = ABOVE if sample.is_above(floor) else NOT_PROVEN
    if below or generated["status"] == BELOW:
        status = BELOW
    figures = {"recall": rate.value, "low": round(rate.low, 4), "high": round(rate.high, 4)}
    statuses = {name: BELOW if name in below else "not_judged_alone" for name in sample.kinds}
    seen = {"id": sample.id, **figures, "records": sample.records, "found": found, "missed": missed}
    sentences = [_of_sample(status, sample, floor, below) if status != BELOW or below else generated["says"]]
    return {
        **generated,
        "passed": status != BELOW and all(generated["left_out"].values()),
        "status": status,
        "says": " ".join([*sentences, *_left_out(generated["left_out"])]),
        "basis": "own_sample",
        "recall": rate.value,
        "entities": {name: {**one, "status": statuses[name]} for name, one in sample.kinds.items()},
        "languages": {},
        "texts": sample.records,
        "sample": seen,
    }


def _of_sample(status: str, sample: OwnSample, floor: float, below: Sequence[str]) -> str:
    (found, missed), rate = sample.places, sample.recall
    about = f"{sample.records:,} of your own records, marked one by one"
    if rate.value is None:
        return f"No personal data was seen yet in {about}."
    figures = f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})"
    places = f"{found:,} of {found + missed:,} places with personal data were found"
    if status == BELOW:
        low = [_figures(name, sample.kinds[name]) if name else f"all together {figures}" for name in below]
        return f"Too little is found in {about}: {_listed(low)}; at least {floor:g} must be."
    if status == ABOVE:
        return f"In {about}, {places}: recall {figures}, with the whole interval at least {floor:g}."
    left = sample.to_go(floor)
    more = f"; about {left:,} more are needed if nothing else is missed" if left else ""
    return f"Not proven yet that {floor:g} is found: in {about}, {places}, recall {figures}{more}."


def _by_language(
    texts: Sequence[GoldText], languages: Sequence[str], scanner: Scanner, floor: float
) -> dict[str, dict[str, Any]]:
    """Recall of all entities together in each language with enough texts; nothing where all are in one language."""
    uncounted = NOT_IDENTIFYING - {*scanner.entities}
    spoken = [
        replace(one, spans=tuple((start, end, language) for start, end, kind in one.spans if kind not in uncounted))
        for one, language in zip(texts, languages, strict=False)
        if languages.count(language) >= LEAST_TEXTS
    ]
    if not any(one.spans for one in spoken):
        return {}
    return {name: {**one, "status": _status_of(one, floor)} for name, one in evaluate(spoken, scanner).entities.items()}


def _counted(gold: Sequence[GoldText], looked_for: set[str], own: set[str]) -> tuple[list[GoldText], Counter[str]]:
    """Texts with the annotations that count, under this platform's names, and the spans of entities that the use case
    leaves out."""
    ours = {*default_entities(), *NOT_IDENTIFYING} - own
    counted, ignored = [], Counter()
    for one in gold:
        spans = [(start, end, SAME_AS.get(kind, kind)) for start, end, kind in one.spans]
        kept = tuple(span for span in spans if span[2] in looked_for or span[2] not in ours)
        ignored.update(span[2] for span in spans if span not in kept and span[2] not in NOT_IDENTIFYING)
        counted.append(replace(one, spans=kept))
    return counted, ignored


def _status_of(one: Mapping[str, Any], floor: float) -> str:
    """Shown to be below, shown to be above, or neither: the interval and the number of texts decide."""
    enough = one["texts"] >= LEAST_TEXTS
    if one["high"] < floor or (enough and one["recall"] < floor):
        return BELOW
    if not enough:
        return TOO_FEW
    return ABOVE if one["low"] >= floor else NOT_PROVEN


def _status(
    annotated: Annotated, scores: Scores, entities: Mapping[str, Mapping[str, Any]], floor: float, *, nothing: bool
) -> str:
    found = {one["status"] for one in entities.values()}
    if BELOW in found or (scores.recall is not None and scores.recall < floor):
        return BELOW
    if annotated.basis in ("generated_texts", "other_texts"):
        return NOT_MEASURED
    if found == {ABOVE} and not annotated.gaps and not _unseen(annotated, entities) and not nothing:
        return ABOVE
    return NOT_PROVEN


def _unseen(annotated: Annotated, entities: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Entities that were found in records, and of which the annotated texts have too few to tell."""
    return {entity: why for entity, why in (annotated.unseen or {}).items() if entity not in entities}


def _said(
    status: str,
    annotated: Annotated,
    scores: Scores,
    entities: Mapping[str, Mapping[str, Any]],
    floor: float,
    out: Mapping[str, str | None],
) -> Iterator[str]:
    worst = min(entities.items(), key=lambda item: (item[1]["low"], item[0]), default=None)
    if status == BELOW:
        low = [_figures(name, one) for name, one in entities.items() if one["status"] == BELOW] or [
            f"all together {scores.recall:.3f}"
        ]
        yield f"Too little is found in {annotated.about}: {_listed(low)}; at least {floor:g} of every entity must be."
    elif status == NOT_MEASURED:
        if scores.recall is not None:
            easier = f" In {annotated.about}, which may be easier, {scores.recall:.3f} is found."
        else:
            easier = ""
        yield f"Recall was not measured on this source: {annotated.why_not}.{easier}"
    elif status == NOT_PROVEN:
        few = [
            f"{name} is in {one['texts']} of at least {LEAST_TEXTS} texts"
            for name, one in entities.items()
            if one["status"] == TOO_FEW
        ]
        wide = [_figures(name, one) for name, one in entities.items() if one["status"] == NOT_PROVEN]
        unseen = [f"{name}: {why}" for name, why in _unseen(annotated, entities).items()]
        nothing = [] if entities else ["no personal data is annotated in them"]
        yield (
            f"Not proven by {annotated.about} that {floor:g} of every entity is found:"
            f" {_listed([*nothing, *annotated.gaps, *wide, *few, *unseen])}."
        )
    elif worst:
        yield (
            f"In {annotated.about} at least {floor:g} of every entity is found, with the whole interval; the lowest is"
            f" {_figures(*worst)}."
        )
    yield from _left_out(out)


def _left_out(out: Mapping[str, str | None]) -> Iterator[str]:
    for entity, reason in out.items():
        yield (
            f"{entity} is not looked for: {reason.strip().rstrip('.')}."
            if reason
            else f"{entity} is not looked for, and privacy.left_out gives no reason."
        )


def _figures(name: str, one: Mapping[str, Any]) -> str:
    return f"{name} {one['recall']:.3f} ({one['low']:.3f} to {one['high']:.3f}) in {one['texts']:,} texts"


def _listed(clauses: Sequence[str]) -> str:
    more = f"; and {len(clauses) - MOST_NAMED} more" if len(clauses) > MOST_NAMED else ""
    return "; ".join(clauses[:MOST_NAMED]) + more
