"""A stage that removes most of its records stops, with the reasons and the likely cause; from half on a run says so."""

from pathlib import Path

import pytest

from ft_platform.errors import DataError
from ft_platform.lake.opening import open_lake
from ft_platform.lake.stage_table import Work, write_stage
from ft_platform.records.lost_rows import loss_warnings, lost_rows, require_kept
from ft_platform.records.schemas import cleaned_schema, raw_schema
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.cleaning.test_clean import clean
from ft_platform_tests.governance.tables import result_of
from ft_platform_tests.tables import raw, use_case

TEXTS = [f"fictitious complaint number {n} about a fee" for n in range(40)]


@pytest.mark.parametrize(
    ("kept", "removed", "rows", "of"),
    [
        (102, {"exact_duplicate": 4867}, 4867, 4969),  # New York's service requests with their categories as texts
        (20_000, {"exact_duplicate": 980_000}, 0, 20_000),  # many copies of many texts
        (500, {"near_duplicate": 9000, "too_short": 50}, 50, 550),
        (499, {"near_duplicate": 9000, "too_short": 50}, 9050, 9549),
        (30, {"superseded": 9000, "expired": 3}, 3, 33),  # read anew every day
        (0, {}, 0, 0),
    ],
)
def test_duplicates_count_only_where_few_records_are_left_and_older_rows_never(
    kept: int, removed: dict[str, int], rows: int, of: int
) -> None:
    found = lost_rows(kept, removed)
    assert (found.rows, found.of) == (rows, of)


def test_the_message_has_counts_reasons_cause_and_remedy_on_few_lines() -> None:
    with pytest.raises(DataError) as refused:
        require_kept(
            "cleaned_records of nyc",
            "cleaning.max_removed_share",
            0.9,
            29,
            {"exact_duplicate": 4000, "too_short": 940, "": 29},
        )
    assert (
        str(refused.value)
        == "cleaned_records of nyc removed 4,940 of 4,969 records, more than cleaning.max_removed_share allows (0.9):"
        " exact_duplicate 4,000, too_short 940. Likely cause: the texts repeat each other, as those of a category"
        " do: name a column of free text in record.text. If this is as it should be, raise"
        " cleaning.max_removed_share"
    )


def test_at_the_limit_a_stage_goes_on() -> None:
    require_kept("a", "b", 0.9, 10, {"too_short": 90})
    with pytest.raises(DataError):
        require_kept("a", "b", 0.89, 10, {"too_short": 90})


@pytest.mark.parametrize(("allowed", "stops"), [({}, True), ({"max_removed_share": 0.95}, False)])
def test_cleaning_that_removes_most_records_stops_unless_it_is_allowed(allowed: dict[str, float], stops: bool) -> None:
    case = use_case(cleaning=allowed)
    records = raw(case, [*TEXTS[:4], *["no"] * 56], label=["card"] * 60)
    if not stops:
        assert clean(case, records).kept.num_rows == 4
        return
    with pytest.raises(
        DataError, match=r"removed 56 of 60 records, more than cleaning.max_removed_share allows \(0.9\): too_short 56"
    ):
        clean(case, records)


@pytest.mark.parametrize(("allowed", "stops"), [({}, True), ({"max_removed_share": 0.95}, False)])
def test_permission_that_refuses_most_records_stops_unless_it_is_allowed_and_marks_older_versions_first(
    allowed: dict[str, float], stops: bool
) -> None:
    case = use_case(governance=allowed)
    records = raw(case, TEXTS, consent=["yes"] * 3 + ["no"] * 37)
    marked = []
    if stops:
        with pytest.raises(
            DataError,
            match=(
                r"governance.max_removed_share allows \(0.9\): consent_not_accepted 37. Likely cause: other values than"
            ),
        ):
            result_of(case, records, before_end=lambda refused, ledger: marked.append(refused))
    else:
        assert result_of(case, records, before_end=lambda refused, ledger: marked.append(refused)).kept.num_rows == 3
    assert len(marked) == 1, (
        "what may not be used any more is marked in older versions, whether this one is written or not"
    )


def test_a_stage_that_stops_writes_no_version(environment: Environment, tmp_path: Path) -> None:
    from ft_platform.cleaning.clean import clean as clean_stream
    from ft_platform.records.rows import TableRows

    case, lake = use_case(), open_lake(environment)
    records = raw(case, [*TEXTS[:2], *["no"] * 58], label=["card"] * 60)
    permitted = lake.write_table(
        "tests", "permitted_records", records.to_batches(), raw_schema(case), zone="restricted"
    )

    def made(work: Work) -> object:
        return clean_stream(case, TableRows(records, 8192), work)

    with pytest.raises(DataError, match="max_removed_share"):
        write_stage(lake, case, "cleaned_records", [permitted], made, cleaned_schema(case))  # pyright: ignore[reportArgumentType]
    assert lake.latest("tests", "cleaned_records") is None


def test_from_half_on_the_summary_of_a_run_says_how_many_are_gone_and_why() -> None:
    funnel = [
        {"stage": "permitted_records", "rows_in": 6623, "kept": 1532, "removed": {"consent_not_accepted": 5091}},
        {"stage": "cleaned_records", "rows_in": 1532, "kept": 1200, "removed": {"too_short": 332}},
        {"stage": "splits", "rows_in": 10, "kept": 5, "removed": {"unheard_of": 5}},
    ]
    first, last = loss_warnings(funnel)
    assert first.startswith(
        "permitted_records removed 5,091 of 6,623 records (consent_not_accepted 5,091). Likely cause: other values than"
    )
    assert last == "splits removed 5 of 10 records (unheard_of 5)"


@pytest.mark.real_data
def test_categories_of_new_yorks_service_requests_are_no_texts(shared_data: Path) -> None:
    import csv

    with open(shared_data / "nyc311_animals" / "311_Animals_short.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    case = use_case(record={"text": ["Complaint Type", "Descriptor", "Location Type"], "label": "Borough"})
    texts = ["\n\n".join(row[name] for name in ("Complaint Type", "Descriptor", "Location Type")) for row in rows]
    records = raw(
        case, texts, label=[row["Borough"] for row in rows], record_id=[f"r{n:05d}" for n in range(len(rows))]
    )
    with pytest.raises(
        DataError,
        match=r"removed 4,\d+ of 4,969 records, .*: exact_duplicate 4,\d+.* name a column of free text in record.text",
    ):
        clean(case, records)
