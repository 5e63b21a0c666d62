"""Compares what is planted in a sample with what the stages made of it: planted, caught, missed. Counts only.

The ground truth lies beside the sample: `{"key": "source_key" | "source_position", "records": {key: [planted, ...]}}`,
where `planted["kind"]` is one of

- `consent` (`reason`): removed by permitted_records with that reason;
- `exact_duplicate`, `near_duplicate` (`of`): one of the pair is removed by cleaned_records with the kind as reason;
- `empty`, `over_long`: removed by cleaned_records as `empty` or `too_short`, `too_long`;
- `mojibake` (`broken`, `expected`), `html` (`markup`): repaired in cleaned_records;
- `pii` (`entity`, `value`): gone from anonymized_records. Of a name no part may be left, of an address not its street;
- `label_noise` (`label`, `shown`): a wrong label, which no stage is expected to find;
- `label_bias` (`label`, `shown`): a wrong label of one group in one direction (`sample://complaints?bias=...`), which
  the fairness report shows.

A planted thing counts only if its record reached the stage that should catch it.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.sources.samples.generator import sample_file, truth_file
from ft_platform.sources.samples.planting import Truth
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

STEPS = ("permitted_records", "cleaned_records", "anonymized_records")
REASONS = {
    "empty": ("empty", "too_short"),
    "over_long": ("too_long",),
    "exact_duplicate": ("exact_duplicate",),
    "near_duplicate": ("near_duplicate",),
}


@dataclass(frozen=True)
class _Stage:
    """What a stage kept (record_id -> all its message texts, joined) and removed (record_id -> reason)."""

    kept: dict[str, str]
    removed: dict[str, str]

    @property
    def reached(self) -> set[str]:
        return {*self.kept, *self.removed}


def score_planted(
    lake: Lake,
    use_case: NamedUseCase,
    environment: Environment,
    sample: Path | None = None,
    versions: Mapping[str, TableVersion] | None = None,
) -> dict[str, Any]:
    """`{kind: {"planted", "caught", "missed"}}`, and for `pii` also `"entities": {entity: {...}}`.

    Empty where the source is no sample, or a stage has not been materialized.

    Args:
        sample: the generated file that was read; by default the one that `source.uri` names.
        versions: stage -> the version to look at; by default the newest of each.
    """
    uri = use_case.settings.source.uri
    if sample is None and not uri.startswith("sample://"):
        return {}
    sample = sample or sample_file(uri, environment.home / "samples")
    truth = json.loads(truth_file(sample).read_text(encoding="utf-8"))
    chosen = versions or {
        name: found for name in ("raw_records", *STEPS) if (found := lake.latest(use_case.name, name))
    }
    raw = chosen.get("raw_records")
    stages = {name: _read_stage(lake, chosen[name]) for name in STEPS if name in chosen}
    if raw is None or len(stages) < 3:
        return {}
    ids = _record_ids(lake, raw, truth["key"], str(sample.absolute()))
    scores: dict[str, list[bool]] = defaultdict(list)
    for key, planted in truth["records"].items():
        for thing in planted:
            verdict = _verdict(thing, ids.get(key, ""), ids.get(thing.get("of", ""), ""), stages)
            if verdict is not None:
                scores[thing["kind"]].append(verdict)
                if thing["kind"] == "pii":
                    scores[f"pii:{thing['entity']}"].append(verdict)
    result: dict[str, Any] = {kind: _counts(verdicts) for kind, verdicts in sorted(scores.items()) if ":" not in kind}
    if "pii" in result:
        result["pii"]["entities"] = {
            name.split(":")[1]: _counts(verdicts) for name, verdicts in sorted(scores.items()) if ":" in name
        }
    return result


def _counts(verdicts: list[bool]) -> dict[str, Any]:
    return {"planted": len(verdicts), "caught": sum(verdicts), "missed": len(verdicts) - sum(verdicts)}


def _verdict(thing: Truth, record_id: str, other_id: str, stages: dict[str, _Stage]) -> bool | None:
    """Whether a planted thing was caught; None where its record did not get that far."""
    permitted, cleaned, anonymized = (
        stages[name] for name in ("permitted_records", "cleaned_records", "anonymized_records")
    )
    kind = thing["kind"]
    if kind == "consent":
        return permitted.removed.get(record_id) == thing["reason"] if record_id in permitted.reached else None
    if kind in REASONS:
        pair = [record_id, other_id] if "of" in thing else [record_id]
        if not cleaned.reached.issuperset(pair):
            return None
        return any(cleaned.removed.get(i) in REASONS[kind] for i in pair)
    if kind in ("mojibake", "html"):
        text = cleaned.kept.get(record_id)
        return _is_repaired(thing, text) if text is not None else None
    if kind == "pii":
        text = anonymized.kept.get(record_id)
        return not any(_is_left(piece, text) for piece in _pieces(thing)) if text is not None else None
    return None


def _is_repaired(thing: Truth, text: str) -> bool:
    if thing["kind"] == "html":
        return not any(markup in text for markup in thing["markup"])
    return thing["broken"] not in text and _straight(thing["expected"]) in _straight(text)


def _straight(text: str) -> str:
    """Curly quotes or straight ones: both are right."""
    return text.translate(str.maketrans("’‘“”", "''\"\""))


def _pieces(thing: Truth) -> list[str]:
    if thing["entity"] == "PERSON":
        return thing["value"].split()
    return [thing["value"].split(",")[0]] if thing["entity"] == "ADDRESS" else [thing["value"]]


def _is_left(piece: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(piece)}(?!\w)", text) is not None


def _record_ids(lake: Lake, raw: TableVersion, key: str, uri: str) -> dict[str, str]:
    rows = lake.read_table(raw, [key, "record_id", "source_uri"]).to_pylist()
    return {str(row[key]): row["record_id"] for row in rows if row["source_uri"] == uri}


def _read_stage(lake: Lake, version: TableVersion) -> _Stage:
    removed = replace(version, name=f"{version.name}_removed", version=lake.manifest(version).info["removed_version"])
    kept: dict[str, str] = {}
    for batch in lake.read(version, ["record_id", "messages"]):
        for row in batch.to_pylist():
            kept[row["record_id"]] = "\n\n".join(message["content"] or "" for message in row["messages"])
    return _Stage(
        kept, dict(zip(*(lake.read_table(removed, [c])[c].to_pylist() for c in ("record_id", "reason")), strict=True))
    )
