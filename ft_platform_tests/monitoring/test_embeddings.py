import numpy as np
import pytest

from ft_platform.errors import DataError
from ft_platform.monitoring.alarms import State, day_passed, renewed, started
from ft_platform.monitoring.embeddings import (
    DIRECTION,
    DISTANCE,
    LEARN_EVERY,
    Days,
    direction,
    direction_measure,
    space_of,
)

DIMENSIONS = 16


def watched(move: float, axis_spread: float = 1.0, days: int = 40, change: int = 20) -> State:
    """Made-up embeddings that move along one axis from a day on."""
    rng = np.random.default_rng(11)

    def drawn(rows: int) -> np.ndarray:
        return rng.standard_normal((rows, DIMENSIONS)) * np.linspace(1, 2, DIMENSIONS)

    reference = drawn(1000)
    space, past = space_of(reference), Days()
    state = started({DISTANCE: space.distance(reference)}, reserved=1)
    towards = np.zeros(DIMENSIONS)
    for day in range(days):
        today = drawn(150)
        if day >= change:
            today[:, 3] = today[:, 3] * axis_spread + move
        if day % LEARN_EVERY == 1:
            learned = direction(space, past)
            assert learned is not None
            towards = learned
            state = renewed(state, *direction_measure(reference, towards))
        columns = {DISTANCE: space.distance(today), **({DIRECTION: today @ towards} if day else {})}
        counts = {name: state.watched[name].measure.counts(column) for name, column in columns.items()}
        state = day_passed(state, f"{day:03d}", counts)
        past = past.with_day(today)
    return state


def test_quiet_embeddings_raise_no_alarm() -> None:
    assert watched(0.0).alarms == {}


def test_a_move_inside_the_cloud_is_found_by_the_learned_direction() -> None:
    assert "020" < watched(0.6).alarms[DIRECTION] <= "029"
    assert DISTANCE not in watched(0.6, days=29).alarms


def test_embeddings_far_from_everything_known_are_found_on_their_first_day_by_distance() -> None:
    assert watched(8.0).alarms[DISTANCE] == "020"


def test_there_is_no_direction_before_the_first_day_and_empty_days_change_nothing() -> None:
    space = space_of(np.random.default_rng(1).standard_normal((100, 4)))
    assert direction(space, Days()) is None
    assert Days().with_day(np.empty((0, 4))) == Days()


def test_a_reference_of_equal_embeddings_is_refused() -> None:
    with pytest.raises(DataError, match="do not differ"):
        space_of(np.ones((50, 4)))
