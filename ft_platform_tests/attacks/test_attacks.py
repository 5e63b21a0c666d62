"""Every area holds for fresh seeds, and turns red for each defence that is switched off."""

from pathlib import Path

import pytest

from ft_platform_tests.attacks.area import Area, all_areas, score

pytestmark = pytest.mark.integration
AREAS = all_areas()
SIZE = 3


@pytest.mark.parametrize(
    ("area", "seed"),
    # One seed of `machine`: it takes more than a minute, and its seed chooses only where files are closed.
    [
        pytest.param(area, seed, id=f"{name}-{seed}")
        for name, area in AREAS.items()
        for seed in (1, 2)
        if (name, seed) != ("machine", 2)
    ],
)
def test_every_attack_is_held_off(area: Area, seed: int, tmp_path: Path) -> None:
    found = score(area, seed, tmp_path / area.name, SIZE)
    assert found.tried
    assert found.broken == []


@pytest.mark.parametrize(("area", "defence"), [(area, name) for area in AREAS.values() for name in area.defences])
def test_an_area_turns_red_without_its_defence(area: Area, defence: str, tmp_path: Path) -> None:
    assert score(area, 1, tmp_path / area.name, SIZE, defence, until_broken=True).broken


def test_names_of_areas_and_defences_are_unique() -> None:
    names = [name for area in AREAS.values() for name in area.defences]
    assert len(set(names)) == len(names)
    assert all(area.defences for area in AREAS.values())
