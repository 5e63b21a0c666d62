"""`test_records`: the evaluation rests on enough test records, and nobody picked them.

Needs `evaluation_report` and the policy, whose number no file of a use case lowers. All records of the test split that
have an answer are evaluated, up to ten times that number; few may be left out because they cannot be asked. Nobody can
waive it: the policy is the installation's.
"""

import math
from collections.abc import Iterator

from ft_platform.lake.versions import TableVersion
from ft_platform.release.evidence import Evidence
from ft_platform.release.figures import exact
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import EvaluationEvidence
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.splits import Splits

ALL_UP_TO = 10
"""Of a larger split a part is enough, chosen by a hash of the ids: so many times the policy's number."""
MOST_UNASKED = 0.05
"""Share of records that may be left out because they cannot be asked (too long, no question): who raises it chooses the
test."""

MOST_TEST = 0.5
"""`splits.test_fraction` is below this."""


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    least = use_case.policy.test_records
    needed = (
        f"at least {least:,} test records are evaluated, and all of the split up to {ALL_UP_TO * least:,}"
        f" (policy {use_case.policy.title})"
    )
    yield Rule("test_records", needed, lambda found: _enough(found, least, use_case.settings.splits))


def _enough(evidence: Evidence, least: int, splits: Splits) -> Finding:
    report = evidence.of("evaluation_report", EvaluationEvidence)
    rows, answered = report.test_rows, report.with_answer
    not_sampled = report.left_out.get("not_sampled", 0)
    unasked = answered - rows - not_sampled
    why = []
    if rows < least:
        why.append(f"{least - rows:,} more are needed{_how(evidence, least, rows, splits)}")
    if not_sampled and rows < ALL_UP_TO * least:
        why.append(f"{not_sampled:,} were not sampled: leave out evaluation.max_test_rows, or raise it")
    if unasked > MOST_UNASKED * answered:
        why.append(f"{unasked:,} could not be asked, more than {MOST_UNASKED:.0%}")
    text = f"{rows:,} of {answered:,} test records were evaluated"
    return Finding(not why, f"{text}: {'; '.join(why)}." if why else f"{text}.", exact(float(rows)))


def _how(evidence: Evidence, least: int, rows: int, splits: Splits) -> str:
    """How there would be enough test records: by dividing those that there are differently, or by more of them."""
    table = evidence.data.get("splits")
    records = table.rows if isinstance(table, TableVersion) else 0
    if records <= rows:
        return ""
    more = f"collect about {math.ceil(least * records / rows) - records:,} more records of any kind"
    share = math.ceil(100 * least / records + 1) / 100
    if splits.strategy == "given" or splits.test_rows is not None or share >= MOST_TEST:
        return f": {more}"
    return f": set splits.test_fraction to {share:g}, or {more}"


KIND = Kind(names=("test_records",), owner=None, order=(49, 0), rules=_rules)
