"""The hash of rows: equal for equal rows however they are stored, different for everything else."""

import datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_platform.lake.content_hash import ContentHash

TEXT = st.none() | st.text(max_size=6)
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("count", pa.int32()),
        ("score", pa.float64()),
        ("messages", MESSAGES),
        ("entities", pa.map_(pa.string(), pa.int32())),
        ("changes", pa.list_(pa.string())),
        ("at", pa.timestamp("us", tz="UTC")),
        ("flag", pa.bool_()),
    ]
)
ROW = st.fixed_dictionaries(
    {
        "text": TEXT,
        "count": st.none() | st.integers(-(2**31), 2**31 - 1),
        "score": st.none() | st.floats(allow_nan=False),
        "messages": (
            st.none() | st.lists(st.none() | st.fixed_dictionaries({"role": TEXT, "content": TEXT}), max_size=3)
        ),
        "entities": st.none() | st.lists(st.tuples(st.text(max_size=4), st.none() | st.integers(0, 9)), max_size=3),
        "changes": st.none() | st.lists(TEXT, max_size=3),
        "at": (
            st.none()
            | st.datetimes(
                min_value=datetime.datetime(1970, 1, 2),
                max_value=datetime.datetime(2100, 1, 1),
                timezones=st.just(datetime.UTC),
            )
        ),
        "flag": st.none() | st.booleans(),
    }
)


def digest(table: pa.Table | pa.RecordBatch) -> str:
    hasher = ContentHash()
    hasher.add(table)
    return hasher.hexdigest()


def table(rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@pytest.mark.integration
@settings(max_examples=150, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=6), st.randoms())
def test_order_batches_and_slices_do_not_matter(rows, random):
    whole = digest(table(rows))
    shuffled = random.sample(rows, len(rows))
    assert digest(table(shuffled)) == whole
    padded = table([rows[0], *rows, rows[0]]).combine_chunks().slice(1, len(rows))
    assert digest(padded) == whole, "a slice of a longer table"
    large = SCHEMA.set(0, pa.field("text", pa.large_string()))
    assert digest(table(rows).cast(large)) == whole, "another width of the same type"


@pytest.mark.integration
@settings(max_examples=300, deadline=None)
@given(ROW, ROW)
def test_different_rows_have_different_hashes(one, other):
    same = table([one]).to_pylist() == table([other]).to_pylist() and str(one["score"]) == str(other["score"])
    assert (digest(table([one])) == digest(table([other]))) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": ["x", "y"], "b": ["z", "z"]}, {"a": ["x", "z"], "b": ["z", "y"]}),
        ({"a": ["12:ab"], "b": [None]}, {"a": [None], "b": ["12:ab"]}),
        ({"a": [None]}, {"a": ["~"]}),
        ({"a": [""]}, {"a": [None]}),
        ({"a": [["x", "y"]]}, {"a": [["xy"]]}),
        ({"a": [[]]}, {"a": [None]}),
        ({"a": ["x"]}, {"b": ["x"]}),
    ],
    ids=["values swapped between rows", "column swapped", "null", "empty", "list", "empty list", "name"],
)
def test_near_misses_are_told_apart(one, other):
    string_or_list = pa.list_(pa.string()) if isinstance(next(iter(one.values()))[0], list) else pa.string()
    made = [pa.table({k: pa.array(v, string_or_list) for k, v in t.items()}) for t in (one, other)]
    assert digest(made[0]) != digest(made[1])


def test_hashing_goes_on_from_a_state():
    rows = table([{"text": str(i)} for i in range(10)])
    first = ContentHash()
    first.add(rows.slice(0, 4))
    second = ContentHash(state=first.state)
    second.add(rows.slice(4))
    assert (second.hexdigest(), second.rows) == (digest(rows), 10)


def test_a_type_that_no_record_has_is_refused():
    with pytest.raises(TypeError, match="no canonical form"):
        digest(pa.table({"a": pa.array([datetime.timedelta(1)])}))
