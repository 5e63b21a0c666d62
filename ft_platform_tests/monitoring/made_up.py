"""A lake with an evaluated release and what it was asked, all made up: a model that is as sure as it is right, and
three labels whose shares can be set for each day. Persons and texts are fictitious."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.monitoring.traffic.tables import SCHEMAS, TrafficTables
from ft_platform.records.schemas import splits_schema
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.tiny_models import usable_splits

LABELS = ("card", "loan", "wire")
WORDS: dict[str, tuple[str, ...]] = {
    "card": ("card", "swipe", "terminal", "declined"),
    "loan": ("loan", "house", "interest", "monthly"),
    "wire": ("wire", "transfer", "abroad", "missing"),
}
SHARES = (0.5, 0.3, 0.2)
FIRST = date(2026, 3, 2)
TESTED = 600
REGIONS = ("north", "south", "east", "north", "south") * 2 + ("west",)
"""Of the records one after the other."""


def day(number: int) -> str:
    """ISO date of a day, the first is 1."""
    return (FIRST + timedelta(number - 1)).isoformat()


def answers(rng: np.random.Generator, rows: int, shares: Sequence[float]) -> list[tuple[str, str, float]]:
    """Right label, predicted label, confidence: right with the probability that the confidence says."""
    found = []
    for truth in rng.choice(LABELS, rows, p=shares):
        confidence = float(rng.uniform(0.6, 1.0))
        wrong = [label for label in LABELS if label != truth]
        found.append((str(truth), str(truth if rng.random() < confidence else rng.choice(wrong)), confidence))
    return found


def answer_to(label: str) -> str:
    return f"Please ask about your {label} at the counter."


def text_of(rng: np.random.Generator, label: str) -> str:
    return f"My {' '.join(rng.permutation(WORDS[label]))} problem, please help with case {rng.integers(1_000_000)}."


@dataclass
class MadeUp:
    """The lake, and the release in it."""

    environment: Environment
    lake: Lake
    use_case: NamedUseCase
    evaluation: ArtifactVersion

    @property
    def tables(self) -> TrafficTables:
        return TrafficTables(self.lake, self.use_case.name)

    @property
    def writes(self) -> bool:
        return self.use_case.settings.task.kind == "generation"

    def asked(
        self,
        number: int,
        rows: int = 150,
        shares: Sequence[float] = SHARES,
        release: str = "release-0",
        texts: bool = False,
        said: str = "",
        features: Mapping[str, str] | None = None,
        writer: str = "w",
        abstained: bool = False,
        **changes: Any,
    ) -> list[tuple[str, str, str]]:
        """Requests of a day; `(request_id, right label, predicted label)` of each."""
        rng = np.random.default_rng([number, rows, len(writer)])  # writers of the same length ask the same
        at = datetime.combine(FIRST, datetime.min.time(), UTC) + timedelta(days=number - 1, hours=8)
        found, requests, kept = [], [], []
        for place, (truth, predicted, confidence) in enumerate(answers(rng, rows, shares)):
            text = text_of(rng, truth)
            answer = {"decision": predicted, "confidence": confidence, "entropy": 1 - confidence}
            answer["abstained"] = abstained
            if self.writes:
                answer |= {"decision": None, "confidence": None, "entropy": None}
                predicted = said or answer_to(truth)
            about = {
                "request_id": f"classify-{int(rng.integers(1 << 62)):032x}",
                "day": day(number),
                "at": at + timedelta(seconds=place),
                "release": release,
                "checkpoint": "ckpt",
            }
            requests.append(
                {
                    **about,
                    "model": self.use_case.name,
                    "route": "/v1/classify",
                    "status": 200,
                    "key": "k1",
                    "seconds": float(rng.gamma(4, 0.05)),
                    "prompt_tokens": len(text) // 4,
                    "completion_tokens": 1,
                    "characters": len(text),
                    "guardrails": [],
                    "answers": [{**answer, "reason": "stop", "characters": len(predicted)}],
                    "captured": texts,
                    "share": 1.0 if texts else 0.0,
                    "trial": False,
                    **changes,
                }
            )
            conversation = json.dumps([[{"role": "user", "content": text}]])
            stated = features and json.dumps(features)
            kept.append({**about, "conversations": conversation, "answers": [predicted], "features": stated})
            found.append((about["request_id"], truth, predicted))
        self._append("requests", requests, writer, number)
        if texts:
            self._append("texts", kept, writer, number)
        return found

    def judged(self, asked: Sequence[tuple[str, str, str]], on: int, by: str = "file") -> None:
        """Right labels that come on a later day, from a file of the operator."""
        at = datetime.combine(FIRST, datetime.min.time(), UTC) + timedelta(days=on - 1, hours=9)
        rows = [
            {
                "request_id": request,
                "at": at,
                "day": day(on),
                "index": 0,
                "key": "file",
                "by": by,
                "label": truth,
                "feedback_id": f"{by}-{on}-{request}",
            }
            for request, truth, _ in asked
        ]
        self._append("feedback", rows, f"{by}-{asked[0][0]}", on)

    def _append(self, kind: str, rows: Sequence[Mapping[str, Any]], writer: str, number: int) -> None:
        self.tables.append(kind, pa.Table.from_pylist(list(rows), schema=SCHEMAS[kind]), writer, number)

    def released(self, evaluation: ArtifactVersion, **more: str) -> str:
        """Another release, on this evaluation."""
        number = len(self.lake.artifacts(self.use_case.name, "release"))
        said = {"evidence": [{"stage": "evaluation_report", "id": evaluation.artifact_id}]}
        decision = self.published("release_decision", f"decision-{number}", [evaluation], {"decision.json": said})
        checkpoint = self.lake.artifact(self.use_case.name, "adapter_checkpoint", "ckpt", verify=False)
        record = {
            "checkpoint": {"id": "ckpt", "content_hash": checkpoint.content_hash if checkpoint else ""},
            "decision": {"id": decision.artifact_id, "content_hash": decision.content_hash},
            "number": number,
            **more,
        }
        return self.published("release", f"release-{number}", [decision], {"release.json": record}).artifact_id

    def published(self, stage: str, artifact_id: str, parents: list, files: Mapping[str, Any]) -> ArtifactVersion:
        with self.lake.scratch(self.use_case.name, stage) as folder:
            folder.mkdir(parents=True)
            for name, content in files.items():
                if isinstance(content, pa.Table):
                    pq.write_table(content, folder / name)
                else:
                    (folder / name).write_text(json.dumps(content))
            return self.lake.publish(
                self.use_case.name, stage, artifact_id, folder, parents=parents, settings_hash="s", input_hash="i"
            )


def made_up(home: Path, kind: str = "classification", **watch: Any) -> MadeUp:
    """An installation with one release that was evaluated on `TESTED` records."""
    environment = Environment(home=home, defs=home / "defs", tracking_uri="none")
    attributes = {**minimal_attributes("unused.csv"), "monitoring": {"watch": watch}}
    if kind == "generation":
        attributes["task"] = {"kind": kind, "instruction": "Help."}
        attributes["record"] |= {"answer": "answer"}
    attributes["serving"] = {"targets": {"local": {"kind": "local"}}}
    write_use_case(environment.defs, "complaints", attributes)
    use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))
    lake = open_lake(environment)
    rng = np.random.default_rng(7)
    tested = answers(rng, TESTED, SHARES)
    rows = [_record(rng, place, truth, "test", kind) for place, (truth, *_) in enumerate(tested)]
    rows += [_record(rng, TESTED + n, str(rng.choice(LABELS, p=SHARES)), "train", kind) for n in range(300)]
    splits = usable_splits(lake, use_case, rows, splits_schema(use_case))
    made = MadeUp(environment, lake, use_case, None)  # type: ignore[arg-type]
    predictions = pa.table(
        {
            **{name: [row[name] for row in rows[:TESTED]] for name in ("record_id", "feature_region")},
            "system": ["fine_tuned"] * TESTED,
            **({"answer": [answer_to(truth) for truth, *_ in tested]} if made.writes else _decided(tested)),
        }
    )
    checkpoint = made.published("adapter_checkpoint", "ckpt", [splits], {"weights.json": {}})
    tested_on = [checkpoint, splits]
    made.evaluation = made.published("evaluation_report", "eval-0", tested_on, {"predictions.parquet": predictions})
    made.released(made.evaluation)
    return made


def _decided(tested: Sequence[tuple[str, str, float]]) -> dict[str, list[Any]]:
    return {
        "label": [truth for truth, *_ in tested],
        "predicted": [predicted for _, predicted, _ in tested],
        "correct": [truth == predicted for truth, predicted, _ in tested],
        "confidence": [confidence for *_, confidence in tested],
    }


def _record(rng: np.random.Generator, number: int, label: str, split: str, kind: str) -> dict[str, Any]:
    text, writes = text_of(rng, label), kind == "generation"
    answer = [{"role": "assistant", "content": answer_to(label)}] * writes
    return {
        "record_id": f"r{number:05d}",
        "messages": [{"role": "user", "content": text}, *answer],
        "label": None if writes else label,
        "feature_region": REGIONS[number % len(REGIONS)],
        "text_characters": len(text),
        "group_id": f"g{number}",
        "split": split,
    }
