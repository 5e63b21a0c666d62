"""Every area holds, and turns red for each defence that is switched off. Other seeds: `python -m
ft_platform_tests.attacks --help`."""

from pathlib import Path

import pytest

from ft_platform_tests.attacks.area import Area, all_areas, score

pytestmark = pytest.mark.integration
AREAS = all_areas()
SEED, SIZE = 1, 3


@pytest.mark.parametrize("area", AREAS.values(), ids=AREAS)
def test_every_attack_is_held_off(area: Area, tmp_path: Path) -> None:
    found = score(area, SEED, tmp_path / area.name, SIZE)
    assert found.tried
    assert found.broken == []


@pytest.mark.parametrize(("area", "defence"), [(area, name) for area in AREAS.values() for name in area.defences])
def test_an_area_turns_red_without_its_defence(area: Area, defence: str, tmp_path: Path) -> None:
    assert score(area, SEED, tmp_path / area.name, SIZE, defence, until_broken=True).broken


def test_names_of_areas_and_defences_are_unique() -> None:
    names = [name for area in AREAS.values() for name in area.defences]
    assert len(set(names)) == len(names)
    assert all(area.defences for area in AREAS.values())
