"""A small lake with rows of a fictitious person in several versions."""

from pathlib import Path

import pytest

from ft_platform.erasure.needles import Needles
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.governance.house import House, rows

PERSON = "Zebulon Quartermain"


@pytest.fixture
def house(environment: Environment, quick_stages: None) -> House:
    """Two versions of each table; the person's row is in both, and two checkpoints learned from it."""
    made = House(environment)
    made.write(rows(4, person={1: PERSON}))
    made.build(checkpoint="ckpt-first")
    made.write(rows(6, person={1: PERSON}))
    made.build(checkpoint="ckpt-second")
    return made


def person_rows(house: House) -> int:
    raw = house.lake.latest(house.name, "raw_records")
    assert raw is not None
    return house.lake.read_table(raw)["subject_id"].to_pylist().count(PERSON)


def bytes_below(folder: str | Path, word: str) -> int:
    """Bytes of a word in all files below a folder, as they lie there and inside of Parquet files."""
    from ft_platform.erasure.unpacking import bytes_in

    needles = Needles([word])
    return sum(bytes_in(path.read_bytes(), needles)[0] for path in Path(folder).rglob("*") if path.is_file())
