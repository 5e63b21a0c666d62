"""Notes what the tests of each component came to: `-p ft_platform_tests.components.plugin`."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from ft_platform_tests.components import COMPONENTS
from ft_platform_tests.components.results import note

PROPERTY = "component"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    for mark in item.iter_markers("components"):
        report.user_properties.append((PROPERTY, mark.kwargs["name"]))
    return report


class Outcomes:
    """Gathers what the workers report."""

    def __init__(self) -> None:
        self.by_component: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for key, component in report.user_properties:
            if key == PROPERTY and (report.when == "call" or report.outcome != "passed"):
                self.by_component[str(component)].setdefault(report.nodeid, report.outcome)
                if report.outcome == "failed":
                    self.by_component[str(component)][report.nodeid] = "failed"

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        terminalreporter.section("components")
        for name in sorted(COMPONENTS):
            outcomes = self.by_component.get(name, {})
            if set(outcomes.values()) <= {"skipped"}:
                terminalreporter.write_line(f"{name}: not run; its earlier result stays")
                continue
            one = note(config.rootpath, name, [(test.split("::")[0], how) for test, how in outcomes.items()])
            terminalreporter.write_line(f"{name}: {one.passed} passed, {one.failed} failed, {one.skipped} skipped")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes(), "outcomes of components")
