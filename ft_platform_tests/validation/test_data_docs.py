import re
from pathlib import Path
from typing import Any

import pytest

from ft_platform.cleaning.validation.expectations import validate
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.reporting.data_docs import data_docs, publish_data_docs, sections
from ft_platform_tests.tables import use_case
from ft_platform_tests.validation.test_expectations import cleaned

CASE = use_case(
    validation={
        "expectations": [
            {
                "table": "cleaned_records",
                "expectation": "expect_column_values_to_be_in_set",
                "kwargs": {"column": "label", "value_set": ["a"]},
            }
        ]
    }
)
VERSION = TableVersion(CASE.name, "cleaned_records", "restricted", 3, "0" * 64, 30, "file:///lake")


def page_of(**columns: Any) -> str:
    return data_docs(CASE, VERSION, validate(CASE, "cleaned_records", cleaned(CASE, **columns)), {"quarantined": 2})


def test_the_page_tells_what_great_expectations_found() -> None:
    html = page_of()
    text = " ".join(re.sub("<[^>]+>", " ", html).split())
    assert "values must belong to this set" in text and "✗" in text and "✓" in text
    assert "expect_column_values_to_be_in_set : 15 records, among them r001" in text
    assert "quarantined 2" in text
    assert "Every expectation holds" not in text


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    html = page_of()
    assert not re.search(r"<(script|link|img|iframe)", html)
    assert "http" not in html.replace("http-equiv", "")


def test_no_value_of_a_record_is_in_it() -> None:
    labels = ["a"] * 29 + ["Zaphod-Canary"]
    html = page_of(label=labels)
    assert "Zaphod" not in html and "r029" in html


def test_attributes_and_scripts_do_not_pass() -> None:
    html = sections(
        '<div class="ge-section"><table onclick="x()"><tr><td style="a">3<script>y()</script><a'
        ' href="http://z">name</a></td></tr></table></div>'
    )
    assert "onclick" not in html and "script" not in html and "href" not in html and "name" in html and "<td>3" in html


@pytest.mark.parametrize("again", [False, True])
def test_it_is_a_report_of_the_lake(tmp_path: Path, again: bool) -> None:
    lake = Lake(str(tmp_path))
    result = validate(CASE, "cleaned_records", cleaned(CASE))
    report = publish_data_docs(lake, CASE, VERSION, result, {})
    if again:
        assert publish_data_docs(lake, CASE, VERSION, result, {}) == report
    assert b"expect_column_values_to_be_in_set" in lake.read_file(report, "report.html")
    assert [p.id for p in lake.manifest(report).parents] == ["cleaned_records@3"]
