"""What a run, a command and a schedule do to have `traffic_records` and `labelled_traffic` as of now."""

from datetime import UTC, datetime

from ft_platform.lake.keys.key_ring import key_handle, pseudonym_key_place, read_key_ring, require_known_key
from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic.records import MadeOfTraffic, make_traffic_records
from ft_platform.monitoring.traffic.shipping import forget_withdrawn, ship, spool_path, tidy
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def remake(lake: Lake, environment: Environment, use_case: NamedUseCase) -> MadeOfTraffic:
    """Ships what waits, deletes what is too old or of persons who withdrew their consent, and makes both tables anew
    with the pseudonyms of the training data.

    Raises:
        FtError: as the stages.
    """
    spool = spool_path(environment)
    ship(lake, spool)
    tidy(lake, use_case.name, use_case.settings.monitoring)
    forget_withdrawn(lake, spool, use_case)
    place = pseudonym_key_place(environment)
    ring = read_key_ring(place)
    if latest := lake.latest(use_case.name, "anonymized_records"):
        require_known_key(ring, use_case.name, lake.manifest(latest).info)
    keys = key_handle(ring, place, use_case.name, use_case.settings.privacy.key_version)
    return make_traffic_records(lake, use_case, keys, datetime.now(UTC).date())
