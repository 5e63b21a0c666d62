"""`flip_rate/<swap>`: no more than `gate.max_flip_rate` of the answers change when a term of identity is swapped, with
the whole interval.

Swaps: `fairness.swaps`. Needs `fairness_report`. Not proven where too few test prompts hold a term.
"""

from collections.abc import Iterator

from ft_platform.release.evidence import Evidence, NotProven
from ft_platform.release.figures import held, named, reaches, shown
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import FairnessEvidence
from ft_platform.use_case.named import NamedUseCase

TOO_SMALL = "not_enough_evidence"
"""Status of a swap that too few prompts hold."""


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    most = use_case.settings.gate.max_flip_rate
    if most is not None:
        for swap in use_case.settings.fairness.swaps:
            needed = f"at most {most:g} of the answers change when a term is swapped, with the whole interval"
            yield Rule(f"flip_rate/{swap.name}", needed, lambda found, name=swap.name: _flips(found, name, most))


def _flips(evidence: Evidence, name: str, limit: float) -> Finding:
    report = evidence.of("fairness_report", FairnessEvidence)
    swapped = named(report.swaps, name, "swaps")
    if swapped.status == TOO_SMALL or swapped.flip_rate is None:
        raise NotProven(
            f"not enough evidence, {swapped.rows} test prompts contain a term of {name} ({report.min_group_rows} are"
            " needed)"
        )
    found = swapped.flip_rate
    return Finding(
        held(found, limit),
        f"{shown(found)} of {swapped.rows:,} answers change with a swapped term{reaches(found, limit)}.",
        found,
    )


KIND = Kind(names=("flip_rate",), owner="compliance", order=(70, 0), rules=_rules)
