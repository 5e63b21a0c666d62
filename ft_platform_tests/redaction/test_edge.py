"""What passes the edge and what does not. Persons and numbers are fictitious."""

import json
from pathlib import Path

import dagster as dg
import pytest

from ft_platform.errors.vouched import VouchedLog, figures, is_vouched, shown, vouch
from ft_platform.process.hidden_names import hide, source_place, without_names
from ft_platform.redaction.edge import LABEL, Edge, is_sentence, place_of
from ft_platform.redaction.settings import shown_settings
from ft_platform.redaction.withheld import KEPT_DAYS, Withheld

NAMES = dict.fromkeys(["letters", "raw_records", "letters__raw_records"])


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ('Started execution of step "letters__raw_records".', True),
        ('Finished execution of step "letters__raw_records" in 1m2.5s.', True),
        ("Asset check 'letters' on 'letters/raw_records' did not pass.", True),
        ("Started process for run (pid: 4711).", True),
        ("Run 9498e9bb-9443-4a6e-b3e8-e5fc9614e139 was canceled", True),
        ('Started execution of step "zebulon".', False),
        ("Failed: marta.drosselmeyer@mail.example", False),
        ("Failed: 4539 5787 6362 1486", False),
        ("Failed: 078-05-1120", False),
        ("Failed: 203.0.113.77", False),
        ("Failed: +1 212 555 0147", False),
        ("Failed: 123456789", False),
        ("Failed: 12345678", True),
        ("Failed: Ω", False),
        ("", True),
    ],
)
def test_a_sentence_of_dagster_has_its_words_known_names_and_short_numbers(text: str, passes: bool) -> None:
    assert is_sentence(text, NAMES) == passes


@pytest.mark.parametrize(
    ("label", "passes"),
    [("rows", True), ("count/rows_in", True), ("dagster/row_count", True), ("Marta D", False), ("a@b", False)],
)
def test_labels_of_metadata_look_like_names_in_code(label: str, passes: bool) -> None:
    assert bool(LABEL.fullmatch(label)) == passes


def test_a_text_passes_only_as_it_was_vouched_for() -> None:
    text = vouch("the table `crm_7731` has 3 rows\n")
    assert is_vouched(text) and is_vouched(text.strip())
    assert not is_vouched(text.replace("3", "4"))


def test_what_was_vouched_for_longest_ago_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ft_platform.errors.vouched.LIMIT", 4)
    monkeypatch.setattr("ft_platform.errors.vouched._vouched", {})
    for text in ("first", "second", "first", "third", "fourth", "fifth"):
        vouch(text)
    found = [is_vouched(text) for text in ("first", "second", "third", "fourth", "fifth")]
    assert found == [True, False, True, True, True]


@pytest.mark.parametrize("value", ["a name", None, 123_456_789, -1e9, [1]])
def test_figures_are_numbers_of_few_digits(value: object) -> None:
    assert figures(rows=12, share=0.25, whole=True) == {"rows": 12, "share": 0.25, "whole": True}
    with pytest.raises((TypeError, ValueError), match="who"):
        figures(who=value)  # type: ignore[arg-type]


def test_a_text_of_the_code_is_shown_with_figures_in_it() -> None:
    assert is_vouched(shown("{} of {} rows kept", 3, 4)) and shown("{} of {} rows kept", 3, 4) == "3 of 4 rows kept"
    with pytest.raises(TypeError, match="figure 1 must be a number, got str"):
        shown("kept {}", "Marta")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("frame", "place"),
    [
        (
            '  File "/home/marta/defs/letters/component.py", line 7, in stages\n    raise ValueError("Marta")\n',
            'defs/letters/component.py", line 7, in stages',
        ),
        (
            '  File "/opt/venv/lib/python3.11/site-packages/polars/frame.py", line 3, in <lambda>\n',
            '  File "polars/frame.py", line 3, in <lambda>',
        ),
        ("    raise ValueError(name)\n", ""),
    ],
)
def test_a_frame_says_file_line_and_function_only(frame: str, place: str) -> None:
    found = place_of(frame)
    assert place in found and "Marta" not in found and "marta" not in found


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("/data/letters/marta.canary@mail.example.csv", "/data/letters/<file>"),
        ("marta.csv", "<file>"),
        ("/data/letters/*.csv", "/data/letters/*.csv"),
        ("/data/letters/**", "/data/letters/**"),
        ("/data/letters/marta*.csv", "/data/letters/<file>"),
        ("/data/letters", "/data/letters"),
        ("s3://bucket/in/marta.parquet", "s3://bucket/in/<file>"),
        ("https://marta:pw@files.example.org/a.csv?signature=abc", "https://files.example.org/<file>"),
        ("postgresql+adbc://reader:pw@db.example.org:5432/crm", "postgresql+adbc://db.example.org:5432/crm"),
        ("sample://complaints?rows=90&seed=1", "sample://complaints"),
    ],
)
def test_a_source_is_named_without_names_of_files(uri: str, place: str) -> None:
    assert source_place(uri) == place


def test_hidden_names_of_files_leave_our_own_messages() -> None:
    hide("/data/Marta Canary 7801.csv")
    assert without_names("/data/Marta Canary 7801.csv is empty (0 bytes)") == "/data/<file> is empty (0 bytes)"


def test_settings_are_shown_without_names_words_and_queries() -> None:
    settings = {
        "source": {"uri": "/data/marta.csv", "query": "SELECT 'Marta'", "format": "auto"},
        "privacy": {"custom": {"OWN": {"words": ["Marta"], "pattern": None}}},
        "base_model": {"uri": "org/model-1.7b"},
    }
    assert shown_settings(settings) == {
        "source": {"uri": "/data/<file>", "query": "withheld", "format": "auto"},
        "privacy": {"custom": {"OWN": {"words": "1 withheld", "pattern": None}}},
        "base_model": {"uri": "org/model-1.7b"},
    }


def test_what_is_withheld_is_kept_for_its_owner_only_and_not_for_ever(tmp_path: Path) -> None:
    import os

    withheld = Withheld(tmp_path)
    old = withheld.keep("old run", "Marta")
    os.utime(old, (0, 0))
    new = withheld.keep("../new", "Quirin")
    assert not old.exists() and "Quirin" in new.read_text() and KEPT_DAYS == 30
    assert new.parent == tmp_path / "restricted" / "withheld"
    assert [path.stat().st_mode & 0o777 for path in (new, new.parent, new.parent.parent)] == [0o600, 0o700, 0o700]


def test_equal_texts_have_equal_fingerprints_that_need_the_key(tmp_path: Path) -> None:
    first, again, other = Withheld(tmp_path / "a"), Withheld(tmp_path / "a"), Withheld(tmp_path / "b")
    assert first.fingerprint("Marta") == again.fingerprint("Marta") != other.fingerprint("Marta")
    assert first.fingerprint("Marta") != first.fingerprint("Quirin")
    assert list((tmp_path / "a" / "restricted").iterdir()) == [tmp_path / "a" / "restricted" / "fingerprint.key"]


def test_a_disk_that_is_full_loses_what_is_withheld_and_shows_nothing(tmp_path: Path) -> None:
    (tmp_path / "restricted").write_text("a file where the folder should be")
    edge = Edge(Withheld(tmp_path))
    assert "Marta" not in edge.sentence("Marta is missing", "ticks")


def test_names_of_a_run_may_stand_in_later_sentences(tmp_path: Path) -> None:
    edge = Edge(Withheld(tmp_path))
    event = dg.AssetMaterialization(
        ["letters", "summary"], metadata={"rows": 3, "who": "Marta"}, tags={"dagster/data_version": "a" * 32}
    )
    passed = edge.passed(event, "run")
    assert passed.asset_key == event.asset_key and passed.metadata["rows"].value == 3 and passed.tags == event.tags
    assert passed.metadata["who"].value == f"withheld: {tmp_path / 'restricted' / 'withheld' / 'run.log'}"
    assert json.dumps("Marta") in (tmp_path / "restricted" / "withheld" / "run.log").read_text()
    assert edge.sentence("letters summary failed", "run") == "letters summary failed"


def test_lines_of_our_own_log_are_vouched_for() -> None:
    import logging

    VouchedLog(logging.getLogger("none")).warning("step 7802 of 9000")
    assert is_vouched("step 7802 of 9000")
