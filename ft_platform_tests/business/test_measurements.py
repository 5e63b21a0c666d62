"""Files of measurements: every format, both forms, and what is refused. No message may hold a value of the file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from ft_platform.errors import ConfigError, DataError, FtError, SourceError
from ft_platform.monitoring.business.measurements import Measured, read_measurements
from ft_platform.use_case.settings.business import Business
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.business.cases import satisfaction, write_rows

SECRET = "Erika Musterfrau"
"""A fictitious person's name in a column that nobody asked for, and in broken cells."""


def read(
    environment: Environment,
    tmp_path: Path,
    rows: list[dict[str, Any]] | None = None,
    name: str = "m.csv",
    **settings: Any,
) -> Measured:
    business = {key: settings.pop(key) for key in ("introduced_on",) if key in settings}
    uri = settings.pop("uri", None) or write_rows(tmp_path / name, rows or [])
    private = tmp_path / "private"
    private.mkdir(exist_ok=True)
    values = {**business, "measurements": [{"uri": uri, **settings}]}
    return read_measurements(Business.model_validate(values), environment, private)[0]


def cases(*times: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"id": f"c{number}", "opened": opened, "closed": closed, "name": SECRET}
        for number, (opened, closed) in enumerate(times)
    ]


def test_every_format_gives_the_same_numbers(environment: Environment, tmp_path: Path) -> None:
    rows = satisfaction([3.5, 4.0], [4.5])
    (tmp_path / "m.json").write_text(json.dumps(rows))
    (tmp_path / "m.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "m.parquet")
    found = [read(environment, tmp_path, rows, period="period")]
    found += [
        read(environment, tmp_path, uri=str(tmp_path / name), period="period")
        for name in ("m.json", "m.jsonl", "m.parquet")
    ]
    for measured in found:
        assert measured.rows == 3
        assert measured.values["customer_satisfaction", "before"].tolist() == [3.5, 4.0]
        assert measured.values["customer_satisfaction", "after"].tolist() == [4.5]
    assert len({measured.sha256 for measured in found}) == 4


def test_the_day_of_introduction_divides_where_no_column_does(environment: Environment, tmp_path: Path) -> None:
    rows = [
        {"date": day, "metric": "Customer satisfaction", "value": 1}
        for day in ("2026-01-31", "2026-02-01", "2026-02-01T08:00:00+01:00")
    ]
    measured = read(environment, tmp_path, rows, introduced_on="2026-02-01")
    expected = {("customer_satisfaction", "before"): 1, ("customer_satisfaction", "after"): 2}
    assert {key: len(values) for key, values in measured.values.items()} == expected


def test_times_of_opening_and_closing_give_minutes_and_open_cases_are_counted(
    environment: Environment, tmp_path: Path
) -> None:
    early = ("2026-01-01T10:00", "2026-01-01T10:30"), ("2026-01-02T23:00", "2026-01-03T01:00")
    rows = cases(*early, ("2026-02-01T00:00", "2026-02-01T00:05"), ("2026-02-02T00:00", ""))
    columns = {"opened_at": "opened", "closed_at": "closed", "case": "id", "introduced_on": "2026-02-01"}
    measured = read(environment, tmp_path, rows, **columns)
    assert measured.values["waiting_minutes", "before"].tolist() == [30, 120]
    assert measured.values["waiting_minutes", "after"].tolist() == [5]
    assert measured.open_cases == {"after": 1}
    worked = read(environment, tmp_path, rows, **columns, working_time=True)
    assert worked.values["minutes_per_case", "before"].tolist() == [30, 120]


def test_a_form_of_times_can_be_named(environment: Environment, tmp_path: Path) -> None:
    rows = cases(("3/14/2025 1:20", "3/14/2025 13:20"))
    measured = read(
        environment,
        tmp_path,
        rows,
        opened_at="opened",
        closed_at="closed",
        time_format="%m/%d/%Y %H:%M",
        introduced_on="2025-01-01",
    )
    assert measured.values["waiting_minutes", "after"].tolist() == [720]


WRONG = {
    "NaN": (
        [{"date": "2026-01-01", "metric": "accuracy", "value": "nan", "period": "before"}],
        "data row 1 with a value that is not a finite number",
    ),
    "infinite": (
        [{"date": "2026-01-01", "metric": "accuracy", "value": "inf", "period": "before"}],
        "not a finite number",
    ),
    "text": (
        [{"date": "2026-01-01", "metric": "accuracy", "value": SECRET, "period": "before"}],
        ("not a finite number"),
    ),
    "empty": ([{"date": "2026-01-01", "metric": "accuracy", "value": "", "period": "before"}], ("not a finite number")),
    "share": (
        [{"date": "2026-01-01", "metric": "accuracy", "value": 92, "period": "before"}],
        "accuracy outside its range",
    ),
    "negative": (
        [{"date": "2026-01-01", "metric": "minutes_per_case", "value": -1, "period": "before"}],
        "minutes_per_case outside its range",
    ),
    "day": (
        [{"date": SECRET, "metric": "accuracy", "value": 1, "period": "before"}],
        "no day or time in the form of ISO 8601",
    ),
    "metric": (
        [{"date": "2026-01-01", "metric": SECRET, "value": 1, "period": "before"}],
        "a metric other than customer_satisfaction",
    ),
    "period": (
        [{"date": "2026-01-01", "metric": "accuracy", "value": 1, "period": SECRET}],
        "neither `before` nor `after`",
    ),
}


@pytest.mark.parametrize("wrong", list(WRONG))
def test_a_wrong_row_is_refused_by_its_number_without_its_content(
    environment: Environment, tmp_path: Path, wrong: str
) -> None:
    rows, message = WRONG[wrong]
    with pytest.raises(DataError) as error:
        read(environment, tmp_path, rows, period="period")
    assert message in str(error.value) and "business.measurements[0]" in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ((("2026-01-02T00:00", "2026-01-01T00:00"),), "closed before it was opened"),
        ((("2026-01-01T00:00", "2026-01-01T00:00+01:00"),), "a time zone in only one of opening and closing"),
        ((("2026-01-01T00:00", SECRET),), "no day or time"),
        ((("2026-01-01T00:00", ""),), "no closed case"),
    ],
)
def test_wrong_times_are_refused(environment: Environment, tmp_path: Path, times: tuple, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        read(environment, tmp_path, cases(*times), opened_at="opened", closed_at="closed", introduced_on="2026-01-01")
    assert SECRET not in str(error.value)


def test_periods_that_overlap_are_refused(environment: Environment, tmp_path: Path) -> None:
    rows = satisfaction([3.0], [4.0])
    rows[1]["date"] = rows[0]["date"]
    with pytest.raises(DataError, match="overlap: `before` ends on 2026-01-01, `after` begins on 2026-01-01"):
        read(environment, tmp_path, rows, period="period")


def test_a_case_that_is_there_twice_is_refused(environment: Environment, tmp_path: Path) -> None:
    rows = cases(("2026-01-01T00:00", "2026-01-02T00:00")) * 2
    with pytest.raises(DataError, match="data row 2 with a case that appears twice"):
        read(environment, tmp_path, rows, opened_at="opened", closed_at="closed", case="id", introduced_on="2026-01-01")
    assert (
        read(environment, tmp_path, rows, opened_at="opened", closed_at="closed", introduced_on="2026-01-01").rows == 2
    )


def test_one_metric_in_two_files_is_refused(environment: Environment, tmp_path: Path) -> None:
    files = [
        {"uri": write_rows(tmp_path / f"{name}.csv", satisfaction([3.0], [4.0])), "period": "period"}
        for name in ("a", "b")
    ]
    with pytest.raises(
        DataError,
        match=r"customer_satisfaction is measured in business\.measurements\[0\] and in business\.measurements\[1\]",
    ):
        read_measurements(Business.model_validate({"measurements": files}), environment, tmp_path)


def test_a_file_outside_the_allowed_sources_is_refused_before_it_is_opened(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = write_rows(tmp_path / "m.csv", satisfaction([3.0], [4.0]))
    monkeypatch.setenv("FT_SOURCES_ALLOWED", f"file://{tmp_path}/elsewhere")
    opened: list[str] = []
    original = open
    monkeypatch.setattr(
        "builtins.open", lambda file, *more, **options: (opened.append(str(file)), original(file, *more, **options))[1]
    )
    with pytest.raises(
        SourceError, match=r"business\.measurements\[0\]\.uri: file://.* is not on the list of allowed sources"
    ):
        read_measurements(
            Business.model_validate({"measurements": [{"uri": uri, "period": "period"}]}), environment, tmp_path
        )
    assert uri not in opened
    monkeypatch.setenv("FT_SOURCES_ALLOWED", f"file://{tmp_path}")
    values = {"measurements": [{"uri": uri, "period": "period"}]}
    read_measurements(Business.model_validate(values), environment, tmp_path)
    assert uri in opened


@pytest.mark.parametrize("uri", ["https://metrics.example.org/csat.csv", "zip://csat.csv::s3://bucket/a.zip"])
def test_web_addresses_and_chained_uris_are_not_read(environment: Environment, tmp_path: Path, uri: str) -> None:
    with pytest.raises(SourceError, match=r"business\.measurements\[0\]\.uri"):
        read(environment, tmp_path, uri=uri, period="period")


def test_messages_of_the_readers_name_the_setting(environment: Environment, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"business\.measurements\[0\]\.uri .*there is no file"):
        read(environment, tmp_path, uri=str(tmp_path / "missing.csv"), period="period")
    with pytest.raises(SourceError, match="column 'period' is missing") as error:
        read(environment, tmp_path, [{"date": "2026-01-01", "metric": "accuracy", "value": 1}], period="period")
    assert "record" not in str(error.value)
    (tmp_path / "folder").mkdir()
    for name in ("a.csv", "b.csv"):
        write_rows(tmp_path / "folder" / name, satisfaction([3.0], []))
    with pytest.raises(SourceError, match="matches 2 files, expected one"):
        read(environment, tmp_path, uri=str(tmp_path / "folder"), period="period")


@pytest.mark.parametrize(
    ("business", "message"),
    [
        ({"measurements": [{"uri": "a.csv"}]}, "introduced_on` is needed"),
        ({"introduced_on": "2026-13-01"}, "YYYY-MM-DD"),
        ({"introduced_on": "2026-01-01", "measurements": [{"uri": "a.csv", "opened_at": "o"}]}, "need each other"),
        (
            {"introduced_on": "2026-01-01", "measurements": [{"uri": "a.csv", "working_time": True}]},
            "working_time` needs",
        ),
        ({"introduced_on": "2026-01-01", "measurements": [{"uri": "postgresql://db/x"}]}, "must come from a file"),
        ({"adoption": 1.5}, "less than or equal to 1"),
        ({"volume_per_month": float("nan")}, "Input should be"),
    ],
)
def test_settings_that_do_not_fit_are_refused(business: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Business.model_validate(business)


def test_an_unquoted_day_of_yaml_is_a_day() -> None:
    import yaml

    assert Business.model_validate(yaml.safe_load("introduced_on: 2026-02-01")).introduced_on == "2026-02-01"


def test_errors_are_typed() -> None:
    assert issubclass(DataError, FtError) and issubclass(SourceError, FtError) and issubclass(ConfigError, FtError)


def test_numbers_are_finite_arrays(environment: Environment, tmp_path: Path) -> None:
    measured = read(environment, tmp_path, satisfaction([3.0, 4.0], [5.0]), period="period")
    assert all(np.isfinite(values).all() for values in measured.values.values())
    assert str(measured.first["customer_satisfaction", "after"]) == "2026-03-01"
