"""Small tables in the stages' schemas, for tests of domain functions. Persons and texts are fictitious."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ft_platform.records.schemas import raw_schema
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.conftest import minimal_attributes


def use_case(kind: str = "classification", **sections: dict[str, Any]) -> NamedUseCase:
    """The minimal use case with some settings of some sections replaced."""
    attributes = minimal_attributes("x.csv")
    if kind == "generation":
        attributes["task"] = {"kind": "generation"}
        attributes["record"] = {
            "text": "text",
            "answer": "answer",
            "consent": "consent",
            "features": {"region": "region"},
        }
    for name, settings in sections.items():
        attributes[name] = {**attributes.get(name, {}), **settings}
    if attributes["privacy"].get("quasi_identifiers"):
        del attributes["privacy"]["without_quasi_identifiers"]
    return NamedUseCase(name="tests", settings=UseCase.model_validate(attributes))


def table(
    schema: pa.Schema,
    texts: Sequence[str | None],
    answers: Sequence[str | None] | None = None,
    **columns: Sequence[Any],
) -> pa.Table:
    """One row per text, with ids `r000`, `r001`, ...; columns that are not named are null."""
    messages = [[{"role": "user", "content": text}] for text in texts]
    for row, answer in zip(messages, answers or [], strict=False):
        row.append({"role": "assistant", "content": answer})
    given = {"record_id": [f"r{i:03d}" for i in range(len(texts))], "messages": messages, **columns}
    return pa.table({name: given.get(name, [None] * len(texts)) for name in schema.names}, schema=schema)


def raw(
    case: NamedUseCase,
    texts: Sequence[str | None],
    answers: Sequence[str | None] | None = None,
    **columns: Sequence[Any],
) -> pa.Table:
    return table(raw_schema(case), texts, answers, **columns)
