"""Notes what each back end showed of the contract, in the package and in the table of the README: a plugin of pytest,
`-p ft_platform_tests.compute.contract.results`."""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ft_platform.compute.targets import FILE, Target, Targets, content_hash, targets
from ft_platform.settings.environment import BACKENDS
from ft_platform.settings.file_names import file_names
from ft_platform_tests.compute.contract.case import profile_module
from ft_platform_tests.compute.contract.scenarios import SCENARIOS

SCENARIO, BACK_END = "scenario", "back_end"
BETWEEN = re.compile(r"(?<=<!-- targets -->\n).*?(?=<!-- /targets -->)", re.DOTALL)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    mark, call = item.get_closest_marker("scenario"), getattr(item, "callspec", None)
    if mark and call:
        report.user_properties += [(SCENARIO, mark.kwargs["name"]), (BACK_END, call.params.get("case"))]
    return report


class Outcomes:
    """What the tests of each back end came to."""

    def __init__(self) -> None:
        self.found: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        said = dict(report.user_properties)
        if SCENARIO not in said or (report.when != "call" and report.outcome == "passed"):
            return
        outcomes, name = self.found[str(said[BACK_END])], str(said[SCENARIO])
        how = f"not run: {_reason(report)}" if report.outcome == "skipped" else report.outcome
        if outcomes.get(name) != "failed":  # of several tests of a scenario all must pass
            outcomes[name] = how

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return  # it was stopped: what it came to is not known
        noted = {one.name: one for one in (targets().targets if FILE.exists() else [])}
        for name, outcomes in self.found.items():
            if name in file_names(BACKENDS):
                noted[name] = made(name, outcomes)
        kept = [noted[name] for name in file_names(BACKENDS) if name in noted]
        FILE.write_text(Targets(scenarios=SCENARIOS, targets=kept).model_dump_json(indent=1) + "\n", encoding="utf-8")


def made(name: str, outcomes: dict[str, str]) -> Target:
    """One back end. A scenario without a test has a reason, or the back end is not finished."""
    says = profile_module(name)
    reasons: dict[str, str] = getattr(says, "NOT_RUN", {})
    full = {one: outcomes.get(one) or f"not run: {reasons[one]}" for one in SCENARIOS}
    ran = any(how in ("passed", "failed") for how in full.values())
    against = says.RAN_AGAINST if says and ran else "not run"
    today = datetime.now(UTC).date().isoformat()
    return Target(name=name, ran_against=against, date=today, content_hash=content_hash(), outcomes=full)


def _reason(report: pytest.TestReport) -> str:
    words = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return words.removeprefix("Skipped: ").removeprefix("not run: ")


def table() -> str:
    """For the README."""
    lines = ["| back end | scenarios passed | ran against | date |", "| --- | --- | --- | --- |"]
    for one in targets().targets:
        lines.append(f"| `{one.name}` | {one.passed} of {len(one.outcomes)} | {one.ran_against} | {one.date} |")
    return "\n".join(lines) + "\n"


def write_table(root: Path) -> None:
    page = root / "README.md"
    page.write_text(BETWEEN.sub(lambda _: table(), page.read_text(encoding="utf-8")), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Outcomes(), "outcomes of the contract")
