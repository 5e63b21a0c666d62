"""traffic.label_file: late labels from a file."""

from pathlib import Path

import pytest

from ft_platform.errors import DataError, SourceError
from ft_platform.lake.opening import open_lake
from ft_platform.monitoring.traffic.days import summary
from ft_platform.monitoring.traffic.label_file import add_labels
from ft_platform.monitoring.traffic.shipping import ship
from ft_platform.monitoring.traffic.tables import TrafficTables
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.monitoring.traffic.test_days import answered
from ft_platform_tests.monitoring.traffic.test_shipping import noted, request

COLUMNS = ("answer_id", "department")


class Place:
    def __init__(self, folder: Path) -> None:
        self.environment, self.folder = Environment(home=folder), folder
        self.lake = open_lake(self.environment)

    def noted(self, numbers: range) -> None:
        noted(self.folder / "spool.sqlite", *({"requests": answered(n, 1, 0.1, key="portal")} for n in numbers))
        ship(self.lake, self.folder / "spool.sqlite")

    def add(self, rows: list[tuple[str, str]], *columns: str) -> dict[str, int]:
        file = self.folder / "tickets.csv"
        file.write_text("answer_id,department,other\n" + "".join(f"{one},{label},x\n" for one, label in rows))
        return add_labels(self.lake, self.environment, "complaints", str(file), *(columns or COLUMNS))

    @property
    def right(self) -> tuple[int, float | None]:
        (day,) = summary(self.lake, "complaints", 7)
        return day["judged"], day["right"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def of(number: int, label: str) -> tuple[str, str]:
    return request(number)["request_id"], label


def test_labels_count_for_the_requests_that_they_name(place: Place) -> None:
    place.noted(range(3))
    told = place.add([of(0, "Card"), of(1, "Loan"), of(9, "Card")])
    assert told == {"rows": 3, "unknown": 1, "other_labels": 1, "added": 3}
    assert [one.what for one in AuditLog(place.lake).entries(1)] == ["added labels of a file"]
    assert place.right == (2, 0.5)
    place.noted(range(9, 10))
    assert place.right == (3, pytest.approx(2 / 3)), "a label waits for its request"


def test_the_same_content_counts_once_and_newer_content_replaces_it(place: Place) -> None:
    place.noted(range(2))
    rows = [of(0, "Card"), of(1, "Loan")]
    assert place.add(rows)["added"] == 2 and place.add(rows)["added"] == 0
    assert place.right == (2, 0.5)
    assert place.add([*rows, of(1, "Card")])["added"] == 3
    assert place.right == (2, 1.0)


@pytest.mark.parametrize("row", [("", "Card"), ("ticket 7", "Card"), (request(1)["request_id"], " ")])
def test_a_row_without_id_or_label_is_refused_by_its_number(place: Place, row: tuple[str, str]) -> None:
    place.noted(range(1))
    with pytest.raises(DataError, match=r"1 of 2 rows have no id of a request, or no label: rows 2") as refused:
        place.add([of(0, "Card"), row])
    assert "ticket" not in str(refused.value)


def test_what_cannot_be_read_is_told(place: Place) -> None:
    with pytest.raises(SourceError, match="department2"):
        place.add([of(0, "Card")], "answer_id", "department2")
    with pytest.raises(SourceError, match="nothing"):
        add_labels(place.lake, place.environment, "complaints", str(place.folder / "nothing.csv"), *COLUMNS)


def test_a_text_in_place_of_a_label_is_not_kept_and_a_wrong_column_is_refused(place: Place) -> None:
    place.noted(range(3))
    rows = [of(0, "Card"), of(1, "Alda Quirrow was charged twice"), of(2, "Card")]
    assert place.add(rows)["other_labels"] == 1 and place.right == (3, pytest.approx(2 / 3))
    given = TrafficTables(place.lake, "complaints").read("feedback").to_pylist()
    assert {(one["label"], one["rating"]) for one in given} == {("Card", None), (None, "bad")}
    with pytest.raises(DataError, match="2 of 3 labels are none") as refused:
        place.add([of(0, "Card"), of(1, "Alda Quirrow was charged twice"), of(2, "So was Alda")])
    assert "Alda" not in str(refused.value)
