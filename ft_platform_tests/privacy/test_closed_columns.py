"""Every column that leaves the restricted zone is closed by a rule. Persons are fictitious."""

from typing import Any

import pyarrow as pa
import pytest

from ft_platform.errors import ConfigError, DataError
from ft_platform.privacy import closed_columns
from ft_platform.privacy.closed_columns import ClosedRows, closers, is_date, require_closed, rule_of
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import cleaned_schema, splits_schema
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.privacy.anonymizing import anonymized
from ft_platform_tests.tables import table, use_case

LEAK = "born dateleak@example.com"
TEXT = "The bank charged a fee for a card that I never had."


def with_features(**privacy: Any) -> NamedUseCase:
    features = {name: name for name in ("region", "age", "income", "zip", "joined", "account")}
    return use_case(record={"date": "day", "features": features}, privacy={"ner": "none", **privacy})


KINDS = {"age": "age", "income": "number", "zip": "postal_code", "joined": "date", "region": "category"}


def cleaned(case: NamedUseCase, rows: int = 1, **columns: list) -> pa.Table:
    return table(cleaned_schema(case), [f"{TEXT} Case {n}." for n in range(rows)], **columns)


def test_every_column_of_the_shared_zone_has_a_rule() -> None:
    for case in (
        with_features(),
        with_features(columns={"account": "pseudonym", "zip": "drop"}, quasi_identifiers={"age": "age"}),
        use_case("generation"),
    ):
        assert {name: rule_of(case, name).by for name in splits_schema(case).names if not rule_of(case, name).by} == {}


def test_the_page_about_zones_names_what_closes_each_column() -> None:
    page = (REPOSITORY / "docs" / "how_to" / "protect_the_zones.md").read_text(encoding="utf-8")
    assert [name for name, rule in closed_columns.RULES.items() if f"| `{name}` | {rule.by} |" not in page] == []


def test_a_new_column_without_a_rule_stops_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    case = with_features()
    with pytest.raises(DataError, match="nothing closes column language"):
        rule_of(case, "language")
    monkeypatch.delitem(closed_columns.RULES, "text_characters")
    with pytest.raises(DataError, match="nothing closes column text_characters"):
        anonymized(case, cleaned(case))


@pytest.mark.parametrize(
    "day",
    [
        *(
            "2024-03-05",
            "2024-03",
            "2024",
            "2024-03-05T10:11:12Z",
            "2024-03-05 10:11:12.123456+02:00",
            "2024-03-05 10:11",
            " 2024-03-05 ",
        ),
        *("3/14/2025 1:20", "03/04/1980", "3.4.1980", "4 March 1980", "March 4, 1980", "2024-03-05 10:11 PM"),
    ],
)
def test_a_date_is_read(day: str) -> None:
    assert is_date(day)


@pytest.mark.parametrize(
    "text",
    [
        *(
            LEAK,
            "2024-03-05 dateleak@example.com",
            "dateleak@example.com 2024-03-05",
            "Wilhelmina Drosselmeyer",
            "2024-03-05T10:11 Anna",
            "2024-13-05",
            "2024-02-30",
        ),
        *(
            "2199-09-9999",
            "4155550132",
            "0999",
            "9999",
            "2024-03-05\nAnna",
            "2024-03-05; Anna",
            "",
            "*",
            "2024 10:11",
            "٢٠٢٤-٠٣-٠٥ @",
        ),
    ],
)
def test_a_text_that_is_no_date_is_not_read(text: str) -> None:
    assert not is_date(text)


def test_free_text_in_a_date_becomes_empty_and_is_counted() -> None:
    case = with_features()
    result = anonymized(case, cleaned(case, 3, record_date=["2024-03-05", LEAK, None]))
    assert result.kept["record_date"].to_pylist() == ["2024-03-05", None, None]
    assert result.counts["emptied"] == {"record_date": 1}


@pytest.mark.parametrize(
    ("feature", "good", "bad"),
    [
        ("age", ["34", "30-39", "90+", "34.0"], ["thirty, mail a@example.com", "34 Anna"]),
        ("income", ["52300", "$1,200", "-3.5", "1e5"], ["52300 for Anna", "inf", "nan"]),
        ("zip", ["62704", "62704-1234", "SW1A 1AA", "D02 X285"], ["62704 Anna Lane", "Anna", "a@example.com"]),
        ("joined", ["2024-03-05", "2024"], [LEAK]),
    ],
)
def test_a_feature_whose_kind_is_named_is_parsed(feature: str, good: list[str], bad: list[str]) -> None:
    case = with_features(quasi_identifiers={feature: KINDS[feature]})
    rows = ClosedRows(case, TableRows(cleaned(case, len(good) + len(bad), **{f"feature_{feature}": [*good, *bad]})))
    (batch,) = rows.batches()
    assert batch.column(f"feature_{feature}").to_pylist() == [*good, *[None] * len(bad)]
    assert rows.emptied == {f"feature_{feature}": len(bad)}


def test_only_listed_values_leave_where_a_list_is_given() -> None:
    case = with_features(
        allowed_values={"region": ["north", "south"], "label": ["card", "Edward Jones"], "age": ["unknown"]},
        quasi_identifiers={"age": "age"},
        k=2,
    )
    rows = 6
    result = anonymized(
        case,
        cleaned(
            case,
            rows,
            feature_region=["north", "south", "Wilhelmina Drosselmeyer", LEAK, None, "north"],
            label=["card", "Edward Jones", "card", "Anna Weber", "card", "card"],
            feature_age=["unknown"] * 4 + ["Anna", "Anna"],
        ),
    )
    assert result.kept["feature_region"].to_pylist() == ["north", "south", None, None, None, "north"]
    assert result.kept["label"].to_pylist() == ["card", "Edward Jones", "card", None, "card", "card"]
    assert result.counts["emptied"] == {"feature_age": 2, "feature_region": 2, "label": 1}


def test_a_column_that_is_replaced_or_emptied_is_not_parsed() -> None:
    case = with_features(columns={"account": "pseudonym", "zip": "drop"})
    assert set(closers(case)) == {"record_date"}
    result = anonymized(case, cleaned(case, feature_account=["anna@example.com"], feature_zip=["anna@example.com"]))
    assert result.kept["feature_account"][0].as_py().startswith("account_") and result.kept[
        "feature_zip"
    ].to_pylist() == [None]


def test_every_value_that_k_anonymity_makes_may_leave() -> None:
    case = with_features(quasi_identifiers={**KINDS, "record_date": "date"}, k=2, max_not_k_anonymous_percent=0.0)
    rows = 8
    values = {
        "record_date": [f"20{n:02d}-0{n + 1}-05" for n in range(rows)],
        "feature_age": [str(18 + 9 * n) for n in range(rows)],
        "feature_income": [str(-40_000 + 11_234 * n) for n in range(rows)],
        "feature_zip": ["62704", "D02 X285", "SW1A 1AA", "03601", "1010", "2", "75008", "99"],
        "feature_joined": [f"19{n}5-01-01" for n in range(rows)],
        "feature_region": [f"region {n}" for n in range(rows)],
    }
    result = anonymized(case, cleaned(case, rows, **values))
    assert result.kept.num_rows == rows and result.counts["k_anonymity"]["levels"]


@pytest.mark.parametrize("kind", ["date", "number", "age", "postal_code", "category"])
def test_a_date_may_leave_in_whatever_way_it_is_made_coarser(kind: str) -> None:
    case = with_features(quasi_identifiers={"record_date": kind}, k=2, max_not_k_anonymous_percent=0.0)
    for dates in ([f"{1990 + n}" for n in range(8)], [f"20{n:02d}-0{n + 1}-05" for n in range(8)]):
        assert anonymized(case, cleaned(case, 8, record_date=dates)).kept.num_rows == 8


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("record_id", "wilhelmina@example.com"),
        ("record_id", "Wilhelmina"),
        ("subject_id", "customer 7"),
        ("record_date", LEAK),
        ("sha256_after", "Wilhelmina"),
        ("messages", [{"role": "Wilhelmina", "content": "x"}]),
        ("feature_account", "DE89370400440532013000"),
        ("feature_age", "Anna"),
    ],
)
def test_the_last_look_refuses_what_no_rule_allows(column: str, value: object) -> None:
    case = with_features(columns={"account": "pseudonym"}, quasi_identifiers={"age": "age"})
    batch = anonymized(case, cleaned(case, 5)).kept.to_batches()[0]
    require_closed(case, batch)
    place = batch.schema.names.index(column)
    spoiled = batch.set_column(
        place, batch.schema.field(column), pa.array([value] * batch.num_rows, batch.schema.field(column).type)
    )
    with pytest.raises(DataError, match=f"column {column} may not leave") as caught:
        require_closed(case, spoiled)
    assert "Anna" not in str(caught.value) and "Wilhelmina" not in str(caught.value)


def test_allowed_values_must_be_of_a_mapped_column() -> None:
    with pytest.raises((ConfigError, ValueError), match="allowed_values"):
        use_case(privacy={"allowed_values": {"nobody": ["x"]}})
    with pytest.raises(ValueError, match="one or the other"):
        with_features(allowed_values={"region": ["x"]}, columns={"region": "drop"})
