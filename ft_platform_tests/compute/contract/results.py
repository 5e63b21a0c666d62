"""Notes what each back end and each store showed of its contract, in the package and in the table of the README: a
plugin of pytest, `-p ft_platform_tests.compute.contract.results`."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ft_platform.compute.targets import FILES, Kind, Target, Targets, content_hash, hash_of_tests, targets
from ft_platform.use_case.settings.compute_profile import BACKENDS
from ft_platform.use_case.settings.file_names import file_names
from ft_platform_tests.compute.contract.case import profile_module
from ft_platform_tests.compute.contract.scenarios import SCENARIOS, STORE_SCENARIOS
from ft_platform_tests.lake.object_store.stores import STORES

SCENARIO, BACK_END = "scenario", "back_end"
NAMED: Mapping[Kind, tuple[Callable[[], list[str]], dict[str, str]]] = {
    "compute": (lambda: file_names(BACKENDS), SCENARIOS),
    "store": (lambda: list(STORES), STORE_SCENARIOS),
}
"""Kind -> names and scenarios."""
BETWEEN = re.compile(r"(?<=<!-- targets -->\n).*?(?=<!-- /targets -->)", re.DOTALL)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    mark, call = item.get_closest_marker("scenario"), getattr(item, "callspec", None)
    if mark and call:
        of = call.params.get("case") or call.params.get("kept")
        report.user_properties += [(SCENARIO, mark.kwargs["name"]), (BACK_END, of)]
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
        for kind, (names, scenarios) in NAMED.items():
            noted = {one.name: one for one in (targets(kind).targets if FILES[kind].exists() else [])}
            for name in set(names()) & set(self.found):
                same = name in noted and not noted[name].is_stale
                # Scenarios that did not run this time stay as they were noted of the same code and tests.
                noted[name] = made(name, {**(noted[name].outcomes if same else {}), **self.found[name]}, kind)
            kept = [noted[name] for name in names() if name in noted]
            text = Targets(scenarios=scenarios, targets=kept).model_dump_json(indent=1, exclude_defaults=True)
            FILES[kind].write_text(text + "\n", encoding="utf-8")


def made(name: str, outcomes: dict[str, str], kind: Kind = "compute") -> Target:
    """One of them. A scenario without a test has a reason, or the back end is not finished."""
    says: Any = profile_module(name) if kind == "compute" else STORES[name]
    reasons: dict[str, str] = getattr(says, "NOT_RUN", {})
    full = {one: outcomes.get(one) or f"not run: {reasons[one]}" for one in NAMED[kind][1]}
    ran = any(how in ("passed", "failed") for how in full.values())
    return Target(
        name=name,
        kind=kind,
        ran_against=says.RAN_AGAINST if says and ran else "not run",
        server=getattr(says, "server", "") if ran else "",
        date=datetime.now(UTC).date().isoformat(),
        content_hash=content_hash(kind),
        tests_hash=hash_of_tests(kind),
        outcomes=full,
    )


def _reason(report: pytest.TestReport) -> str:
    words = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return words.removeprefix("Skipped: ").removeprefix("not run: ")


def table() -> str:
    """For the README."""
    lines = ["| back end, store | scenarios passed | ran against | date |", "| --- | --- | --- | --- |"]
    for one in [*targets("compute").targets, *targets("store").targets]:
        name = f"`{one.name}`" if one.kind == "compute" else f"lake on `{one.name}`"
        against = f"{one.ran_against}: {one.server}" if one.server else one.ran_against
        lines.append(f"| {name} | {one.passed} of {len(one.outcomes)} | {against} | {one.date} |")
    return "\n".join(lines) + "\n"


def write_table(root: Path) -> None:
    page = root / "README.md"
    page.write_text(BETWEEN.sub(lambda _: table(), page.read_text(encoding="utf-8")), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Outcomes(), "outcomes of the contract")
