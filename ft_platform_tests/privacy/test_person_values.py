"""Labels and features that look like names of persons, and those that do not. Persons are fictitious."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pytest

from ft_platform.errors import DataError
from ft_platform.privacy.column_identifiers import MOST_VALUES, require_no_identifiers
from ft_platform.privacy.person_values import looks_like_person, persons_among, single_names
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import cleaned_schema
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.tables import table, use_case

PERSONS = """
Wilhelmina Drosselmeyer|WILHELMINA DROSSELMEYER|wilhelmina drosselmeyer|wilhelmina_drosselmeyer
wilhelmina.drosselmeyer|Drosselmeyer, Wilhelmina
Drosselmeyer, W.|Dr. Price|Mrs. Okonjo|Mirela Okonjo|José García|Anna-Lena Müller|anna-lena|Siobhan O'Brien
J. R. van der Berg|Priya Natarajan
Juan Carlos Ortiz|Faina D. Yefremova|John Smith|smith john
""".replace("\n", "|").strip("|")
NO_PERSONS = """
credit reporting|Debt collection|Consumer Loan|Student loan|Older American, Servicemember|Virginia|West Virginia
North Carolina|New Hampshire|San Francisco
Costa Rica|STATEN ISLAND|GLEN OAKS|HERBERT VON KING PARK|card_arrival|apple_pay_or_google_pay|visa_or_mastercard|male
no checking|skilled|A34|30-39
Roman Catholic|Hispanic Latino|African American|Baden-Württemberg|Nordrhein-Westfalen|Iris-setosa|positive|Sci/Tech
talk.politics.mideast
Golden Retriever|Western Union|Vitamin C|Plan B|N/A|Maria
""".replace("\n", "|").strip("|")


@pytest.mark.parametrize("value", PERSONS.split("|"))
def test_a_persons_name_is_seen(value: str) -> None:
    assert looks_like_person(value)


@pytest.mark.parametrize("value", NO_PERSONS.split("|"))
def test_an_ordinary_value_is_no_person(value: str) -> None:
    assert not looks_like_person(value)


SEEN_BY_THE_NETWORK = """
Cavendish|R. Cavendish|asked by Rosalind Cavendish|Cavendish/Thistlethwaite|agent: Thistlethwaite|desk 4 / Marlborne
王小明|S. Hargreaven|agent: Hargreaven|handled by Hargreaven|asked by rosalind cavendish
employee 48211|Mitarbeiter-Nr. 48211|customer #100234
""".replace("\n", "|").strip("|")
CATEGORIES = """
Samsung Galaxy|Toyota|Android|iPhone 12|electronics|Haushalt|Kündigung|cardiology|Basel|NRW|DSNY|kubernetes|Neukunde
femme|marié|viudo|Gold|premium|employee|customer 12|高级会员|AL|Zürich
Threatened to sue on too old debt|self-employed
agent: Monday|user: London|owner occupied|DOHMH
""".replace("\n", "|").strip("|")


@pytest.mark.parametrize("value", [*PERSONS.split("|"), *SEEN_BY_THE_NETWORK.split("|")])
def test_a_value_that_points_to_a_person_is_among_them(value: str) -> None:
    assert persons_among([value, "card"]) == {value}


@pytest.mark.parametrize("value", [*NO_PERSONS.replace("|Maria", "").split("|"), *CATEGORIES.split("|")])
def test_a_category_is_not_among_them(value: str) -> None:
    assert persons_among([value]) == set()


def test_logins_that_no_rule_knows_are_stopped_by_their_number() -> None:
    logins = [f"{a}cavend{b}" for a in "abcdefghijklmnopq" for b in "abcdefghijklm"]
    with pytest.raises(DataError, match="more than 200 different values"):
        looked_at(use_case(), feature_region=logins)


@pytest.mark.parametrize("value", ["0171-5553928", "@rosacavendish", "1974-03-07", "7 March 1974"])
def test_a_number_a_handle_or_a_day_that_is_a_whole_value_stops_the_stage(value: str) -> None:
    with pytest.raises(DataError, match=r"PHONE|USER_NAME|DATE_OF_BIRTH") as caught:
        looked_at(use_case(), feature_region=["north", value])
    assert value not in str(caught.value)


def test_days_and_numbers_that_are_made_coarser_may_stay() -> None:
    values = [f"{1950 + n % 50}-03-{1 + n % 28:02d}" for n in range(400)]
    looked_at(use_case(privacy={"quasi_identifiers": {"region": "date"}}), feature_region=values)


def test_a_feature_with_more_values_than_a_list_of_kinds_needs_the_list() -> None:
    many = [f"kind {n}" for n in range(MOST_VALUES + 1)]
    looked_at(use_case(), feature_region=many[1:])
    with pytest.raises(DataError, match="column feature_region has more than 200 different values") as caught:
        looked_at(use_case(), feature_region=many)
    assert "privacy.allowed_values" in str(caught.value)
    looked_at(use_case(privacy={"allowed_values": {"region": many}}), feature_region=many)
    looked_at(use_case(), label=many)


def test_single_names_count_where_most_values_are_names() -> None:
    names = ["Maria", "John", "Peter"]
    assert single_names([*names, "other"], 4) == names
    assert single_names(["Maria", "John"], 2) == []
    assert single_names([*names, "card", "loan", "mortgage"], 6) == single_names(names, 6) == []
    assert single_names(["Virginia", "Georgia", "Texas", "Ohio"], 4) == []
    assert single_names(["January", "April", "May", "June", "August"], 5) == []


def looked_at(case: NamedUseCase, **columns: list) -> None:
    rows = len(next(iter(columns.values())))
    require_no_identifiers(case, TableRows(table(cleaned_schema(case), ["x"] * rows, **columns)))


def test_25_rows_with_a_persons_name_as_label_stop_the_stage_with_their_count_and_the_remedy() -> None:
    labels = ["card"] * 40 + ["Wilhelmina Drosselmeyer"] * 25
    with pytest.raises(
        DataError, match=r"column label seems to contain names of persons \(1 values in 25 rows\)"
    ) as caught:
        looked_at(use_case(), label=labels)
    assert "privacy.allowed_values" in str(caught.value) and "Drosselmeyer" not in str(caught.value)
    looked_at(use_case(privacy={"allowed_values": {"label": ["card", "Wilhelmina Drosselmeyer"]}}), label=labels)


def test_a_column_of_given_names_stops_the_stage() -> None:
    with pytest.raises(
        DataError, match=r"column feature_region seems to contain names of persons \(3 values in 4 rows\)"
    ):
        looked_at(use_case(), feature_region=["Maria", "John", "Peter", "Maria", "other"])


def test_a_feature_with_the_name_label_does_not_stand_for_the_label() -> None:
    case = use_case(
        record={"features": {"label": "kind"}},
        privacy={"columns": {"label": "drop"}},
        fairness={"sensitive_features": []},
    )
    with pytest.raises(DataError, match="column label"):
        looked_at(case, label=["Wilhelmina Drosselmeyer"])


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("285 Cozine Avenue", "ADDRESS"),
        ("anna.weber@example.com", "EMAIL"),
        ("EMP-123456", "EMPLOYEE_ID"),
        ("born on 5 March 1980", "DATE_OF_BIRTH"),
        ("word " * 80, "texts"),
        ("DROSSELMEYER, WILHELMINA", "names of persons"),
    ],
)
def test_a_feature_with_anything_of_a_person_stops_the_stage(value: str, kind: str) -> None:
    case = use_case(privacy={"custom": {"EMPLOYEE_ID": {"pattern": "EMP-[0-9]{6}"}}})
    with pytest.raises(DataError, match=kind) as caught:
        looked_at(case, feature_region=["north", value])
    assert value not in str(caught.value)
    for remedy in ({"columns": {"region": "drop"}}, {"allowed_values": {"region": ["north"]}}):
        looked_at(use_case(privacy=remedy), feature_region=["north", value])


CFPB = (
    "Product",
    "Sub-product",
    "Issue",
    "Sub-issue",
    "Company public response",
    "State",
    "ZIP code",
    "Tags",
    "Submitted via",
)
NYC = ("Agency Name", "Complaint Type", "Descriptor", "Location Type", "City", "Borough", "Community Board", "Status")


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("file", "columns"),
    [
        ("cfpb_2020/complaints_sample.csv", CFPB),
        ("german_credit_ibm/german_credit_data_biased_training.csv", None),
        ("nyc311_animals/311_Animals_short.csv", NYC),
        ("banking77/test.csv", ("category",)),
    ],
)
def test_labels_and_features_of_public_data_pass(file: str, columns: tuple[str, ...] | None, shared_data: Path) -> None:
    with open(shared_data / file, newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    for name in columns or list(rows[0]):
        looked_at(use_case(), label=[row[name] for row in rows])


@pytest.mark.real_data
def test_the_labels_of_banking77_pass_as_words_too(shared_data: Path) -> None:
    labels = json.loads((shared_data / "banking77" / "categories.json").read_text())
    looked_at(use_case(), label=[*labels, *(label.replace("_", " ").title() for label in labels)])


def test_many_numbers_are_looked_at_quickly_and_none_is_remembered() -> None:
    looked_at(use_case(), feature_region=pa.array([f"{n / 7:.6f}" for n in range(50_000)]).to_pylist())
