"""What is remembered of scanned texts, and that it changes no finding. Persons are fictitious."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from ft_platform.errors import DataError
from ft_platform.privacy.findings import RememberedFindings, _what_finds
from ft_platform.privacy.gold import gold_texts
from ft_platform.privacy.scan import Scanner
from ft_platform.privacy.spans import Span
from ft_platform.use_case.settings.privacy import Privacy

SECRET = bytes(range(32))
TEXTS = ["Write to mirela@example.com", "nothing here", "", "call (415) 555-0132", "Write to mirela@example.com"]


class Counting(Scanner):
    """A scanner that notes what it is asked."""

    def __init__(self, privacy: Privacy) -> None:
        super().__init__(privacy)
        self.asked: list[str] = []

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        self.asked += texts
        return super().find(texts)


def remembering(folder: Path, secret: bytes = SECRET, **settings: object) -> tuple[RememberedFindings, Counting]:
    privacy = Privacy.model_validate({"ner": "none", **settings})
    scanner = Counting(privacy)
    return RememberedFindings(folder, secret, scanner, privacy), scanner


def test_it_finds_what_the_scanner_finds_the_first_and_the_second_time(tmp_path: Path) -> None:
    texts = [one.text for one in gold_texts(per_entity=2)] + TEXTS
    expected = Scanner(Privacy(ner="none")).find(texts)
    assert remembering(tmp_path)[0].find(texts) == expected
    again, scanner = remembering(tmp_path)
    assert again.find(texts) == expected and scanner.asked == []


def test_only_new_texts_are_scanned_each_once(tmp_path: Path) -> None:
    first, scanner = remembering(tmp_path)
    first.find(TEXTS)
    assert scanner.asked == TEXTS[:4]
    first.find([*TEXTS, "a new one"])
    assert scanner.asked == [*TEXTS[:4], "a new one"]


def test_more_texts_than_a_statement_may_name(tmp_path: Path) -> None:
    texts = [f"number {i} mirela{i}@example.com" for i in range(1100)]
    first, _ = remembering(tmp_path)
    found = first.find(texts)
    again, scanner = remembering(tmp_path)
    assert again.find(texts) == found and scanner.asked == []


@pytest.mark.parametrize(
    "settings",
    [
        {"min_score": 0.9},
        {"entities": ["EMAIL"]},
        {"custom": {"OWN": {"words": ["here"]}}},
        {"operators": {"EMAIL": "keep"}},
    ],
)
def test_other_settings_scan_again_and_let_go_of_the_old(tmp_path: Path, settings: dict) -> None:
    remembering(tmp_path)[0].find(TEXTS)
    other, scanner = remembering(tmp_path, **settings)
    other.find(TEXTS)
    assert scanner.asked == TEXTS[:4]
    assert len(list(tmp_path.iterdir())) == 1


def test_operators_that_only_replace_otherwise_scan_nothing(tmp_path: Path) -> None:
    remembering(tmp_path)[0].find(TEXTS)
    other, scanner = remembering(tmp_path, operators={"EMAIL": "redact"}, default_operator="mask")
    other.find(TEXTS)
    assert scanner.asked == []


def test_another_key_remembers_nothing_and_a_changed_entry_is_scanned_again(tmp_path: Path) -> None:
    remembering(tmp_path)[0].find(TEXTS)
    other, scanner = remembering(tmp_path, secret=bytes(32))
    other.find(TEXTS)
    assert scanner.asked == TEXTS[:4]
    (file,) = tmp_path.iterdir()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE findings SET spans = ?", [bytes(16) + b"[]"])
    again, scanner = remembering(tmp_path)
    assert again.find(TEXTS) == Scanner(Privacy(ner="none")).find(TEXTS)
    assert scanner.asked == TEXTS[:4]


def test_no_text_is_in_the_file_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "findings"
    remembering(folder)[0].find(TEXTS)
    (file,) = folder.iterdir()
    assert b"mirela" not in file.read_bytes() and b"555" not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0 and folder.stat().st_mode & 0o077 == 0


def test_a_broken_file_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    first, _ = remembering(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"no database" * 500)
    with pytest.raises(DataError, match="Delete the file"):
        first.find(["mirela@example.com"])


def test_what_is_kept_decides_what_is_found_and_so_what_is_remembered() -> None:
    kept, left_out = ({"operators": {"EMAIL": "keep"}}, {"left_out": {"EMAIL": "Public ones."}})
    settings = [Privacy.model_validate(one) for one in (kept, left_out)]
    scanners = [Scanner(one) for one in settings]
    assert scanners[0].entities == scanners[1].entities
    assert len({_what_finds(s, p) for s, p in zip(scanners, settings, strict=True)}) == 2
