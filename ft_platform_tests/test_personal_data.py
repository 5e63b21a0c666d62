"""Personal data never leaves the restricted zone: every data stage and every way in which one can fail, with values to
look for.

What is searched: the event log, compute logs, metadata, reports and the shared zone on the disk (tables are decoded),
the tracker's store, temporary folders, the screen, and the error a person sees.
"""

import importlib.util
import io
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from ft_platform.errors import DataError
from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.execution import run_use_case
from ft_platform.privacy.ner.spacy import MODEL
from ft_platform.records.columns import contents
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import StandInBackend, records, write_csv

pytestmark = pytest.mark.integration

DATA = ["raw_records", "permitted_records", "cleaned_records", "quarantined_records", "anonymized_records", "splits"]
SUBJECT = "subject-canary-7741"
CONSENT = "canary-consent-7742"
KEY = "key-canary-7743"
EXPIRES = "canary-date-7744"
IN_TEXT = [
    "zebulon.canary@mail.example",
    "4539 5787 6362 1486",
    "078-05-1120",
    "203.0.113.77",
    "DE89 3704 0044 0532 0130 00",
]
PHONE, ADDRESS, PERSON = "+1 212 555 0147", "7746 Canary Hill Road", "Zebulon Quillfeather"
CANARIES = [SUBJECT, CONSENT, KEY, EXPIRES, *IN_TEXT, PHONE, ADDRESS, PERSON]
UNANNOUNCED = "Brisbois"
"""A person whom nothing beside the name gives away: only named-entity recognition finds it."""
NER = "spacy" if importlib.util.find_spec(MODEL) else "none"


def planted() -> list[dict[str, str]]:
    """Fictitious complaints. Two of each label have canaries in their text, others one each in a column that is not a
    text."""
    rows = [{**row, "person": f"p{n}", "until": ""} for n, row in enumerate(records())]
    for row in (rows[0], rows[30], rows[60]):
        row["text"] += " Write to " + " or ".join(IN_TEXT) + "."
    for row in (rows[5], rows[35], rows[65]):
        row["text"] += f" My name is {PERSON}, I live at {ADDRESS}, Springfield, IL 62704. Call me at {PHONE}."
    rows[1]["person"] = SUBJECT
    rows[2]["consent"] = CONSENT
    rows[3]["id"] = KEY
    rows[4]["until"] = EXPIRES
    return rows


@pytest.fixture
def home(environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary files go where the test looks."""
    for name in ("tmp", "source", "dagster"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr("ft_platform.compute.backends.local.run", StandInBackend().run)
    return tmp_path


@pytest.fixture
def run(environment: Environment, home: Path) -> Iterator[Callable[..., Any]]:
    """Runs the data stages, and the data report if asked for; event log, compute logs and the tracker's store are kept
    on the disk."""
    with dg.DagsterInstance.local_temp(str(home / "dagster")) as instance:
        tracked = environment.model_copy(update={"tracking_uri": f"sqlite:///{store_of(home)}"})

        def run(rows: list[dict[str, str]], overrides: dict | None = None, *, report: bool = False) -> Any:
            attributes = minimal_attributes(str(write_csv(home / "source" / "records.csv", rows)))
            attributes["record"] |= {"subject": "person", "expires": "until"}
            write_use_case(environment.defs, "complaints", attributes)
            return run_use_case(
                "complaints",
                overrides,
                select=[*DATA, "data_report"] if report else DATA,
                environment=tracked,
                instance=instance,
            )

        yield run


def store_of(home: Path) -> Path:
    return home / "home" / "mlflow.db"


def assert_nothing_personal(
    home: Path, outcome: Any, capfd: pytest.CaptureFixture[str], canaries: list[str] = CANARIES
) -> None:
    """Fails with the place, never with the value."""
    printed = capfd.readouterr()
    places = {"the error": str(outcome.error).encode(), "the screen": (printed.out + printed.err).encode()}
    files = [
        p for p in home.rglob("*") if p.is_file() and "restricted" not in p.parts and home / "source" not in p.parents
    ]
    assert any("dagster" in p.parts for p in files), "the event log is not where the test looks"
    for file in files:
        places[str(file.relative_to(home))] = _decoded(file)
    found = sorted(
        {
            f"{canary!r} in {place}"
            for place, content in places.items()
            for canary in canaries
            if canary.encode() in content
        }
    )
    assert found == []


def _decoded(file: Path) -> bytes:
    if file.suffix != ".parquet":
        return file.read_bytes()
    out = io.StringIO()
    for row in pq.read_table(file).to_pylist():
        out.write(repr(row))
    return out.getvalue().encode()


@pytest.mark.usefixtures("quick_stages")
def test_the_search_finds_a_planted_value(
    run: Callable[..., Any], home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The test of the test: an operator that keeps what it should replace."""
    outcome = run(planted(), {"privacy.operators": {"EMAIL": "keep"}})
    with pytest.raises(AssertionError, match="zebulon"):
        assert_nothing_personal(home, outcome, capfd)
    with closing(sqlite3.connect(store_of(home))) as store:
        store.execute("CREATE TABLE params (value TEXT)")
        store.execute("INSERT INTO params VALUES (?)", [PHONE])
        store.commit()
    with pytest.raises(AssertionError, match=r"0147' in home/mlflow\.db"):
        assert_nothing_personal(home, outcome, capfd)


def test_a_run_that_succeeds(
    run: Callable[..., Any], home: Path, environment: Environment, capfd: pytest.CaptureFixture[str]
) -> None:
    rows, canaries = planted(), list(CANARIES)
    if NER != "none":
        rows[6]["text"] += f" Afterwards {UNANNOUNCED} refused the refund again."
        canaries.append(UNANNOUNCED)
    outcome = run(rows, {"privacy.ner": NER}, report=True)
    assert outcome.success, outcome.error
    lake = open_lake(environment)
    assert len(lake.artifacts("complaints", "data_report")) == 1
    raw, splits = (lake.latest("complaints", name) for name in ("raw_records", "splits"))
    assert raw and splits
    texts, kept = ("\n".join(contents(lake.read_table(version)["messages"]).to_pylist()) for version in (raw, splits))
    in_texts = [*IN_TEXT, PHONE, ADDRESS, PERSON]
    assert [texts.count(canary) for canary in in_texts] == [3] * len(in_texts), (
        "the canaries are in the restricted zone"
    )
    assert kept.count("I live at") == 3 and kept.count("refused the refund again") == (NER != "none"), (
        "their records are used"
    )
    assert_nothing_personal(home, outcome, capfd, canaries)


def test_the_name_of_a_file_in_a_folder_may_name_a_person(
    run: Callable[..., Any], home: Path, environment: Environment, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = home / "source" / "letters"
    folder.mkdir()
    file = write_csv(
        folder / "marta-canary-7745.csv", [{**row, "person": f"p{n}", "until": ""} for n, row in enumerate(records())]
    )
    outcome = run(planted(), {"source.uri": str(folder)}, report=True)
    assert outcome.success, outcome.error
    lake = open_lake(environment)
    raw = lake.latest("complaints", "raw_records")
    assert raw and list(lake.manifest(raw).info["files"]) == [str(file)], "the restricted zone knows the file"
    assert_nothing_personal(home, outcome, capfd, [file.stem])


@pytest.mark.usefixtures("quick_stages")
def test_free_text_in_a_date_or_language_and_a_name_as_label(
    run: Callable[..., Any], home: Path, environment: Environment, capfd: pytest.CaptureFixture[str]
) -> None:
    """The date and the language become empty and are counted; the label stops the stage until the YAML lists the
    labels."""
    name = "Wilhelmina Drosselmeyer"
    rows = [{**row, "day": "2024-03-05", "language": "en"} for row in planted()]
    rows[7]["day"] = "born dateleak@example.com"
    rows[8]["language"] = f"en, says {name}"
    settings = {
        "record.date": "day",
        "record.features": {"region": "region", "language": "language"},
        "privacy.allowed_values": {"language": ["en"]},
    }
    canaries = [*CANARIES, "dateleak@example.com", "Drosselmeyer"]
    outcome = run(rows, settings, report=True)
    assert outcome.success, outcome.error
    anonymized = (lake := open_lake(environment)).latest("complaints", "anonymized_records")
    assert anonymized and lake.manifest(anonymized).counts["emptied"] == {"feature_language": 1, "record_date": 1}
    report = lake.artifacts("complaints", "data_report")[0]
    restricted = Path(lake.root, "restricted")
    assert {oct(path.lstat().st_mode & 0o7777) for path in (restricted, *restricted.rglob("*"))} == {"0o600", "0o700"}
    assert "feature_language 1, record_date 1" in lake.read_file(report, "report.html").decode()
    assert_nothing_personal(home, outcome, capfd, canaries)
    for row in rows[40:65]:
        row["label"] = name
    outcome = run(rows, settings)
    assert not outcome.success and "column label seems to contain names of persons" in str(outcome.error)
    assert_nothing_personal(home, outcome, capfd, canaries)


def no_columns(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{("words" if name == "text" else name): value for name, value in row.items()} for row in rows]


def same_key(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [*rows, {**rows[0], "id": KEY}, {**rows[1], "id": KEY}]


def nothing_permitted(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{**row, "consent": CONSENT} for row in rows]


def unknown_expiry(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{**row, "until": EXPIRES} for row in rows]


def one_label(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return rows[:30]


@pytest.mark.parametrize(
    "spoiled", [no_columns, same_key, nothing_permitted, unknown_expiry, one_label], ids=lambda f: f.__name__
)
def test_records_that_stop_the_graph(
    spoiled: Callable, run: Callable[..., Any], home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = run(spoiled(planted()))
    assert not outcome.success and outcome.error
    assert_nothing_personal(home, outcome, capfd)


@pytest.mark.parametrize(
    ("expectation", "kwargs"),
    [
        ("expect_column_values_to_match_regex", {"column": "record_date", "regex": "^never$"}),
        ("expect_column_values_to_be_between", {"column": "text_characters", "max_value": 120}),
        ("expect_column_values_to_be_between", {"column": "label", "max_value": 5}),
        ("expect_column_most_common_value_to_be_in_set", {"column": "label", "value_set": ["nothing"]}),
    ],
)
@pytest.mark.usefixtures("quick_stages")
def test_expectations_that_fail(
    expectation: str, kwargs: dict[str, Any], run: Callable[..., Any], home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = [{"table": "cleaned_records", "expectation": expectation, "kwargs": kwargs}]
    outcome = run(
        [{**row, "text": row["text"][:119]} if n % 30 else row for n, row in enumerate(planted())],
        {"validation.expectations": found},
    )
    assert outcome.success == (expectation == "expect_column_values_to_match_regex"), (
        outcome.error
    )  # there is no date: nothing to match
    assert_nothing_personal(home, outcome, capfd)


FUNCTIONS = [
    "ft_platform.sources.ingest.read_new_records",
    "ft_platform.governance.permission.permit",
    "ft_platform.cleaning.clean.clean",
    "ft_platform.cleaning.validation.quarantine.quarantine",
    "ft_platform.privacy.anonymize.anonymize",
    "ft_platform.splitting.split.split",
    "ft_platform.cleaning.validation.expectations.validate",
    "ft_platform.privacy.residual.residual",
    "ft_platform.splitting.leakage.leakage",
    "ft_platform.lake.tables.ContentHash.add",
    "ft_platform.reporting.data_report.publish_data_report",
]


CAUSES = [
    *((function, ValueError) for function in FUNCTIONS),
    *((FUNCTIONS[2], cause) for cause in (UnicodeError, KeyError, OSError, DataError)),
]


@pytest.mark.parametrize(
    ("function", "cause"), CAUSES, ids=lambda value: str(getattr(value, "__name__", value)).rsplit(".", 1)[-1]
)
@pytest.mark.usefixtures("quick_stages")
def test_an_exception_that_quotes_a_record(
    function: str,
    cause: type[Exception],
    run: Callable[..., Any],
    home: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Libraries quote what they cannot handle. Our own errors name values of nobody, so a DataError stands for itself
    and comes through."""

    def fail(*_: Any, **__: Any) -> Any:
        try:
            raise RuntimeError(f"inner {IN_TEXT[0]}")
        except RuntimeError as inner:
            raise cause(
                "a clear error of ours" if cause is DataError else f"cannot handle {SUBJECT} {IN_TEXT[1]}"
            ) from inner

    monkeypatch.setattr(function, fail)
    outcome = run(planted(), report=True)
    assert not outcome.success and outcome.error
    assert cause.__name__ in outcome.error or "a clear error of ours" in outcome.error
    assert_nothing_personal(home, outcome, capfd)


def test_a_missing_key(
    run: Callable[..., Any], home: Path, environment: Environment, capfd: pytest.CaptureFixture[str]
) -> None:
    environment.key_path.unlink()
    outcome = run(planted())
    assert not outcome.success
    assert_nothing_personal(home, outcome, capfd)


def test_a_full_disk(
    run: Callable[..., Any], home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device", SUBJECT)

    monkeypatch.setattr("ft_platform.lake.files.os.fsync", full)
    outcome = run(planted())
    assert not outcome.success
    assert_nothing_personal(home, outcome, capfd)


@pytest.mark.parametrize("engine", ["processes"])
@pytest.mark.usefixtures("quick_stages")
def test_a_worker_process_that_fails(
    engine: str, run: Callable[..., Any], home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = run(planted(), {"compute.engine": engine, "compute.workers": 2})
    assert outcome.success, outcome.error
    assert_nothing_personal(home, outcome, capfd)
