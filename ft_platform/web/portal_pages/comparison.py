"""Two checkpoints of a use case beside each other: figures with intervals and the difference on the same records,
settings, data, and the test records that they answer differently.

Covered: what reports of the shared zone say, so counts, labels and ids. Not covered: texts of records and answers;
those of answers are only compared. A difference is worked out only on test records that neither of the two learned
from, with equal content as far as the reports can tell: label and length.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from ft_platform.errors import DataError, FtError, TransientError
from ft_platform.evaluation.comparison import mcnemar, paired_difference
from ft_platform.evaluation.files import read_metrics, read_predictions
from ft_platform.evaluation.metric import Metric, metric, metrics_of
from ft_platform.evaluation.predictions import rows_of
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.stored_scores import label_outputs, over_stored_scores
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.provenance import (
    TRAINING_RECORDS,
    find_checkpoint,
    learned_record_ids,
    tables_behind,
    training_record_ids,
)
from ft_platform.lake.releases import standing_releases
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.reporting.formats import number
from ft_platform.reporting.published import intact_json
from ft_platform.reporting.verdict import compared
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.evaluation import Evaluation

CHECKPOINT, EVALUATION = "adapter_checkpoint", "evaluation_report"
EXAMPLES = 10
TRAINED_WITH = (
    *("base_model", "computing", "kernels", "batching", "processes", "device", "environment", "chosen_records"),
)
"""What the manifest of a checkpoint notes about its training."""
SETTINGS = ("task", "training", "mitigation", "labels")
"""Sections of its `training.json`."""


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        evaluation: the newest of the checkpoint, or the one that was asked for; None: there is none.
    """

    checkpoint: ArtifactVersion
    evaluation: ArtifactVersion | None

    @property
    def id(self) -> str:
        return self.checkpoint.artifact_id


def side(lake: Lake, use_case: str, wanted: str) -> Side:
    """The checkpoint with this id or beginning, or that of the evaluation with this id.

    Raises:
        DataError: there is none, or several begin so.
    """
    evaluations = [one for one in lake.artifacts(use_case, EVALUATION) if _checkpoint_id(lake, one)]
    asked = next((one for one in evaluations if one.artifact_id == wanted), None)
    checkpoint = find_checkpoint(lake, use_case, _checkpoint_id(lake, asked) if asked else wanted)
    newest = (one for one in evaluations if _checkpoint_id(lake, one) == checkpoint.artifact_id)
    return Side(checkpoint, asked or next(newest, None))


def _checkpoint_id(lake: Lake, evaluation: ArtifactVersion) -> str:
    return next((one.id for one in lake.manifest(evaluation).parents if one.name == CHECKPOINT), "")


def usual_pair(lake: Lake, use_case: str) -> tuple[str, str]:
    """The checkpoint that is released, or else the last but one, and the newest.

    Raises:
        DataError: there are not two.
    """
    ids = [one.artifact_id for one in lake.artifacts(use_case, CHECKPOINT)]
    released = [one.checkpoint for one in standing_releases(lake, use_case)[:1]]
    before = [name for name in (*released, *ids[1:]) if name != ids[0]] if ids else []
    if not before:
        raise DataError(f"{use_case} has no two checkpoints to compare", f"Train another: ft run {use_case}")
    return before[0], ids[0]


def compare(lake: Lake, use_case: NamedUseCase, a: Side, b: Side) -> dict[str, Any]:
    """What differs from `a` to `b`; differences are `b` minus `a`.

    Returns:
        `{"use_case", "a", "b": {"checkpoint", "trained_at", "evaluation", "released"}, "main_metric", "metrics":
        [{"name", "title", "higher_is_better", "same_code", "a", "b", "difference"}], "records": {"a", "b", "compared",
        "other", "learned", "why_not"}, "verdict": {"word", "text"}, "mcnemar", "predictions", "settings": [{"name",
        "a", "b"}], "data": {"stages", "learned"}}`. None stands for what is not known. `records` are test records,
        `other` those whose label or length differs, `learned` those that one of the two learned from. `same_code` is
        false where the code of a metric changed between the two evaluations. `predictions` is described where it is
        made.
    """
    figures = {name: read_metrics(lake, one.evaluation) if one.evaluation else None for name, one in _named(a, b)}
    records, rows = _same_records(lake, a, b)
    settings = use_case.settings.evaluation
    known = [found for found in figures.values() if found]
    main = metric(known[-1]["main_metric"]) if known else None
    labels = sorted({label for table in rows for label in _labels(table)})
    found: dict[str, Any] = {
        "use_case": use_case.name,
        **{name: _described(lake, one) for name, one in _named(a, b)},
        "main_metric": main.name if main else None,
        "metrics": [],
        "records": records,
        "mcnemar": None,
        "predictions": _predictions(*rows) if rows else None,
        "settings": _differing(_settings(lake, a), _settings(lake, b)),
        "data": {"stages": _stages(lake, a, b), "learned": _learned(lake, a, b)},
    }
    for one in metrics_of(main.task) if main else ():
        values = {name: (of or {}).get("systems", {}).get(FINE_TUNED, {}).get(one.name) for name, of in figures.items()}
        if any(values.values()):
            versions = {(of or {}).get("metric_versions", {}).get(one.name) for of in figures.values()}
            about = {"name": one.name, "title": one.title, "higher_is_better": one.higher_is_better}
            about["same_code"] = len(versions) == 1
            found["metrics"].append({**about, **values, "difference": _difference(one, rows, labels, settings)})
    if rows and labels:
        tested = mcnemar(*(label_outputs(table, labels) for table in rows))
        found["mcnemar"] = {"only_a": tested["only_first"], "only_b": tested["only_second"], "p": tested["p"]}
    return {**found, "verdict": _verdict(found, main, settings)}


def _named(a: Side, b: Side) -> Iterator[tuple[str, Side]]:
    yield from (("a", a), ("b", b))


def _described(lake: Lake, one: Side) -> dict[str, Any]:
    return {
        "checkpoint": one.id,
        "trained_at": lake.manifest(one.checkpoint).written_at,
        "evaluation": one.evaluation.artifact_id if one.evaluation else None,
        "released": any(known.checkpoint == one.id for known in standing_releases(lake, one.checkpoint.use_case)),
    }


def _same_records(lake: Lake, a: Side, b: Side) -> tuple[dict[str, Any], tuple[pa.Table, ...]]:
    """How many test records there are, and the rows of both systems on those that may be compared, in the same order;
    no rows where there are none."""
    told = {"a": None, "b": None, "compared": 0, "other": 0, "learned": 0, "why_not": ""}
    if a.evaluation is None or b.evaluation is None:
        lacks = " and ".join(one.id for _, one in _named(a, b) if one.evaluation is None)
        return {**told, "why_not": f"{lacks} was not evaluated"}, ()
    tables = [rows_of(read_predictions(lake, one), FINE_TUNED) for one in (a.evaluation, b.evaluation)]
    told |= {"a": len(tables[0]), "b": len(tables[1])}
    try:
        learned = learned_record_ids(lake, a.checkpoint) | learned_record_ids(lake, b.checkpoint)
    except TransientError:  # a store that does not answer now says nothing about what is in it
        raise
    except (FtError, FileNotFoundError, DeltaError) as error:
        why = f"the records that they learned from cannot be read any more ({type(error).__name__})"
        return {**told, "why_not": why}, ()
    contents = [dict(zip(table["record_id"].to_pylist(), _contents(table), strict=True)) for table in tables]
    both = contents[0].keys() & contents[1].keys()
    same = {one for one in both if contents[0][one] == contents[1][one]}
    kept = pa.array(sorted(same - learned), pa.string())
    told |= {"compared": len(kept), "other": len(both - same), "learned": len(same & learned)}
    if not len(kept):
        return {**told, "why_not": "they were evaluated on no common records that neither learned from"}, ()
    rows = (table.filter(pc.field("record_id").isin(kept)).sort_by("record_id") for table in tables)
    return told, tuple(rows)


def _contents(rows: pa.Table) -> list[tuple[Any, ...]]:
    """What tells records apart whose id is the same."""
    columns = [name for name in ("label", "text_characters") if name in rows.schema.names]
    return list(zip(*(rows[name].to_pylist() for name in columns), strict=True)) if columns else [()] * len(rows)


def _labels(rows: pa.Table) -> set[str]:
    if "predicted" not in rows.schema.names:
        return set()
    return {*rows["label"].to_pylist(), *rows["predicted"].to_pylist()}


def _difference(
    one: Metric, rows: tuple[pa.Table, ...], labels: list[str], settings: Evaluation
) -> dict[str, float] | None:
    stored = over_stored_scores(one, labels)
    if not rows or not all(stored.applies(table) for table in rows):
        return None
    first, second = rows
    return paired_difference(stored, second, first, settings)  # type: ignore[arg-type]


def _verdict(found: Mapping[str, Any], main: Metric | None, settings: Evaluation) -> dict[str, str]:
    """Whether `b` is better, by the main metric."""
    by = next((one["difference"] for one in found["metrics"] if main and one["name"] == main.name), None)
    a, b = found["a"]["checkpoint"], found["b"]["checkpoint"]
    if main is None or by is None:
        why = found["records"]["why_not"] or f"scores of single records do not give {main.title if main else 'any'}"
        return {"word": "not_compared", "text": f"We cannot say which one is better: {why}."}
    word = compared(by, main, by["p"], settings.confidence)
    on = f"on {found['records']['compared']:,} test records"
    size = f"{main.title} {by['value']:+.3f} ({by['low']:+.3f} to {by['high']:+.3f})"
    return {
        "word": word,
        "text": {
            "better": f"{b} is better than {a} {on}: {size}.",
            "worse": f"{b} is worse than {a} {on}: {size}.",
            "not_distinguishable": f"We cannot tell the two apart {on}: {size}. A difference of"
            f" {number(by['detectable'])} would be seen in 4 of 5 such test splits.",
        }[word],
    }


def records_in_words(found: Mapping[str, Any]) -> list[str]:
    """On which records the two were compared, and what they learned from."""
    records, learned, told = found["records"], found["data"]["learned"], []
    if records["compared"]:
        told.append(
            f"Differences rest on {counted(records['compared'], 'test record')} that both answered; a answered"
            f" {records['a']:,} in all, b {records['b']:,}."
        )
    if records["other"]:
        told.append(f"Left out, because label or length changed in between: {counted(records['other'], 'record')}.")
    if records["learned"]:
        told.append(f"Left out, because one of the two learned from them: {counted(records['learned'], 'record')}.")
    if learned:
        told.append(
            f"Both learned from {counted(learned['both'], 'record')}; {learned['only_a']:,} more only a,"
            f" {learned['only_b']:,} more only b."
        )
    return told


def answers_in_words(found: Mapping[str, Any]) -> list[str]:
    """How many answers differ, and who is right there."""
    answers, tested = found["predictions"], found["mcnemar"]
    if not answers:
        return []
    told = [f"They answer {counted(answers['differ'], 'test record')} differently, {answers['same']:,} alike."]
    if tested:
        told.append(
            f"Only a is right on {answers['only_a_right']:,}, only b on {answers['only_b_right']:,}, neither on"
            f" {answers['both_wrong']:,} (McNemar's exact test: p = {tested['p']:.3f})."
        )
    else:
        told.append(
            f"By ROUGE-L the answer of a is better on {answers['a_scores_higher']:,}, that of b on"
            f" {answers['b_scores_higher']:,}."
        )
    return told


def counted(count: int, one: str) -> str:
    return f"{count:,} {one}{'' if count == 1 else 's'}"


def shown(value: Any) -> str:
    """A setting as people write it."""
    return "not set" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _predictions(a: pa.Table, b: pa.Table) -> dict[str, Any]:
    """`{"same", "differ"}`: how many answers are equal and how many are not.

    Of labels also `{"only_a_right", "only_b_right", "both_wrong", "changes": [{"right", "a", "b", "records"}],
    "examples": [{"record_id", "right", "a", "b"}]}`, the most frequent changes first; of texts `{"a_scores_higher",
    "b_scores_higher"}` by ROUGE-L."""
    name = "predicted" if "predicted" in a.schema.names else "answer"
    said = list(zip(a[name].to_pylist(), b[name].to_pylist(), strict=True))
    other = [place for place, (one, two) in enumerate(said) if one.strip() != two.strip()]
    found: dict[str, Any] = {"same": len(said) - len(other), "differ": len(other)}
    if name == "answer":
        scores = [(a["rouge_l"][place].as_py(), b["rouge_l"][place].as_py()) for place in other]
        higher = {"a_scores_higher": sum(one > two for one, two in scores)}
        return {**found, **higher, "b_scores_higher": sum(two > one for one, two in scores)}
    right, ids = a["label"].to_pylist(), a["record_id"].to_pylist()
    changes = Counter((right[place], *said[place]) for place in other)
    ordered = sorted(changes.items(), key=lambda item: (-item[1], item[0]))
    names = ("right", "a", "b")
    return {
        **found,
        "only_a_right": sum(said[place][0] == right[place] for place in other),
        "only_b_right": sum(said[place][1] == right[place] for place in other),
        "both_wrong": sum(right[place] not in said[place] for place in other),
        "changes": [{**dict(zip(names, one, strict=True)), "records": count} for one, count in ordered[:EXAMPLES]],
        "examples": [
            {"record_id": ids[place], **dict(zip(names, (right[place], *said[place]), strict=True))}
            for place in other[:EXAMPLES]
        ],
    }


def _settings(lake: Lake, one: Side) -> dict[str, Any]:
    """Dotted name -> value, of what a checkpoint was trained with."""
    training, info = intact_json(lake, one.checkpoint, "training.json") or {}, lake.manifest(one.checkpoint).info
    told = {name: training[name] for name in SETTINGS if name in training}
    return dict(_flat({**told, **{name: info[name] for name in TRAINED_WITH if name in info}}))


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from _flat(part, f"{place}.{name}" if place else str(name))
    else:
        yield place, value


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = [name for name in {**a, **b} if a.get(name) != b.get(name)]
    return [{"name": name, "a": a.get(name), "b": b.get(name)} for name in names]


def _stages(lake: Lake, a: Side, b: Side) -> list[dict[str, Any]]:
    """`[{"stage", "a", "b": {"id", "rows"} or None, "same"}]`: the tables behind both."""
    behind = [tables_behind(lake, _parents(lake, one.checkpoint)) for one in (a, b)]
    found = []
    for stage in (name for name in STAGES if any(name in tables for tables in behind)):
        both = [tables.get(stage) for tables in behind]
        told = [{"id": one.id, "rows": lake.manifest(one).rows} if one else None for one in both]
        same = both[0] is not None and both[1] is not None and both[0].content_hash == both[1].content_hash
        found.append({"stage": stage, "a": told[0], "b": told[1], "same": same})
    return found


def _parents(lake: Lake, checkpoint: ArtifactVersion) -> list[Any]:
    return [version_of_parent(lake, checkpoint.use_case, one) for one in lake.manifest(checkpoint).parents]


def _learned(lake: Lake, a: Side, b: Side) -> dict[str, int] | None:
    """How many records were learned from; None where a checkpoint does not name them."""
    if any(TRAINING_RECORDS not in lake.manifest(one.checkpoint).files for one in (a, b)):
        return None
    first, second = (training_record_ids(lake, one.checkpoint) for one in (a, b))
    both = len(first & second)
    return {
        "a": len(first),
        "b": len(second),
        "both": both,
        "only_a": len(first) - both,
        "only_b": len(second) - both,
    }
