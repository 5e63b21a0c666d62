"""How many permissions end soon, and how many of these records the champion learned from. Persons are fictitious."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ft_platform.errors import CorruptVersion
from ft_platform.governance.forecast import foresee
from ft_platform.lake.forecast import FORECAST, Forecast, forecast_of
from ft_platform.lake.provenance import TRAINING_RECORDS
from ft_platform.lake.versions import TableVersion
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.governance.house import House, rows, today
from ft_platform_tests.governance.tables import write_ledger

pytestmark = pytest.mark.integration

TODAY = datetime.now(UTC).date()


@pytest.fixture
def house(environment: Any, quick_stages: None) -> House:
    """Records of which one ends today, two within a month, one within 90 days, one in two years, and one never."""
    house = House(environment, expires=True)
    ends = {0: today(), 1: today(29), 2: today(30), 3: today(90), 4: today(730)}
    house.write(rows(expires=ends))
    return house


def told(house: House, version: TableVersion, days: int) -> tuple[int, int | None]:
    found = forecast_of(house.lake, version)
    assert found is not None
    return found.within(TODAY, days), found.learned_within(TODAY, days, found.release)


def test_records_are_counted_by_the_day_on_which_their_permission_ends(house: House) -> None:
    made = house.permit()
    assert told(house, made, 30) == (3, 0) and told(house, made, 90) == (4, 0)
    assert told(house, made, 0) == (1, 0) and told(house, made, 29) == (2, 0)
    found = forecast_of(house.lake, made)
    assert found and (found.rows, found.release) == (6, None) and len(found.ends) == 4


def test_those_that_the_champion_learned_from_are_told_once_it_is_released(house: House) -> None:
    made = house.build(leave_out=["1", "3"])
    version = made["permitted_records"]
    first = released(house.lake, made["adapter_checkpoint"])
    before = forecast_of(house.lake, version)
    assert before and before.learned_within(TODAY, 30, first.artifact_id) is None, "another champion than then"
    foresee(house.lake, house.case, version, TODAY)
    assert told(house, version, 30) == (3, 2) and told(house, version, 90) == (4, 2)
    house.lake.add_verdict(first, "not_withdrawn", False, "s", {"by": "x", "reason": "y"})
    foresee(house.lake, house.case, version, TODAY)
    assert told(house, version, 30) == (3, 0)


def test_a_champion_without_a_list_of_its_records_is_not_taken_for_one_that_learned_from_none(house: House) -> None:
    made = house.build(training_records=False)
    released(house.lake, made["adapter_checkpoint"])
    foresee(house.lake, house.case, made["permitted_records"], TODAY)
    assert told(house, made["permitted_records"], 30) == (3, None)


def test_what_an_earlier_checkpoint_learned_counts_for_the_one_that_went_on_from_it(house: House) -> None:
    made = house.build(leave_out=["0", "1"])
    with house.lake.scratch(house.name, "adapter_checkpoint") as folder:
        folder.mkdir()
        (folder / TRAINING_RECORDS).write_bytes(_no_records())
        parents = [made["splits"], made["adapter_checkpoint"]]
        words: Any = {"settings_hash": "s", "input_hash": "i"}
        later = house.lake.publish(house.name, "adapter_checkpoint", "ckpt-b", folder, parents=parents, **words)
    released(house.lake, later)
    foresee(house.lake, house.case, made["permitted_records"], TODAY)
    assert told(house, made["permitted_records"], 90) == (4, 2)


def _no_records() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"record_id": pa.array([], pa.string())}), sink)
    return sink.getvalue().to_pybytes()


def test_the_end_of_a_consent_in_the_ledger_counts(environment: Any, quick_stages: None) -> None:
    house = House(environment, ledger=True)
    house.attributes["governance"]["ledger_columns"]["valid_until"] = "until"
    house.write(rows(3))
    lines = [{"person": f"p{n}", "status": "yes", "until": today(n * 20)} for n in range(3)]
    write_ledger(house.ledger_file, lines)
    made = house.permit()
    assert told(house, made, 30) == (2, 0)
    write_ledger(house.ledger_file, [{**line, "until": today(300)} for line in lines])
    foresee(house.lake, house.case, made, TODAY)
    assert told(house, made, 30) == (0, 0), "the ledger is asked anew"


def test_where_no_permission_has_an_end_none_is_foretold(environment: Any, quick_stages: None) -> None:
    house = House(environment)
    house.write(rows())
    assert told(house, house.permit(), 90) == (0, 0)


def test_nothing_new_is_not_signed_again_and_nothing_personal_is_kept(house: House) -> None:
    made = house.permit()
    before = house.lake.verdict(made, FORECAST)
    entries = house.lake.seals(house.name).journal.head.read()  # pyright: ignore[reportOptionalMemberAccess]
    foresee(house.lake, house.case, made, TODAY)
    assert house.lake.seals(house.name).journal.head.read() == entries  # pyright: ignore[reportOptionalMemberAccess]
    assert before and set(before.numbers) == set(Forecast(TODAY, 0, {}, None, None).to_dict())
    text = json.dumps(before.numbers)
    assert not any(word in text for word in ("p1", "complaint", *house.lake.read_table(made)["record_id"].to_pylist()))


def test_a_forecast_that_was_altered_is_not_believed(house: House) -> None:
    made = house.permit()
    path = f"{house.lake._verdict_folder(made)}/{FORECAST}.json"
    text = Path(path).read_text()
    Path(path).write_text(text.replace('"rows": 6', '"rows": 7'))
    with pytest.raises(CorruptVersion):
        forecast_of(house.lake, made)
    Path(path).unlink()
    with pytest.raises(CorruptVersion, match="was deleted"):
        forecast_of(house.lake, made)
    foresee(house.lake, house.case, made, TODAY)
    assert told(house, made, 30) == (3, 0), "it is made again"
