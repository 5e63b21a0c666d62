"""`data/<check>/<table>`: every check of the tables behind the checkpoint passed: residual personal data, k-anonymity,
leakage and so on.

Needs the verdict on each table's content. Not proven where no version of the table stands behind the checkpoint, or the
check was not made. Nobody can waive it: without it, it is unknown whether the records may be used.
"""

from collections.abc import Iterator

from ft_platform.release.evidence import Evidence, NotProven
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase

CHECK_NEEDS = {
    "is_k_anonymous": (
        "k-anonymity is measured and holds, there are no columns to measure it on, or the file says why it is not"
    ),
    "recall_above_floor": "nothing shows that it is lower",
}
"""What a check of tables needs where `passed` would say too much."""


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    for stage in STAGES.values():
        if stage.kind in ("table", "quarantine"):
            for check in stage.checks:
                needed = CHECK_NEEDS.get(check, "passed")
                yield Rule(
                    f"data/{check}/{stage.name}",
                    needed,
                    lambda found, stage=stage.name, check=check: _checked(found, stage, check),
                )


def _checked(evidence: Evidence, stage: str, check: str) -> Finding:
    if stage not in evidence.data:
        raise NotProven(f"no version of {stage} is behind the checkpoint")
    verdict = evidence.verdicts[stage].get(check)
    if verdict is None:
        raise NotProven(f"check {check} of {evidence.data[stage].id} was not run")
    found = (
        f": {verdict.numbers['says']}"
        if "says" in verdict.numbers
        else f" {'passed' if verdict.passed else 'failed'} it."
    )
    return Finding(verdict.passed, f"{evidence.data[stage].id}{found}")


KIND = Kind(names=("data",), owner=None, order=(20, 0), rules=_rules)
