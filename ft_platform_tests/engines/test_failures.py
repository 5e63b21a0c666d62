"""Errors of workers arrive as they were, or as kind and place."""

import pyarrow as pa
import pytest

from ft_platform.errors import ConfigError, DataError, MissingExtra
from ft_platform.records.engines import ray
from ft_platform.records.engines.failures import error_of, failure_of

PERSON = "Zebulon Quartermain"
"""Fictitious."""


@pytest.mark.parametrize(
    "error",
    [
        DataError("a row is impossible", "Look at the source"),
        ConfigError(["one setting is wrong", "another too"]),
        MissingExtra("a model", "ner"),
    ],
)
def test_a_typed_error_arrives_whole(error: Exception) -> None:
    found = error_of(failure_of(error))
    assert type(found) is type(error) and found.args == error.args and found.__dict__ == error.__dict__


def test_of_any_other_error_kind_and_place_arrive_and_no_text() -> None:
    try:
        int(PERSON)
    except ValueError as error:
        failure = failure_of(error)
    assert PERSON not in failure
    found = error_of(failure)
    assert type(found) is RuntimeError and "ValueError at " in str(found) and "test_failures.py:" in str(found)


def test_an_actor_of_ray_hands_errors_on_as_data() -> None:
    def refuse(batch: pa.RecordBatch) -> pa.RecordBatch:
        raise DataError("a row is impossible", "Look at the source")

    made = ray._Worker(lambda: refuse)(pa.table({"text": [PERSON]}))
    assert made.column_names == [ray.FAILURE]
    found = error_of(made[ray.FAILURE][0].as_py())
    assert type(found) is DataError and found.next_step == "Look at the source"
