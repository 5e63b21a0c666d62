"""The facts about a small lake, and changes to them."""

import dataclasses
import functools
from typing import Any

from ft_platform.reporting.documents.facts import Facts
from ft_platform.reporting.evidence.gather import gather
from ft_platform.reporting.evidence.pack import facts_of
from ft_platform_tests.evidence.case import small_case


@functools.cache
def facts() -> Facts:
    case = small_case()
    return facts_of(case.lake, case.use_case, gather(case.lake, case.checkpoint))


def without(*stages: str) -> Facts:
    """The same facts where there is no version of these stages."""
    full = facts()
    manifests = {name: manifest for name, manifest in full.manifests.items() if name not in stages}
    verdicts = {name: found for name, found in full.verdicts.items() if name not in stages}
    return dataclasses.replace(
        full,
        manifests=manifests,
        verdicts=verdicts,
        read=lambda stage, file: None if stage in stages else full.read(stage, file),
    )


def with_use_case(**settings: Any) -> Facts:
    """The same facts with a use case's file that says something else now: `release={"intended_use": ...}`."""
    full = facts()
    assert full.use_case
    sections = {name: full.use_case.section(name).model_copy(update=values) for name, values in settings.items()}
    update = {"settings": full.use_case.settings.model_copy(update=sections)}
    return dataclasses.replace(full, use_case=full.use_case.model_copy(update=update))


def with_counts(stage: str, **counts: Any) -> Facts:
    """The same facts with other counts of one stage."""
    full = facts()
    manifest = full.manifests[stage]
    update = {"counts": {**manifest.counts, **counts}}
    return dataclasses.replace(full, manifests={**full.manifests, stage: manifest.model_copy(update=update)})
