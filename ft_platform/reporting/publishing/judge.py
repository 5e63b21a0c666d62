"""From an evaluation to the published verdict of a judge: `judge_report`."""

import json
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ft_platform.evaluation.judging.figures import judge_figures, support_figures
from ft_platform.evaluation.judging.gold import GOLD_LINE, gold_hash, read_gold
from ft_platform.evaluation.judging.judges import AsksOneModel, judge_of
from ft_platform.evaluation.judging.question import (
    CHOICES,
    SUPPORT,
    SUPPORT_INSTRUCTION,
    comparison,
    instruction,
    rubric_of,
    support_question,
)
from ft_platform.evaluation.pairs import Pair, pairs_of
from ft_platform.lake.draft import Draft
from ft_platform.lake.input_hash import input_hash
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.models.base_model import weights_sha256
from ft_platform.process import progress
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

STAGE = "judge_report"
VERDICT = "judge.json"
CHOICES_FILE = "choices.parquet"


def judge_inputs(lake: Lake, use_case: NamedUseCase, evaluation: ArtifactVersion) -> tuple[str, str]:
    """Id of the report that these inputs give, and their hash: the evaluation, settings, code, gold set, weights of a
    local judge.

    What a model behind an endpoint becomes under the same name is not part of it.

    Raises:
        SourceError, DataError: the gold set may not be read, or is not there.
        BaseModelError: the folder of a local judge holds no weights.
    """
    local = use_case.settings.judge.model
    folder = Path(local.uri).expanduser() if local else None
    weights = {"weights": weights_sha256(folder)} if folder and folder.exists() else {}
    inputs = input_hash(use_case, STAGE, [evaluation], gold=gold_hash(lake, use_case, evaluation), **weights)
    return f"judge-{inputs[:12]}", inputs


def publish_judge(
    lake: Lake, environment: Environment, use_case: NamedUseCase, evaluation: ArtifactVersion
) -> ArtifactVersion:
    """The verdict of the judge on an evaluation: an existing one, or a new one.

    Args:
        evaluation: a version that passed the gate.

    Raises:
        ConfigError: no judge is named, its host is not allowed, its key is not set, or the alternative does not exist.
        EndpointFailed, BaseModelError, MissingExtra, DataError, SourceError: nothing was published.
    """
    from ft_platform.reporting.judge_report import write_judge_report

    draft = Draft(lake, use_case, STAGE, *judge_inputs(lake, use_case, evaluation), [evaluation])
    if existing := draft.existing():
        return existing
    settings = use_case.settings.judge
    pairs = pairs_of(lake, use_case, evaluation, settings.alternative)
    sampled = pairs.sample(settings.rows, use_case.settings.evaluation.seed)
    gold = read_gold(lake, use_case, evaluation, pairs.differing)
    judge = judge_of(settings, environment)
    choices = ask(judge, use_case, {**{pair.record_id: pair for pair in sampled}, **gold.pairs})
    found = {
        "evaluation": evaluation.id,
        "alternative": settings.alternative,
        "judge": judge.described,
        "rubric": rubric_of(settings, use_case.settings.task.style),
        "test_rows": pairs.test_rows,
        "identical_rows": pairs.identical_rows,
        **judge_figures(choices, [pair.record_id for pair in sampled], gold, settings, use_case.settings.evaluation),
        **(
            {"groundedness": ask_for_support(judge, use_case, sampled)}
            if use_case.settings.evaluation.groundedness == "prompt"
            else {}
        ),
        "tokens": judge.tokens or None,
        "seconds": round(time.monotonic() - draft.started, 3),
    }
    with draft.folder() as folder:
        (folder / VERDICT).write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
        pq.write_table(choices_table(choices), folder / CHOICES_FILE)
        write_judge_report(folder, draft, found)
        info = {"calibrated": found["calibrated"], "usable_in_gate": found["usable_in_gate"]}
        return draft.publish(folder, counts={"rows": found["rows"], "gold_rows": found["gold"]["rows"]}, info=info)


def ask(
    judge: AsksOneModel, use_case: NamedUseCase, pairs: dict[str, Pair]
) -> dict[str, tuple[str | None, str | None]]:
    """Each pair in both orders: choice with the fine-tuned model's answer first, and with it second."""
    settings, total = use_case.settings, 2 * len(pairs)
    task = settings.task.system_message(["{labels}"])
    progress.report(STAGE, 0, total, "answers")
    said = instruction(rubric_of(settings.judge, settings.task.style))
    orders = []
    for before, swapped in ((0, False), (len(pairs), True)):
        answers = [
            (pair.alternative, pair.fine_tuned) if swapped else (pair.fine_tuned, pair.alternative)
            for pair in pairs.values()
        ]
        texts = [comparison(task, pair.question, *both) for pair, both in zip(pairs.values(), answers, strict=True)]
        orders.append(
            judge.choose(
                said,
                texts,
                CHOICES,
                lambda done, before=before: progress.report(STAGE, before + done, total, "answers"),
            )
        )
    return dict(zip(pairs, zip(*orders, strict=True), strict=True))


def ask_for_support(judge: AsksOneModel, use_case: NamedUseCase, pairs: list[Pair]) -> dict[str, Any]:
    """Whether the fine-tuned model's answers are supported by the questions they answer."""
    texts = [support_question(pair.question, pair.fine_tuned) for pair in pairs]
    found = judge.choose(
        SUPPORT_INSTRUCTION,
        texts,
        SUPPORT,
        lambda done: progress.report(STAGE, done, len(texts), "answers for support"),
    )
    return support_figures(found, use_case.settings.evaluation.confidence)


def choices_table(choices: dict[str, tuple[str | None, str | None]]) -> pa.Table:
    """Columns record_id (None for a pair of a gold file), gold_line, first_order (choice with the fine-tuned model's
    answer as A) and swapped. No text."""
    lines = {pair: int(pair.removeprefix(GOLD_LINE)) for pair in choices if pair.startswith(GOLD_LINE)}
    first_order, swapped = zip(*choices.values(), strict=True)
    return pa.table(
        {
            "record_id": pa.array([None if pair in lines else pair for pair in choices], pa.string()),
            "gold_line": pa.array([lines.get(pair) for pair in choices], pa.int64()),
            "first_order": pa.array(first_order, pa.string()),
            "swapped": pa.array(swapped, pa.string()),
        }
    )
