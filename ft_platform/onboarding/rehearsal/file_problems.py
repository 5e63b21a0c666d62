"""What is wrong with use-case files: what keeps them from loading, and what would only stop a run later."""

from pathlib import Path

from ft_platform.cleaning.validation.expectation_problems import expectation_problems_in
from ft_platform.errors import ConfigError
from ft_platform.privacy.reasons import missing_reasons
from ft_platform.release.policy import undercuts
from ft_platform.use_case.file import Reading, find_use_cases, load_use_case, same_name, shown
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.policy import Policy


def look_closer(reading: Reading, settings: UseCase | None, policy: Policy) -> None:
    """Notes expectations that Great Expectations does not know (it takes seconds to import), settings that undercut the
    policy of the installation, with which nothing is released, and reasons about personal data that the file does not
    give.

    Args:
        settings: None where the schema refuses the file.
    """
    for place, text in expectation_problems_in(reading.name, reading.attributes, reading.from_environment):
        reading.add_attribute(place, text)
    if settings is None:
        return
    for one in undercuts(settings, policy):
        reading.add_attribute(one.place, one.text)
    if not reading.problems:
        for place, text in missing_reasons(settings):
            reading.add_attribute(place, text)


def validate_all(defs: Path, environment: Environment | None = None, only: str | None = None) -> list[str]:
    """Every problem of every use case in `defs`. Empty: all of them load, and nothing is known that would stop a run.

    Args:
        only: name of the one use case to look at.
    """
    folders = [folder for folder in find_use_cases(defs) if only in (None, folder.name)]
    if not folders:
        return [f"there is no use case in {shown(defs)}"]
    problems = [
        problem for name in dict.fromkeys(folder.name for folder in folders) if (problem := same_name(name, folders))
    ]
    for folder in folders:
        try:
            load_use_case(folder, environment=environment, closer=look_closer)
        except ConfigError as error:
            problems += error.problems
    return problems
