"""The lake of an installation."""

from ft_platform.lake.seals import SealFolder
from ft_platform.lake.signing.opening import signing_keys_of
from ft_platform.lake.store import Lake
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.settings.environment import Environment


def open_lake(environment: Environment | None = None) -> Lake:
    """The lake, with the keys that sign and verify what lies there.

    Args:
        environment: default the one of this process.
    """
    environment = environment or load_environment()
    return Lake(
        environment.lake_uri,
        environment.storage_options(),
        SealFolder(signing_keys_of(environment), environment.seals_path),
    )
