"""What is missing of the verdicts of a version."""

from ft_platform.lake.manifests import Manifests
from ft_platform.lake.versions import Version
from ft_platform.stages import STAGES, check_settings_hash
from ft_platform.use_case.named import NamedUseCase


def missing_verdicts(lake: Manifests, use_case: NamedUseCase, version: Version) -> list[str]:
    """Checks that a version has not passed on this content with these settings, in words."""
    verdicts = lake.verdicts(version)
    problems = []
    for check in STAGES[version.name].checks:
        verdict = verdicts.get(check)
        if verdict is None:
            problems.append(f"{version.id} has no verdict of check {check}")
        elif verdict.content_hash != version.content_hash:
            problems.append(f"check {check} of {version.id} was made on different content")
        elif verdict.settings_hash != check_settings_hash(use_case, version.name, check):
            problems.append(f"check {check} of {version.id} is stale: its settings changed")
        elif not verdict.passed:
            problems.append(f"check {check} of {version.id} failed")
    return problems
