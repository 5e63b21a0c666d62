"""What tests cost, in seconds of processor time, also of the programs that they wait for: `python -m pytest -p
ft_platform_tests.cpu_seconds`. Unlike seconds on the wall they hardly depend on what else the machine does."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAME = "cpu_seconds"
BEGUN = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup(NAME)
    group.addoption("--cpu-top", type=int, default=30, help="tests to print, the costliest first (default 30)")
    group.addoption("--cpu-json", type=Path, help="file for the seconds of every test")


def spent() -> float:
    """Processor seconds of this process and of the children it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    item.stash[BEGUN] = spent()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if call.when == "teardown":
        report.user_properties.append((NAME, round(spent() - item.stash[BEGUN], 3)))
    return report


class Costs:
    """Gathers what the workers report."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found = dict(report.user_properties).get(NAME)
        if report.when == "teardown" and isinstance(found, float):
            self.seconds[report.nodeid] = found

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        ordered = sorted(self.seconds.items(), key=lambda pair: -pair[1])
        terminalreporter.section(f"{sum(self.seconds.values()):.0f} processor seconds in {len(ordered)} tests")
        for test, seconds in ordered[: config.getoption("cpu_top")]:
            terminalreporter.write_line(f"{seconds:8.2f} {test}")
        file: Path | None = config.getoption("cpu_json")
        if file:
            file.write_text(json.dumps(dict(ordered), indent=0))


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Costs(), "costs of tests")
