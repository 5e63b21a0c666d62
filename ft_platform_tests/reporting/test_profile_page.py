"""The profile of a table version: what is published, what its page says, and what it never says."""

import re

import pytest

from ft_platform.errors import ConfigError
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.records.schemas import splits_schema
from ft_platform.reporting import profile_page
from ft_platform.reporting.profile_page import publish_profile, read_profile
from ft_platform.reporting.report_urls import report_url
from ft_platform.use_case.named import NamedUseCase
from ft_platform.web.report_server import report_server
from ft_platform_tests.evaluation.tiny_case import CANARY, HOSTILE, rows_for
from ft_platform_tests.reporting.page_rules import Tags
from ft_platform_tests.tables import use_case

CASE = use_case()


def written(lake: Lake, rows: list[dict], zone: str = "shared", name: str = "splits") -> TableVersion:
    import pyarrow as pa

    schema = splits_schema(CASE)
    return lake.write_table(CASE.name, name, pa.Table.from_pylist(rows, schema).to_batches(), schema, zone=zone)


def profiled(lake: Lake, version: TableVersion, case: NamedUseCase = CASE) -> Tags:
    artifact = publish_profile(lake, case, version)
    return Tags(lake.read_file(artifact, "report.html").decode())


def test_the_page_is_one_file_that_loads_nothing(lake: Lake) -> None:
    page = profiled(lake, written(lake, rows_for("classification")))
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed"}
    sources = [value for _, attributes in page.tags for key, value in attributes.items() if key in ("src", "href")]
    assert sources and all((source or "").startswith(("data:image/png;base64,", "#")) for source in sources)


def test_a_hostile_label_is_shown_as_text(lake: Lake) -> None:
    page = profiled(lake, written(lake, rows_for("classification")))
    assert HOSTILE in page.words


@pytest.mark.parametrize("kind", ["classification", "generation"])
def test_the_figures_of_the_page_are_those_of_the_table(lake: Lake, kind: str) -> None:
    rows = rows_for(kind)
    artifact = publish_profile(lake, CASE, written(lake, rows))
    found = read_profile(lake, artifact)
    words = Tags(lake.read_file(artifact, "report.html").decode()).words
    assert found.rows == 60 and "60 records of" in words
    assert found.lengths["user_words"].total == sum(len(row["messages"][0]["content"].split()) for row in rows)
    assert ("assistant_words" in found.lengths) == (kind == "generation")
    seen = {side: sum(s.get(side, 0) for s in found.sides.values()) for side in ("train", "validation", "test")}
    assert seen == {"train": 42, "validation": 6, "test": 12}
    assert ("3 labels: the largest is" in words) == (kind == "classification")


def test_a_table_of_the_restricted_zone_shows_no_word_and_no_value(lake: Lake) -> None:
    rows = [
        {**row, "label": CANARY, "feature_region": CANARY, "subject_id": CANARY} for row in rows_for("classification")
    ]
    artifact = publish_profile(lake, CASE, written(lake, rows, "restricted", "cleaned_records"))
    files = {name: lake.read_file(artifact, name) for name in [*lake.manifest(artifact).files, "manifest.json"]}
    for name, content in files.items():
        assert b"zanzibar" not in content.lower(), name
        assert b"swipe" not in content.lower(), name
    assert b"may contain personal data" in files["report.html"]
    # The check can fail: of the shared zone, the same rows show it.
    shown = publish_profile(lake, CASE, written(lake, rows, "shared", "splits"))
    assert b"zanzibar" in lake.read_file(shown, "report.html").lower()


def test_an_unchanged_table_is_not_profiled_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    version = written(lake, rows_for("classification"))
    first = publish_profile(lake, CASE, version)
    monkeypatch.setattr(profile_page, "profile", lambda *_, **__: pytest.fail("was computed again"))
    assert publish_profile(lake, CASE, version) == first


@pytest.mark.integration
def test_a_shift_since_the_version_before_stands_on_the_page(lake: Lake) -> None:
    rows = rows_for("classification", 600)
    first = profiled(lake, written(lake, rows))
    assert "no profile of an earlier version" in first.words
    moved = [{**row, "label": "card" if int(row["record_id"][1:]) % 2 else row["label"]} for row in rows]
    second = profiled(lake, written(lake, moved))
    assert "Changed since the previous version: label (large shift, PSI 0.4" in second.words
    assert "Compared with splits@0" in second.words
    # Back again: compared with the version in between, not with itself.
    third = profiled(lake, written(lake, rows))
    assert "Compared with splits@1" in third.words


def test_another_table_is_no_version_before(lake: Lake) -> None:
    profiled(lake, written(lake, rows_for("classification"), name="anonymized_records"))
    page = profiled(lake, written(lake, rows_for("classification", 30), name="splits"))
    assert "no profile of an earlier version" in page.words


def test_a_version_with_the_same_distribution_is_said_to_be_so(lake: Lake) -> None:
    profiled(lake, written(lake, rows_for("classification", 600)))
    more = profiled(lake, written(lake, rows_for("classification", 660)))
    assert "Nothing changed noticeably since the previous version." in more.words


def test_the_report_server_opens_it_by_its_link(environment, lake: Lake) -> None:
    import urllib.request

    artifact = publish_profile(lake, CASE, written(lake, rows_for("classification")))
    with report_server(environment, "127.0.0.1", 0) as server:
        here = environment.model_copy(update={"reports_url": f"http://127.0.0.1:{server.server_port}"})
        with urllib.request.urlopen(report_url(here, artifact), timeout=10) as answer:
            page = lake.read_file(artifact, "report.html").partition(b"<body>\n")[2]
            assert page and answer.read().endswith(page)  # before it the server adds the way home
        with urllib.request.urlopen(f"{here.reports_url}/{CASE.name}/", timeout=10) as answer:
            assert re.search(rf"profile/{artifact.artifact_id}/report.html", answer.read().decode())


def test_tokens_are_those_of_the_tokenizer_that_the_settings_name(lake: Lake, tmp_path) -> None:
    pytest.importorskip("transformers")
    from ft_platform_tests.tiny_models import tiny_tokenizer

    tiny_tokenizer().save_pretrained(tmp_path / "tokenizer")
    case = use_case(cleaning={"tokenizer": str(tmp_path / "tokenizer")})
    rows = rows_for("classification")
    found = read_profile(lake, publish_profile(lake, case, written(lake, rows)))
    expected = sum(len(row["messages"][0]["content"].encode()) for row in rows)
    assert found.lengths["user_tokens"].total == expected  # one token a byte


def test_a_tokenizer_that_is_none_is_one_clear_error(lake: Lake, tmp_path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"cleaning\.tokenizer .* is not a tokenizer"):
        publish_profile(
            lake,
            use_case(cleaning={"tokenizer": str(tmp_path / "tokenizer.json")}),
            written(lake, rows_for("classification")),
        )
