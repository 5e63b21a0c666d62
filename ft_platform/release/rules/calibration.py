"""`calibration`: the upper end of the expected calibration error is at most `gate.max_calibration_error`.

Needs `evaluation_report`. Not proven where the calibration of the fine-tuned model was not measured.
"""

from collections.abc import Iterator

from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.release.evidence import Evidence
from ft_platform.release.figures import held, named, reaches, shown
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import EvaluationEvidence
from ft_platform.use_case.named import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    largest = use_case.settings.gate.max_calibration_error
    if largest is not None:
        yield Rule(
            "calibration", f"expected calibration error at most {largest:g}", lambda found: _calibration(found, largest)
        )


def _calibration(evidence: Evidence, limit: float) -> Finding:
    found = named(evidence.of("evaluation_report", EvaluationEvidence).calibration, FINE_TUNED, "calibration").ece
    return Finding(
        held(found, limit), f"The expected calibration error is {shown(found)}{reaches(found, limit)}.", found
    )


KIND = Kind(names=("calibration",), owner="accountable", order=(60, 0), rules=_rules)
