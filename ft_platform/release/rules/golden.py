"""`golden/<name>`: the answer to a golden prompt says what experts ask for, and nothing that they forbid.

Prompts: `evaluation.golden`, and those that experts wrote (`ft golden`). Needs `evaluation_report`. Not proven where
the model was not asked the prompt.
"""

from collections.abc import Iterator

from ft_platform.release.evidence import Evidence
from ft_platform.release.figures import named
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import EvaluationEvidence
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.golden import GoldenPrompt


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    for one in use_case.settings.evaluation.golden:
        yield Rule(f"golden/{one.name}", _needed(one), lambda found, name=one.name: _golden(found, name))


def _needed(one: GoldenPrompt) -> str:
    must = f"says {' and '.join(_one_of(any_of) for any_of in one.wanted)}" if one.wanted else ""
    never = f"never says {_one_of(one.must_never_say)}" if one.must_never_say else ""
    return f"the answer {' and '.join(filter(None, [must, never]))}"


def _golden(evidence: Evidence, name: str) -> Finding:
    found = named(evidence.of("evaluation_report", EvaluationEvidence).golden, name, "golden")
    faults = [f"does not say {_one_of(any_of)}" for any_of in found.unsaid]
    faults += [f"says {_one_of([phrase])}" for phrase in found.said]
    if not faults and not found.kept:
        faults = ["is empty"]
    if faults:
        return Finding(False, f"The answer {' and '.join(faults)}.")
    return Finding(True, "The answer says what it must and nothing that it must not.")


def _one_of(phrases: list[str]) -> str:
    return " or ".join(f'"{phrase}"' for phrase in phrases)


KIND = Kind(names=("golden",), owner="domain_expert", order=(53, 0), rules=_rules)
