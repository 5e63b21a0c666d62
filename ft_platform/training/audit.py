"""The audit of a version of `splits`, from the stored rows to a published report and verdict. Needs a tokenizer, no
weights and no GPU."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.models import base_model
from ft_platform.models.rendering.renderer import Renderer, labels_in
from ft_platform.models.tokenizer import load_tokenizer
from ft_platform.training.audit_rows import RowAudit, decoder
from ft_platform.training.expected import expected
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.environment import Environment

REPORT = "report.html"


def figures_of(lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion) -> dict[str, Any]:
    """`Found.numbers`, the hash of each renderer, rows per second (tokenizer loaded, rows read), and what a training
    may be expected to reach."""
    lake.verify_table(splits)

    def read(columns: list[str]) -> Iterator[pa.RecordBatch]:
        return lake.read(splits, columns)

    resolved = base_model.resolve_here(use_case.settings.trained_base, environment)
    loaded = load_tokenizer(resolved)
    renderers = renderers_of(
        use_case, loaded.tokenizer, load_tokenizer(resolved).tokenizer, labels_in(read(["label", "split"]))
    )
    audit = RowAudit(use_case, renderers["training"], decoder(loaded.tokenizer), loaded.context_length)
    hashes = {name: renderer.hash for name, renderer in renderers.items()}
    if len(set(hashes.values())) > 1:
        audit.found.counts["renderer_differs"] = 1
    began = time.monotonic()
    found = audit.run(read, splits.rows)
    seconds = max(time.monotonic() - began, 1e-6)
    reach = expected(use_case, read)
    return {
        **found.numbers(),
        "renderer_hash": hashes["training"],
        "renderer_hashes": hashes,
        "rows_per_second": round(found.rows / seconds),
        "expected": reach.in_words() if reach else "",
    }


def renderers_of(use_case: NamedUseCase, tokenizer: Any, loaded_again: Any, labels: list[str]) -> dict[str, Renderer]:
    """The renderer as each user makes it. Serving has what a checkpoint tells it (task and labels as JSON) and a
    tokenizer of its own."""
    task = use_case.settings.task
    told = json.loads(json.dumps({"task": task.model_dump(mode="json"), "labels": labels}))
    return {
        "training": Renderer(tokenizer, task, labels),
        "evaluation": Renderer(tokenizer, task, labels),
        "serving": Renderer(loaded_again, Task.model_validate(told["task"]), told["labels"]),
    }
