"""kill -9 at every step of a deletion by the retention, and while it puts files in their places: the next call ends it,
and all holds. Persons are fictitious."""

import textwrap

import pytest

from ft_platform.erasure.retention import STEPS
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.erasure.killing import outcomes
from ft_platform_tests.erasure.test_retention import OVER, PLANTED, house, later  # noqa: F401

pytestmark = pytest.mark.integration
PROGRAM = textwrap.dedent("""
    import os, sys
    from datetime import date
    from pathlib import Path

    from ft_platform.use_case.environment import load_environment
    from ft_platform.erasure.needles import Needles
    from ft_platform.erasure.retention import delete_due
    from ft_platform.erasure.unpacking import bytes_in
    from ft_platform.governance.retention import reports
    from ft_platform.lake.inspection import inspect
    from ft_platform.lake.opening import open_lake
    from ft_platform.lake.taint import SAW_NO_ERASED
    from ft_platform.people.loading import use_cases_of
    from ft_platform.people.person import named
    from ft_platform_tests.erasure.killing import killed_everywhere

    day, words, home = date.fromisoformat(sys.argv[1]), sys.argv[2:], Path(os.environ["FT_HOME"])

    def delete(here):
        environment = load_environment()
        case = use_cases_of(environment)["letters"]
        delete_due(open_lake(environment), environment, case, named("ana.ruiz@example.org"), day, tell=here)

    def ended():
        delete(lambda step: None)
        environment = load_environment()
        lake, case = open_lake(environment), use_cases_of(environment)["letters"]
        found = sum(bytes_in(p.read_bytes(), Needles(words))[0] for p in home.rglob("*") if p.is_file())
        mark = lake.verdicts(lake.artifact("letters", "adapter_checkpoint", "ckpt-with"))[SAW_NO_ERASED]
        left = [p.name for p in home.rglob("*.erasing")] + [p.name for p in home.rglob("erasures/*retention-*")]
        return {
            "rows": [one["rows"] for one in reports(lake, case)],
            "learned": mark.numbers["rows"],
            "found": found,
            "problems": inspect(lake, "letters").problems,
            "left": left,
        }

    killed_everywhere(delete, ended)
    """)


def test_killed_at_any_step_the_next_call_ends_it_and_what_is_left_verifies(house):  # noqa: F811
    found = outcomes(PROGRAM, house.environment, later().isoformat(), OVER, PLANTED)
    assert {*STEPS, "look_again", "report", "forget"} <= {one["point"] for one in found}
    for one in found:
        expected = {"killed": 9, "rows": [6], "learned": 1, "found": 0, "problems": [], "left": []}
        assert {name: one.get(name) for name in expected} == expected, one["point"]
