"""kill -9 at every step of an erasure, and while it puts files in their places: the next call ends it, and all holds.
Persons are fictitious."""

import textwrap

import pytest

from ft_platform.erasure.beside import BESIDE
from ft_platform.erasure.executing import STEPS
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.erasure.conftest import PERSON
from ft_platform_tests.erasure.killing import outcomes
from ft_platform_tests.erasure.test_whole import approved, house  # noqa: F401

pytestmark = pytest.mark.integration

PROGRAM = textwrap.dedent("""
    import os, sys
    from pathlib import Path

    from ft_platform.use_case.environment import load_environment
    from ft_platform.erasure.executing import erase_approved
    from ft_platform.erasure.requests import requests_about
    from ft_platform.erasure.needles import Needles
    from ft_platform.erasure.unpacking import bytes_in
    from ft_platform.lake.inspection import inspect
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.loading import use_cases_of
    from ft_platform.people.person import named
    from ft_platform_tests.erasure.killing import killed_everywhere

    person, home = sys.argv[1], Path(os.environ["FT_HOME"])

    def erase(here):
        environment = load_environment()
        lake, case = open_lake(environment), use_cases_of(environment)["letters"]
        ((use_case, request),) = requests_about(lake, environment, [case], [person])
        return erase_approved(lake, environment, use_case, request, named("ana.ruiz@example.org"), here)

    def ended():
        done = erase(lambda step: None)
        found = sum(bytes_in(p.read_bytes(), Needles([person]))[0] for p in home.rglob("*") if p.is_file())
        problems = inspect(open_lake(load_environment()), "letters").problems
        left = [p.name for p in home.rglob("*.erasing")] + [p.name for p in home.rglob("erasures/*.json")]
        return {"rows": done["rows"], "id": done.get("id"), "found": found, "problems": problems, "left": left}

    killed_everywhere(erase, ended)
    """)


def test_killed_at_any_step_the_next_call_ends_it_and_what_is_left_verifies(house, capsys):  # noqa: F811
    approved(capsys)
    found = outcomes(PROGRAM, house.environment, PERSON)
    assert {*STEPS, *BESIDE, "look_again", "prove", "certify", "forget"} <= {one["point"] for one in found}
    for one in found:
        expected = {"killed": 9, "rows": 6, "found": 0, "problems": [], "left": []}
        assert {name: one.get(name) for name in expected} == expected, one["point"]
        assert one["id"].startswith("erasure_certificate-"), one["point"]
