"""The second scan finds what the first one missed, and little else. Persons and numbers are fictitious."""

import ast
import base64
import csv
from pathlib import Path

import pytest

from ft_platform.errors import DataError
from ft_platform.privacy import normalize, second_scan
from ft_platform.privacy.entities import all_recognizers
from ft_platform.privacy.ner.built_in import BuiltInNer
from ft_platform.privacy.residual import residual
from ft_platform.privacy.second_scan import DETECTORS
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import anonymized_schema, cleaned_schema
from ft_platform_tests.privacy.anonymizing import anonymized
from ft_platform_tests.tables import table, use_case

CLEAN = [
    "I paid {$1,234.56} on XX/XX/2019, reference 9400100000000000000002.",
    "Account XXXX, order 4111111111111112, ISBN 978-3-16-148410-0, opened 03/15/2020.",
    "<PERSON_k3f9q2ab> wrote to <EMAIL_abcdefgh> and called <PHONE_k3f9q2ab>.",
    "Meet @ noon, 15 U.S.C. 1681, call me 5 times in 2019, version 1.2.3.4",
    '@property\n    def size(self): ...  # npm @angular/core, be @home @10am, 2 @4.50, {"@type": 1}, a@b',
    "see https://github.com/org/repo, /home/user/x, the key was 3Zorblax and 0x12ab, 0.12345, 0.54321 and file:///etc/x",
    "deadbeefdeadbeefdeadbeef, internationalization/McAllister-Whitfield1, one two three four five six seven eight",
    "1 4000\n2 3000\n3 2000 and 1 . 2, 12345678901234567, AB12\nCDEF GHIJ KLMN OPQR",
    "Mr. XXXX of 12 branches, my name is on the account, driver 10.2.33.4",
]
PLANTED = {
    "EMAIL": "write to mirela@example.com",
    "US_SSN": "SSN 219-09-9999",
    "CREDIT_CARD": "card 4111 1111 1111 1111 expired",
    "IBAN": "pay DE89 3704 0044 0532 0130 00 now",
    "PHONE": "phone number is 415 555 0132",
    "URL_CREDENTIALS": "https://anna:s3cret@example.com",
    "IP_ADDRESS": "my login from 84.17.45.99",
    "MAC_ADDRESS": "the card is 3c:22:fb:10:4d:5e",
    "UK_NINO": "my national insurance number is AB 12 34 56 C",
    "IT_FISCAL_CODE": "il codice MRTMTT91D08F205J non va",
    "NO_NATIONAL_ID": "they wrote 151086 95088 on it",
    "PL_PESEL": "mój PESEL to 44051401359",
    "DE_SOCIAL_INSURANCE": "die Nummer 15 070649 C 103 war es",
    "API_KEY": "it was AKIAIOSFODNN7EXAMPLE all along",
    "PERSON": "Mrs. Okonjo signed",
    "ADDRESS": "send it to 12 Mill Lane",
    "USER_NAME": "seen via @ostrowski, sadly",
    "CRYPTO_WALLET": "it went to 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "VEHICLE_NUMBER": "the car 1M8GDM9AXKP042788 was towed",
    "COORDINATES": "I live at 52.52000, 13.40495 there",
    "DATE_OF_BIRTH": "I was born on 3 March 1984 there",
}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


ODD_FORMS = [
    ("CREDIT_CARD", "it was 4111.1111.1111.1111 then", "dots"),
    ("CREDIT_CARD", "it was 4111 1111\n1111 1111 then", "two lines"),
    ("IBAN", "pay DE89 3704 0044\n0532 0130 00 now", "two lines"),
    ("IBAN", "pay DE89.3704.0044.0532.0130.00 now", "dots"),
    ("IP_ADDRESS", "it came from 84 . 17 . 45 . 99 again", "blanks"),
    ("PHONE", "it is oh seven seven zero zero nine double zero one two three", "words"),
    ("EMAIL", f"the header was {encoded('mirela.okonjo@corp.example')} there", "base64"),
    ("EMAIL", f"the header was {b'mirela.okonjo@corp.example'.hex()} there", "hexadecimal"),
    ("EMAIL", "write to mirela\uff20corp.example", "full width"),
    ("EMAIL", "write to mir\u200bela@cor\u2060p.example", "invisible signs"),
    ("PERSON", f"the header was {encoded('I am Jarek Cranshaw, hello')} there", "base64"),
    ("PERSON", "signed \u202ewahsnarC keraJ\u202c yesterday", "right to left"),
    ("PERSON", "we bought it from Markovic & Sons last week", "firm"),
    ("USER_NAME", "RT @jcranshaw : so true", "retweet"),
    ("USER_NAME", "did you see it, @Cranshaw_Jarek?", "underscore"),
    ("USER_NAME", "text me at wa.me/447700900123", "short link"),
    ("USER_NAME", "it is linkedin.com/in/jarek-cranshaw", "profile"),
    ("USER_NAME", "the file is /home/jcranshaw/notes.txt", "home folder"),
    ("USER_NAME", r"saved to C:\Users\jcranshaw\Desktop", "home folder of Windows"),
    ("CRYPTO_WALLET", "send to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa now", "bitcoin"),
    ("CRYPTO_WALLET", "send to bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4 now", "segregated witness"),
    ("COORDINATES", "it is ///filled.count.soap ok", "what3words"),
]
"""Forms that both scans read, each with code of its own."""


def scan(texts: list[str], **privacy: object) -> dict:
    case = use_case(privacy=dict(privacy))
    return residual(case, TableRows(table(anonymized_schema(case), texts)))


def test_clean_texts_pass_with_zero_percent() -> None:
    result = scan(CLEAN)
    assert result["passed"] and result["percent"] == 0.0 and result["findings"] == {}


@pytest.mark.parametrize("entity", PLANTED)
def test_a_planted_identifier_turns_the_scan_red(entity: str) -> None:
    result = scan([*CLEAN, PLANTED[entity]])
    assert not result["passed"]
    assert result["findings"] == {entity: 1}
    assert (result["rows"], result["rows_with_finding"]) == (len(CLEAN) + 1, 1)
    assert result["percent"] == pytest.approx(100 / (len(CLEAN) + 1), abs=1e-4)
    assert result["record_ids"] == [f"r{len(CLEAN):03d}"]


@pytest.mark.parametrize(("entity", "text", "form"), ODD_FORMS, ids=[f"{e} {form}" for e, _, form in ODD_FORMS])
def test_a_planted_identifier_in_another_form_turns_the_scan_red(entity: str, text: str, form: str) -> None:
    result = scan([*CLEAN, text])
    assert not result["passed"] and entity in result["findings"] and result["rows_with_finding"] == 1


@pytest.mark.parametrize(("entity", "text"), [*PLANTED.items(), *((entity, text) for entity, text, _ in ODD_FORMS)])
def test_the_second_scan_stops_what_a_disabled_recognizer_lets_through(
    entity: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = use_case()
    records = table(cleaned_schema(case), [text])
    assert residual(case, TableRows(anonymized(case, records).kept))["passed"], "both together"
    for name, recognizer in all_recognizers().items():  # another entity may cover the same words
        if name in DETECTORS or name in ("URL", "NUMBER", "DE_TAX_ID", "BANK_ACCOUNT"):
            monkeypatch.setattr(type(recognizer), "find", lambda self, text: [])
    monkeypatch.setattr(BuiltInNer, "find", lambda self, texts: [[] for _ in texts])
    result = residual(case, TableRows(anonymized(case, records).kept))
    assert not result["passed"] and entity in result["findings"]


def test_the_second_scan_decodes_what_the_first_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    case = use_case()
    text = f"the header was {encoded('mirela.okonjo@corp.example')} there"
    monkeypatch.setattr(normalize, "_from_base64", lambda match: match.group())
    result = residual(case, TableRows(anonymized(case, table(cleaned_schema(case), [text])).kept))
    assert result["findings"] == {"EMAIL": 1}


@pytest.mark.parametrize(
    "text",
    [
        "il codice MRTMTT91D08F205K non va",
        "they wrote 151086 95089 on it",
        "15138600006",
        "mój PESEL to 44051401358",
        "44051401359 without its name",
        "die Nummer 15 070649 C 104 war es",
        "15071349C107",
    ],
)
def test_a_number_with_a_wrong_check_digit_or_date_is_no_finding(text: str) -> None:
    assert scan([text])["findings"] == {}


@pytest.mark.parametrize("entity", PLANTED)
def test_anonymization_removes_what_the_scan_would_find(entity: str) -> None:
    case = use_case()
    kept = anonymized(case, table(cleaned_schema(case), [PLANTED[entity]])).kept
    assert residual(case, TableRows(kept))["passed"]


def test_the_allowed_percentage_decides() -> None:
    texts = [*CLEAN[:5], PLANTED["EMAIL"]]
    assert scan(texts, max_residual_percent=16.7)["passed"]
    assert not scan(texts, max_residual_percent=16.6)["passed"]


def test_an_entity_kept_on_purpose_does_not_count_but_one_not_looked_for_does() -> None:
    assert scan([PLANTED["EMAIL"]], operators={"EMAIL": "keep"})["passed"]
    assert not scan([PLANTED["EMAIL"]], entities=["PHONE"])["passed"]


def test_labels_and_features_are_scanned_too() -> None:
    case = use_case()
    rows = table(anonymized_schema(case), CLEAN[:1], feature_region=["mirela@example.com"])
    assert not residual(case, TableRows(rows))["passed"]


def test_nothing_to_scan_is_an_error_not_a_pass() -> None:
    with pytest.raises(DataError, match="no anonymized records"):
        scan([])


def test_the_result_never_holds_a_text() -> None:
    assert "mirela" not in str(scan([PLANTED["EMAIL"]]))


@pytest.mark.integration
@pytest.mark.real_data
def test_real_complaints_pass_at_zero_percent_after_anonymization(shared_data: Path) -> None:
    with (shared_data / "cfpb_2020" / "complaints_sample.csv").open(encoding="utf-8", newline="") as file:
        texts = [text for row in csv.DictReader(file) if (text := row["Consumer complaint narrative"])]
    case = use_case()
    kept = anonymized(case, table(cleaned_schema(case), texts)).kept
    result = residual(case, TableRows(kept))
    assert result["rows"] == 1532
    assert result["percent"] == 0.0, result["findings"]


@pytest.mark.parametrize("operator", ["surrogate", "mask", "redact", "generalize"])
def test_what_operators_write_is_no_finding(operator: str) -> None:
    planted = [text for _ in range(3) for text in [*PLANTED.values(), *(text for _, text, _ in ODD_FORMS)]] + [
        "call (415) 867-5309, mail jo.reed@corp.com",
        "+44 20 7946 0018 or +49 30 901820",
    ]
    default = "redact" if operator == "generalize" else operator
    case = use_case(
        privacy={
            "default_operator": default,
            **({"operators": {"IP_ADDRESS": "generalize"}} if operator == "generalize" else {}),
        }
    )
    kept = anonymized(case, table(cleaned_schema(case), planted)).kept
    assert residual(case, TableRows(kept))["findings"] == {}


def test_a_number_of_a_range_for_fiction_counts_where_no_surrogate_was_asked_for() -> None:
    assert not scan(["phone number is 415 555 0132"])["passed"]
    assert not scan(["write to jo@ashford.example"])["passed"]
    assert scan(["phone number is 415 555 0132, write to jo@ashford.example"], default_operator="surrogate")["passed"]
    assert not scan(["phone number is 415 867 5309"], default_operator="surrogate")["passed"]


def test_the_second_scan_shares_no_code_with_the_recognizers() -> None:
    tree = ast.parse(Path(second_scan.__file__).read_text(encoding="utf-8"))
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert imported and [name for name in imported if name.startswith("ft_platform")] == []
