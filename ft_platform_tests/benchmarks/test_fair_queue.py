"""The played month (`benchmarks/fair_queue.py`): every program ends, none is in two places, urgent ones wait least."""

import pytest

from benchmarks import fair_queue
from benchmarks.fair_queue import DAY, HOUR, Job, Month, arrivals, policies, told


@pytest.fixture(scope="module")
def jobs() -> list[Job]:
    """The first week of the month."""
    return [job for job in arrivals(1) if job.entry_since < 7 * DAY]


def test_every_program_runs_to_its_end_whatever_the_order(jobs: list[Job]) -> None:
    for policy in policies():
        month = Month(policy, jobs, places=3)
        ended = month.play()
        assert len(ended) == len(jobs) and not month.waiting and not month.running
        assert all(job.ended >= job.entry_since + job.seconds - 1 and job.waited > -1 for job in ended), policy.name
        computed = sum(row["seconds"] for row in month.rows)
        lost = month.stops * fair_queue.RESTART_SECONDS
        assert computed == pytest.approx(sum(job.seconds for job in jobs) + lost)


def test_urgent_programs_wait_less_and_none_forever(jobs: list[Job]) -> None:
    found = {policy.name: told(Month(policy, jobs, places=3)) for policy in policies()}
    first, fair = found["first come, first served"], found["fair"]
    assert fair["made_room"] > 0 == first["made_room"]
    assert fair["high_p95"] < first["high_p95"] and fair["flooding_share"] < first["flooding_share"]
    assert fair["longest"] * HOUR < 4 * DAY
