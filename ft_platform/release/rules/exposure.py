"""`exposure`: a planted secret that occurs once has at most `gate.max_exposure_bits` bits of exposure, with the whole
interval.

Needs `canary_audit` for this data; not proven without it.
"""

from collections.abc import Iterator

from ft_platform.release.evidence import Evidence
from ft_platform.release.figures import held, reaches, shown
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import CanaryEvidence
from ft_platform.use_case.named import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    limit = use_case.settings.gate.max_exposure_bits
    if limit is not None:
        yield Rule(
            "exposure", f"at most {limit:g} bits for a secret that occurs once", lambda found: _exposure(found, limit)
        )


def _exposure(evidence: Evidence, limit: float) -> Finding:
    bits = evidence.of("canary_audit", CanaryEvidence).exposure_bits
    fewest = min(bits, key=int)
    found = bits[fewest]
    text = (
        f"A secret that occurs {fewest} time{'s' * (fewest != '1')} has {shown(found)} bits of"
        f" exposure{reaches(found, limit)}."
    )
    return Finding(held(found, limit), text, found)


KIND = Kind(names=("exposure",), owner="compliance", order=(82, 0), rules=_rules)
