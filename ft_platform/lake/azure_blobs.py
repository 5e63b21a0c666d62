"""Azure Blob Storage, asked again as patiently as the other stores."""

import random
from typing import Any

import fsspec
from adlfs import AzureBlobFileSystem  # pyright: ignore[reportMissingImports]
from azure.storage.blob.aio import BlobServiceClient, ExponentialRetry  # pyright: ignore[reportMissingImports]

RETRIES, FIRST_SECONDS, MOST_SECONDS = 10, 0.1, 15
"""As Delta's library waits below its tables, a minute in all. By itself Azure's client waits 18, 24 and 42 seconds and
gives up. Its waits are a sum of the first one and a power, so they began with three seconds when the first was one:
writers that ask a store a hundred times and more, which refuses a third, took minutes."""


class Patience(ExponentialRetry):
    """Waits that begin with a tenth of a second and double."""

    def __init__(self) -> None:
        # Each kind of failure has a limit of its own, of three tries.
        kinds = dict.fromkeys(("retry_connect", "retry_read", "retry_status"), RETRIES)
        super().__init__(retry_total=RETRIES, **kinds)

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        """Seconds before try number `count`, which begins with 1. Of many that were refused at once not all come back
        at once."""
        wait = FIRST_SECONDS * 2.0 ** (settings["count"] - 1)
        return min(wait * random.uniform(0.5, 1.5), MOST_SECONDS)


class PatientBlobs(AzureBlobFileSystem):
    """What adlfs does, with its client's waits replaced, for which it has no option."""

    service_client: BlobServiceClient

    def do_connect(self) -> None:
        super().do_connect()
        client = self.service_client
        self.service_client = BlobServiceClient(client.url, credential=client.credential, retry_policy=Patience())


def opened(uri: str, options: dict[str, Any]) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a URI (`abfss://container@account.dfs.core.windows.net/path`, `az://container/path`) and the
    path in it. Its protocols are its own: fsspec's table stays as it is."""
    fs = PatientBlobs(**{**PatientBlobs._get_kwargs_from_urls(uri), **options})
    return fs, str(PatientBlobs._strip_protocol(uri))
