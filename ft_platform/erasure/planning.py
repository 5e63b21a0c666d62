"""The plan of an erasure that was not asked for yet."""

from collections.abc import Collection

from ft_platform.erasure.plan import Plan, identified, plan_of
from ft_platform.erasure.plan_beside import beside, files_beside
from ft_platform.erasure.requests import PSEUDONYM
from ft_platform.lake.store import Lake
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def named_in(text: str) -> list[str]:
    """Ids or texts, one a line."""
    return sorted({line.strip() for line in text.splitlines()} - {""})


def planned(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    ids: Collection[str],
    texts: Collection[str],
    *,
    only_lake: bool = False,
) -> Plan:
    """What an erasure would touch.

    Args:
        ids: as the source writes them, or pseudonyms.
        only_lake: not what lies beside it, for which every byte of Dagster's and MLflow's stores is read.

    Raises:
        FtError: the restricted zone may not be read.
        TransientError: a database server does not answer.
    """
    pseudonyms = {one for one in ids if PSEUDONYM.fullmatch(one)}
    found = identified(lake, environment, use_case.name, set(ids) - pseudonyms, pseudonyms)
    plan = plan_of(lake, use_case, found, texts)
    if not only_lake:
        plan.beside = beside(lake, environment, plan, found, texts)
        plan.files = files_beside(environment, lake, found, texts)
    return plan
